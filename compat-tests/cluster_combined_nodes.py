#!/usr/bin/env python3
"""Three combined nodes: each sends on to the active controller what it is asked, whoever that is, and lives on.

Topics, configurations, quotas and ACL-less admin requests go through each of three nodes (broker and controller in
one); all know of all. The node that leads the quorum is killed: another one leads, topics are created through both
survivors, the dead one is fenced and its partitions are led by others; it comes back. A node that is told to stop hands
its partitions over. Against Apache Kafka the same holds, only later.
"""

import time

from cluster_mixed_brokers import brokers_of, config, create_topic, partitions_of, set_config
from harness import case
from harness.cluster import Cluster, Node
from harness.outcome import check_equal, step
from harness.waiting import wait_until
from harness.wire_client import WireClient

NODES = (1, 2, 3)
ALTER_CLIENT_QUOTAS, DESCRIBE_CLIENT_QUOTAS = 49, 48


def set_quota(node, user, rate):
    with WireClient(node.port) as client:
        answer = client.call(ALTER_CLIENT_QUOTAS, 1, {"Entries": [
            {"Entity": [{"EntityType": "user", "EntityName": user}],
             "Ops": [{"Key": "producer_byte_rate", "Value": rate, "Remove": False}]}], "ValidateOnly": False})
    check_equal([entry["ErrorCode"] for entry in answer["Entries"]], [0], f"the quota of {user}")


def quotas(node):
    with WireClient(node.port) as client:
        answer = client.call(DESCRIBE_CLIENT_QUOTAS, 1, {"Components": [
            {"EntityType": "user", "MatchType": 2, "Match": None}], "Strict": False})
    return {entry["Entity"][0]["EntityName"] for entry in answer["Entries"] or []}


def admin_through_each(cluster, running, stage):
    for node in running:
        create_topic(cluster[node], f"{stage}-{node}")
        set_config(cluster[node], f"{stage}-{node}", "retention.ms", f"{node}000000")
        set_quota(cluster[node], f"{stage}-{node}", 1000.0)
    for node in running:
        for asked in running:
            topic = f"{stage}-{asked}"
            wait_until(lambda: len(partitions_of(cluster[node], topic)) == 4, f"{topic} at node {node}", 10)
            wait_until(lambda: config(cluster[node], topic, "retention.ms") == f"{asked}000000",
                       f"the configuration of {topic} at node {node}", 10)
            wait_until(lambda: topic in quotas(cluster[node]), f"the quota of {topic} at node {node}", 10)


def led_by(cluster, node, topic):
    return {leader for leader, _, _ in partitions_of(cluster[node], topic).values()}


def run(case):
    cluster = Cluster(case, [Node(node) for node in NODES]).start()
    for node in NODES:
        wait_until(lambda: brokers_of(cluster[node]) == set(NODES), f"all brokers to be known to node {node}", 30)
    admin_through_each(cluster, NODES, "whole")
    step("what is asked of any of three nodes is done, and known to all")

    active = cluster.leader()
    others = [node for node in NODES if node != active]
    begun = time.monotonic()
    cluster[active].kill()
    wait_until(lambda: cluster.leader() in others, "another active controller", 30)
    elected = time.monotonic() - begun
    wait_until(lambda: brokers_of(cluster[others[0]]) == set(others), "the fence of the killed node", 30)
    step(f"kill -9 of the active controller: another after {elected:.2f} s, the broker fenced after "
         f"{time.monotonic() - begun:.2f} s")
    check_equal(active in led_by(cluster, others[0], f"whole-{active}"), False, "the dead node leads")
    admin_through_each(cluster, others, "without")
    cluster[active].start()
    wait_until(lambda: brokers_of(cluster[others[0]]) == set(NODES), "the killed node to be back", 30)
    wait_until(lambda: len(partitions_of(cluster[active], f"without-{others[0]}")) == 4, "what it missed", 10)
    step("the survivors served on, and the killed node came back")

    leaving = others[0]
    create_topic(cluster[others[1]], "handed-over")
    wait_until(lambda: len(partitions_of(cluster[leaving], "handed-over")) == 4, "the topic to hand over", 10)
    took = cluster[leaving].stop()
    wait_until(lambda: leaving not in led_by(cluster, others[1], "handed-over"), "the partitions' new leaders", 5)
    step(f"SIGTERM of a node handed its partitions over; it took {took:.2f} s")


if __name__ == "__main__":
    case.main(run)
