#!/usr/bin/env python3
"""Apache Kafka's console tools do their main job on a file of a million lines.

kafka-topics creates, lists and describes a topic; kafka-console-producer sends the file; two runs of
kafka-console-consumer in one group read it, the second going on where the first stopped, with a `kill -9` and a
restart of the broker between them; kafka-consumer-groups describes, lists, resets and deletes the group. A clean
stop and one more start follow. Every line is compared.
"""

import re

from harness import case
from harness.lines import check_same_lines, line, write_lines
from harness.outcome import check, check_contains, check_equal, step

LINES = 1_000_000
FIRST_PART = 400_000
TOPIC, GROUP = "castle", "readers"


def described_offsets(text):
    """The rows of `kafka-consumer-groups --describe`: {(topic, partition): (committed, end, lag)}."""
    rows = {}
    for row in text.splitlines():
        fields = row.split()
        if len(fields) >= 6 and fields[0] == GROUP:
            rows[(fields[1], int(fields[2]))] = tuple(map(int, fields[3:6]))
    return rows


def consume(tools, case, count, output, *arguments):
    err = tools.try_call("kafka-console-consumer", "--topic", TOPIC, "--max-messages", count, "--timeout-ms", 30000,
                         *arguments, output_file=output, timeout=180)
    check_contains(err.err, f"Processed a total of {count} messages", "the console consumer's count")
    check_equal(err.code, 0, "the console consumer's exit code")


def create_and_look(tools):
    tools.call("kafka-topics", "--create", "--topic", TOPIC, "--partitions", "1", "--replication-factor", "1",
               "--config", "segment.bytes=33554432")
    listed = tools.call("kafka-topics", "--list").split()
    check_equal(listed, [TOPIC], "kafka-topics --list")
    described = tools.call("kafka-topics", "--describe", "--topic", TOPIC)
    head, *partitions = described.strip().splitlines()
    check(re.search(rf"Topic: {TOPIC}\s+TopicId: [\w-]{{22}}\s+PartitionCount: 1\s+ReplicationFactor: 1\s", head),
          f"kafka-topics --describe: {head!r}")
    check_contains(head, "segment.bytes=33554432", "kafka-topics --describe")
    check_equal([part.split("\t")[1:5] for part in partitions],
                [[f"Topic: {TOPIC}", "Partition: 0", "Leader: 1", "Replicas: 1"]], "the partitions described")
    again = tools.try_call("kafka-topics", "--create", "--topic", TOPIC)
    check(again.code != 0 and "already exists" in again.out + again.err, "a topic is not created twice")
    step("kafka-topics created, listed and described the topic, and refused to create it twice")


def look_at_group(tools):
    listed = tools.call("kafka-consumer-groups", "--list").split()
    check_equal(listed, [GROUP], "kafka-consumer-groups --list")
    rows = described_offsets(tools.call("kafka-consumer-groups", "--describe", "--group", GROUP))
    check_equal(rows, {(TOPIC, 0): (FIRST_PART, LINES, LINES - FIRST_PART)}, "kafka-consumer-groups --describe")
    step(f"kafka-consumer-groups shows {FIRST_PART} read and {LINES - FIRST_PART} to go")


def reset_and_delete(tools):
    reset = tools.call("kafka-consumer-groups", "--group", GROUP, "--topic", TOPIC, "--reset-offsets",
                       "--to-offset", LINES - 5, "--execute")
    check(re.search(rf"{GROUP}\s+{TOPIC}\s+0\s+{LINES - 5}", reset), f"--reset-offsets: {reset}")
    last = tools.call("kafka-console-consumer", "--topic", TOPIC, "--group", GROUP, "--max-messages", "5",
                      "--timeout-ms", "30000")
    check_equal(last.splitlines(), [line(number) for number in range(LINES - 5, LINES)], "the lines after the reset")
    tools.call("kafka-consumer-groups", "--delete", "--group", GROUP)
    check_equal(tools.call("kafka-consumer-groups", "--list").split(), [], "the groups after --delete")
    step("kafka-consumer-groups reset the group's offsets and deleted it")


def run(case):
    source, first, second, whole = (case.scratch / name for name in ("source", "first", "second", "whole"))
    write_lines(source, LINES)
    broker = case.broker().start()
    tools = case.kafka_tools(broker.bootstrap)
    create_and_look(tools)

    tools.call("kafka-console-producer", "--topic", TOPIC, input_file=source, timeout=300)
    check_equal(tools.call("kafka-get-offsets", "--topic", TOPIC).strip(), f"{TOPIC}:0:{LINES}", "kafka-get-offsets")
    step(f"kafka-console-producer sent {LINES} lines")

    consume(tools, case, FIRST_PART, first, "--group", GROUP, "--from-beginning")
    check_same_lines(first, source, "the first part", count=FIRST_PART)
    step(f"kafka-console-consumer read {FIRST_PART} lines in a group")
    look_at_group(tools)

    broker.kill()
    broker.start()
    step("kill -9 and a restart")
    consume(tools, case, LINES - FIRST_PART, second, "--group", GROUP)
    check_same_lines(second, source, "the second part", skip=FIRST_PART)
    step("the group went on where it had stopped")
    reset_and_delete(tools)

    seconds = broker.stop()
    broker.start()
    step(f"a clean stop in {seconds:.2f} s, and a start")
    consume(tools, case, LINES, whole, "--from-beginning")
    check_same_lines(whole, source, "the whole file")
    step("every line is still there")


if __name__ == "__main__":
    case.main(run)
