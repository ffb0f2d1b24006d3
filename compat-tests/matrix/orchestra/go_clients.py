"""The Go clients of the matrix: one module, a program a client."""

import subprocess

from harness import places
from harness.outcome import NotRun, check

from .client import Client
from .program import Program

FOLDER = places.COMPAT_TESTS / "matrix" / "go"


def go_program(name):
    """Prepares the program of a folder; Go fetches its modules and keeps what is compiled, so it is quick from then."""
    def build():
        go, program = places.command("go"), places.CACHE / "matrix" / "go" / name
        with places.alone(f"matrix/go/{name}"):  # A program that is up to date is left as it is.
            done = subprocess.run([go, "build", "-o", program, f"./{name}"], cwd=FOLDER, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True)
        if done.returncode != 0 and "requires go >=" in done.stderr:
            raise NotRun(done.stderr.strip().splitlines()[-1])
        check(done.returncode == 0, f"go build: {done.stderr[-2000:]}")
        return Program([program])
    return build


CLIENTS = [
    Client("franz-go", "Go", go_program("franz")),
    Client("sarama", "Go", go_program("sarama"), quick=False),
    Client("kafka-go", "Go", go_program("segmentio"), quick=False),
    Client("confluent-kafka-go", "Go", go_program("confluent"), quick=False),
]
