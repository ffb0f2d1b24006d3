#!/usr/bin/env python3
"""Measures our kafka-*.sh tools beside Apache Kafka's own, on one broker, in one run on this machine.

    bench/tools.py                     a file of 1 GB of 100-byte lines, three rounds
    bench/tools.py --quick             100 MB, one round
    bench/tools.py --broker kafka      the broker is Apache Kafka

The console producer sends the file to a topic of one partition with acks=all, the console consumer writes the topic
to a file, which must be the same; kafka-topics lists the topics. The JVM runs as Kafka's scripts run it. Prints a
table and writes it to bench/results/<date>-tools.md. The broker has core 0, the tool core 1.
"""

import argparse
import datetime
import filecmp
import os
import pathlib
import platform
import random
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from servers import CLIENT_CORE, ROOT, BenchBarnabas, BenchKafka, pinned  # noqa: E402

from harness import jvm, places  # noqa: E402  (servers.py makes it importable)
from harness.tools import CLASSES  # noqa: E402

LINE_BYTES = 100
# Of Kafka 4.3.1's kafka-run-class.sh and kafka-console-*.sh.
JVM_OPTIONS = ["-Xmx512M", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
               "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15",
               "-Djava.awt.headless=true"]
KINDS = ("kafka", "barnabas")


def arguments_of(command_line):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a file of 100 MB, one round")
    parser.add_argument("--rounds", type=int, help="medians are of so many (default 3, quick 1)")
    parser.add_argument("--broker", choices=("barnabas", "kafka"), default="barnabas")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench" / "results")
    given = parser.parse_args(command_line)
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.bytes = 100_000_000 if given.quick else 1_000_000_000
    return given


def write_lines(path, size):
    chooser = random.Random(1)
    letters = string.ascii_letters + string.digits
    block = "".join("".join(chooser.choices(letters, k=LINE_BYTES - 1)) + "\n" for _ in range(10_000)).encode()
    with open(path, "wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
    return size // len(block) * 10_000


def command_of(kind, tool, arguments):
    if kind == "barnabas":
        return pinned(CLIENT_CORE, [places.built_program("barnabas-tools"), tool, *arguments])
    return pinned(CLIENT_CORE, [places.command("java"), *JVM_OPTIONS, jvm.log4j("tools_log4j2.yaml"), "-cp",
                                f"{places.kafka_libs()}/*", CLASSES[tool], *arguments])


def timed(kind, tool, *arguments, source=None, target=None):
    """Seconds from start to end."""
    with open(source or os.devnull, "rb") as stdin, open(target or os.devnull, "wb") as stdout:
        begun = time.monotonic()
        done = subprocess.run(command_of(kind, tool, arguments), stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
        seconds = time.monotonic() - begun
    if done.returncode != 0:
        raise AssertionError(f"{kind} {tool}: exit code {done.returncode}: {done.stderr.decode()[-2000:]}")
    return seconds


def measure(broker, directory, lines, count, rounds):
    """Seconds by figure and kind, one a round. The kinds take turns, so that a slow moment hits both."""
    server = ["--bootstrap-server", broker.bootstrap]
    seconds = {(figure, kind): [] for figure in ("produce", "consume", "list") for kind in KINDS}
    for number in range(rounds):
        for kind in KINDS:
            topic, out = f"{kind}-{number}", directory / f"{kind}.out"
            seconds["produce", kind].append(timed(
                kind, "kafka-console-producer", *server, "--topic", topic, "--request-required-acks", "all",
                "--request-timeout-ms", "30000", source=lines))
            seconds["consume", kind].append(timed(
                kind, "kafka-console-consumer", *server, "--topic", topic, "--from-beginning", "--max-messages",
                str(count), target=out))
            if not filecmp.cmp(lines, out, shallow=False):
                raise AssertionError(f"{kind}: what was consumed is not what was produced")
            out.unlink()
            seconds["list", kind].append(timed(kind, "kafka-topics", *server, "--list"))
            timed("barnabas", "kafka-topics", *server, "--delete", "--topic", topic)
            print(f"round {number + 1}, {kind}: " + ", ".join(
                f"{figure} {seconds[figure, kind][-1]:.2f} s" for figure in ("produce", "consume", "list")), flush=True)
    return seconds


def rows_of(seconds, size):
    """Figure, unit, Kafka's, ours, ratio, target, reached."""
    rows = []
    for figure, name in (("produce", "console-producer, 100-byte lines, acks=all"),
                         ("consume", "console-consumer, the same topic")):
        kafka, ours = (size / 1e6 / statistics.median(seconds[figure, kind]) for kind in KINDS)
        rows.append((name, "MB/s", f"{kafka:.0f}", f"{ours:.0f}", f"{ours / kafka:.1f} x", ">= 2 x",
                     "yes" if ours >= 2 * kafka else "no"))
    kafka, ours = (statistics.median(seconds["list", kind]) * 1000 for kind in KINDS)
    rows.append(("kafka-topics --list", "ms", f"{kafka:.0f}", f"{ours:.1f}", f"{ours / kafka:.4f} x", "<= 0.02 x",
                 "yes" if ours <= 0.02 * kafka else "no"))
    return rows


def table_of(rows):
    lines = ["| figure | unit | Kafka's tool | ours | ratio | target | reached |",
             "| --- | --- | ---: | ---: | ---: | --- | --- |"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def about(arguments):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return [f"- {datetime.datetime.now():%Y-%m-%d %H:%M}, commit {commit.stdout.strip()}",
            f"- {os.cpu_count()} cores, Linux {platform.release()}; broker ({arguments.broker}) on core 0, tool on core 1",
            f"- medians of {arguments.rounds} rounds, a file of {arguments.bytes // 1_000_000} MB; load average before "
            f"the run: {load}"]


def main(command_line):
    arguments = arguments_of(command_line)
    facts = about(arguments)
    scratch = ROOT / "build" / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tools-", dir=scratch))
    broker = (BenchKafka if arguments.broker == "kafka" else BenchBarnabas)(directory / "broker")
    try:
        lines = directory / "lines"
        count = write_lines(lines, arguments.bytes)
        broker.start()
        rows = rows_of(measure(broker, directory, lines, count, arguments.rounds), lines.stat().st_size)
    finally:
        broker.kill()
        shutil.rmtree(directory, ignore_errors=True)
    page = "\n".join(["# Our tools beside Apache Kafka's", "", *facts, "", *table_of(rows), ""])
    print(page)
    arguments.results.mkdir(exist_ok=True)
    (arguments.results / f"{datetime.date.today()}-tools.md").write_text(page)


if __name__ == "__main__":
    main(sys.argv[1:])
