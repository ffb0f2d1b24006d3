#!/usr/bin/env python3
"""Three combined nodes are asked for a topic of hundreds of partitions, each on all of them.

The answer comes when the controllers have agreed on it, not when every node has opened every log: meanwhile every node
tells of all partitions, and a topic of one partition is created and takes a record. A partition that does not serve yet
says NOT_LEADER_OR_FOLLOWER or UNKNOWN_TOPIC_OR_PARTITION, never anything else; soon all of them have taken a record that
every replica has.
"""

import time

from cluster_mixed_brokers import brokers_of, partitions_of
from harness import case, wire
from harness.cluster import Cluster, Node
from harness.outcome import check, check_equal, step
from harness.waiting import wait_until
from harness.wire_client import WireClient

NODES = (1, 2, 3)
PARTITIONS = 600
PRODUCE, CREATE_TOPICS = 0, 19
NOT_YET = {3, 6}  # UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER
PATIENCE_SECONDS = 300


def create(node, topic, partitions):
    with WireClient(node.port) as client:
        answer = client.call(CREATE_TOPICS, 7, {"Topics": [
            {"Name": topic, "NumPartitions": partitions, "ReplicationFactor": 3, "Assignments": [], "Configs": []}],
            "timeoutMs": 60000, "validateOnly": False})
    check_equal([told["ErrorCode"] for told in answer["Topics"]], [0], f"the creation of {topic}")


def produce(node, topic, indexes):
    """{index: error} of one record to each, acks=all."""
    batch = wire.batch([b"one"], timestamp=int(time.time() * 1000))
    with wire.Connection(node.port, PATIENCE_SECONDS) as connection:
        answer = connection.call(PRODUCE, 7, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 60000, "TopicData": [
            {"Name": topic, "PartitionData": [{"Index": index, "Records": batch} for index in indexes]}]})
    return {told["Index"]: told["ErrorCode"] for told in answer["Responses"][0]["PartitionResponses"]}


def acknowledge_all(cluster, topic, partitions):
    left = set(range(partitions))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left:
        leaders = {index: leader for index, (leader, _, _) in partitions_of(cluster[1], topic).items()}
        for node in NODES:
            led = sorted(index for index in left if leaders[index] == node)
            errors = produce(cluster[node], topic, led) if led else {}
            check(set(errors.values()) <= NOT_YET | {0}, f"Produce to {topic}: {set(errors.values())}")
            left -= {index for index, error in errors.items() if error == 0}
        check(time.monotonic() < deadline, f"{len(left)} partitions of {topic} take no record")


def run(case):
    cluster = Cluster(case, [Node(node) for node in NODES]).start()
    for node in NODES:
        wait_until(lambda: brokers_of(cluster[node]) == set(NODES), f"all brokers to be known to node {node}", 30)
    begun = time.monotonic()
    create(cluster[1], "large", PARTITIONS)
    answered = time.monotonic() - begun
    create(cluster[1], "small", 1)
    both = time.monotonic() - begun
    for node in NODES:
        for topic, count in (("small", 1), ("large", PARTITIONS)):
            wait_until(lambda: len(partitions_of(cluster[node], topic)) == count, f"{topic} at node {node}", 60)
    acknowledge_all(cluster, "small", 1)
    acknowledge_all(cluster, "large", PARTITIONS)
    step(f"{PARTITIONS} partitions: answered after {answered:.2f} s, the small topic after {both:.2f} s, all took a "
         f"record after {time.monotonic() - begun:.2f} s")


if __name__ == "__main__":
    case.main(run)
