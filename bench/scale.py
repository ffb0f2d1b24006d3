#!/usr/bin/env python3
"""Measures clusters of three nodes of Barnabas beside clusters of Apache Kafka 4.3.1, in one run on this machine.

    bench/scale.py                        10,000 partitions of three replicas; some minutes
    bench/scale.py --partitions 2000
    bench/scale.py --only partitions      or: --only replication
    bench/scale.py --no-kafka

partitions: three combined nodes; how long until topics are created and every partition has acknowledged a record that
all replicas have (acks=all); what the nodes cost when nothing happens; how long a node that was stopped (SIGTERM) and
has missed a record of every partition takes from its start until it is back in every in-sync set.
replication: one leader, one follower (a broker and nothing else), acks=all; CPU time of the follower per GB. Both kinds
run at once and are loaded in turn, so that a machine that is not quiet is so for both; the medians of the rounds count.

The nodes share both cores. What counts are the ratios. 10,000 partitions are 10,000 open files and 20,000 mappings of
Apache Kafka's nodes each. Prints a table and writes it to bench/results/<date>-scale.md, or ...-scale-GROUP.md.
"""

import argparse
import datetime
import os
import pathlib
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from driver import output_of  # noqa: E402
from servers import ROOT, ShippedKafka, cpu_seconds  # noqa: E402

from harness import broker, places, wire  # noqa: E402  (servers.py makes it importable)
from harness.cluster import Cluster, Node  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

TOPICS = 10
TRICKLE = 100
PATIENCE_SECONDS = 1200
PRODUCE, METADATA, CREATE_TOPICS = 0, 3, 19
SETTINGS = {"broker.session.timeout.ms": "60000", "num.network.threads": "2", "log.retention.check.interval.ms": "3600000"}
TARGETS = {"create": 0.3, "restart": 0.3, "follower": 0.5}


KINDS = {"kafka": ShippedKafka, "barnabas": broker.Barnabas}


class Place:
    """What harness.cluster wants of a test: it makes the nodes, and knows them to end them. With a directory of its own,
    which goes with it."""

    def __init__(self, scratch):
        self.directory, self.nodes = pathlib.Path(tempfile.mkdtemp(prefix="scale-", dir=scratch)), []

    def __enter__(self):
        return self

    def broker(self, settings=None, name="broker", kind=None, data_directory=None):
        self.nodes.append(KINDS[kind](self.directory / name, settings, data_directory))
        return self.nodes[-1]

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def seconds_of(action):
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def cpu_of(cluster):
    return sum(cpu_seconds(node.process.pid) for node in cluster.nodes.values() if node.process)


def create(cluster, partitions):
    """In two requests: of one that takes more than 10,000 metadata records Apache Kafka creates nothing."""
    with wire.Connection(cluster[1].port, PATIENCE_SECONDS) as connection:
        for numbers in (range(TOPICS // 2), range(TOPICS // 2, TOPICS)):
            answer = connection.call(CREATE_TOPICS, 7, {"Topics": [
                {"Name": f"topic-{number}", "NumPartitions": partitions // TOPICS, "ReplicationFactor": 3,
                 "Assignments": [], "Configs": []} for number in numbers],
                "timeoutMs": PATIENCE_SECONDS * 1000, "validateOnly": False})
            codes = {told["ErrorCode"] for told in answer["Topics"]}
            if not codes <= {0, 36}:  # Created, or by an attempt whose answer was lost, which is repeated.
                raise AssertionError(f"CreateTopics: {codes}")


def topic_of(node, number):
    with wire.Connection(node.port, PATIENCE_SECONDS) as connection:
        told, = connection.call(METADATA, 9, {"Topics": [{"Name": f"topic-{number}"}],
                                              "AllowAutoTopicCreation": False})["Topics"]
    return told["Partitions"]


def acknowledge_all(cluster, asked, partitions):
    """One record to each partition, acks=all, to its leader; again where it was refused."""
    batch = wire.batch([b"x" * 100], timestamp=int(time.time() * 1000))
    for number in range(TOPICS):
        left = set(range(partitions // TOPICS))
        wait_until(lambda: len(topic_of(cluster[asked], number)) == len(left), f"topic-{number}", PATIENCE_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left:
            leaders = {partition["PartitionIndex"]: partition["LeaderId"]
                       for partition in topic_of(cluster[asked], number)}
            for leader in sorted({leaders[index] for index in left} & set(cluster.nodes)):
                with wire.Connection(cluster[leader].port, PATIENCE_SECONDS) as connection:
                    answer = connection.call(PRODUCE, 7, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 60000, "TopicData": [
                        {"Name": f"topic-{number}", "PartitionData": [
                            {"Index": index, "Records": batch} for index in sorted(left) if leaders[index] == leader]}]})
                left -= {told["Index"] for told in answer["Responses"][0]["PartitionResponses"] if told["ErrorCode"] == 0}
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(left)} partitions of topic-{number} take no record")


def trickle(cluster, seconds):
    """A record at a time to one partition, acks=all, TRICKLE of them a second: who copies it looks at all that it copies,
    or at what changed."""
    leader = topic_of(cluster[1], 0)[0]["LeaderId"]
    begun = time.monotonic()
    with wire.Connection(cluster[leader].port, PATIENCE_SECONDS) as connection:
        for number in range(int(seconds * TRICKLE)):
            time.sleep(max(0, begun + number / TRICKLE - time.monotonic()))
            answer = connection.call(PRODUCE, 7, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 60000, "TopicData": [
                {"Name": "topic-0", "PartitionData": [
                    {"Index": 0, "Records": wire.batch([b"x" * 100], timestamp=int(time.time() * 1000))}]}]})
            code = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
            if code != 0:
                raise AssertionError(f"Produce: error {code}")


def wait_in_sync(cluster, node_id, asked):
    """One topic after the other: who polls all of them at once takes the time of those who work."""
    for number in range(TOPICS):
        wait_until(lambda: all(node_id in partition["IsrNodes"] for partition in topic_of(cluster[asked], number)),
                   f"node {node_id} to be in sync in topic-{number}", PATIENCE_SECONDS)


def partitions_group(kinds, scratch, arguments):
    """One kind after the other: both at once would not fit."""
    found = {}
    for kind in kinds:
        with Place(scratch) as place:
            found[kind] = partitions_of(kind, place, arguments)
    return found


def partitions_of(kind, place, arguments):
    figures = {}
    cluster = Cluster(place, [Node(node_id, kind=kind) for node_id in (1, 2, 3)], settings=SETTINGS, name=kind)
    cluster.start()
    wait_until(lambda: len(brokers(cluster[1])) == 3, "three brokers", 60)
    before = cpu_of(cluster)
    figures["answer"] = seconds_of(lambda: create(cluster, arguments.partitions))
    figures["create"] = figures["answer"] + seconds_of(lambda: acknowledge_all(cluster, 1, arguments.partitions))
    figures["create_cpu"] = cpu_of(cluster) - before
    print(f"{kind}: created in {figures['create']:.1f} s (answered after {figures['answer']:.1f} s)", flush=True)
    time.sleep(10)  # Kafka's compiler and collector settle.
    before = cpu_of(cluster)
    time.sleep(arguments.idle_seconds)
    figures["idle"] = (cpu_of(cluster) - before) / arguments.idle_seconds
    before = cpu_of(cluster)
    trickle(cluster, arguments.idle_seconds)
    figures["light"] = (cpu_of(cluster) - before) / arguments.idle_seconds
    figures["memory"] = max(node.resident_bytes() for node in cluster.nodes.values()) / (1 << 20)
    victim = next(node_id for node_id in (3, 2, 1) if node_id != cluster.leader())
    asked = next(node_id for node_id in (1, 2, 3) if node_id != victim)
    figures["stop"] = cluster[victim].stop()
    acknowledge_all(cluster, asked, arguments.partitions)
    time.sleep(2)
    before = cpu_of(cluster)

    def restart():
        cluster[victim].launch()
        cluster[victim].wait_until_ready()
        wait_in_sync(cluster, victim, asked)
    figures["restart"] = seconds_of(restart)
    figures["restart_cpu"] = cpu_of(cluster) - before
    print(f"{kind}: stopped in {figures['stop']:.1f} s, back after {figures['restart']:.1f} s", flush=True)
    return figures


def brokers(node):
    with wire.Connection(node.port, 30) as connection:
        return connection.call(METADATA, 9, {"Topics": []})["Brokers"]


class Pair:
    """A leader, which is the controller as well, and a follower, which does nothing but follow."""

    def __init__(self, kind, place):
        self.kind = kind
        self.cluster = Cluster(place, [Node(1, kind=kind), Node(2, "broker", kind=kind)], settings=SETTINGS,
                               name=f"{kind}-two")
        self.cluster.start()
        wait_until(lambda: len(brokers(self.cluster[1])) == 2, "two brokers", 60)
        with wire.Connection(self.cluster[1].port) as connection:
            connection.call(CREATE_TOPICS, 7, {"Topics": [
                {"Name": "bulk", "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": [
                    {"PartitionIndex": 0, "BrokerIds": [1, 2]}], "Configs": []}], "timeoutMs": 30000, "validateOnly": False})

    def load(self, seconds):
        output_of([str(word) for word in (
            places.built_program("wirebench"), "produce", self.cluster[1].bootstrap, "--topic", "bulk", "--records", 100,
            "--size", 1000, "--depth", 5, "--acks", -1, "--seconds", seconds)])

    def replicated_bytes(self):
        return sum(file.stat().st_size for file in (self.cluster[2].data_directory / "bulk-0").glob("*.log"))

    def measure(self, seconds):
        """{figure: value} of one round."""
        def state():
            return [time.monotonic(), self.replicated_bytes(),
                    *(cpu_seconds(self.cluster[node].process.pid) for node in (1, 2))]
        before = state()
        self.load(seconds)
        took, written, leader, follower = (after - was for was, after in zip(before, state()))
        gigabytes = written / 1e9
        found = {"follower": follower / gigabytes, "leader": leader / gigabytes, "replication_rate": written / 1e6 / took}
        print(f"{self.kind}: {found['follower']:.2f} s a GB on the follower, {found['leader']:.2f} s on the leader, "
              f"{found['replication_rate']:.0f} MB/s", flush=True)
        return found


def replication_group(kinds, scratch, arguments):
    rounds = {kind: [] for kind in kinds}
    with Place(scratch) as place:
        pairs = [Pair(kind, place) for kind in kinds]
        for pair in pairs:
            pair.load(arguments.warm_up_seconds)
        for _ in range(arguments.rounds):
            for pair in pairs:
                rounds[pair.kind].append(pair.measure(arguments.seconds))
    return {kind: {key: statistics.median(one[key] for one in found) for key in found[0]}
            for kind, found in rounds.items()}


ROWS = [
    ("create", "create {partitions} partitions x 3, until each acknowledged a record", "s"),
    ("answer", "of that until CreateTopics was answered", "s"),
    ("create_cpu", "CPU of all nodes for it", "s"),
    ("idle", "CPU of all nodes per second, idle, with these", "s"),
    ("light", "the same with 100 records a second to one of them", "s"),
    ("memory", "memory of the largest node then", "MiB"),
    ("stop", "SIGTERM of a node until its end", "s"),
    ("restart", "its restart, until it is back in every in-sync set", "s"),
    ("restart_cpu", "CPU of all nodes for it", "s"),
    ("follower", "CPU of a follower per GB, acks=all, 100 x 1 kB", "s"),
    ("leader", "CPU of its leader, the produce requests included", "s"),
    ("replication_rate", "the rate of that", "MB/s"),
]


def table(found, arguments):
    lines = ["| figure | unit | Kafka | Barnabas | ratio | target | reached |",
             "| --- | --- | ---: | ---: | ---: | --- | --- |"]
    for key, title, unit in ROWS:
        kafka, ours = found.get("kafka", {}).get(key), found["barnabas"].get(key)
        if ours is None:
            continue
        ratio = ours / kafka if kafka else None
        target = TARGETS.get(key)
        lines.append("| " + " | ".join([
            title.format(partitions=arguments.partitions), unit, "" if kafka is None else f"{kafka:.2f}", f"{ours:.2f}",
            "" if ratio is None else f"{ratio:.2f} x", "" if target is None else f"<= {target} x",
            "" if target is None or ratio is None else "yes" if ratio <= target else "no"]) + " |")
    return lines


def about(arguments):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return [f"- {datetime.datetime.now():%Y-%m-%d %H:%M}, commit {commit.stdout.strip()}",
            f"- {os.cpu_count()} cores, Linux {platform.release()}, shared by the nodes and what measures them",
            f"- {TOPICS} topics; load average before the run: {load}"]


GROUPS = {"partitions": partitions_group, "replication": replication_group}


def arguments_of(command_line):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--only", choices=sorted(GROUPS), help="one group")
    parser.add_argument("--no-kafka", action="store_true", help="leave Apache Kafka out")
    parser.add_argument("--idle-seconds", type=float, default=10)
    parser.add_argument("--warm-up-seconds", type=float, default=15)
    parser.add_argument("--seconds", type=float, default=5, help="of the load that is replicated, a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench" / "results")
    return parser.parse_args(command_line)


def main(command_line):
    arguments = arguments_of(command_line)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    facts = about(arguments)
    scratch = ROOT / "build" / "bench"
    scratch.mkdir(parents=True, exist_ok=True)
    kinds = ["barnabas"] if arguments.no_kafka else ["barnabas", "kafka"]
    found = {kind: {} for kind in kinds}
    for name, group in GROUPS.items():
        if arguments.only not in (None, name):
            continue
        for kind, figures in group(kinds, scratch, arguments).items():
            found[kind].update(figures)
    page = "\n".join(["# Clusters of three nodes", "", *facts, "", *table(found, arguments), ""])
    print(page)
    arguments.results.mkdir(exist_ok=True)
    only = f"-{arguments.only}" if arguments.only else ""
    (arguments.results / f"{datetime.date.today()}-scale{only}.md").write_text(page)


if __name__ == "__main__":
    main(sys.argv[1:])
