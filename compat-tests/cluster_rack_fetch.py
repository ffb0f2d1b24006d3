#!/usr/bin/env python3
"""Consumers read from the replica in their rack (KIP-392): librdkafka (kcat) and Apache Kafka's console consumer.

Two brokers in two racks, of one kind and one of each kind; every partition has a replica on both, each broker leads half
of them. Relays before the brokers count the bytes of records that each of them gives to whom. A consumer of a rack has
every byte from the broker of its rack, whoever leads; one without a rack, or of a rack where nobody is, from the leaders;
all read the same, records of transactions that were aborted left out where only committed ones are asked for.
Two consumers of either client follow a producer: they read on when the broker of their rack is stopped, and from there
again when it is back.
"""

import contextlib
import functools
import re
import subprocess

from harness import case, places
from harness.broker import free_ports
from harness.cluster import Cluster, Node
from harness.failover import state_of, unfenced, wait_in_sync
from harness.fetch_relay import FetchRelay
from harness.outcome import check, check_equal, step
from harness.transactions import FIND_COORDINATOR, Transaction
from harness.waiting import wait_until
from harness.wire_client import WireClient

CREATE_TOPICS = 19
ONE, OTHER = 2, 3
BROKERS = (ONE, OTHER)
TOPIC, PARTITIONS = "read", 4
LEADERS = {0: ONE, 1: ONE, 2: OTHER, 3: OTHER}
SETTINGS = {"offsets.topic.replication.factor": "2", "auto.leader.rebalance.enable": "false",
            "broker.session.timeout.ms": "4000", "broker.heartbeat.interval.ms": "500"}


def rack(node_id):
    return f"rack-{node_id}"


def make_cluster(case, kinds, name):
    """And {id: port of the relay}. The brokers talk to each other by a listener of their own, beside the relays."""
    cluster = Cluster(case, [Node(1, "controller"), *(Node(node_id, "broker", kind) for node_id, kind in
                                                      zip(BROKERS, kinds))], settings=SETTINGS, name=name)
    relays = {}
    for node_id, relay in zip(BROKERS, free_ports(len(BROKERS))):
        node, relays[node_id] = cluster[node_id], relay
        node.clients_port, = free_ports(1)
        node.settings |= {
            "broker.rack": rack(node_id),
            "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
            "listeners": f"PLAINTEXT://{node.bootstrap},CLIENTS://{node.host}:{node.clients_port}",
            "advertised.listeners": f"PLAINTEXT://{node.bootstrap},CLIENTS://{node.host}:{relay}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT"}
    return cluster, relays


class Racks:
    """The cluster with its relays, and what was written to it."""

    def __init__(self, case, cluster, relays):
        self.case, self.cluster, self.relays, self.rows = case, cluster, relays, []
        self.bootstrap = ",".join(relay.bootstrap for relay in relays.values())

    def create_topic(self, name, leaders):
        with WireClient(self.cluster[ONE].port) as client:
            answer = client.call(CREATE_TOPICS, 7, {"Topics": [
                {"Name": name, "NumPartitions": -1, "ReplicationFactor": -1, "Configs": [
                    {"Name": "retention.ms", "Value": "-1"}], "Assignments": [
                    {"PartitionIndex": index, "BrokerIds": sorted(BROKERS, key=lambda node: node != leader)}
                    for index, leader in leaders.items()]}], "timeoutMs": 15000, "validateOnly": False})
        check_equal([told["ErrorCode"] for told in answer["Topics"]], [0], f"CreateTopics of {name}")
        for node_id in BROKERS:
            wait_in_sync(self.cluster[node_id], name, len(leaders), len(BROKERS))

    def write(self, count=500):
        """So many more to each partition."""
        for partition in LEADERS:
            begin = sum(1 for row in self.rows if row[0] == partition)
            rows = [(partition, offset, f"{partition}-{offset} {'letter ' * 20}") for offset in range(begin, begin + count)]
            done = subprocess.run([places.command("kcat"), "-P", "-b", self.cluster.bootstrap, "-t", TOPIC, "-p",
                                   str(partition), "-X", "enable.idempotence=true", "-X", "batch.size=4096"],
                                  input="".join(row[2] + "\n" for row in rows), capture_output=True, text=True, timeout=60)
            check(done.returncode == 0, f"writing to partition {partition}: {done.stderr}")
            self.rows += rows

    def wait_until_readable(self, topic, ends):
        """Of every replica: a follower learns with its next fetch what it may give away."""
        def readable(node_id, partition, end):
            with WireClient(self.cluster[node_id].port) as client:
                code, told = client.fetch(topic, partition, end)
            return code == 0 and told["HighWatermark"] == end
        for node_id in BROKERS:
            for partition, end in ends.items():
                wait_until(lambda: readable(node_id, partition, end), f"{topic}-{partition} at node {node_id}", 20)

    def kcat(self, name, its_rack, *more, topic=TOPIC):
        settings = [word for setting in ("check.crcs=true", f"client.id={name}", *(
            [f"client.rack={its_rack}"] if its_rack else [])) for word in ("-X", setting)]
        return [places.command("kcat"), "-C", "-b", self.bootstrap, "-t", topic, "-o", "beginning", "-f", "%p %o %s\n",
                "-q", *settings, *more]

    def console_consumer(self, name, its_rack, *more):
        shown = [word for shown in ("partition", "offset") for word in ("--formatter-property", f"print.{shown}=true")]
        return self.case.kafka_tools(self.bootstrap).command(
            "kafka-console-consumer", "--topic", TOPIC, "--from-beginning", "--command-property", f"client.id={name}",
            "--command-property", f"client.rack={its_rack}", *shown, *more)

    def who_served(self, client):
        """{partition: [ids of the brokers]} that gave a client records."""
        found = {}
        for node_id, relay in self.relays.items():
            for partition in relay.served(client):
                found.setdefault(partition, []).append(node_id)
        return found

    def check_served_by(self, client, wanted):
        """Each partition by one, every byte."""
        check_equal(self.who_served(client), {partition: [node_id] for partition, node_id in wanted.items()},
                    f"who gave records to {client}")


def rows_of(text):
    """[(partition, offset, value)], of kcat's lines and of the console consumer's."""
    rows = re.findall(r"^(?:Partition:)?(\d+)[ \t](?:Offset:)?(\d+)[ \t](.*)\n", text, re.MULTILINE)
    return [(int(partition), int(offset), value) for partition, offset, value in rows]


def check_read(what, text, rows):
    """Each partition in its order."""
    read = sorted(rows_of(text), key=lambda row: row[0])
    check_equal(len(read), len(rows), f"how many records {what} read")
    different = [pair for pair in zip(read, sorted(rows)) if pair[0] != pair[1]]
    check_equal(different[:3], [], f"what {what} read in the place of what")


def read_history(racks):
    cases = [("near-one", rack(ONE), dict.fromkeys(LEADERS, ONE)), ("near-other", rack(OTHER), dict.fromkeys(LEADERS, OTHER)),
             ("nowhere", None, LEADERS), ("far-away", "rack-9", LEADERS)]
    for name, its_rack, wanted in cases:
        done = subprocess.run(racks.kcat(name, its_rack, "-e"), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)
        check(done.returncode == 0, f"kcat as {name}: {done.stderr}")
        check_read(name, done.stdout, racks.rows)
        racks.check_served_by(name, wanted)
        for node_id, relay in racks.relays.items():
            away = {partition: {wanted[partition]} for partition, leader in LEADERS.items()
                    if leader == node_id and wanted[partition] != leader}
            check_equal(relay.sent_to(name), away, f"where node {node_id} sent {name}")
    step("librdkafka: each rack reads from its own broker, the others from the leaders")
    for name, node_id in (("java-one", ONE), ("java-other", OTHER)):
        command = racks.console_consumer(name, rack(node_id), "--max-messages", len(racks.rows), "--timeout-ms", 60000)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        check(done.returncode == 0, f"kafka-console-consumer as {name}: {done.stderr}")
        check_read(name, done.stdout, racks.rows)
        racks.check_served_by(name, dict.fromkeys(LEADERS, node_id))
    step("kafka-console-consumer: the same")


def transactional_id(cluster, node_id):
    """One whose coordinator is this broker."""
    with WireClient(cluster[node_id].port) as client:
        for number in range(100):
            name = f"writer-{number}"

            def ask():
                told, = client.call(FIND_COORDINATOR, 4, {"KeyType": 1, "CoordinatorKeys": [name]})["Coordinators"]
                return told["ErrorCode"], told["NodeId"]
            if client.patiently(f"the coordinator of {name}", ask) == node_id:
                return name
    raise AssertionError(f"node {node_id} coordinates no transactions")


def read_committed(racks):
    """A follower knows what was aborted."""
    for leader, follower in (BROKERS, BROKERS[::-1]):
        topic, committed, total = f"transactional-{leader}", [], 0
        racks.create_topic(topic, {0: leader})
        writer = Transaction(racks.cluster[leader].port, transactional_id(racks.cluster, leader))
        for number in range(10):
            values = [b"%d-%d" % (number, at) for at in range(20)]
            writer.send(topic, [(b"key", value) for value in values], 1700000000000)
            writer.end(commit=number % 3 != 1)
            if number % 3 != 1:
                committed += [(0, total + at, value.decode()) for at, value in enumerate(values)]
            total += len(values) + 1  # and the marker
        racks.wait_until_readable(topic, {0: total})
        name = f"committed-{leader}"
        done = subprocess.run(racks.kcat(name, rack(follower), "-e", "-X", "isolation.level=read_committed", topic=topic),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        check(done.returncode == 0, f"kcat as {name}: {done.stderr}")
        check_read(name, done.stdout, committed)
        racks.check_served_by(name, {0: follower})
    step("a follower gives away what was committed, and tells what was aborted")


class Reader:
    """A consumer that does not end."""

    def __init__(self, racks, client, node_id):
        self.racks, self.client, self.near, self.name = racks, client, node_id, f"{client}-{node_id}-follows"
        command = racks.kcat(self.name, rack(node_id), "-E", "-u") if client == "kcat" else \
            racks.console_consumer(self.name, rack(node_id))
        where = f"{racks.cluster.id}-{self.name}"
        # What it says of its brokers, which go, one by one, is put elsewhere.
        self.program = racks.case.program(where, ["sh", "-c", f'exec "$@" 2>{where}-problems', "sh", *command]).start()

    def wait_for(self, partitions):
        """Until it has all of them."""
        wanted = {row for row in self.racks.rows if row[0] in partitions}

        def has_all():
            self.program.check_alive()
            return wanted <= set(rows_of(self.program.output()))
        wait_until(has_all, f"{self.name} to have read all of {sorted(partitions)}", 60)


def leaders_of(node):
    return {partition: leader for partition, (leader, _) in state_of(node, TOPIC).items()}


def write_and_read(racks, readers, stuck=lambda reader: ()):
    """Who gave each of them what was written now, {name: as who_served()}, when they have read it."""
    for relay in racks.relays.values():
        relay.forget()
    racks.write(100)
    for reader in readers:
        reader.wait_for(set(LEADERS) - set(stuck(reader)))
    return {reader.name: racks.who_served(reader.name) for reader in readers}


def wait_until_near(racks, readers):
    wanted = {reader.name: {partition: [reader.near] for partition in LEADERS} for reader in readers}
    wait_until(lambda: write_and_read(racks, readers) == wanted, "each consumer to read from the broker of its rack", 60)


def without(racks, readers, gone, left):
    """librdkafka stays with the replica that it was sent to as long as the leader is the same, if that one is down as well,
    for five minutes (measured beside Apache Kafka's brokers): it reads on when it is back."""
    led_by_left = {partition for partition, leader in leaders_of(racks.cluster[left]).items() if leader == left}

    def stuck(reader):
        return led_by_left if reader.client == "kcat" and reader.near == gone else ()
    racks.cluster[gone].stop()
    wait_until(lambda: set(leaders_of(racks.cluster[left]).values()) == {left}, f"node {left} to lead everything", 30)
    found = write_and_read(racks, readers, stuck)
    for reader in readers:
        check_equal(found[reader.name], {partition: [left] for partition in LEADERS if partition not in stuck(reader)},
                    f"who gave records to {reader.name} without node {gone}")
    racks.cluster[gone].start()
    wait_until(lambda: unfenced(racks.cluster[left]) == set(BROKERS), f"node {gone} to be back", 30)
    wait_in_sync(racks.cluster[left], TOPIC, PARTITIONS, len(BROKERS))
    wait_until_near(racks, readers)
    step(f"without the {racks.cluster[gone].kind} broker all read from the {racks.cluster[left].kind} one; since it is "
         "back, its rack reads from it again")


def follow(racks):
    readers = [Reader(racks, client, node_id) for client in ("kcat", "java") for node_id in BROKERS]
    wait_until_near(racks, readers)
    step("two consumers of either client follow a producer, each by the broker of its rack")
    without(racks, readers, ONE, OTHER)
    without(racks, readers, OTHER, ONE)
    for reader in readers:
        text = reader.program.output()
        if reader.client == "java":  # A broker that goes changes the racks, for which its group begins anew (KIP-881).
            text = "".join(sorted(set(text.splitlines(keepends=True)), key=lambda line: rows_of(line)[0]))
        check_read(reader.name, text, racks.rows)
        reader.program.kill()


def run_on(case, kinds):
    cluster, ports = make_cluster(case, kinds, "-".join(kinds))
    with contextlib.ExitStack() as stack:
        relays = {node_id: stack.enter_context(FetchRelay(port, cluster[node_id].clients_port))
                  for node_id, port in ports.items()}
        cluster.start()
        wait_until(lambda: unfenced(cluster[ONE]) == set(BROKERS), "both brokers", 30)
        racks = Racks(case, cluster, relays)
        racks.create_topic(TOPIC, LEADERS)
        racks.write()
        racks.wait_until_readable(TOPIC, dict.fromkeys(LEADERS, len(racks.rows) // PARTITIONS))
        step(f"brokers of {' and '.join(kinds)}: {len(racks.rows)} records are on both")
        read_history(racks)
        read_committed(racks)
        follow(racks)
        for node in cluster.nodes.values():
            node.kill()


def run(case):
    places.command("kcat")
    pairs = [("kafka", "barnabas"), ("barnabas", "barnabas")] if case.is_barnabas else [("kafka", "kafka")]
    case.at_once(*(functools.partial(run_on, case, kinds) for kinds in pairs))


if __name__ == "__main__":
    case.main(run)
