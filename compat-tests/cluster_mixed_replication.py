#!/usr/bin/env python3
"""Partitions are replicated between brokers of both kinds, in both directions, and their logs are the same to the byte.

Under a controller of either kind there are an Apache Kafka broker and one of the kind under test. A topic has a replica
of each of its partitions on both, and records are written with acks=all through whoever leads.
Then each broker in turn: stops (its partitions go on), comes back and is in sync again; dies with records that the other
never had, and cuts them off when it comes back. At the end both logs hold the same bytes in the same files, and Apache
Kafka's kafka-dump-log finds nothing wrong with either.
"""

import functools
import os
import signal
import time

from harness import case, record_batches
from harness.cluster import Cluster, Node
from harness.outcome import check, check_contains, check_equal, step
from harness.waiting import wait_until
from harness.wire_client import WireClient

SESSION_MS = 3000
PARTITIONS = 4
TOPIC = "replicated"
METADATA, CREATE_TOPICS, PRODUCE = 3, 19, 0
ONE, OTHER = 2, 3


def state_of(node):
    """{partition: (leader, sorted in-sync replicas)} as this broker knows it."""
    with WireClient(node.port) as client:
        told, = client.call(METADATA, 9, {"Topics": [{"Name": TOPIC}], "AllowAutoTopicCreation": False})["Topics"]
    return {partition["PartitionIndex"]: (partition["LeaderId"], sorted(partition["IsrNodes"]))
            for partition in told["Partitions"]}


def create_topic(node):
    assignments = [{"PartitionIndex": index, "BrokerIds": [ONE, OTHER] if index % 2 else [OTHER, ONE]}
                   for index in range(PARTITIONS)]
    with WireClient(node.port) as client:
        answer = client.call(CREATE_TOPICS, 7, {"Topics": [
            {"Name": TOPIC, "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": assignments,
             "Configs": [{"Name": name, "Value": value} for name, value in (
                 ("min.insync.replicas", "1"), ("segment.bytes", "1048576"), ("retention.ms", "-1"))]}],
            "timeoutMs": 15000, "validateOnly": False})
    check_equal([told["ErrorCode"] for told in answer["Topics"]], [0], "CreateTopics")


def produce(node, partition, values, acks=-1):
    """(error, base offset) of one batch."""
    batch = record_batches.encode([record_batches.Record(at, 1700000000000 + at, b"key", value)
                                   for at, value in enumerate(values)])
    with WireClient(node.port) as client:
        answer = client.call(PRODUCE, 7, {"TransactionalId": None, "Acks": acks, "TimeoutMs": 10000, "TopicData": [
            {"Name": TOPIC, "PartitionData": [{"Index": partition, "Records": batch}]}]})
    told = answer["Responses"][0]["PartitionResponses"][0]
    return told["ErrorCode"], told["BaseOffset"]


class Load:
    """Writes through the leaders, and knows what was acknowledged."""

    def __init__(self, cluster):
        self.cluster, self.number, self.acknowledged = cluster, 0, {}

    def write(self, rounds, size=300):
        for _ in range(rounds):
            for partition in range(PARTITIONS):
                self.number += 1
                values = [b"%d-%d " % (self.number, at) + b"x" * size for at in range(5)]
                self.write_one(partition, values)

    def write_one(self, partition, values):
        end = time.monotonic() + 40
        while True:
            for node in (ONE, OTHER):
                if self.cluster[node].process is None:
                    continue
                try:
                    leader, _ = state_of(self.cluster[node])[partition]
                    if leader not in (ONE, OTHER) or self.cluster[leader].process is None:
                        continue
                    code, base = produce(self.cluster[leader], partition, values)
                except (OSError, AssertionError, KeyError):
                    continue
                if code == 0:
                    for at, value in enumerate(values):
                        self.acknowledged[(partition, base + at)] = value
                    return
            check(time.monotonic() < end, f"nobody acknowledges a write to partition {partition}")
            time.sleep(0.1)


def wait_in_sync(cluster, asked):
    wait_until(lambda: all(isr == [ONE, OTHER] for _, isr in state_of(cluster[asked]).values()),
               "all replicas to be in sync", 40)


def stop_and_return(cluster, load, leaving, staying):
    kind = cluster[leaving].kind
    cluster[leaving].stop()
    wait_until(lambda: all(told == (staying, [staying]) for told in state_of(cluster[staying]).values()),
               "the other broker to lead alone", 20)
    load.write(10)
    cluster[leaving].start()
    wait_in_sync(cluster, staying)
    load.write(5)
    step(f"the {kind} broker stopped, came back and copied what it had missed")


def die_with_more_than_the_other(cluster, load, dying, staying):
    """The other broker is stopped for a moment, so that it does not get what the dying one takes last."""
    kind = cluster[dying].kind
    led = [partition for partition, (leader, _) in state_of(cluster[staying]).items() if leader == dying]
    check(led, f"broker {dying} leads nothing: {state_of(cluster[staying])}")
    os.kill(cluster[staying].process.pid, signal.SIGSTOP)
    for partition in led:
        for number in range(3):
            code, _ = produce(cluster[dying], partition, [b"never replicated %d" % number] * 2, acks=1)
            check_equal(code, 0, "a write with acks=1")
    cluster[dying].kill()
    os.kill(cluster[staying].process.pid, signal.SIGCONT)
    wait_until(lambda: all(leader == staying for leader, _ in state_of(cluster[staying]).values()),
               "the other broker to lead", 30)
    load.write(5)
    cluster[dying].start()
    wait_in_sync(cluster, staying)
    load.write(5)
    step(f"the {kind} broker died with records of {len(led)} partitions that nobody else had, and cut them off")


def balance(case, cluster):
    """Each broker leads half of the partitions again."""
    out = case.kafka_tools(cluster[ONE].bootstrap).call("kafka-leader-election", "--election-type", "preferred",
                                                        "--all-topic-partitions")
    wait_until(lambda: sorted(leader for leader, _ in state_of(cluster[ONE]).values()) == [ONE, ONE, OTHER, OTHER],
               f"preferred leaders: {out}", 20)


def read_logs(node):
    """{file: bytes} of the partitions' segments."""
    found = {}
    for directory in sorted(node.data_directory.glob(f"{TOPIC}-*")):
        for file in sorted(directory.iterdir()):
            if file.suffix == ".log":
                found[f"{directory.name}/{file.name}"] = file.read_bytes()
    return found


def compare(case, cluster, load):
    for node in (OTHER, ONE):
        cluster[node].stop()
    one, other = read_logs(cluster[ONE]), read_logs(cluster[OTHER])
    check_equal(sorted(one), sorted(other), "the files of the partitions")
    different = [name for name in one if one[name] != other[name]]
    check_equal(different, [], "files that differ")
    held = {}
    for name, data in one.items():
        partition = int(name.split("/")[0].rsplit("-", 1)[1])
        for batch in record_batches.decode(data):
            for record in batch.records:
                held[(partition, record.offset)] = record.value
    lost = [where for where, value in load.acknowledged.items() if held.get(where) != value]
    check_equal(lost, [], "acknowledged records that are lost or changed")
    for node in (ONE, OTHER):
        for name in one:
            out = case.kafka_tools().call("kafka-dump-log", "--files", str(cluster[node].data_directory / name),
                                          "--deep-iteration")
            check_contains(out, "starting offset: ", "kafka-dump-log")
            check("isvalid: false" not in out, f"kafka-dump-log of {name}: {out[-500:]}")
    step(f"{len(load.acknowledged)} acknowledged records are there, and {len(one)} files are equal on both brokers")


def run_under(case, controller):
    settings = {"broker.session.timeout.ms": str(SESSION_MS), "broker.heartbeat.interval.ms": "500",
                "replica.lag.time.max.ms": "10000", "auto.leader.rebalance.enable": "false"}
    cluster = Cluster(case, [Node(1, "controller", controller), Node(ONE, "broker", "kafka"),
                             Node(OTHER, "broker", case.kind)], settings=settings, name=f"under-{controller}")
    cluster.start()
    create_topic(cluster[ONE])
    for node in (ONE, OTHER):
        wait_until(lambda: len(state_of(cluster[node])) == PARTITIONS, f"the topic at node {node}", 20)
    load = Load(cluster)
    load.write(40)
    wait_in_sync(cluster, ONE)
    step(f"under a {controller} controller, {load.number} batches were acknowledged by both brokers")
    stop_and_return(cluster, load, OTHER, ONE)
    stop_and_return(cluster, load, ONE, OTHER)
    balance(case, cluster)
    die_with_more_than_the_other(cluster, load, OTHER, ONE)
    balance(case, cluster)
    die_with_more_than_the_other(cluster, load, ONE, OTHER)
    compare(case, cluster, load)
    cluster[1].kill()


def run(case):
    controllers = ("kafka", "barnabas") if case.is_barnabas else ("kafka",)
    case.at_once(*(functools.partial(run_under, case, controller) for controller in controllers))


if __name__ == "__main__":
    case.main(run)
