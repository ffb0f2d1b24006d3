"""A program that runs beside the broker under test: started, killed, started again; what it says goes to a file."""

import signal
import subprocess

from . import jvm, places
from .outcome import check
from .waiting import wait_until


def java(class_path, *arguments, megabytes=256, level="warn"):
    """The command of a small JVM, which logs to standard error."""
    return [places.command("java"), f"-Xmx{megabytes}m", *jvm.options_for(class_path), jvm.log4j("program_log4j2.properties"),
            f"-Dlog.level={level}", "-cp", class_path, *map(str, arguments)]


class Program:
    """One process at a time. Not thread-safe. Made by case.program(), which ends it after the test."""

    def __init__(self, name, directory, command, input_pipe=False):
        self.kind, self.directory, self.command = name, directory, [str(word) for word in command]
        self.input_pipe = input_pipe  # Whether it is given a standard input, self.process.stdin.
        self.log_file = directory / f"{name}.txt"
        self.log_start, self.process = 0, None

    def start(self):
        check(self.process is None, f"{self.kind} is already running")
        self.log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=subprocess.STDOUT, cwd=self.directory,
                                            stdin=subprocess.PIPE if self.input_pipe else subprocess.DEVNULL)
        return self

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self, seconds=60):
        """SIGTERM; a JVM must end well in that time."""
        self.check_alive()
        self.process.send_signal(signal.SIGTERM)
        self.wait(seconds, (0, 143))

    def wait(self, seconds=60, codes=(0,)):
        """Waits for its end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.kind}: no end in {seconds} s") from None
        self.process = None
        check(code in codes, f"{self.kind}: exit code {code}\n{self.output_tail()}")

    def check_alive(self):
        check(self.process is not None and self.process.poll() is None,
              f"{self.kind} is no longer running:\n{self.output_tail()}")

    def wait_for(self, text, seconds=60):
        """Waits until it has said something since its last start."""
        def said():
            if text in self.output():
                return True
            self.check_alive()
            return False
        wait_until(said, f"{self.kind} says {text!r}", seconds)

    def output(self):
        """What it has said since its last start."""
        with open(self.log_file, "rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")

    def output_tail(self, lines=30):
        return "\n".join(self.output().splitlines()[-lines:])
