"""A word count of Kafka Streams with exactly_once_v2 over three brokers, of which each, and each instance, may be killed.

streams/WordCountJob.java writes every new count of every word. Under read_committed the output must say 1, 2, 3, ... N
for each word, in this order and once: a record that is lost, doubled, or counted again after an abort shows at once.
"""

import subprocess
import time

from . import places
from .cluster import Cluster, Node
from .kcat import Kcat
from .lines import WORDS
from .outcome import check, check_equal, step
from .program import java
from .waiting import wait_until
from .wire_client import WireClient

NODES, PARTITIONS = (1, 2, 3), 3
INPUT, OUTPUT = "lines", "counts"
METADATA, LIST_OFFSETS, FIND_COORDINATOR, CREATE_TOPICS, LIST_TRANSACTIONS = 3, 2, 10, 19, 66
WORDS_IN_A_LINE = 6
SETTINGS = {"offsets.topic.replication.factor": "3", "offsets.topic.num.partitions": "6", "default.replication.factor": "3",
            "transaction.state.log.replication.factor": "3", "transaction.state.log.min.isr": "2",
            "transaction.state.log.num.partitions": "6", "min.insync.replicas": "2", "num.partitions": str(PARTITIONS),
            "broker.session.timeout.ms": "6000", "broker.heartbeat.interval.ms": "1000",
            "group.min.session.timeout.ms": "1000", "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"}


def line(number):
    return " ".join(WORDS[(number * 7 + place * place * 3) % len(WORDS)] for place in range(WORDS_IN_A_LINE))


class WordCount:
    """The cluster, the application's instances, and what the input that was sent comes to."""

    def __init__(self, case, kinds, instances, burst):
        """`kinds`: of each node; None is the kind under test."""
        self.cluster = Cluster(case, [Node(node, kind=kind) for node, kind in zip(NODES, kinds)], settings=SETTINGS)
        self.cluster.start()
        wait_until(lambda: self.brokers(1) == set(NODES), "all brokers", 30)
        for topic in (INPUT, OUTPUT):
            self.create(topic)
        self.kcat, self.burst, self.sent = Kcat(self.cluster.bootstrap), burst, 0
        libs = places.maven_jars(places.COMPAT_TESTS / "streams")
        class_path = places.java_classes(places.COMPAT_TESTS / "streams" / "WordCountJob.java", libs)
        self.instances = [case.program(f"instance-{name}", java(
            class_path, "WordCountJob", self.cluster.bootstrap, case.scratch / f"state-{name}", INPUT, OUTPUT))
            for name in "abc"[:instances]]

    # What the cluster says.
    def metadata(self, asked, topics=None):
        with WireClient(self.cluster[asked].port) as client:
            return client.call(METADATA, 9, {"Topics": topics, "AllowAutoTopicCreation": False})

    def brokers(self, asked):
        return {broker["NodeId"] for broker in self.metadata(asked, [])["Brokers"]}

    def is_in_sync(self, asked):
        """Every replica of every partition is."""
        told = self.metadata(asked)
        return self.brokers(asked) == set(NODES) and all(
            len(partition["IsrNodes"]) == len(partition["ReplicaNodes"]) for topic in told["Topics"]
            for partition in topic["Partitions"])

    def create(self, topic):
        with WireClient(self.cluster[1].port) as client:
            answer = client.call(CREATE_TOPICS, 7, {"Topics": [
                {"Name": topic, "NumPartitions": PARTITIONS, "ReplicationFactor": 3, "Assignments": [], "Configs": []}],
                "timeoutMs": 15000, "validateOnly": False})
        check_equal([told["ErrorCode"] for told in answer["Topics"]], [0], f"CreateTopics of {topic}")

    def coordinator(self):
        """The node that the application's group has as its coordinator."""
        with WireClient(self.cluster[1].port) as client:
            answer = client.call(FIND_COORDINATOR, 4, {"KeyType": 0, "CoordinatorKeys": ["word-count"]})
        return answer["Coordinators"][0]["NodeId"]

    def open_transactions(self):
        found = []
        for node in NODES:
            with WireClient(self.cluster[node].port) as client:
                answer = client.call(LIST_TRANSACTIONS, 0, {"StateFilters": ["Ongoing", "PrepareCommit", "PrepareAbort"],
                                                            "ProducerIdFilters": []})
            if answer["ErrorCode"] != 0:
                return [f"node {node} cannot tell"]
            found += [transaction["TransactionalId"] for transaction in answer["TransactionStates"]]
        return found

    # The input and the output.
    def send(self):
        numbers = range(self.sent, self.sent + self.burst)
        for partition in range(PARTITIONS):
            rows = "".join(line(number) + "\n" for number in numbers if number % PARTITIONS == partition)
            self.kcat("-P", "-t", INPUT, "-p", partition, "-X", "enable.idempotence=true", stdin=rows)
        self.sent += self.burst

    def expected(self):
        """{word: how often it was sent}"""
        counts = dict.fromkeys(WORDS, 0)
        for number in range(self.sent):
            for word in line(number).split():
                counts[word] += 1
        return {word: count for word, count in counts.items() if count}

    def output(self, isolation="read_committed"):
        """{word: its counts in the order of the output}"""
        done = subprocess.run([places.command("kcat"), "-b", self.cluster.bootstrap, "-C", "-t", OUTPUT, "-o", "beginning",
                               "-e", "-q", "-f", "%k %s\n", "-X", f"isolation.level={isolation}",
                               "-X", "check.crcs=true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        check(done.returncode == 0, f"reading the output: {done.stderr}")
        counts = {}
        for row in done.stdout.splitlines():
            word, count = row.split()
            counts.setdefault(word, []).append(int(count))
        return counts

    def check_sequences(self, counts):
        """Whatever has been written so far is 1, 2, 3, ... for each word."""
        for word, seen in counts.items():
            wrong = next((place for place, count in enumerate(seen) if count != place + 1), None)
            check(wrong is None, wrong is not None and f"the counts of {word!r} go {seen[max(0, wrong - 3):wrong + 4]}: "
                  f"that is no {wrong + 1} at place {wrong + 1} of {len(seen)}")

    def wait_for_output(self, seconds):
        expected = self.expected()
        deadline = time.monotonic() + seconds
        while True:
            counts = self.output()
            self.check_sequences(counts)
            missing = {word: count - len(counts.get(word, [])) for word, count in expected.items()
                       if len(counts.get(word, [])) != count}
            if not missing:
                return
            check(time.monotonic() < deadline, f"after {seconds} s these words are still missing: {missing}; open "
                  f"transactions: {self.open_transactions()}")
            time.sleep(1)

    def finish(self, seconds=120):
        """All is up again: the output must become complete, and no transaction may stay open."""
        for program in self.instances:
            program.check_alive()
        self.wait_for_output(seconds)
        for program in self.instances:
            program.stop()
        wait_until(lambda: not self.open_transactions(), f"no transaction is open: {self.open_transactions()}", 60)
        everything = sum(map(len, self.output("read_uncommitted").values()))
        step(f"{self.sent} lines, {self.sent * WORDS_IN_A_LINE} words: each counted once under read_committed ({everything} "
             "records with those of aborted transactions)")
        self.cluster.end()

    # What is done to them.
    def start(self):
        for program in self.instances:
            program.start()
        self.send()
        self.wait_for_output(120)
        step(f"{len(self.instances)} instances count")

    def kill_instance(self, index):
        self.instances[index].kill()
        self.send()
        self.instances[index].start()

    def kill_broker(self, victim):
        asked = next(node for node in NODES if node != victim)
        self.cluster[victim].kill()
        self.send()
        self.send()
        self.cluster[victim].start()
        wait_until(lambda: self.is_in_sync(asked), f"all replicas to be in sync again after the kill of {victim}", 90)


def run_short(case, kinds):
    """Kills an instance, and the broker that the group's coordinator is on."""
    job = WordCount(case, kinds, instances=2, burst=600)
    job.start()
    job.kill_instance(0)
    step("killed an instance")
    victim = job.coordinator()
    job.kill_broker(victim)
    step(f"killed the group's coordinator, node {victim}")
    job.send()
    job.finish()


def run_long(case, kinds, seconds=600):
    """Kills brokers and instances in turn."""
    job = WordCount(case, kinds, instances=3, burst=1500)
    job.start()
    end, kills = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        job.kill_broker(NODES[kills % len(NODES)])
        time.sleep(2)
        job.kill_instance(kills % len(job.instances))
        job.send()
        time.sleep(2)
        kills += 1
        if kills % 5 == 0:
            job.check_sequences(job.output())
    step(f"killed brokers {kills} times and instances {kills} times in {seconds} s")
    job.finish(240)
