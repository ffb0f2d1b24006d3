#!/usr/bin/env python3
"""The metadata quorum over the wire: three controllers, of one kind and of both.

Three controllers of the kind under test elect one, replicate what it is asked to write, and elect another when it is
killed, which the killed one follows when it is back. Then two of Apache Kafka 4.3.1 and one Barnabas in one quorum, with
static voters and with dynamic ones (KIP-853): each kind leads in turn, what it writes is in every other's log, and
kafka-dump-log reads the same records from all of them. A node that lost its metadata log is given a snapshot by a
leader of the other kind, whose log does not reach back any more. The tools are Kafka's own.
"""

import re
import shutil

from harness import case
from harness.cluster import Cluster, Node
from harness.metadata_log import MetadataLog
from harness.outcome import check, check_equal, step
from harness.waiting import wait_until
from harness.wire import Connection

ALTER_QUOTAS = 49


def set_quota(cluster, leader, user):
    """A change that needs no brokers. Asked of a controller's own listener."""
    with Connection(cluster[leader].controller_port) as connection:
        answer = connection.call(ALTER_QUOTAS, 1, {"Entries": [{
            "Entity": [{"EntityType": "user", "EntityName": user}],
            "Ops": [{"Key": "producer_byte_rate", "Value": 1000.0, "Remove": False}]}], "ValidateOnly": False})
    return answer["Entries"][0]["ErrorCode"]


def write(cluster, leader, user):
    """The same, of a leader that may not yet have taken up its office."""
    wait_until(lambda: set_quota(cluster, leader, user) == 0, f"a change at the leader, node {leader}", 20)


def quotas_of(node):
    return {fields["Entity"][0]["EntityName"] for _, name, _, fields in MetadataLog(node).read()
            if name == "ClientQuotaRecord"}


def check_everywhere(cluster, user):
    for node_id in cluster.controllers:
        if cluster[node_id].process is not None:
            wait_until(lambda: user in quotas_of(cluster[node_id]), f"{user} in the log of node {node_id}", 20)


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
    """All others are killed, and those that a majority needs come back when the wanted ones stand for election already:
    of two voters, Barnabas grants Apache Kafka's pre-vote as soon as it knows that the leader is dead, which Apache Kafka
    does only after its fetch timeout. All are up again afterwards."""
    others = [node_id for node_id in cluster.controllers if node_id not in wanted]
    needed = max(len(cluster.controllers) // 2 + 1 - len(wanted), 0)
    for _ in range(5):
        leader = cluster.wait_until_caught_up()
        if leader in wanted:
            return leader
        for other in others:
            cluster[other].kill()
        others.sort(key=lambda other: other == leader)  # Who led stands again at once.
        for some in (others[:needed], others[needed:]):
            if some:
                cluster.start(some)
            cluster.wait_for_leader()
    raise AssertionError(f"none of {wanted} came to lead\n{cluster.output_tails()}")


def same_kind(case):
    cluster = Cluster(case, [Node(node_id, "controller") for node_id in (1, 2, 3)])
    cluster.start()
    first = cluster.wait_for_leader()
    step(f"three controllers elected node {first}")
    other = next(node_id for node_id in (1, 2, 3) if node_id != first)
    check_equal(tool_says_leader(case, cluster, first), first, "the leader by the tool")
    write(cluster, first, "first")
    check_equal(set_quota(cluster, other, "refused"), 41, "a change at a follower")
    check_everywhere(cluster, "first")
    step("what the leader wrote is in every log")

    cluster[first].kill()
    second = cluster.wait_for_leader(other_than=first)
    write(cluster, second, "second")
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
    cluster.end()
    cluster.start()
    cluster.wait_until_caught_up()
    check_everywhere(cluster, "second")
    step(f"a leader that stopped was followed by node {third}; all three stopped and started again")
    cluster.end()


def combined(case):
    """Three nodes that are broker and controller in one: what any broker is asked reaches the active controller."""
    cluster = Cluster(case, [Node(1), Node(2), Node(3)], dynamic=True, name="combined")
    cluster.start()
    leader = cluster.wait_until_caught_up()

    def create(asked, topic):
        tools = case.kafka_tools(cluster[asked].bootstrap)
        done = tools.try_call("kafka-topics", "--create", "--topic", topic, "--replica-assignment", str(asked))
        check_equal(done.code, 0, f"kafka-topics --create at node {asked}: {done.out}{done.err}")

    other = next(node_id for node_id in (1, 2, 3) if node_id != leader)
    create(other, "first")
    done = case.kafka_tools(cluster[other].bootstrap).try_call("kafka-metadata-quorum", "describe", "--status")
    check(re.search(rf"LeaderId:\s+{leader}\b", done.out), f"the leader by the tool: {done.out}{done.err}")
    step(f"three combined nodes: node {leader} leads, and node {other} passes on what it is asked")
    cluster[leader].kill()
    second = cluster.wait_for_leader(other_than=leader)
    create(other, "second")
    cluster.start([leader])
    cluster.wait_until_caught_up()
    create(leader, "third")
    topics = case.kafka_tools(cluster[leader].bootstrap).try_call("kafka-topics", "--list").out.split()
    check_equal(sorted(topics), ["first", "second", "third"], "the topics as the node that was killed knows them")
    step(f"node {leader} was killed, node {second} leads, and the killed one is back")
    cluster.end()


def mixed(case, dynamic):
    kind = "dynamic voters" if dynamic else "static voters"
    cluster = Cluster(case, [Node(1, "controller", "kafka"), Node(2, "controller", "kafka"),
                             Node(3, "controller", "barnabas")], dynamic=dynamic,
                      name="dynamic" if dynamic else "static")
    cluster.start()
    cluster.wait_until_caught_up()
    step(f"mixed, {kind}: node {cluster.wait_for_leader()} leads")

    leader = make_leader(cluster, {1, 2})
    write(cluster, leader, "by-kafka")
    check_everywhere(cluster, "by-kafka")
    step(f"mixed, {kind}: Apache Kafka leads, and Barnabas has what it wrote")

    leader = make_leader(cluster, {3})
    write(cluster, leader, "by-barnabas")
    check_everywhere(cluster, "by-barnabas")
    check_equal(tool_says_leader(case, cluster, 1), 3, "the leader by the tool, asked at Apache Kafka")
    step(f"mixed, {kind}: Barnabas leads, and Apache Kafka has what it wrote")

    leader = make_leader(cluster, {1, 2})
    write(cluster, leader, "again")
    check_everywhere(cluster, "again")
    committed = cluster.describe_quorum(leader)["HighWatermark"]
    cluster.wait_until_caught_up()
    cluster.end()
    logs = {node_id: dumped(case, cluster, node_id, committed) for node_id in cluster.controllers}
    check(len(logs[1]) > 10, f"kafka-dump-log found {len(logs[1])} records")
    for node_id in (2, 3):
        check_equal(logs[node_id], logs[1], f"the records of node {node_id} beside node 1's")
    for user in ("by-kafka", "by-barnabas", "again"):
        check(any(user in line for line in logs[1]), f"{user} is in all three logs")
    step(f"mixed, {kind}: kafka-dump-log reads the same records from all three")


def snapshots_of(node):
    return sorted(path.name for path in (node.data_directory / "__cluster_metadata-0").glob("*.checkpoint")
                  if not path.name.startswith("0" * 20))


def snapshots(case, kind, seconds):
    """A leader of one kind gives a snapshot to a node of the other kind, which lost everything that it had."""
    small = {"metadata.log.max.record.bytes.between.snapshots": "500", "metadata.max.retention.bytes": "1000"}
    other = "kafka" if kind == "barnabas" else "barnabas"
    cluster = Cluster(case, [Node(1, "controller", kind), Node(2, "controller", other), Node(3, "controller", kind)],
                      settings=small, name=f"snapshots-{kind}")
    cluster.start()
    leader = make_leader(cluster, {1, 3})
    cluster[2].stop()
    log = cluster[leader].data_directory / "__cluster_metadata-0"
    written = 0

    def reaches_back_no_more():
        nonlocal written
        write(cluster, cluster.wait_for_leader(), f"user-{written}")
        written += 1
        # Of two snapshots the older one goes, and the log below the newer one with it.
        return len(snapshots_of(cluster[leader])) > 0 and begin_of(log) > 0

    wait_until(reaches_back_no_more, f"the log of {kind} to begin behind a snapshot", seconds)
    shutil.rmtree(cluster[2].data_directory / "__cluster_metadata-0")
    cluster.start([2])
    cluster.wait_until_caught_up()
    check(snapshots_of(cluster[2]), "the node has a snapshot that it did not have")
    write(cluster, cluster.wait_for_leader(), "last")
    step(f"a snapshot of {kind} was fetched by {other}")
    # What it was given is enough to lead by.
    cluster.end()
    cluster.start([2, 1])
    cluster.wait_until_caught_up()
    step("a quorum goes on from it")


def begin_of(log):
    """The first offset that a log still has, as its leader epochs tell; 0 while it has all."""
    lines = (log / "leader-epoch-checkpoint").read_text().splitlines()[2:]
    return int(lines[0].split()[1]) if lines else 0


def run(case):
    same_kind(case)
    combined(case)
    if not case.is_barnabas:
        return
    mixed(case, dynamic=False)
    mixed(case, dynamic=True)
    snapshots(case, "barnabas", 30)
    if case.full:
        snapshots(case, "kafka", 120)  # It cleans its metadata log once a minute.


if __name__ == "__main__":
    case.main(run)
