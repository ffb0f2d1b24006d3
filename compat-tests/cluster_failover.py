#!/usr/bin/env python3
"""Three nodes, a topic with three partitions of two replicas, a producer and a consumer that never stop; each node is
killed in turn (kill -9), and comes back. Nothing that was acknowledged is lost, doubled or out of order.

The producer is librdkafka's (idempotent, acks=all), the consumer kcat in a group. What is printed besides is how long
no record of a partition was acknowledged after a kill: of the partitions that the node led, and of the others.
"""

import subprocess
import threading
import time

from cluster_mixed_brokers import brokers_of
from crash_produce_kill9 import count_lines, start_load, wait_for_acknowledgements
from harness import acknowledged, case, places
from harness.cluster import Cluster, Node, wait_until
from harness.outcome import NotRun, check, check_equal, step
from harness.wire_client import WireClient

NODES, PARTITIONS, REPLICAS = (1, 2, 3), 3, 2
TOPIC = "load"
METADATA, CREATE_TOPICS = 3, 19


class Progress:
    """When each partition last had a record acknowledged, and the longest time without one since reset()."""

    def __init__(self, path):
        self.path, self.done = path, threading.Event()
        self.lock = threading.Lock()
        self.reset()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def reset(self):
        with self.lock:
            self.last = dict.fromkeys(range(PARTITIONS), time.monotonic())
            self.longest = dict.fromkeys(range(PARTITIONS), 0.0)

    def watch(self):
        position, rest = 0, b""
        while not self.done.wait(0.01):
            if not self.path.exists():
                continue
            with open(self.path, "rb") as file:
                file.seek(position)
                new = file.read()
            position += len(new)
            *lines, rest = (rest + new).split(b"\n")
            now = time.monotonic()
            with self.lock:
                for partition in {int(line.split(b" ", 1)[0]) for line in lines}:
                    self.longest[partition] = max(self.longest[partition], now - self.last[partition])
                    self.last[partition] = now

    def stop(self):
        self.done.set()
        self.thread.join()


def state_of(node):
    """{partition: (leader, in-sync replicas)} as this broker knows it."""
    with WireClient(node.port) as client:
        told, = client.call(METADATA, 9, {"Topics": [{"Name": TOPIC}], "AllowAutoTopicCreation": False})["Topics"]
    return {partition["PartitionIndex"]: (partition["LeaderId"], set(partition["IsrNodes"]))
            for partition in told["Partitions"]}


def create_topic(node):
    with WireClient(node.port) as client:
        answer = client.call(CREATE_TOPICS, 7, {"Topics": [
            {"Name": TOPIC, "NumPartitions": PARTITIONS, "ReplicationFactor": REPLICAS, "Assignments": [],
             "Configs": [{"Name": "segment.bytes", "Value": "1048576"},
                         {"Name": "retention.ms", "Value": "-1"}]}], "timeoutMs": 15000, "validateOnly": False})
    check_equal([told["ErrorCode"] for told in answer["Topics"]], [0], "CreateTopics")


def wait_in_sync(cluster, asked):
    wait_until(lambda: len(told := state_of(cluster[asked])) == PARTITIONS and all(
        len(isr) == REPLICAS for _, isr in told.values()), 60, "all replicas to be in sync")


def kill_each(cluster, process, path, progress, rounds):
    gaps = {"led": [], "followed": []}
    for victim in NODES * rounds:
        others = [node for node in NODES if node != victim]
        led = {partition for partition, (leader, _) in state_of(cluster[others[0]]).items() if leader == victim}
        progress.reset()
        cluster[victim].kill()
        for partition in range(PARTITIONS):
            wait_until(lambda: progress.longest[partition] > 0, 60, f"a record of partition {partition}")
        time.sleep(0.5)
        wait_for_acknowledgements(process, path, count_lines(path) + 200)
        for partition, gap in progress.longest.items():
            gaps["led" if partition in led else "followed"].append(gap)
        cluster[victim].start()
        wait_until(lambda: brokers_of(cluster[others[0]]) == set(NODES), 60, "the killed node to be back")
        wait_in_sync(cluster, others[0])
    return gaps


def read_all(cluster):
    rows = []
    for partition in range(PARTITIONS):
        done = subprocess.run([places.command("kcat"), "-C", "-b", cluster.bootstrap, "-t", TOPIC, "-p", str(partition),
                               "-o", "beginning", "-e", "-q", "-f", "%p %o %s\n", "-X", "check.crcs=true"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        check(done.returncode == 0, f"reading partition {partition}: {done.stderr}")
        rows += acknowledged.read_acknowledged(done.stdout.splitlines(keepends=True))
    return rows


def run(case):
    if not case.full:
        raise NotRun("once in ten runs the group's consumer did not come to the end; not understood yet: full tier only")
    places.command("kcat")
    places.built_program("librdkafka_program")
    settings = {"offsets.topic.replication.factor": "3", "default.replication.factor": str(REPLICAS)}
    cluster = Cluster(case, [Node(node) for node in NODES], settings=settings).start()
    wait_until(lambda: brokers_of(cluster[1]) == set(NODES), 30, "all brokers")
    create_topic(cluster[1])
    wait_in_sync(cluster, 1)

    path, seen = case.scratch / "acknowledged", case.scratch / "consumed"
    process = start_load(case, cluster, TOPIC, path, PARTITIONS)
    consumer = subprocess.Popen([places.command("kcat"), "-G", "readers", "-b", cluster.bootstrap, "-q", "-f",
                                 "%p %o %s\n", "-u", "-X", "auto.offset.reset=earliest", TOPIC],
                                stdin=subprocess.DEVNULL, stdout=open(seen, "wb"), stderr=subprocess.DEVNULL)
    progress = Progress(path)
    try:
        wait_for_acknowledgements(process, path, 500)
        gaps = kill_each(cluster, process, path, progress, rounds=10 if case.full else 1)
        out, err = process.communicate("stop\n", timeout=150)
        check(process.returncode == 0, f"the load failed: exit code {process.returncode}\n{out}{err[-3000:]}")
        rows = acknowledged.read_acknowledged(open(path))
        places_read = lambda: {line.split(" ", 2)[0:2].__str__() for line in open(seen) if line.endswith("\n")}
        wanted = {[str(partition), str(offset)].__str__() for partition, offset, _ in rows if offset >= 0}
        wait_until(lambda: wanted <= places_read(), 60, "the consumer to have every record")
    finally:
        progress.stop()
        process.kill()
        consumer.kill()
    for what, found in gaps.items():
        if found:
            found.sort()
            step(f"without an acknowledgement, partitions that the killed node {what}: median "
                 f"{found[len(found) // 2]:.2f} s, longest {found[-1]:.2f} s ({len(found)})")
    found = acknowledged.problems(rows, read_all(cluster))
    check(not found, "\n".join(found))
    step(f"each node was killed in turn: {len(rows)} acknowledged records are there, in order, once, and were consumed")
    for node in NODES:
        cluster[node].stop()


if __name__ == "__main__":
    case.main(run)
