#!/usr/bin/env python3
"""Shell lines that people have written around Apache Kafka's tools do the same with ours.

The lines of testdata/shell_lines.sh are run one by one with bash, in order: on one fresh broker with Apache Kafka's tools
on the PATH, on another of the same kind with ours, installed by `barnabas-tools install`. Standard output and exit code
of every line are equal. Rows that Apache Kafka prints in the order of a hash map are sorted, random names replaced.
In the full tier each of Kafka's tools has a JVM of its own, in the quick tier all share one (harness/tool_scripts.py).
"""

import contextlib
import os
import re
import shlex
import stat
import subprocess

from harness import case, places
from harness.outcome import check, clip, step
from harness.tool_scripts import ToolScripts
from harness.tools import CLASSES

LIMIT_SECONDS = 120
HASH_ORDERED = ("--reset-offsets", "--describe --entity-type users", "kafka-groups.sh",
                "kafka-consumer-groups.sh --bootstrap-server $BOOTSTRAP --list")


def read_lines():
    text = (places.COMPAT_TESTS / "testdata/shell_lines.sh").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def install_theirs(directory, tools):
    """Scripts of the names that a distribution has in its bin/, each of which starts a JVM."""
    directory.mkdir()
    for tool in CLASSES:
        script = directory / f"{tool}.sh"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, tools.command(tool)))} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)


def install_ours(directory):
    places.call_quietly([places.built_program("barnabas-tools"), "install", directory])


class Shell:
    """Runs lines where one kind of tools is on the PATH, against a broker of its own."""

    def __init__(self, broker, tools_directory, directory):
        self.broker, self.directory = broker, directory
        self.environment = {**os.environ, "PATH": f"{tools_directory}:{os.environ['PATH']}", "BOOTSTRAP": broker.bootstrap,
                            "CONTROLLER": f"127.0.0.1:{broker.controller_port}"}

    def run(self, line):
        done = subprocess.run(["bash", "-c", line], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT_SECONDS)
        # A console consumer without --group takes a random one, and columns are as wide as their longest name.
        out = re.sub(r" +", " ", re.sub(r"console-consumer-\d+", "<random group>", done.stdout))
        out = re.sub(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])", "<id>", out)
        out = out.replace(self.broker.bootstrap, "<broker>")
        if any(words in line for words in HASH_ORDERED):
            out = "\n".join(sorted(out.splitlines()))
        return done.returncode, out, done.stderr


def run(case):
    their_bin, our_bin, their_work, our_work = (case.scratch / name for name in (
        "their-bin", "our-bin", "their-work", "our-work"))
    for directory in (their_work, our_work):
        directory.mkdir()
    install_ours(our_bin)
    with contextlib.ExitStack() as stack:
        if case.full:
            install_theirs(their_bin, case.kafka_tools())
        else:
            stack.enter_context(ToolScripts(their_bin, their_work))
        compare(Shell(case.broker(name="theirs").start(), their_bin, their_work),
                Shell(case.broker(name="ours").start(), our_bin, our_work))


def compare(theirs, ours):
    different, lines = [], read_lines()
    check(len(lines) >= 50, f"only {len(lines)} lines were read")
    for line in lines:
        expected, got = theirs.run(line), ours.run(line)
        if got[:2] != expected[:2]:
            different.append(f"{line}\n   got      {clip(str(got), 700)}\n   expected {clip(str(expected), 700)}")
    check(not different, f"{len(different)} of {len(lines)} differ:\n" + "\n".join(different))
    step(f"{len(lines)} shell lines print and end the same")


if __name__ == "__main__":
    case.main(run)
