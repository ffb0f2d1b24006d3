#!/usr/bin/env python3
"""A node that does not fit its cluster says so in one line, ends with an exit code that is not zero, and touches nothing.

Other voters in the configuration than in the directory; the directory of another node, and of a disk that is not the
voter's; a controller and a broker that were formatted for another cluster, while the rest of its quorum goes on; a
controller with the node.id of another one that is alive, of either kind; a controller listener that nobody answers on is
told and asked again. Only the lines of Barnabas are looked at, so Apache Kafka is not run.
"""

import re

from harness import case
from harness.broker import new_cluster_id
from harness.cluster import Cluster, Node
from harness.outcome import NotRun, check, check_contains, check_equal, step
from harness.waiting import wait_until


def files_of(node):
    """Names, sizes and times of everything in a data directory."""
    return {str(path.relative_to(node.data_directory)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(node.data_directory.rglob("*")) if path.is_file()}


def refused(node, *words, untouched=True):
    """Starts a node that must not start."""
    before = files_of(node)
    node.launch()
    ended(node, *words)
    if untouched:
        check_equal(files_of(node), before, "the files of the node")


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
        for node_id in (3, 4):
            refused(cluster[node_id], "another cluster", "meta.properties", untouched=False)
        check_equal(cluster.wait_for_leader(), leader, "who leads")
        for node_id in (1, 2):
            cluster[node_id].kill()
    step("a controller and a broker of another cluster")


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
        refused(second, f"another controller with node.id {used} is alive", cluster.controller_address(used),
                untouched=False)
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
    refused(cluster[1], "directory.id", "meta.properties", untouched=False)
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
    other_voters(case)
    another_cluster(case)
    used_id(case)
    another_disk(case)
    nobody_answers(case)


if __name__ == "__main__":
    case.main(run)
