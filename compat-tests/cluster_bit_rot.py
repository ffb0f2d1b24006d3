#!/usr/bin/env python3
"""Bits rot in closed segments of a leader and of its followers: the scrub finds them, and they are written anew.

Three nodes, a partition with three replicas and many closed segments. Each node is stopped in turn, a byte of another of
its closed segments changes, and it starts again. Within seconds every node has the file that it had, byte for byte, from
one of the others, the leader as well as the followers, and GET /metrics tells; a consumer reads all records from
whoever leads. Apache Kafka 4.3.1 keeps what rotted, so there the test only shows that.
"""

import time
import urllib.request

from harness import case
from harness.broker import free_ports
from harness.cluster import Cluster, Node
from harness.failover import create_topic, state_of, unfenced, wait_in_sync
from harness.outcome import check, check_equal, step
from harness.record_batches import Record
from harness.waiting import wait_until
from harness.wire_client import WireClient

NODES, TOPIC, SEGMENTS, BATCHES = (1, 2, 3), "rot", 5, 8
BEGIN = 1_700_000_000_000


def produce_all(cluster):
    """Segments are closed by the timestamps of their records."""
    leader, _ = state_of(cluster[1], TOPIC)[0]
    with WireClient(cluster[leader].port) as client:
        for number in range(SEGMENTS * BATCHES):
            timestamp = BEGIN + number // BATCHES * 120_000 + number % BATCHES
            client.produce(TOPIC, 0, [Record(number, timestamp, b"key", b"value %d" % number * 20, [])])
    wait_in_sync(cluster[1], TOPIC, 1, 3)


def flip(path):
    """In the records of its first batch."""
    with open(path, "r+b") as file:
        file.seek(70)
        changed = file.read(1)[0] ^ 0x10
        file.seek(70)
        file.write(bytes([changed]))


def metric(port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    return next(float(line.split()[-1]) for line in page.splitlines() if line.split(" ")[0] == name)


def read_all(node):
    with WireClient(node.port) as client:
        client.partitions(TOPIC)
        return [record.value for record in client.records(TOPIC, 0)]


def run(case):
    http = dict(zip(NODES, free_ports(3)))
    cluster = Cluster(case, [Node(node, settings={"barnabas.http.listener": f"127.0.0.1:{http[node]}"}) for node in NODES],
                      settings={"offsets.topic.replication.factor": "3", "barnabas.log.scrub.interval.ms": "500",
                                "barnabas.log.scrub.bytes.per.second": "100000000"}).start()
    wait_until(lambda: unfenced(cluster[1]) == set(NODES), "all brokers", 30)
    create_topic(cluster[1], TOPIC, 1, 3, {"retention.ms": "-1", "segment.ms": "60000"})
    wait_in_sync(cluster[1], TOPIC, 1, 3)
    produce_all(cluster)
    wanted = [b"value %d" % number * 20 for number in range(SEGMENTS * BATCHES)]
    check_equal(read_all(cluster[state_of(cluster[1], TOPIC)[0][0]]), wanted, "what is read before anything rots")

    for number, node in enumerate(NODES):
        cluster[node].stop()
        path = cluster[node].data_directory / f"{TOPIC}-0" / f"{number * BATCHES:020d}.log"
        right = path.read_bytes()
        flip(path)
        cluster[node].start()
        asked = next(other for other in NODES if other != node)
        wait_until(lambda: unfenced(cluster[asked]) == set(NODES), "the node to be back", 30)
        wait_in_sync(cluster[asked], TOPIC, 1, 3)
        if not case.is_barnabas:
            time.sleep(1)
            check(path.read_bytes() != right, "Apache Kafka repairs what rotted")
            continue
        with WireClient(cluster[asked].port) as client:  # Where it led before it leads again.
            client.call(43, 2, {"ElectionType": 0, "TopicPartitions": None, "TimeoutMs": 10000})
        wait_until(lambda: path.read_bytes() == right, f"the repair of {path}", 30)
        wait_until(lambda: metric(http[node], "barnabas_log_repaired_segments_total") == 1, "its count", 10)
        check_equal(read_all(cluster[state_of(cluster[asked], TOPIC)[0][0]]), wanted, "what is read from the leader")
    cluster.end()
    step("a byte changed in a closed segment of each of three nodes: " +
         ("all are what they were, from the others' copies" if case.is_barnabas else "and stays changed"))


if __name__ == "__main__":
    case.main(run)
