#!/usr/bin/env python3
"""franz-go's consumers of the consumer protocol (KIP-848) share, leave, subscribe by a pattern and are static members.

It joins such groups when it is told to (kgo.ServerSideBalancer). matrix/go/consumer_protocol does the jobs of
librdkafka/consumer_protocol_job.py. That the groups are of the consumer protocol is seen in how they are described.
"""

import subprocess

from consumer_groups_answers import described
from consumer_groups_librdkafka import COUNT, SETTINGS, write_topic

from harness import case
from harness.outcome import check, check_equal, step
from matrix.orchestra.go_clients import go_program


def prepare(case):
    go_program("consumer_protocol")()


def run(case):
    program = go_program("consumer_protocol")()
    broker = case.broker(SETTINGS).start()
    write_topic(broker)
    done = subprocess.run([*program.command, broker.bootstrap, "rd-topic", str(COUNT)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300)
    check(done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-3000:]}")
    check_equal(done.stdout.splitlines(), ["shared", "by a pattern", "static"], "what was done")
    for group, members in (("fz-sharing", 0), ("fz-pattern", 0), ("fz-static", 1)):
        group = described(broker, group)[0]
        check_equal((group["ErrorCode"], len(group["Members"])), (0, members), f"{group['GroupId']} in the end")
        check_equal(group["AssignorName"], "uniform", f"who assigns the partitions of {group['GroupId']}")
    broker.stop()
    step("three members shared a topic, two left, one subscribed by a pattern, and one was static")


if __name__ == "__main__":
    case.main(run)
