"""A tool of Apache Kafka and ours of the same name, given the same command line."""

import subprocess

from . import places
from .tool_runner import ToolRunner

STACK_TRACE = ("\tat ", "java.", "joptsimple.", "Caused by", "\t...", "com.fasterxml.", "org.apache.kafka.tools.")


class NativeTools:
    """Runs command lines with both. Use it in a `with`. `directory` is where both work."""

    def __init__(self, directory, bootstrap):
        self.directory, self.bootstrap = directory, bootstrap
        self.program = places.built_program("barnabas-tools")
        self.runner = ToolRunner(directory)

    def theirs(self, tool, arguments, limit_seconds=90):
        """(exit code, standard output, standard error)"""
        done = self.runner.call(tool, arguments, limit_seconds=limit_seconds)
        return done.code, done.out, done.err

    def ours(self, tool, arguments, limit_seconds=90):
        done = subprocess.run([self.program, tool, *arguments], cwd=self.directory, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=limit_seconds)
        return done.returncode, done.stdout, done.stderr

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.runner.process.kill()
        self.runner.process.wait()


def lines_of(text):
    """Without stack traces and empty lines."""
    lines = [line.rstrip() for line in text.splitlines() if not line.startswith(STACK_TRACE)]
    return [line for line in lines if line]
