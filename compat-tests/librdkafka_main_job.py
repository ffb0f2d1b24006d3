#!/usr/bin/env python3
"""A C++ program on librdkafka does its main job, each record compared field by field.

librdkafka_program (compat-tests/librdkafka/) sends with an idempotent producer and acks=all in each codec and checks
every offset it is told; reads in a group of three members with members coming and going, under the eager and the
cooperative protocol, each record once; finds records by time and seeks; and goes on where a group stopped, across a
kill -9 of the broker.
"""

import subprocess

from harness import case, places
from harness.outcome import check, check_equal, step

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 6


def program(broker, job, topic, *arguments, partitions=PARTITIONS):
    command = [places.built_program("librdkafka_program"), job, broker.bootstrap, topic, partitions, *arguments]
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=180)
    check(done.returncode == 0,
          f"librdkafka_program {job} {topic} {arguments}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def run(case):
    count = 60_000 if case.full else 12_000
    broker = case.broker().start()
    for codec in CODECS:
        program(broker, "produce", f"sent-{codec}", count, codec)
    step(f"{count} records sent in each of {', '.join(CODECS)}, every offset as it must be")

    for assignor, codec in (("range", "gzip"), ("roundrobin", "snappy"), ("cooperative-sticky", "lz4")):
        program(broker, "group", f"sent-{codec}", count, f"group-{assignor}", assignor)
        step(f"a group of three with {assignor}: each record once, committed to the end")
    program(broker, "seek", "sent-zstd", count)
    step("records found by time, and seeks")

    first = program(broker, "read", "sent-none", count // 3, "goes-on").split()
    broker.kill()
    broker.start()
    second = program(broker, "read", "sent-none", count - count // 3, "goes-on").split()
    check_equal(sorted(map(int, first + second)), list(range(count)), "what one group read before and after kill -9")
    step("a group went on where it had stopped, across a kill -9")


if __name__ == "__main__":
    case.main(run)
