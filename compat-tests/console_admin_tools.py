#!/usr/bin/env python3
"""Apache Kafka's administration tools look at a node and change it.

kafka-broker-api-versions, kafka-cluster, kafka-configs (topic and broker, set, listed, deleted), kafka-get-offsets,
kafka-delete-records, kafka-log-dirs, kafka-consumer-groups (members of a group that lives, refusals), and kafka-topics'
alterations and refusals. What the tools print is read, not compared letter by letter.
"""

import json
import re
import subprocess
import time

from harness import case
from harness.kcat import Kcat
from harness.lines import line
from harness.outcome import check, check_contains, check_equal, step

# What a single node for the main job must serve, by name and key.
NEEDED = {"Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8, "OffsetFetch": 9,
          "FindCoordinator": 10, "JoinGroup": 11, "Heartbeat": 12, "LeaveGroup": 13, "SyncGroup": 14,
          "DescribeGroups": 15, "ListGroups": 16, "ApiVersions": 18, "CreateTopics": 19, "DeleteTopics": 20,
          "DeleteRecords": 21, "InitProducerId": 22, "OffsetForLeaderEpoch": 23, "DescribeConfigs": 32,
          "AlterConfigs": 33, "CreatePartitions": 37, "DeleteGroups": 42, "IncrementalAlterConfigs": 44,
          "OffsetDelete": 47, "DescribeCluster": 60, "ListConfigResources": 74, "DescribeTopicPartitions": 75}


def versions_and_cluster(tools, broker):
    text = tools.call("kafka-broker-api-versions")
    check_contains(text, f"{broker.bootstrap} (id: 1 rack: null isFenced: false)", "kafka-broker-api-versions")
    served = {name: int(key) for name, key in re.findall(r"^\t(\w+)\((\d+)\): \d+", text, flags=re.MULTILINE)}
    missing = {name: key for name, key in NEEDED.items() if served.get(name) != key}
    check(not missing, f"not served: {missing}")
    unusable = re.findall(r"^\t(\w+)\(\d+\): \d+ to \d+ \[unusable.*", text, flags=re.MULTILINE)
    check(not unusable, f"served in versions that the tool cannot use: {unusable}")
    properties = dict(row.split("=", 1) for row in (broker.data_directory / "meta.properties").read_text().splitlines()
                      if "=" in row)
    told = tools.call_plain("kafka-cluster", "cluster-id", "--bootstrap-server", broker.bootstrap)
    check_equal(told.strip(), f"Cluster ID: {properties['cluster.id']}", "kafka-cluster cluster-id")
    step("versions and cluster id")


def topics_change(tools):
    tools.call("kafka-topics", "--create", "--topic", "changing", "--partitions", "2")
    tools.call("kafka-topics", "--alter", "--topic", "changing", "--partitions", "5")
    check_contains(tools.call("kafka-topics", "--describe", "--topic", "changing"), "PartitionCount: 5", "--alter")
    for arguments, said in (
            (("--alter", "--topic", "changing", "--partitions", "3"), "5 partition"),
            (("--create", "--topic", "bad", "--replication-factor", "3"), "replica"),
            (("--create", "--topic", "bad", "--config", "no.such.config=1"), "no.such.config"),
            (("--create", "--topic", "bad/name"), "bad/name")):
        done = tools.try_call("kafka-topics", *arguments)
        check(done.code != 0, f"kafka-topics {arguments} is refused")
        check_contains(done.out + done.err, said, f"what is said of {arguments}")
    tools.call("kafka-topics", "--delete", "--topic", "changing")
    check_equal(tools.call("kafka-topics", "--list").split(), [], "the topics that are left")
    step("topics altered, refused and deleted")


def configs_change(tools):
    tools.call("kafka-topics", "--create", "--topic", "configured", "--partitions", "2")
    topic = ("--entity-type", "topics", "--entity-name", "configured")
    tools.call("kafka-configs", *topic, "--alter", "--add-config", "max.message.bytes=2000000,cleanup.policy=[compact,delete]")
    told = tools.call("kafka-configs", *topic, "--describe")
    check_contains(told, "max.message.bytes=2000000", "kafka-configs --describe")
    check_contains(told, "cleanup.policy=compact,delete", "kafka-configs --describe")
    tools.call("kafka-configs", *topic, "--alter", "--delete-config", "max.message.bytes,cleanup.policy")
    told = tools.call("kafka-configs", *topic, "--describe", "--all")
    check(re.search(r"^  max\.message\.bytes=1048588 ", told, flags=re.MULTILINE), f"the default again: {told}")
    refused = tools.try_call("kafka-configs", *topic, "--alter", "--add-config", "retention.ms=soon")
    check_contains(refused.out + refused.err, "retention.ms", "a config that is no number")
    told = tools.call("kafka-configs", "--entity-type", "brokers", "--entity-name", "1", "--describe", "--all")
    for row in ("node.id=1 ", "offsets.topic.num.partitions=5 ", "log.retention.hours=168 "):
        check_contains(told, "  " + row, "the broker's configs")
    step("configs set, listed, refused and deleted")


def offsets_and_records(case, tools, kcat):
    kcat("-P", "-t", "configured", "-p", "0", stdin="".join(line(number) + "\n" for number in range(100)))
    kcat("-P", "-t", "configured", "-p", "1", stdin="".join(line(number) + "\n" for number in range(40)))
    check_equal(tools.call("kafka-get-offsets", "--topic", "configured").split(), ["configured:0:100", "configured:1:40"],
                "kafka-get-offsets")
    file = case.scratch / "delete.json"
    file.write_text(json.dumps({"version": 1, "partitions": [{"topic": "configured", "partition": 0, "offset": 30}]}))
    told = tools.call("kafka-delete-records", "--offset-json-file", file)
    check(re.search(r"partition: configured-0\s+low_watermark: 30", told), f"kafka-delete-records: {told}")
    check_equal(tools.call("kafka-get-offsets", "--topic", "configured", "--time", "earliest").split(),
                ["configured:0:30", "configured:1:0"], "kafka-get-offsets --time earliest")
    check_equal(kcat("-C", "-t", "configured", "-p", "0", "-o", "beginning", "-e", "-q").splitlines(),
                [line(number) for number in range(30, 100)], "the records that are left")
    told = tools.call("kafka-log-dirs", "--describe", "--topic-list", "configured")
    described = json.loads(told.splitlines()[-1])["brokers"][0]
    sizes = {part["partition"]: part["size"] for part in described["logDirs"][0]["partitions"]}
    check(described["broker"] == 1 and sizes["configured-0"] > sizes["configured-1"] > 1000, f"kafka-log-dirs: {told}")
    step("offsets, deleted records and sizes")


def a_living_group(case, tools):
    output = open(case.scratch / "living", "wb")
    consumer = tools.start("kafka-console-consumer", "--topic", "configured", "--group", "living", "--from-beginning",
                           stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 40
        while (case.scratch / "living").read_bytes().count(b"\n") < 110:
            check(time.monotonic() < end, "the console consumer did not read 110 records in 40 s")
            time.sleep(0.2)
        told = tools.call("kafka-consumer-groups", "--describe", "--group", "living", "--members", "--verbose")
        check(re.search(r"^living\s+console-consumer-\S+\s+/127\.0\.0\.1\s+console-consumer\s+2\s+.*configured", told,
                        flags=re.MULTILINE), f"--members --verbose: {told}")
        told = tools.call("kafka-consumer-groups", "--describe", "--group", "living", "--state")
        check(re.search(r"^living\s+\S+\s+\(1\)\s+range\s+Stable\s+1\b", told, flags=re.MULTILINE), f"--state: {told}")
        done = tools.try_call("kafka-consumer-groups", "--group", "living", "--delete")
        check_contains(done.out + done.err, "not empty", "a group with members is not deleted")
    finally:
        consumer.terminate()
        consumer.wait(30)
    told = tools.call("kafka-consumer-groups", "--describe", "--group", "living")
    rows = {tuple(row.split()[1:6]) for row in told.splitlines() if row.startswith("living")}
    check_equal(rows, {("configured", "0", "100", "100", "0"), ("configured", "1", "40", "40", "0")}, "--describe")
    step("a group with a member: described, not deleted; its offsets committed when it left")


def run(case):
    broker = case.broker().start()
    tools, kcat = case.kafka_tools(broker.bootstrap), Kcat(broker.bootstrap)
    versions_and_cluster(tools, broker)
    topics_change(tools)
    configs_change(tools)
    offsets_and_records(case, tools, kcat)
    a_living_group(case, tools)
    broker.stop()


if __name__ == "__main__":
    case.main(run)
