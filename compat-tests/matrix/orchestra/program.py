"""A client's program: single jobs, and members of a group that live for a while.

A job that ends otherwise than with exit code 0 raises AssertionError with the end of what it said. Not thread-safe,
but for what a Member collects in the background.
"""

import dataclasses
import json
import os
import subprocess
import threading
import time

from harness.outcome import check

from . import records

JOB_SECONDS = 90


@dataclasses.dataclass
class Program:
    """How a client is called: the words of the command, to which the job is appended, and more environment."""
    command: list
    environment: dict = dataclasses.field(default_factory=dict)

    def words(self, job, bootstrap, arguments):
        return [str(word) for word in (*self.command, job, bootstrap, *arguments)]

    def call(self, job, bootstrap, *arguments, seconds=JOB_SECONDS):
        """Runs a job to its end; returns what it printed, parsed."""
        try:
            done = subprocess.run(self.words(job, bootstrap, arguments), stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=seconds, env={**os.environ, **self.environment})
        except subprocess.TimeoutExpired as late:
            said = (late.stderr or b"").decode(errors="replace")
            raise AssertionError(f"{job} had no end in {seconds} s\n{said[-2000:]}") from None
        check(done.returncode == 0, f"{job} ended with exit code {done.returncode}\n{done.stderr[-2000:]}")
        return [parsed(line, job) for line in done.stdout.splitlines()]

    def member(self, bootstrap, topic, group, log_file):
        return Member(self.words("group", bootstrap, (topic, group)), {**os.environ, **self.environment}, log_file)


def parsed(line, job):
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    check(isinstance(value, dict), f"{job} printed what is no JSON object: {line[:300]!r}")
    return value


class Member:
    """A member of a group, running. A thread of its own reads what it prints; `records` and `assigned` are replaced or
    grow there, and may be read at any time."""

    def __init__(self, words, environment, log_file):
        self.records, self.assigned, self.problem = [], [], None
        self.committed = self.left = False
        self.log_file = log_file
        with open(log_file, "w") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                            env=environment)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            try:
                self.take(parsed(line, "group"))
            except Exception as error:
                self.problem = self.problem or str(error)

    def take(self, said):
        if "assigned" in said:
            self.assigned = sorted(said["assigned"])
        elif "committed" in said:
            self.committed = True
        elif "left" in said:
            self.left = True
        else:
            self.records.append(records.from_line(said))

    def tell(self, word):
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # It has died: check_alive or leave say so, with its log.

    def check_alive(self):
        check(self.problem is None, self.problem)
        check(self.process.poll() is None or self.left,
              f"a member ended by itself, exit code {self.process.returncode}\n{self.said()}")

    def said(self):
        return self.log_file.read_text(errors="replace")[-2000:]

    def commit(self):
        self.committed = False
        self.tell("commit")
        wait_for(lambda: self.committed, "the answer to a commit", [self])

    def leave(self):
        """Tells it to go; it must say so, and end well."""
        self.tell("leave")
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"a member told to leave had no end in 60 s\n{self.said()}") from None
        self.reader.join(10)
        check(self.problem is None, self.problem)
        check(code == 0 and self.left, f"a member left with exit code {code}, saying so: {self.left}\n{self.said()}")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(5)
        self.process.stdin.close()
        self.process.stdout.close()


def wait_for(condition, what, members, seconds=60):
    """Waits until the condition holds, while all members live."""
    end = time.monotonic() + seconds
    while not condition():
        for member in members:
            member.check_alive()
        check(time.monotonic() < end, f"waited {seconds} s for {what}; held are "
              f"{[member.assigned for member in members]}, read {[len(member.records) for member in members]}\n"
              + "\n".join(member.said() for member in members))
        time.sleep(0.02)
