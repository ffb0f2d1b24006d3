"""The Rust clients of the matrix: one workspace, built by cargo from its Cargo.lock."""

import re
import subprocess

from harness import places
from harness.outcome import NotRun, check

from .client import Client
from .program import Program

WORKSPACE = places.COMPAT_TESTS / "matrix" / "rust"


def rust_program(package):
    return lambda: Program([built(package)])


def built(package):
    """The program of a member of the workspace, which is built as a whole: what its members share is compiled once.
    cargo builds only what has changed."""
    cargo = places.command("cargo")
    check_new_enough(cargo)
    target = places.CACHE / "rust"
    done = subprocess.run([cargo, "build", "--release", "--locked", "--quiet", "--manifest-path",
                           WORKSPACE / "Cargo.toml", "--target-dir", target],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check(done.returncode == 0, f"cargo could not build {package}:\n{done.stdout[-3000:]}")
    return target / "release" / package


def check_new_enough(cargo):
    """The libraries say which Rust they need; Debian 12 has 1.63."""
    needed = re.search(r'^rust-version = "(\d+)\.(\d+)"', (WORKSPACE / "Cargo.toml").read_text(), re.MULTILINE)
    said = subprocess.run([cargo, "--version"], capture_output=True, text=True, check=True).stdout
    has = re.match(r"cargo (\d+)\.(\d+)", said)
    if tuple(map(int, has.groups())) < tuple(map(int, needed.groups())):
        raise NotRun(f"{said.strip()} is too old: {'.'.join(needed.groups())} is needed")


CLIENTS = [
    Client("rdkafka", "Rust", rust_program("matrix-rdkafka"), quick=False),
    Client("rskafka", "Rust", rust_program("matrix-rskafka"), quick=False),
]
