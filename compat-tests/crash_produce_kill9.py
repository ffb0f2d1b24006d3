#!/usr/bin/env python3
"""kill -9 during a produce load, 20 times: every acknowledged record is there, in order, once.

One idempotent librdkafka producer (acks=all, small batches, several partitions) sends all the time; the broker is
killed at random moments and started again on its data. At the end every partition is read from its start and compared
with what was acknowledged (harness/acknowledged.py, which has its own test).
Against Apache Kafka, whose start takes seconds, the quick tier kills five times.
"""

import random
import subprocess
import time

from harness import acknowledged, case, places
from harness.outcome import check, step

PARTITIONS = 4


def start_load(case, broker, topic, path, partitions=PARTITIONS, rate=20_000):
    """`rate` is the most records a second. What it says of its troubles goes to a file: a pipe that nobody reads would be
    full some day, and the load stand still."""
    command = [places.built_program("librdkafka_program"), "load", broker.bootstrap, topic, partitions, path, rate]
    troubles = path.with_name(path.name + "-troubles.txt")
    with open(troubles, "w") as file:
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
                                   text=True)
    process.troubles = troubles
    first = process.stdout.readline()
    check(first == "started\n", f"the load did not start: {first}{troubles_of(process)}")
    return process


def troubles_of(process):
    return process.troubles.read_text(errors="replace")[-3000:]


def finish_load(process):
    """Everything that it has sent must be acknowledged."""
    out, _ = process.communicate("stop\n", timeout=150)
    check(process.returncode == 0, f"the load failed: exit code {process.returncode}\n{out}{troubles_of(process)}")


def count_lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for_acknowledgements(process, path, at_least):
    deadline = time.monotonic() + 60
    while count_lines(path) < at_least:
        check(process.poll() is None, f"the load ended by itself:\n{troubles_of(process)}")
        check(time.monotonic() < deadline, "no record was acknowledged for 60 s")
        time.sleep(0.01)


def read_all(broker, topic):
    """[(partition, offset, value)], each partition in the order kcat read it."""
    rows = []
    for partition in range(PARTITIONS):
        done = subprocess.run([places.command("kcat"), "-C", "-b", broker.bootstrap, "-t", topic, "-p", str(partition),
                               "-o", "beginning", "-e", "-q", "-f", "%p %o %s\n", "-X", "check.crcs=true"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        check(done.returncode == 0, f"reading partition {partition}: {done.stderr}")
        rows += acknowledged.read_acknowledged(done.stdout.splitlines(keepends=True))
    return rows


def run(case):
    places.command("kcat")
    places.built_program("librdkafka_program")
    kills = 20 if case.is_barnabas or case.full else 5
    seed = time.time_ns() % 1_000_000
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    path, topic = case.scratch / "acknowledged", "load"
    # Segments small enough to roll during the load; all of it flushed only by the system, as Kafka does.
    broker = case.broker({"log.segment.bytes": "1048576"}).start()
    process = start_load(case, broker, topic, path)
    try:
        for kill in range(kills):
            wait_for_acknowledgements(process, path, count_lines(path) + 200)
            time.sleep(chance.uniform(0, 0.3))
            broker.kill()
            broker.start()
        wait_for_acknowledgements(process, path, count_lines(path) + 200)
        finish_load(process)
    finally:
        process.kill()
    rows = acknowledged.read_acknowledged(open(path))
    step(f"{kills} times kill -9; {len(rows)} records acknowledged")

    check(len(rows) > kills * 200, "the load was too small to say anything")
    read = read_all(broker, topic)
    found = acknowledged.problems(rows, read)
    check(not found, "\n".join(found))
    step(f"all of them are there, in order, once ({len(read)} read)")
    broker.stop()
    broker.start()
    check(read_all(broker, topic) == read, "after a clean stop other records were read")
    step("and the same after a clean stop")


if __name__ == "__main__":
    case.main(run)
