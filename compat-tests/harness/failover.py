"""What a cluster test looks at when nodes come and go: who leads, and how long nothing is acknowledged.

The load is librdkafka's (one idempotent producer, acks=all), which writes each acknowledgement into a file as it comes.
"""

import threading
import time

from .outcome import check_equal
from .waiting import wait_until
from .wire_client import WireClient

METADATA, CREATE_TOPICS = 3, 19


class Progress:
    """When each partition last had a record acknowledged, and the longest time without one since reset(). It follows
    the load's file in a thread; use it in a `with`."""

    def __init__(self, path, partitions):
        self.path, self.partitions, self.done = path, partitions, threading.Event()
        self.lock = threading.Lock()
        self.reset()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def reset(self):
        with self.lock:
            self.last = dict.fromkeys(range(self.partitions), time.monotonic())
            self.longest = dict.fromkeys(range(self.partitions), 0.0)

    def gaps(self):
        """{partition: the longest time so far}, the one that is still going on included."""
        with self.lock:
            now = time.monotonic()
            return {partition: max(longest, now - self.last[partition]) for partition, longest in self.longest.items()}

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

    def wait_for_each(self, since, seconds=60):
        """Until a record of every partition is acknowledged more than a second after a moment: what stalled by then
        has come to its end."""
        for partition in range(self.partitions):
            wait_until(lambda: self.last[partition] > since + 1, f"a record of partition {partition}", seconds)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def create_topic(node, name, partitions, replicas, configs=None, seconds=15):
    """Asked of one broker, which asks the active controller."""
    with WireClient(node.port, node.host) as client:
        answer = client.call(CREATE_TOPICS, 7, {"Topics": [
            {"Name": name, "NumPartitions": partitions, "ReplicationFactor": replicas, "Assignments": [],
             "Configs": [{"Name": key, "Value": value} for key, value in (configs or {}).items()]}],
            "timeoutMs": seconds * 1000, "validateOnly": False})
    check_equal([told["ErrorCode"] for told in answer["Topics"]], [0], f"CreateTopics of {name}")


def state_of(node, topic, timeout=30):
    """{partition: (leader, in-sync replicas)} as this broker knows it."""
    with WireClient(node.port, node.host, timeout) as client:
        told, = client.call(METADATA, 9, {"Topics": [{"Name": topic}], "AllowAutoTopicCreation": False})["Topics"]
    return {partition["PartitionIndex"]: (partition["LeaderId"], set(partition["IsrNodes"]))
            for partition in told["Partitions"]}


def unfenced(node, timeout=30):
    """The ids of the unfenced brokers, as this broker knows them; None when it does not answer."""
    try:
        with WireClient(node.port, node.host, timeout) as client:
            return {broker["NodeId"] for broker in client.call(METADATA, 9, {"Topics": []})["Brokers"]}
    except OSError:
        return None


def wait_in_sync(node, topic, partitions, replicas, seconds=60):
    def are_in_sync():
        told = state_of(node, topic)
        return len(told) == partitions and all(len(isr) == replicas for _, isr in told.values())
    wait_until(are_in_sync, f"all replicas of {topic} to be in sync", seconds)


def wait_whole(cluster, asked, topic, partitions, replicas, seconds=60):
    """Every broker is there, and every replica in sync."""
    wait_until(lambda: unfenced(cluster[asked]) == set(cluster.brokers), "every node to be back", seconds)
    wait_in_sync(cluster[asked], topic, partitions, replicas, seconds)
