#!/usr/bin/env python3
"""The metadata quorum over the wire: three controllers, of one kind and of both.

Three controllers of the kind under test elect one, replicate what it is asked to write, and elect another when it is
killed, which the killed one follows when it is back. Then two of Apache Kafka 4.3.1 and one Barnabas in one quorum, with
static voters and with dynamic ones (KIP-853): each kind leads in turn, what it writes is in every other's log, and
kafka-dump-log reads the same records from all of them. The tools are Kafka's own.
"""

import re

from harness import case
from harness.cluster import Cluster, Node, wait_until
from harness.metadata_log import MetadataLog
from harness.outcome import check, check_equal, step
from harness.wire import Connection

ALTER_QUOTAS = 49


def set_quota(cluster, leader, user):
    """A change that needs no brokers. Asked of a controller's own listener."""
    with Connection(cluster[leader].controller_port) as connection:
        answer = connection.call(ALTER_QUOTAS, 1, {"Entries": [{
            "Entity": [{"EntityType": "user", "EntityName": user}],
            "Ops": [{"Key": "producer_byte_rate", "Value": 1000.0, "Remove": False}]}], "ValidateOnly": False})
    return answer["Entries"][0]["ErrorCode"]


def quotas_of(node):
    return {fields["Entity"][0]["EntityName"] for _, name, _, fields in MetadataLog(node).read()
            if name == "ClientQuotaRecord"}


def check_everywhere(cluster, user):
    for node_id in cluster.controllers:
        if cluster[node_id].process is not None:
            wait_until(lambda: user in quotas_of(cluster[node_id]), 20, f"{user} in the log of node {node_id}")


def tool_says_leader(case, cluster, asked):
    """By kafka-metadata-quorum, asked at one controller."""
    done = case.kafka_tools().try_call("kafka-metadata-quorum", "--bootstrap-controller",
                                       cluster.controller_address(asked), "describe", "--status")
    check_equal(done.code, 0, f"kafka-metadata-quorum at node {asked}: {done.err}")
    return int(re.search(r"LeaderId:\s+(\d+)", done.out).group(1))


def dumped(case, cluster, node_id, end):
    """The metadata records of a node's log below an offset, as kafka-dump-log tells them."""
    log = cluster[node_id].data_directory / "__cluster_metadata-0" / f"{0:020}.log"
    done = case.kafka_tools().try_call("kafka-dump-log", "--cluster-metadata-decoder", "--files", log)
    check_equal(done.code, 0, f"kafka-dump-log of node {node_id}: {done.err}")
    lines = [line for line in done.out.splitlines() if "payload" in line]
    return [line for line in lines if int(re.search(r"offset: (\d+)", line).group(1)) < end]


def make_leader(cluster, wanted):
    """Kills whoever leads until one of the wanted nodes does; all are up again afterwards."""
    for _ in range(12):
        leader = cluster.wait_until_caught_up()
        if leader in wanted:
            return leader
        cluster[leader].kill()
        cluster.wait_for_leader(other_than=leader)
        cluster.start([leader])
    raise AssertionError(f"none of {wanted} came to lead\n{cluster.output_tails()}")


def same_kind(case):
    cluster = Cluster(case, [Node(node_id, "controller") for node_id in (1, 2, 3)])
    cluster.start()
    first = cluster.wait_for_leader()
    step(f"three controllers elected node {first}")
    other = next(node_id for node_id in (1, 2, 3) if node_id != first)
    check_equal(tool_says_leader(case, cluster, first), first, "the leader by the tool")
    check_equal(set_quota(cluster, first, "first"), 0, "a change at the leader")
    check_equal(set_quota(cluster, other, "refused"), 41, "a change at a follower")
    check_everywhere(cluster, "first")
    step("what the leader wrote is in every log")

    cluster[first].kill()
    second = cluster.wait_for_leader(other_than=first)
    check_equal(set_quota(cluster, second, "second"), 0, "a change at the next leader")
    step(f"node {first} was killed, node {second} leads")
    cluster.start([first])
    cluster.wait_until_caught_up()
    check_everywhere(cluster, "second")
    check(quotas_of(cluster[first]) == {"first", "second"}, "the killed one has both changes, and no more")
    step("the killed one followed")

    cluster[second].stop()
    third = cluster.wait_for_leader(other_than=second)
    cluster.start([second])
    cluster.wait_until_caught_up()
    for node_id in (1, 2, 3):
        cluster[node_id].stop()
    cluster.start()
    cluster.wait_until_caught_up()
    check_everywhere(cluster, "second")
    step(f"a leader that stopped was followed by node {third}; all three stopped and started again")
    for node_id in (1, 2, 3):
        cluster[node_id].stop()


def mixed(case, dynamic):
    kind = "dynamic voters" if dynamic else "static voters"
    cluster = Cluster(case, [Node(1, "controller", "kafka"), Node(2, "controller", "kafka"),
                             Node(3, "controller", "barnabas")], dynamic=dynamic,
                      name="dynamic" if dynamic else "static")
    cluster.start()
    cluster.wait_until_caught_up()
    step(f"mixed, {kind}: node {cluster.wait_for_leader()} leads")

    leader = make_leader(cluster, {1, 2})
    check_equal(set_quota(cluster, leader, "by-kafka"), 0, "a change at an Apache Kafka controller")
    check_everywhere(cluster, "by-kafka")
    step(f"mixed, {kind}: Apache Kafka leads, and Barnabas has what it wrote")

    leader = make_leader(cluster, {3})
    check_equal(set_quota(cluster, leader, "by-barnabas"), 0, "a change at a Barnabas controller")
    check_everywhere(cluster, "by-barnabas")
    check_equal(tool_says_leader(case, cluster, 1), 3, "the leader by the tool, asked at Apache Kafka")
    step(f"mixed, {kind}: Barnabas leads, and Apache Kafka has what it wrote")

    leader = make_leader(cluster, {1, 2})
    check_equal(set_quota(cluster, leader, "again"), 0, "a change at an Apache Kafka controller")
    check_everywhere(cluster, "again")
    committed = cluster.describe_quorum(leader)["HighWatermark"]
    cluster.wait_until_caught_up()
    for node_id in cluster.controllers:
        cluster[node_id].stop()
    logs = {node_id: dumped(case, cluster, node_id, committed) for node_id in cluster.controllers}
    check(len(logs[1]) > 10, f"kafka-dump-log found {len(logs[1])} records")
    for node_id in (2, 3):
        check_equal(logs[node_id], logs[1], f"the records of node {node_id} beside node 1's")
    for user in ("by-kafka", "by-barnabas", "again"):
        check(any(user in line for line in logs[1]), f"{user} is in all three logs")
    step(f"mixed, {kind}: kafka-dump-log reads the same records from all three")


def run(case):
    same_kind(case)
    if not case.is_barnabas:
        return
    mixed(case, dynamic=False)
    mixed(case, dynamic=True)


if __name__ == "__main__":
    case.main(run)
