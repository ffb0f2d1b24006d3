#!/usr/bin/env python3
"""A cluster of three Apache Kafka nodes is replaced node by node, in place, and back again, while clients go on.

Each node in turn is stopped (SIGTERM), and started as the kind under test on the same directory with the same id, ports
and settings; then each becomes Apache Kafka again. Between the steps Apache Kafka's own tools say that nothing is missing
and that all voters of the metadata quorum keep up. All the while an idempotent producer writes (librdkafka, acks=all),
two consumers of a group read, and a copier moves records from topic to topic in transactions (the Java client).
At the end, and in the middle when no node is Apache Kafka's any more: every acknowledged record is there, in order, once,
and was consumed; what was copied is there once; and the partitions are the same on all nodes to the byte.
In the quick tier one node goes back. In the full tier all do, and a group of the consumer protocol (KIP-848) reads as well;
the nodes' quorum is static once and dynamic (KIP-853) once, brokers and controllers are apart once, and in a quorum of two
of Apache Kafka and one of Barnabas the active controller is restarted until each kind has led.
"""

import re
import subprocess
import time

from crash_produce_kill9 import count_lines, finish_load, start_load, wait_for_acknowledgements
from harness import acknowledged, case, places
from harness.cluster import Cluster, Node
from harness.outcome import check, check_equal, step
from harness.program import java
from harness.waiting import wait_until
from harness.wire_client import WireClient

BROKERS = (1, 2, 3)
PARTITIONS = 6
RECORDS_A_SECOND = 1000
COPIED_PER_STEP = 500
CREATE_TOPICS = 19
SETTINGS = {
    "default.replication.factor": "3", "min.insync.replicas": "2", "num.partitions": "3",
    "offsets.topic.replication.factor": "3", "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2", "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "group.min.session.timeout.ms": "1000",
}


def create_topics(cluster):
    with WireClient(cluster[BROKERS[0]].port) as client:
        answer = client.call(CREATE_TOPICS, 7, {"Topics": [
            {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 3, "Assignments": [], "Configs": [
                {"Name": "segment.bytes", "Value": "1048576"}, {"Name": "retention.ms", "Value": "-1"}]}
            for name, partitions in (("load", PARTITIONS), ("copier-in", 3), ("copier-out", 3))],
            "timeoutMs": 15000, "validateOnly": False})
    check_equal([told["ErrorCode"] for told in answer["Topics"]], [0, 0, 0], "CreateTopics")


class Clients:
    """What goes on all the while, and what it has done."""

    def __init__(self, case, cluster):
        self.case, self.cluster = case, cluster
        self.acknowledged = case.scratch / f"acknowledged-{cluster.id}"
        self.producer = start_load(case, cluster, "load", self.acknowledged, PARTITIONS, RECORDS_A_SECOND)
        self.consumers = [self.consumer(name) for name in "ab"]
        self.console_consumer = self.start_console_consumer() if case.full else None
        libs = places.kafka_libs()
        class_path = places.java_classes(places.COMPAT_TESTS / "java_client" / "TransactionalCopier.java", libs)
        self.copier = case.program(f"copier-{cluster.id}", java(class_path, "TransactionalCopier", cluster.bootstrap, "a",
                                                                1)).start()
        self.fed = 0

    def consumer(self, name):
        """What it reads goes to its file, what it says of its brokers (which go, one by one) to another."""
        kcat = [places.command("kcat"), "-E", "-G", "readers", "-b", self.cluster.bootstrap, "-q", "-u", "-f",
                "%p %o %s\n", "-X", "auto.offset.reset=earliest", "-X", "check.crcs=true", "load"]
        name = f"consumer-{name}-{self.cluster.id}"
        return self.case.program(name, ["sh", "-c", f'exec "$@" 2>{name}-problems', "sh", *kcat]).start()

    def start_console_consumer(self):
        """A group of the consumer protocol (KIP-848)."""
        formats = [word for name in ("print.partition", "print.offset") for word in
                   ("--formatter-property", f"{name}=true")]
        command = self.case.kafka_tools(self.cluster.bootstrap).command(
            "kafka-console-consumer", "--topic", "load", "--group", "new-readers", "--from-beginning",
            "--command-property", "group.protocol=consumer", *formats)
        name = f"console-consumer-{self.cluster.id}"
        return self.case.program(name, ["sh", "-c", f'exec "$@" 2>{name}-problems', "sh", *command]).start()

    def committed_transactions(self):
        told = re.findall(r"committed (\d+) aborted", self.copier.output())
        return int(told[-1]) if told else 0

    def feed_copier(self):
        lines = "".join(f"k{number}|{number}\n" for number in range(self.fed, self.fed + COPIED_PER_STEP))
        kcat(self.cluster, "-P", "-t", "copier-in", "-K", "|", "-X", "enable.idempotence=true", stdin=lines)
        self.fed += COPIED_PER_STEP

    def work_for_a_while(self):
        """All of them get somewhere: more is acknowledged, and in transactions."""
        wait_for_acknowledgements(self.producer, self.acknowledged, count_lines(self.acknowledged) + 1000)
        before = self.committed_transactions()
        self.feed_copier()
        wait_until(lambda: self.committed_transactions() > before, "the copier's next transaction", 60)

    def consumed(self):
        """{(partition, offset)} that the consumers have read."""
        for consumer in self.consumers:
            consumer.check_alive()
        return {(partition, offset) for consumer in self.consumers
                for partition, offset, _ in acknowledged.read_acknowledged(open(consumer.log_file))}

    def consumed_on_console(self):
        self.console_consumer.check_alive()
        return {(int(partition), int(offset)) for partition, offset in re.findall(
            r"^Partition:(\d+)\tOffset:(\d+)\t.*\n", self.console_consumer.output(), re.MULTILINE)}

    def copied(self):
        """The numbers in the copier's output, as a reader of committed records sees them."""
        return [int(value) for value in kcat(self.cluster, "-C", "-t", "copier-out", "-o", "beginning", "-e", "-q",
                                             "-X", "isolation.level=read_committed", "-X", "check.crcs=true").split()]

    def read(self, partition):
        """From the beginning to what is the end now: there is no offset without a record."""
        end = int(kcat(self.cluster, "-Q", "-t", f"load:{partition}:-1").split()[-1])
        rows = acknowledged.read_acknowledged(kcat(
            self.cluster, "-C", "-t", "load", "-p", partition, "-o", "beginning", "-c", end, "-q", "-f", "%p %o %s\n",
            "-X", "check.crcs=true").splitlines(keepends=True))
        check_equal(len(rows), end, f"records of partition {partition}")
        return rows

    def check(self):
        """Nothing is lost of what was acknowledged until now, doubled, or out of order."""
        rows = acknowledged.read_acknowledged(open(self.acknowledged))
        read = [row for partition in range(PARTITIONS) for row in self.read(partition)]
        found = acknowledged.problems(rows, read)
        check(not found, "\n".join(found))
        wanted = {(partition, offset) for partition, offset, _ in rows if offset >= 0}
        wait_until(lambda: wanted <= self.consumed(), "the group to have read every record", 60)
        if self.console_consumer:
            wait_until(lambda: wanted <= self.consumed_on_console(), "the group of the consumer protocol to have them", 60)
        wait_until(lambda: len(self.copied()) >= self.fed, "the copier to have copied every record", 60)
        check_equal(sorted(self.copied()), list(range(self.fed)), "the numbers that were copied")
        step(f"{len(rows)} acknowledged records are there, in order, once, and were consumed; "
             f"{self.fed} were copied in transactions, each once")

    def stop(self, tools):
        """The group's last commits are of everything."""
        finish_load(self.producer)
        self.check()
        for consumer in self.consumers:
            consumer.stop()
        if self.console_consumer:
            self.console_consumer.stop()
        rows = [line.split() for line in tools.call("kafka-consumer-groups", "--describe", "--group",
                                                    "readers").splitlines() if line.startswith("readers")]
        check_equal([row[5] for row in rows], ["0"] * PARTITIONS, "how far the group is behind, by kafka-consumer-groups")
        self.copier.kill()
        wait_until(lambda: not re.search("Ongoing|Prepare", tools.call("kafka-transactions", "list")),
                   "no transaction to be left open", 60)

    def kill(self):
        self.producer.kill()


def kcat(cluster, *arguments, stdin=None):
    done = subprocess.run([places.command("kcat"), "-b", cluster.bootstrap, *map(str, arguments)],
                          input=stdin or "", capture_output=True, text=True, timeout=120)
    check(done.returncode == 0, f"kcat {arguments}: {done.stderr}")
    return done.stdout


def whole(tools):
    """What docs/migration.md tells to look at before the next node is stopped."""
    if tools.call("kafka-topics", "--describe", "--under-replicated-partitions").strip():
        return False
    if tools.call("kafka-topics", "--describe", "--unavailable-partitions").strip():
        return False
    rows = [line.split() for line in tools.call("kafka-metadata-quorum", "describe", "--replication").splitlines()[1:]]
    lags = {row[0]: int(row[3]) for row in rows if row[-1] in ("Leader", "Follower")}
    return len(lags) == 3 and max(lags.values()) < 20


def next_step(cluster, tools, clients, what):
    wait_until(lambda: whole(tools), f"the cluster to be whole after {what}", 90)
    clients.work_for_a_while()


def replace(cluster, node_id, kind, tools, clients):
    was_active = cluster.leader() == node_id
    took = cluster[node_id].stop()
    before = cluster[node_id].kind
    begun = time.monotonic()
    cluster.replace(node_id, kind)
    cluster.start([node_id])
    started = time.monotonic() - begun
    next_step(cluster, tools, clients, f"node {node_id} became {kind}")
    leader = cluster.wait_for_leader()
    step(f"node {node_id}{' (the active controller)' if was_active else ''}: {before} stopped in {took:.1f} s, {kind} "
         f"serves after {started:.1f} s, all in sync after {time.monotonic() - begun:.1f} s; active controller: "
         f"node {leader} ({cluster[leader].kind})")
    return cluster[leader].kind


def elect_each_kind(cluster, tools, clients, led):
    """Restarts the active controller until both kinds have led this mixed quorum."""
    kinds = {cluster[node_id].kind for node_id in cluster.controllers}
    for _ in range(12):
        leader = cluster.wait_for_leader()
        led.add(cluster[leader].kind)
        if led >= kinds:
            return
        cluster[leader].stop()
        cluster.start([leader])
        next_step(cluster, tools, clients, f"node {leader} was restarted")
    raise AssertionError(f"of {kinds} only {led} came to lead\n{cluster.output_tails()}")


def order(cluster):
    """The active controller first: each replacement has an election in it then. Brokers of their own come last, as
    with an upgrade."""
    first = cluster.wait_for_leader()
    return sorted(cluster.specs, key=lambda node_id: (node_id not in cluster.controllers, node_id != first, node_id))


def read_logs(node):
    """{partition: bytes}; where a segment ends is each node's own affair."""
    return {directory.name: b"".join(file.read_bytes() for file in sorted(directory.glob("*.log")))
            for topic in ("load", "copier-in", "copier-out")
            for directory in sorted(node.data_directory.glob(f"{topic}-*"))}


def compare_logs(case, cluster):
    """Stops all, so that nothing is written any more. Every node has the same bytes."""
    for node_id in reversed(order(cluster)):
        cluster[node_id].stop() if cluster[node_id].kind == "barnabas" else cluster[node_id].kill()
    logs = [read_logs(cluster[node_id]) for node_id in BROKERS]
    for node_id, log in zip(BROKERS[1:], logs[1:]):
        check_equal(sorted(log), sorted(logs[0]), f"the partitions of node {node_id} beside node {BROKERS[0]}'s")
        check_equal([name for name in log if log[name] != logs[0][name]], [], f"partitions of node {node_id} that differ")
    step(f"{len(logs[0])} partitions are equal on all nodes, {sum(map(len, logs[0].values())) / 1e6:.0f} MB")


def run_on(case, name, nodes, dynamic, elect, back=None):
    """`back` is how many nodes become Apache Kafka again; all of them unless it is given."""
    cluster = Cluster(case, nodes, dynamic=dynamic, settings=SETTINGS, name=name)
    cluster.start()
    tools = case.kafka_tools(cluster.bootstrap)
    create_topics(cluster)
    clients = Clients(case, cluster)
    try:
        next_step(cluster, tools, clients, "the start")
        step(f"{name}: {len(nodes)} nodes of Apache Kafka, clients at work")
        led = set()
        for kind, count in ((case.kind, None), ("kafka", back)):
            led.clear()
            for node_id in order(cluster)[:count]:
                led.add(replace(cluster, node_id, kind, tools, clients))
                controllers = [cluster[other].kind for other in cluster.controllers]
                # Of two of Barnabas one follows the other so soon that a third one seldom gets its turn.
                if elect and sorted(controllers) == [case.kind, "kafka", "kafka"]:
                    elect_each_kind(cluster, tools, clients, led)
                    step(f"{name}: each kind has led the mixed quorum")
            clients.check()
            step(f"{name}: the nodes are {[node.kind for node in cluster.nodes.values()]}")
        clients.stop(tools)
        wait_until(lambda: whole(tools), "the cluster to be whole at the end", 30)
        compare_logs(case, cluster)
    finally:
        clients.kill()
        for node in cluster.nodes.values():
            node.kill()


def combined():
    return [Node(node_id, kind="kafka") for node_id in BROKERS]


def apart():
    return [Node(node_id, "broker", "kafka") for node_id in BROKERS] + \
        [Node(node_id, "controller", "kafka") for node_id in (11, 12, 13)]


def run(case):
    places.command("kcat")
    places.built_program("librdkafka_program")
    run_on(case, "combined-dynamic", combined(), dynamic=True, elect=case.full, back=None if case.full else 1)
    if case.full:
        run_on(case, "combined-static", combined(), dynamic=False, elect=True)
        run_on(case, "apart", apart(), dynamic=True, elect=False)


if __name__ == "__main__":
    case.main(run)
