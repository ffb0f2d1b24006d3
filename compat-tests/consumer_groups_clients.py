#!/usr/bin/env python3
"""Consumers of the consumer protocol (KIP-848) and Apache Kafka's tools do their job.

java_client/ConsumerProtocolJob.java shares a topic among three members, grows it, takes a member away, subscribes by a
pattern, brings back a static member and migrates a group to the consumer protocol and back. kafka-console-consumer
reads with group.protocol=consumer, kafka-consumer-groups describes its members and state, kafka-configs sets the
configuration of a group.
"""

import os
import re
import subprocess

from harness import case, jvm, places
from harness.lines import line
from harness.outcome import check, check_contains, check_equal, step

LINES = 2000
# Members are told what is new with their heartbeats.
SETTINGS = {"group.consumer.min.heartbeat.interval.ms": "300", "group.consumer.heartbeat.interval.ms": "300"}


def java_job(broker):
    libs = places.kafka_libs()
    class_path = places.java_classes(places.COMPAT_TESTS / "java_client" / "ConsumerProtocolJob.java", libs)
    done = subprocess.run([places.command("java"), "-Xmx256m", *jvm.options(libs), jvm.log4j("tools_log4j2.yaml"), "-cp",
                           class_path, "ConsumerProtocolJob", broker.bootstrap], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
                          env=os.environ)
    check(done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-4000:]}")
    told = [row for row in done.stderr.splitlines() if "WARN" not in row]
    check_equal(len([row for row in told if "member" in row or "pattern" in row or "group went" in row]), 4, "\n".join(told))
    step("Java consumers shared, subscribed by a pattern, came back as static members and migrated both ways")


def console_tools(broker, tools, scratch):
    values = scratch / "lines.txt"
    values.write_text("".join(line(number) + "\n" for number in range(LINES)))
    tools.call("kafka-topics", "--create", "--topic", "tools", "--partitions", "3")
    tools.call("kafka-console-producer", "--topic", "tools", input_file=values)
    read = tools.call("kafka-console-consumer", "--topic", "tools", "--group", "tools-group", "--from-beginning",
                      "--max-messages", LINES, "--timeout-ms", 30000, "--consumer-property", "group.protocol=consumer")
    # The tool says beside them that the option has another name now.
    got = sorted(row for row in read.splitlines() if row[0].isdigit())
    check(got == sorted(line(number) for number in range(LINES)), f"{len(got)} lines were read, or others")
    rows = tools.call("kafka-consumer-groups", "--describe", "--group", "tools-group")
    check_equal(sum(int(found) for found in re.findall(r"tools-group\s+tools\s+\d\s+(\d+)", rows)), LINES, rows)
    state = tools.call("kafka-consumer-groups", "--describe", "--group", "tools-group", "--state", "--verbose")
    check(re.search(r"tools-group\s+\S+\s+\(\d+\)\s+uniform\s+Empty\s+\d+\s+\d+\s+0", state), state)
    listed = tools.call("kafka-consumer-groups", "--list", "--type", "consumer", "--state")
    check(re.search(r"tools-group\s+Consumer\s+Empty", listed), listed)
    tools.call("kafka-configs", "--alter", "--entity-type", "groups", "--entity-name", "tools-group", "--add-config",
               "consumer.session.timeout.ms=50000")
    check_contains(tools.call("kafka-configs", "--describe", "--entity-type", "groups", "--entity-name", "tools-group"),
                   "consumer.session.timeout.ms=50000", "kafka-configs --describe")
    tools.call("kafka-consumer-groups", "--delete", "--group", "tools-group")
    step("Apache Kafka's console consumer read in such a group, and its tools listed, described, configured and removed it")


def run(case):
    broker = case.broker(SETTINGS).start()
    java_job(broker)
    console_tools(broker, case.kafka_tools(broker.bootstrap), case.scratch)
    broker.stop()


if __name__ == "__main__":
    case.main(run)
