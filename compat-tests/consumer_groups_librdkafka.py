#!/usr/bin/env python3
"""librdkafka's consumers of the consumer protocol (KIP-848) share, leave, subscribe by a pattern and are static members.

librdkafka/consumer_protocol_job.py runs on confluent-kafka 2.16.1.
"""

import subprocess

from harness import case, places
from harness.record_batches import Record
from harness.outcome import check, check_equal, step
from harness.wire_client import WireClient

from consumer_groups_answers import described

SETTINGS = {"group.consumer.min.heartbeat.interval.ms": "300", "group.consumer.heartbeat.interval.ms": "300"}
COUNT = 1200


def write_topic(broker):
    """Numbered records, spread over six partitions."""
    with WireClient(broker.port) as client:
        client.create_topic("rd-topic", 6)
        for partition in range(6):
            client.produce("rd-topic", partition, [Record(0, number, None, str(number).encode(), []) for number in
                                                   range(partition, COUNT, 6)])


def run(case):
    python = places.python_with("confluent-kafka==2.16.1")
    broker = case.broker(SETTINGS).start()
    write_topic(broker)
    done = subprocess.run([python, places.COMPAT_TESTS / "librdkafka" / "consumer_protocol_job.py", broker.bootstrap,
                           "rd-topic", str(COUNT)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    check(done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-3000:]}")
    check_equal(done.stdout.splitlines(), ["shared", "by a pattern", "static"], "what was done")
    for group, members in (("rd-sharing", 0), ("rd-pattern", 0), ("rd-static", 1)):
        group = described(broker, group)[0]
        check_equal((group["ErrorCode"], len(group["Members"])), (0, members), f"{group['GroupId']} in the end")
    broker.stop()
    step("three members shared a topic, two left, one subscribed by a pattern, and one was static")


if __name__ == "__main__":
    case.main(run)
