"""A run: loads that never stop, faults drawn from a seed, and what must hold.

Loads: an idempotent librdkafka producer with acks=all and a kcat consumer in a group on the topic `stream`; on the topic
`steps` one idempotent producer a partition that repeats a batch until it is acknowledged, commits of a group that rise by
one, and a look at every high watermark (harness/cluster_load.py).
After each fault everything heals, and within a minute all nodes are there, all replicas are in sync, and every partition
acknowledges. In the end, ten seconds after the last fault, fresh consumers read everything from offset 0.
"""

import dataclasses
import json
import random
import subprocess
import time

from crash_produce_kill9 import finish_load, start_load
from harness import acknowledged, places
from harness.cluster_load import ClusterLoad, coordinator
from harness.failover import Progress, create_topic, unfenced, wait_in_sync
from harness.outcome import check, step
from harness.waiting import wait_until
from harness.wire_client import WireClient

from . import faults
from .nodes import ChaosCluster

STREAM, STEPS = "stream", "steps"
STREAM_PARTITIONS, STEPS_PARTITIONS, REPLICAS = 4, 3, 3
RECORDS_PER_SECOND = 300
GROUP, CONSUMER_GROUP = "steps", "stream"
HEAL_SECONDS = 60
CALM_SECONDS = 10  # Between the last fault and the final reads.
UNKNOWN_SERVER_ERROR = -1


@dataclasses.dataclass
class Row:
    """One fault: when it began, how long it took, the longest time without an acknowledgement on some partition of
    `stream`, and how long after its end the cluster was whole. Seconds."""
    number: int
    name: str
    what: str
    begun: float
    lasted: float
    gap: float
    whole_after: float


class GroupConsumer:
    """kcat in a group, over all that happens."""

    def __init__(self, bootstrap, directory):
        self.path = directory / "consumed"
        self.process = subprocess.Popen(
            [places.command("kcat"), "-E", "-G", CONSUMER_GROUP, "-b", bootstrap, "-q", "-u", "-f", "%p %o %s\n", "-X",
             "auto.offset.reset=earliest", "-X", "check.crcs=true", STREAM], stdin=subprocess.DEVNULL,
            stdout=open(self.path, "wb"), stderr=open(directory / "consumer.txt", "wb"))
        self.position, self.rows, self.places = 0, [], set()

    def read(self):
        with open(self.path, "rb") as file:
            file.seek(self.position)
            new = file.read()
        whole = new[:new.rfind(b"\n") + 1]
        self.position += len(whole)
        rows = acknowledged.read_acknowledged(whole.decode().splitlines(keepends=True))
        self.rows += rows
        self.places.update(row[:2] for row in rows)
        return self.places


class Session:
    def __init__(self, case, seed, names, minutes, is_separate=False):
        """`names` are those of the faults; all of them happen before one happens again."""
        self.case, self.seed, self.names, self.seconds = case, seed, list(names), minutes * 60
        self.is_barnabas = case.is_barnabas
        self.chance = random.Random(seed)
        self.topics = {STREAM: STREAM_PARTITIONS, STEPS: STEPS_PARTITIONS}
        self.rows, self.counts, self.told = [], {}, ""
        self.begun = time.monotonic()
        self.nodes = ChaosCluster(case, seed, 192 if minutes < 5 else 768, is_separate)

    # For the faults.
    def tell(self, what):
        self.told += what
        print(f"{time.monotonic() - self.begun:7.1f} s  {what}", flush=True)

    def all_links(self):
        return [(one, other) for one in range(self.nodes.network.count) for other in range(self.nodes.network.count)]

    def wait_until_whole(self):
        """Within a minute after the faults have stopped."""
        deadline = time.monotonic() + HEAL_SECONDS
        self.nodes.check_alive()
        for node_id in self.nodes.brokers:
            node = self.nodes[node_id]
            wait_until(lambda: unfenced(node) == set(self.nodes.brokers),
                       f"node {node_id} to know that all brokers are there", deadline - time.monotonic())
        node = self.nodes[self.nodes.brokers[0]]
        for topic, partitions in self.topics.items():
            wait_in_sync(node, topic, partitions, REPLICAS, deadline - time.monotonic())
        begun = time.monotonic()
        self.progress.wait_for_each(begun - 1, deadline - begun)
        history = self.load.history
        batches, commits = len(history.acknowledged), len(history.committed)
        wait_until(lambda: len(history.committed) > commits, "an acknowledged commit", deadline - time.monotonic())
        for partition in range(STEPS_PARTITIONS):
            wait_until(lambda: any(batch.partition == partition for batch in history.acknowledged[batches:]),
                       f"an acknowledgement of {STEPS}-{partition}", deadline - time.monotonic())
        self.check_loads()

    def check_loads(self):
        check(self.stream.poll() is None, f"the producer of {STREAM} ended by itself")
        check(self.consumer.process.poll() is None, f"the consumer of {STREAM} ended by itself")
        check(not self.load.failures, "\n".join(self.load.failures))

    # The run.
    def run(self):
        try:
            self.nodes.start()
            self.start_loads()
            with self.progress:
                self.do_faults()
                self.finish()
        except BaseException:
            for node_id, node in self.nodes.cluster.nodes.items():
                print(f"--- node {node_id}\n{node.output_tail(40) if node.log_file.exists() else ''}", flush=True)
            self.nodes.case.close()
            self.nodes.keep_data()
            raise
        finally:
            self.end_loads()
            self.nodes.close()
            self.report()

    def start_loads(self):
        first = self.nodes[self.nodes.brokers[0]]
        configs = {"retention.ms": "-1", "internal.segment.bytes": "65536"}
        for topic, partitions in self.topics.items():
            create_topic(first, topic, partitions, REPLICAS, configs)
            wait_in_sync(first, topic, partitions, REPLICAS)
        with WireClient(first.port, first.host) as client:
            client.find_coordinator(GROUP)
        self.path = self.case.scratch / "acknowledged"
        self.progress = Progress(self.path, STREAM_PARTITIONS)
        self.stream = start_load(self.case, self.nodes.cluster, STREAM, self.path, STREAM_PARTITIONS, RECORDS_PER_SECOND)
        self.consumer = GroupConsumer(self.nodes.cluster.bootstrap, self.case.scratch)
        brokers = {node_id: self.nodes[node_id] for node_id in self.nodes.brokers}
        self.load = ClusterLoad(brokers, STEPS, STEPS_PARTITIONS, group=GROUP, pause=0.05).start()

    def end_loads(self):
        for name in ("stream", "consumer"):
            if hasattr(self, name):
                process = getattr(self, name)
                getattr(process, "process", process).kill()
        if hasattr(self, "load"):
            self.load.stopping.set()

    def do_faults(self):
        self.wait_until_whole()
        step(f"seed {self.seed}: {len(self.nodes.ids)} nodes, {', '.join(self.names)}")
        deck, end = [], time.monotonic() + self.seconds
        while time.monotonic() < end:
            if not deck:
                deck = list(self.names)
                self.chance.shuffle(deck)
            self.do_fault(deck.pop())
            self.consumer.read()

    def do_fault(self, name):
        self.told = ""
        self.progress.reset()
        begun = time.monotonic()
        fault = faults.ALL[name](self)
        try:
            for pause in fault:
                time.sleep(pause)
        finally:
            fault.close()
        self.nodes.heal()
        healed = time.monotonic()
        gaps = None
        try:
            self.wait_until_whole()
            gaps = self.progress.gaps()
        finally:
            whole = time.monotonic()
            row = Row(len(self.rows) + 1, name, self.told, begun - self.begun, healed - begun,
                      max((gaps or self.progress.gaps()).values()), whole - healed)
            self.rows.append(row)
            print(f"{whole - self.begun:7.1f} s    whole {row.whole_after:.1f} s after its end; longest time without an "
                  f"acknowledgement {row.gap:.1f} s", flush=True)

    def finish(self):
        time.sleep(CALM_SECONDS if self.seconds > 300 else 2)
        finish_load(self.stream)
        history = self.load.stop()
        read = {STREAM: self.read_all(STREAM), STEPS: self.read_all(STEPS)}
        rows = {STREAM: acknowledged.read_acknowledged(open(self.path)), STEPS: history.rows()}
        wanted = {row[:2] for row in read[STREAM]}
        wait_until(lambda: wanted <= self.consumer.read(), "the group's consumer to have every record", HEAL_SECONDS)
        found = self.judge(rows, read, history)
        self.nodes.cluster.end()
        found += self.compare_replicas()
        check(not found, "\n".join(found[:40]))
        step(f"{len(self.rows)} faults; {sum(map(len, rows.values()))} records and {len(history.committed)} commits "
             "acknowledged: all there, in order, once, on every replica")

    def judge(self, rows, read, history):
        """What is wrong, and the counts of the summary."""
        found = []
        self.counts = dict.fromkeys((acknowledged.LOST, acknowledged.DUPLICATED, acknowledged.DISORDERED,
                                     acknowledged.HOLE), 0)
        self.counts["acknowledged"] = sum(map(len, rows.values()))
        for topic in self.topics:
            for kind, sentence in acknowledged.anomalies(rows[topic], read[topic]):
                self.counts[kind] += 1
                found.append(f"{topic}: {sentence}")
        found += acknowledged.consumer_problems(self.consumer.rows, read[STREAM])
        went_back = [sentence for partition, seen in history.high_watermarks.items()
                     for sentence in acknowledged.regressions_by_epoch(f"the high watermark of {STEPS}-{partition}", seen)]
        self.counts["high watermarks that went back"] = len(went_back)
        found += went_back
        node = self.coordinator()
        with WireClient(node.port, node.host) as client:
            there = client.committed(GROUP, STEPS, [0])[0]
        self.counts["commits"] = len(history.committed)
        if not history.committed[-1] <= there <= history.tried_commit:
            found.append(f"{there} is committed, {history.committed[-1]} was acknowledged")
        codes = {code for _, _, code in history.refusals}
        if self.is_barnabas and UNKNOWN_SERVER_ERROR in codes:
            found.append("a producer was told UNKNOWN_SERVER_ERROR")
        return found

    def coordinator(self):
        def told(node):
            with WireClient(node.port, node.host) as client:
                return coordinator(client.connection, GROUP)
        return self.nodes[self.nodes.ask(told)]

    def read_all(self, topic):
        """By fresh consumers, each partition from offset 0."""
        rows = []
        for partition in range(self.topics[topic]):
            done = subprocess.run([places.command("kcat"), "-C", "-b", self.nodes.cluster.bootstrap, "-t", topic, "-p",
                                   str(partition), "-o", "beginning", "-e", "-q", "-f", "%p %o %s\n", "-X",
                                   "check.crcs=true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
            check(done.returncode == 0, f"reading {topic}-{partition}: {done.stderr}")
            rows += acknowledged.read_acknowledged(done.stdout.splitlines(keepends=True))
        return rows

    def compare_replicas(self):
        """The nodes have stopped; nothing was produced since everything was in sync."""
        found = []
        for topic, partitions in self.topics.items():
            for partition in range(partitions):
                logs = {node: b"".join(path.read_bytes() for path in self.nodes.segments(node, topic, partition))
                        for node in self.nodes.brokers}
                found += acknowledged.replica_problems(f"{topic}-{partition}", logs)
        return found

    # What is left of it.
    def report(self):
        directory = places.ROOT / "build" / "chaos"
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{self.case.kind}-{self.seed}"
        (directory / f"{name}.json").write_text(json.dumps(
            {"seed": self.seed, "faults": [dataclasses.asdict(row) for row in self.rows], "counts": self.counts}, indent=1))
        lines = self.table()
        (directory / f"{name}.md").write_text("\n".join(lines) + "\n")
        print("\n" + "\n".join(lines) + f"\n\nwritten to {directory / name}.md and .json", flush=True)

    def table(self):
        lines = [f"seed {self.seed}, {self.case.kind}: {len(self.rows)} faults in "
                 f"{(time.monotonic() - self.begun) / 60:.1f} minutes", "",
                 "| fault | times | longest without acknowledgement: median, max | whole again: median, max |",
                 "| --- | --- | --- | --- |"]
        for name in faults.ALL:
            rows = [row for row in self.rows if row.name == name]
            if rows:
                gaps, wholes = sorted(row.gap for row in rows), sorted(row.whole_after for row in rows)
                lines.append(f"| {name.replace('_', ' ')} | {len(rows)} | {gaps[len(gaps) // 2]:.1f}, {gaps[-1]:.1f} s | "
                             f"{wholes[len(wholes) // 2]:.1f}, {wholes[-1]:.1f} s |")
        lines += ["", ", ".join(f"{count} {what}" for what, count in self.counts.items())
                  if self.counts else "It did not come to the final reads."]
        return lines
