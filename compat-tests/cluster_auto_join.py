#!/usr/bin/env python3
"""Controllers that join a quorum by themselves (KIP-1186), that lose their disk, and that move to another address.

A quorum of one voter of one kind. Two controllers with controller.quorum.auto.join.enable start beside it, one of either
kind, on directories that were formatted without voters, and both become voters without a tool. The one of the other kind
loses its disk and starts on an empty one: what it was is removed from the voters, what it is now is added. Then it is
started on another port, and the voters name the new address (UpdateRaftVoter), by which the quorum goes on when its
leader is killed. Every change of the metadata is in every log.
"""

import base64
import concurrent.futures
import re
import shutil
import uuid

from cluster_quorum import check_everywhere, set_quota
from harness import case, wire
from harness.broker import free_ports
from harness.cluster import DESCRIBE_QUORUM, Cluster, Node
from harness.outcome import check_equal, step
from harness.waiting import wait_until

JOINS = {"controller.quorum.auto.join.enable": "true"}
FIRST, OTHER, THIRD = 1, 2, 3


def directory(node):
    """The directory id of a node, as it stands in its directory."""
    text = re.search("directory.id=(.*)", (node.data_directory / "meta.properties").read_text()).group(1)
    return str(uuid.UUID(bytes=base64.urlsafe_b64decode(text + "==")))


def voters(cluster):
    """{id: (directory id, port)} as the leader tells them; nothing without one that answers."""
    leader = cluster.leader()
    if leader is None:
        return None
    try:
        with wire.Connection(cluster[leader].controller_port, 5) as connection:
            answer = connection.call(DESCRIBE_QUORUM, 2, {"Topics": [
                {"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}]})
    except OSError:
        return None
    if answer == wire.CLOSED or answer["Topics"][0]["Partitions"][0]["ErrorCode"] != 0:
        return None
    ports = {node["NodeId"]: [listener["Port"] for listener in node["Listeners"]] for node in answer["Nodes"]}
    return {voter["ReplicaId"]: (voter["ReplicaDirectoryId"], ports.get(voter["ReplicaId"]))
            for voter in answer["Topics"][0]["Partitions"][0]["CurrentVoters"]}


def wait_for_voters(cluster, *node_ids):
    """Each with the directory that it has, and where it listens."""
    wanted = {node_id: (directory(cluster[node_id]), [cluster[node_id].controller_port]) for node_id in node_ids}
    wait_until(lambda: voters(cluster) == wanted, f"the voters to be {wanted}", 60)


def write(cluster, user):
    def written():
        leader = cluster.leader()
        try:
            return leader is not None and set_quota(cluster, leader, user) == 0
        except OSError:
            return False
    wait_until(written, f"the quorum to take a change ({user})", 30)
    check_everywhere(cluster, user)


def join(cluster, what):
    cluster.start([FIRST])
    wait_for_voters(cluster, FIRST)
    cluster.start([OTHER, THIRD])
    wait_for_voters(cluster, FIRST, OTHER, THIRD)
    write(cluster, "joined")
    step(f"{what}: two controllers have joined by themselves")


def lose_the_disk(cluster, what):
    before = directory(cluster[OTHER])
    cluster[OTHER].kill()
    shutil.rmtree(cluster[OTHER].data_directory)
    cluster.start([OTHER])
    check_equal(directory(cluster[OTHER]) == before, False, "the directory is the one that was lost")
    wait_for_voters(cluster, FIRST, OTHER, THIRD)
    write(cluster, "on-a-new-disk")
    step(f"{what}: one with an empty disk took the place of what it had been")


def move(cluster, port, what):
    cluster[OTHER].stop()
    cluster[OTHER].controller_port = port
    cluster.prepare(cluster.specs[OTHER], {})
    cluster.start([OTHER])
    wait_for_voters(cluster, FIRST, OTHER, THIRD)
    # Whichever of the two leads now, the third one asks the other at its new address: for its vote or for its log.
    cluster[FIRST].kill()
    cluster.wait_for_leader(other_than=FIRST)
    write(cluster, "moved")
    cluster.start([FIRST])
    cluster.wait_until_caught_up()
    write(cluster, "all-there")
    step(f"{what}: it moved to another port, and two of three went on without the first")


def whole_life(cluster, port, what):
    join(cluster, what)
    lose_the_disk(cluster, what)
    move(cluster, port, what)
    for node in cluster.nodes.values():
        node.kill()


def run(case):
    pairs = [("kafka", "barnabas"), ("barnabas", "kafka"), ("barnabas", "barnabas")] if case.is_barnabas \
        else [("kafka", "kafka")]
    made = []
    for first, other in pairs:
        nodes = [Node(FIRST, "controller", first), Node(OTHER, "controller", other, JOINS, is_voter=False),
                 Node(THIRD, "controller", first, JOINS, is_voter=False)]
        what = f"{other} joins {first}"
        made.append((Cluster(case, nodes, dynamic=True, name=what.replace(" ", "-")), what))
    ports = free_ports(len(made))
    # Most of it is waiting: a controller looks every three fetch timeouts whether it is a voter.
    with concurrent.futures.ThreadPoolExecutor(len(made)) as pool:
        for life in [pool.submit(whole_life, cluster, port, what) for (cluster, what), port in zip(made, ports)]:
            life.result()


if __name__ == "__main__":
    case.main(run)
