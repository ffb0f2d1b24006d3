#!/usr/bin/env python3
"""Three nodes, a topic with three partitions of two replicas, a producer and a consumer that never stop; each node is
killed in turn (kill -9), and comes back. Nothing that was acknowledged is lost, doubled or out of order.

The producer is librdkafka's (idempotent, acks=all), the consumer kcat in a group. What is printed besides is how long
no record of a partition was acknowledged after a kill: of the partitions that the node led, and of the others.
"""

import subprocess
import time

from crash_produce_kill9 import count_lines, finish_load, start_load, wait_for_acknowledgements
from harness import acknowledged, case, places
from harness.cluster import Cluster, Node
from harness.failover import Progress, create_topic, state_of, unfenced, wait_in_sync, wait_whole
from harness.outcome import check, step
from harness.waiting import wait_until

NODES, PARTITIONS, REPLICAS = (1, 2, 3), 3, 2
TOPIC = "load"


def kill_each(cluster, process, path, progress, rounds):
    gaps = {"led": [], "followed": []}
    for victim in NODES * rounds:
        asked = next(node for node in NODES if node != victim)
        led = {partition for partition, (leader, _) in state_of(cluster[asked], TOPIC).items() if leader == victim}
        progress.reset()
        killed = time.monotonic()
        cluster[victim].kill()
        progress.wait_for_each(killed)
        for partition, gap in progress.gaps().items():
            gaps["led" if partition in led else "followed"].append(gap)
        wait_for_acknowledgements(process, path, count_lines(path) + 200)
        cluster[victim].start()
        wait_whole(cluster, asked, TOPIC, PARTITIONS, REPLICAS)
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


class Consumer:
    """kcat in a group. What it read is taken up as it grows: {(partition, offset)}. Without -E it ends when librdkafka
    has no connection for a moment ("4/4 brokers are down: terminating"), which happens with one node of three down:
    the others' connections are made anew when they are needed."""

    def __init__(self, cluster, directory):
        self.path, self.log, self.position, self.places = directory / "consumed", directory / "consumer.txt", 0, set()
        self.process = subprocess.Popen(
            [places.command("kcat"), "-E", "-G", "readers", "-b", cluster.bootstrap, "-q", "-u", "-f", "%p %o\n", "-X",
             "auto.offset.reset=earliest", TOPIC],
            stdin=subprocess.DEVNULL, stdout=open(self.path, "wb"), stderr=open(self.log, "wb"))

    def seen(self):
        check(self.process.poll() is None, f"the consumer ended: {self.log.read_text()[-1000:]}")
        with open(self.path, "rb") as file:
            file.seek(self.position)
            new = file.read()
        whole = new[:new.rfind(b"\n") + 1]
        self.position += len(whole)
        self.places.update(tuple(map(int, line.split())) for line in whole.splitlines())
        return self.places


def run(case):
    places.command("kcat")
    places.built_program("librdkafka_program")
    settings = {"offsets.topic.replication.factor": "3", "default.replication.factor": str(REPLICAS)}
    cluster = Cluster(case, [Node(node) for node in NODES], settings=settings).start()
    wait_until(lambda: unfenced(cluster[1]) == set(NODES), "all brokers", 30)
    create_topic(cluster[1], TOPIC, PARTITIONS, REPLICAS, {"segment.bytes": "1048576", "retention.ms": "-1"})
    wait_in_sync(cluster[1], TOPIC, PARTITIONS, REPLICAS)

    path = case.scratch / "acknowledged"
    process = start_load(case, cluster, TOPIC, path, PARTITIONS, rate=3000)
    consumer = Consumer(cluster, case.scratch)
    try:
        with Progress(path, PARTITIONS) as progress:
            wait_for_acknowledgements(process, path, 500)
            gaps = kill_each(cluster, process, path, progress, rounds=10 if case.full else 1)
        finish_load(process)
        rows = acknowledged.read_acknowledged(open(path))
        wanted = {(partition, offset) for partition, offset, _ in rows if offset >= 0}
        wait_until(lambda: wanted <= consumer.seen(), "the consumer to have every record", 60)
    finally:
        process.kill()
        consumer.process.kill()
    for what, found in gaps.items():
        if found:
            found.sort()
            step(f"without an acknowledgement, partitions that the killed node {what}: median "
                 f"{found[len(found) // 2]:.2f} s, longest {found[-1]:.2f} s ({len(found)})")
    found = acknowledged.problems(rows, read_all(cluster))
    check(not found, "\n".join(found))
    step(f"each node was killed in turn: {len(rows)} acknowledged records are there, in order, once, and were consumed")
    cluster.end()


if __name__ == "__main__":
    case.main(run)
