"""Copiers read numbered records, write them to another topic and commit both in transactions: each record once.

A copier is a program that is called with BOOTSTRAP NAME SEED, reads topic copier-in in group copiers, writes each value
to copier-out, aborts one transaction in five on purpose, and says "committed N aborted M" after each. Its transactional
id is copier-NAME, which is what its case.program() is called too. It goes on whatever the brokers do to it, until it is
killed.
"""

import random
import re
import subprocess
import time

from . import places
from .cluster import Cluster, Node
from .failover import create_topic, state_of, wait_in_sync, wait_whole
from .outcome import check, check_equal, step
from .waiting import wait_until
from .wire import Connection
from .wire_client import WireClient

IN, OUT, GROUP = "copier-in", "copier-out", "copiers"
IN_PARTITIONS, OUT_PARTITIONS = 4, 3
LIST_OFFSETS, OFFSET_FETCH, FIND_COORDINATOR, LIST_TRANSACTIONS = 2, 9, 10, 66
SETTINGS = {"log.segment.bytes": "1048576", "group.min.session.timeout.ms": "1000",
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"}
REPLICATED = {"offsets.topic.replication.factor": "3", "offsets.topic.num.partitions": "6",
              "transaction.state.log.replication.factor": "3", "transaction.state.log.min.isr": "2",
              "transaction.state.log.num.partitions": "6", "min.insync.replicas": "2", "default.replication.factor": "3",
              "broker.session.timeout.ms": "6000", "broker.heartbeat.interval.ms": "1000"}


class Brokers:
    """One broker, or those of a cluster: the topics that are copied, what is in them, and what the group has done."""

    def __init__(self, nodes):
        """`nodes`: {id: broker}, started."""
        self.nodes, self.sent = nodes, 0
        self.replicas = len(nodes)
        self.bootstrap = ",".join(node.bootstrap for node in nodes.values())
        for topic, partitions in ((IN, IN_PARTITIONS), (OUT, OUT_PARTITIONS)):
            create_topic(self.any(), topic, partitions, self.replicas)
            wait_in_sync(self.any(), topic, partitions, self.replicas)
        self.commit_zero()

    def commit_zero(self):
        """So that a client that is told of no offset has been told of a trouble."""
        def is_found():
            found = self.coordinator(0, GROUP)
            return None if found is None else self.nodes[found]
        with WireClient(wait_until(is_found, "the coordinator of the group").port) as client:
            client.commit(GROUP, IN, dict.fromkeys(range(IN_PARTITIONS), 0))

    def any(self):
        return next(iter(self.nodes.values()))

    def kcat(self, *arguments, stdin=None):
        done = subprocess.run([places.command("kcat"), "-b", self.bootstrap, *map(str, arguments)], input=stdin,
                              capture_output=True, text=True, timeout=180)
        check(done.returncode == 0, f"kcat {arguments}: {done.stderr}")
        return done.stdout

    def send(self, count):
        """The next numbers, to be copied."""
        numbers = range(self.sent, self.sent + count)
        self.kcat("-P", "-t", IN, "-K", "|", "-X", "enable.idempotence=true",
                  stdin="".join(f"k{number}|{number}\n" for number in numbers))
        self.sent += count

    def output(self, isolation):
        """The values of each partition in their order."""
        return [[int(value) for value in self.kcat("-C", "-t", OUT, "-p", partition, "-o", "beginning", "-e", "-q",
                                                   "-X", f"isolation.level={isolation}", "-X", "check.crcs=true").split()]
                for partition in range(OUT_PARTITIONS)]

    def leaders(self):
        """{partition of the output: the id of its leader}"""
        if len(self.nodes) == 1:
            return dict.fromkeys(range(OUT_PARTITIONS), next(iter(self.nodes)))
        return {partition: leader for partition, (leader, _) in state_of(self.any(), OUT).items()}

    def end_offsets(self, isolation):
        found = []
        for partition, leader in sorted(self.leaders().items()):
            with Connection(self.nodes[leader].port) as connection:
                answer = connection.call(LIST_OFFSETS, 4, {
                    "ReplicaId": -1, "IsolationLevel": isolation, "Topics": [{"Name": OUT, "Partitions": [
                        {"PartitionIndex": partition, "CurrentLeaderEpoch": -1, "Timestamp": -1}]}]})
            found.append(answer["Topics"][0]["Partitions"][0]["Offset"])
        return found

    def coordinator(self, key_type, key):
        """The id of the coordinator of a group (0) or a transactional id (1); nothing while there is none."""
        with Connection(self.any().port) as connection:
            told = connection.call(FIND_COORDINATOR, 4, {"KeyType": key_type, "CoordinatorKeys": [key]})["Coordinators"][0]
        return told["NodeId"] if told["ErrorCode"] == 0 else None

    def open_transactions(self):
        found = []
        for node in self.nodes.values():
            with Connection(node.port) as connection:
                answer = connection.call(LIST_TRANSACTIONS, 0, {
                    "StateFilters": ["Ongoing", "PrepareCommit", "PrepareAbort"], "ProducerIdFilters": []})
            if answer["ErrorCode"] != 0:
                return [f"not known to {node.bootstrap}: error {answer['ErrorCode']}"]
            found += [transaction["TransactionalId"] for transaction in answer["TransactionStates"]]
        return found

    def has_copied(self):
        """Whether all that was sent has been, by the offsets that the group has committed."""
        coordinator = self.coordinator(0, GROUP)
        if coordinator is None:
            return False
        with Connection(self.nodes[coordinator].port) as connection:
            answer = connection.call(OFFSET_FETCH, 7, {"GroupId": GROUP, "RequireStable": True, "Topics": [
                {"Name": IN, "PartitionIndexes": list(range(IN_PARTITIONS))}]})
        if answer["ErrorCode"] != 0:
            return False
        partitions = answer["Topics"][0]["Partitions"]
        return all(one["ErrorCode"] == 0 for one in partitions) and \
            sum(max(one["CommittedOffset"], 0) for one in partitions) == self.sent


def start_broker(case, name):
    broker = case.broker(SETTINGS, name=name).start()
    return Brokers({1: broker})


def start_cluster(case, name, kinds=(None, None, None)):
    """Three nodes, each broker and controller; the cluster, and its brokers."""
    cluster = Cluster(case, [Node(number, kind=kind) for number, kind in enumerate(kinds, 1)],
                      settings={**SETTINGS, **REPLICATED}, name=name).start()
    return cluster, Brokers(cluster.nodes)


def copied(copiers):
    """How many transactions the copiers have committed and aborted, all their lives together."""
    totals = [0, 0]
    for copier in copiers:
        lives = re.findall(r"committed (\d+) aborted (\d+)", copier.log_file.read_text(errors="replace"))
        best, last = [0, 0], [0, 0]
        for row in lives:
            counts = [int(count) for count in row]
            if counts < last:
                best = [best[0] + last[0], best[1] + last[1]]
            last = counts
        totals = [totals[0] + best[0] + last[0], totals[1] + best[1] + last[1]]
    return totals


def start_copiers(copiers):
    for copier in copiers:
        copier.start()
    wait_until(lambda: copied(copiers)[0] > 3, "the first transactions")


def wait_for_transactions(brokers, copiers, more=2):
    before = copied(copiers)[0]
    wait_until(lambda: copied(copiers)[0] > before + more or brokers.has_copied(), "more transactions", 120)


def replace_copier(copiers, number):
    victim = copiers[number % len(copiers)]
    victim.kill()
    victim.start()


def copy_through_kills(broker, copiers, count, kills):
    """Starts the copiers, kills the only broker and them again and again, and checks what came out."""
    chance = random.Random(count + kills)
    broker.send(count)
    start_copiers(copiers)
    for kill in range(kills):
        wait_for_transactions(broker, copiers)
        time.sleep(chance.uniform(0, 0.3))
        broker.any().kill()
        broker.any().start()
        if kill % 3 == 1:
            replace_copier(copiers, kill)
    step(f"killed the broker {kills} times and copiers {(kills + 1) // 3} times; {copied(copiers)} transactions so far")
    return check_copies(broker, copiers)


def copy_through_failovers(cluster, brokers, copiers, count, kills):
    """As above, on a cluster: killed are, in turn, the coordinator of the group, that of a copier's transactions, the
    leader of a partition of the output, and the active controller; every second time a copier too. The numbers are sent a
    part before each kill, so that there is always something to copy."""
    chance = random.Random(count + kills)
    part = count // (kills + 1)
    brokers.send(count - part * kills)
    start_copiers(copiers)
    victims = {"group coordinators": lambda: brokers.coordinator(0, GROUP),
               "transaction coordinators": lambda: brokers.coordinator(1, chance.choice(copiers).kind),
               "leaders": lambda: chance.choice([leader for leader in brokers.leaders().values() if leader > 0] or [None]),
               "controllers": cluster.leader}
    done = dict.fromkeys(victims, 0)
    for kill in range(kills):
        brokers.send(part)
        wait_for_transactions(brokers, copiers)
        time.sleep(chance.uniform(0, 0.3))
        what = list(victims)[kill % len(victims)]
        victim = wait_until(victims[what], f"there is one of the {what}")
        done[what] += 1
        cluster[victim].kill()
        if kill % 2 == 1:
            replace_copier(copiers, kill // 2)
        time.sleep(chance.uniform(0, 3))
        cluster[victim].start()
        for topic, partitions in ((IN, IN_PARTITIONS), (OUT, OUT_PARTITIONS)):
            wait_whole(cluster, victim, topic, partitions, brokers.replicas, 90)
    told = ", ".join(f"{number} {what}" for what, number in done.items())
    step(f"killed {told} and {kills // 2} copiers; {copied(copiers)} transactions so far")
    return check_copies(brokers, copiers)


def check_copies(brokers, copiers):
    """Waits until all is copied and ends the copiers; returns the output."""
    wait_until(brokers.has_copied, f"all {brokers.sent} records are copied", 240)
    wait_until(lambda: not brokers.open_transactions(), "no transaction is open any more", 60)
    committed, aborted = copied(copiers)
    for copier in copiers:
        copier.kill()
    wait_until(lambda: not brokers.open_transactions(), "no transaction is left open by the copiers that were killed", 60)
    rows = brokers.output("read_committed")
    check_equal(sorted(value for row in rows for value in row), list(range(brokers.sent)), "the numbers in the output")
    everything = brokers.output("read_uncommitted")
    check(sum(map(len, everything)) > brokers.sent, "no aborted record is in the output: the test shows nothing")
    check_equal(brokers.end_offsets(1), brokers.end_offsets(0), "the last stable offsets")
    step(f"{brokers.sent} records, each once under read_committed ({sum(map(len, everything))} with those of aborted "
         f"transactions); {committed} transactions committed, {aborted} aborted on purpose or in trouble")
    return rows
