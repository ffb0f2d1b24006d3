#!/usr/bin/env python3
"""A node that does not fit its cluster says so in one line, ends with an exit code that is not zero, and touches nothing.

Other voters in the configuration than in the directory; the directory of another node, and of a disk that is not the
voter's; a controller and a broker that were formatted for another cluster, while the rest of its quorum goes on, and a
broker that has records of another cluster; a controller with the node.id of another one that is alive, of either kind;
metadata of a metadata.version that is too new; a controller listener that nobody answers on is told and asked again. Only
the lines of Barnabas are looked at, so Apache Kafka is not run.
"""

import functools
import json
import re
import struct

from harness import case, metadata_log, record_batches
from harness.broker import new_cluster_id
from harness.cluster import Cluster, Node
from harness.outcome import NotRun, check, check_contains, check_equal, step
from harness.waiting import wait_until
from harness.wire_client import WireClient

METADATA_LOG = "__cluster_metadata-0/00000000000000000000.log"


def files_of(node):
    """Names, sizes and times of everything in a data directory."""
    return {str(path.relative_to(node.data_directory)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(node.data_directory.rglob("*")) if path.is_file()}


def contents_of(node):
    """What is in every file: zeros behind it are a place for more. The marker of a clean stop is left out: it has the epoch
    of the broker's last life, and this one got none."""
    return {str(path.relative_to(node.data_directory)): path.read_bytes().rstrip(b"\0")
            for path in sorted(node.data_directory.rglob("*")) if path.is_file() and path.name != ".kafka_cleanshutdown"}


def refused(node, *words, look=files_of):
    """Starts a node that must not start, and leaves what `look` sees of its directory as it was."""
    before = look(node)
    node.launch()
    ended(node, *words)
    after = look(node)
    check_equal([name for name in sorted({*before, *after}) if before.get(name) != after.get(name)], [],
                "the files of the node that changed")


def took_nothing(node):
    """A node that has never been in a cluster knows of none: no record, no epoch, no vote."""
    check_equal((node.data_directory / METADATA_LOG).read_bytes(), b"", "its metadata log")
    state = json.loads((node.data_directory / "__cluster_metadata-0/quorum-state").read_text())
    check_equal((state["leaderEpoch"], state["leaderId"], state["votedId"]), (0, -1, -1), "its quorum-state")


def ended(node, *words):
    """Waits for a node to end with one line that has these words."""
    code = node.process.wait(60)
    node.process = None
    check(code not in (0, None), f"exit code {code}:\n{node.output_tail()}")
    told = [line for line in node.output().splitlines() if all(word in line for word in words)]
    check_equal(len(told), 1, f"lines with {words} in\n{node.output_tail()}\n")


def other_voters(case):
    cluster = Cluster(case, [Node(node_id, "controller") for node_id in (1, 2, 3)], name="voters")
    cluster.start()
    cluster.wait_until_caught_up()
    for node_id in cluster.controllers:
        cluster[node_id].stop()
    node = cluster[1]
    right = node.settings["controller.quorum.voters"]
    node.settings["controller.quorum.voters"] = ",".join(right.split(",")[:2])
    refused(node, "controller.quorum.voters", "1, 2,", "1, 2, 3", "quorum-state")
    step("other voters than those of the directory")
    node.settings["controller.quorum.voters"] = right
    node.settings["node.id"] = "2"
    refused(node, "belongs to node 1", "node.id is 2")
    step("another node's directory")
    node.settings["node.id"] = "1"
    cluster.start()
    cluster.wait_until_caught_up()
    step("with what is right it starts")


def another_cluster(case):
    for dynamic in (False, True):
        cluster = Cluster(case, [*(Node(node_id, "controller") for node_id in (1, 2, 3)), Node(4, "broker")],
                          dynamic=dynamic, name=f"stranger-{dynamic}")
        for node_id in (3, 4):
            cluster[node_id].format(new_cluster_id())
        cluster[3].launch()
        wait_until(lambda: "cannot be asked" in cluster[3].output(), "node 3 to find nobody but itself", 20)
        cluster.start([1, 2])
        leader = cluster.wait_for_leader()
        ended(cluster[3], "another cluster", "meta.properties")
        cluster[4].launch()
        ended(cluster[4], "another cluster", "meta.properties")
        for node_id in (3, 4):
            took_nothing(cluster[node_id])
            refused(cluster[node_id], "another cluster", "meta.properties", look=contents_of)
            took_nothing(cluster[node_id])
        check_equal(cluster.wait_for_leader(), leader, "who leads")
        for node_id in (1, 2):
            cluster[node_id].kill()
    step("a controller and a broker of another cluster")


def records_of_another_cluster(case):
    """Its addresses are taken for another cluster's: what it has is there when they are right again."""
    own = Cluster(case, [Node(1, "controller"), Node(2, "broker")], dynamic=True, name="own")
    own.start()
    other = Cluster(case, [Node(1, "controller")], dynamic=True, name="other")
    other.start()
    with WireClient(own[2].port) as client:
        client.create_topic("kept", 1)
        client.produce("kept", 0, [record_batches.Record(0, 1_700_000_000_000, value=b"a record")])
    own[2].stop()
    own[1].stop()  # whom it knows from its metadata, and would find
    right = own[2].settings["controller.quorum.bootstrap.servers"]
    own[2].settings["controller.quorum.bootstrap.servers"] = other.bootstrap_controllers
    refused(own[2], "another cluster", "meta.properties", look=contents_of)
    own[2].settings["controller.quorum.bootstrap.servers"] = right
    own.start()
    with WireClient(own[2].port) as client:
        client.partitions("kept")
        check_equal([record.value for record in client.records("kept", 0)], [b"a record"], "what is in its topic")
    for node in (own[1], own[2], other[1]):
        node.kill()
    step("a broker with records that is sent to another cluster")


def too_new(case):
    """As if a newer software had raised metadata.version."""
    cluster = Cluster(case, [Node(1)], dynamic=True, name="new")
    cluster.start()
    cluster[1].stop()
    node, log = cluster[1], cluster[1].data_directory / METADATA_LOG
    written = log.read_bytes()
    level, = (key for key, message in metadata_log.record_types().items() if message.name == "FeatureLevelRecord")
    name = b"metadata.version"
    value = bytes([1, level, 0, len(name) + 1]) + name + struct.pack(">h", 99) + b"\0"
    batch = record_batches.encode([record_batches.Record(0, 1_700_000_000_000, value=value)])
    end, epoch = end_of(written)
    log.write_bytes(written + struct.pack(">qii", end, len(batch) - 12, epoch) + batch[16:])
    words = "metadata.version 99", str(log.parent), "run a newer one"
    node.launch()
    ended(node, *words)  # It has looked through a log that is longer than when it stopped, as after a crash.
    refused(node, *words, look=contents_of)
    log.write_bytes(written)
    cluster.start()
    step("metadata of a version that is too new")


def end_of(written):
    """Behind the last offset of a log's bytes, and the last epoch."""
    position = 0
    while position < len(written):
        base, size, epoch = struct.unpack_from(">qii", written, position)
        last, = struct.unpack_from(">i", written, position + 23)
        position += 12 + size
    return base + last + 1, epoch


def used_id(case):
    """The one that was there first stays, and its quorum goes on."""
    for kind in ("barnabas", "kafka"):
        cluster = Cluster(case, [*(Node(node_id, "controller", kind) for node_id in (1, 2, 3)),
                                 Node(4, "controller", is_voter=False)], dynamic=True, name=f"used-{kind}")
        cluster.start([1, 2, 3])
        leader = cluster.wait_until_caught_up()
        used, second = next(node_id for node_id in (1, 2, 3) if node_id != leader), cluster[4]
        second.settings["node.id"] = str(used)
        second.format(cluster.id)
        second.launch()
        ended(second, f"another controller with node.id {used} is alive", cluster.controller_address(used))
        # It is a member of the cluster: it has copied some of the metadata before it knew.
        copied = (second.data_directory / METADATA_LOG).read_bytes()
        check((cluster[leader].data_directory / METADATA_LOG).read_bytes().startswith(copied), "it has other metadata")
        cluster[used].check_alive()
        check_equal(cluster.wait_until_caught_up(), leader, "who leads")
        for node_id in (1, 2, 3):
            cluster[node_id].kill()
        step(f"a controller with the node.id of another one of {kind}")


def another_disk(case):
    cluster = Cluster(case, [Node(1, "controller")], dynamic=True, name="disk")
    cluster.start()
    cluster.wait_for_leader()
    cluster[1].stop()
    properties = cluster[1].data_directory / "meta.properties"
    text = properties.read_text()
    properties.write_text(re.sub("directory.id=.*", f"directory.id={new_cluster_id()}", text))
    refused(cluster[1], "directory.id", "meta.properties", look=contents_of)
    properties.write_text(text)
    cluster.start()
    cluster.wait_for_leader()
    step("a directory that is not the voter's")


def nobody_answers(case):
    cluster = Cluster(case, [Node(node_id, "controller") for node_id in (1, 2, 3)], name="alone")
    cluster.start([1])
    for other in (2, 3):
        wait_until(lambda: f"Node {other} cannot be asked" in cluster[1].output(), f"a line about node {other}", 20)
        check_contains(cluster[1].output(), cluster.controller_address(other), "the address")
    lines = [line for line in cluster[1].output().splitlines() if "cannot be asked" in line]
    check_equal(len(lines), 2, "one line a node")
    cluster.start([2])
    cluster.wait_for_leader()
    step("listeners that do not answer are told, once each")


def run(case):
    if not case.is_barnabas:
        raise NotRun("it is about the lines that Barnabas writes")
    case.at_once(*(functools.partial(one_by_one, case, *faults) for faults in (
        (other_voters, records_of_another_cluster, too_new), (another_cluster, another_disk), (used_id, nobody_answers))))


def one_by_one(case, *faults):
    for fault in faults:
        fault(case)


if __name__ == "__main__":
    case.main(run)
