"""acknowledged_load.py's load over a cluster: each producer finds its partition's leader, the committer its coordinator,
and finds them again whenever one refuses, hangs or is gone.
"""

import random

from . import wire
from .acknowledged_load import ANSWER_SECONDS, Link, Load, answered

METADATA, LIST_OFFSETS, FIND_COORDINATOR = 3, 2, 10
LATEST = -1


class RoutedLink(Link):
    """`route(connection)` asks any node whom to ask: the id of a node, or nothing."""

    def __init__(self, nodes, stopping, route):
        super().__init__(None, stopping)
        self.nodes, self.route = nodes, route

    def connect(self):
        asked = random.choice(list(self.nodes.values()))
        with wire.Connection(asked.port, ANSWER_SECONDS, asked.host) as connection:
            node = self.nodes.get(self.route(connection))
        if node is None:
            raise ConnectionError("nobody leads now")
        return wire.Connection(node.port, ANSWER_SECONDS, node.host)

    def refused(self):
        self.close()


class ClusterLoad(Load):
    """`nodes` are {id: node} of the brokers. High watermarks are noted as (leader epoch, offset)."""

    def __init__(self, nodes, topic, partitions, **options):
        self.nodes = nodes
        super().__init__(next(iter(nodes.values())), topic, partitions, **options)

    def link_to_leader(self, partition):
        return RoutedLink(self.nodes, self.stopping, lambda connection: self.leader(connection, partition))

    def link_to_coordinator(self, group):
        return RoutedLink(self.nodes, self.stopping, lambda connection: coordinator(connection, group))

    def leader(self, connection, partition):
        told, = answered(connection.call(METADATA, 9, {"Topics": [{"Name": self.topic}],
                                                       "AllowAutoTopicCreation": False}))["Topics"]
        return next((found["LeaderId"] for found in told["Partitions"] if found["PartitionIndex"] == partition), None)

    def watch(self, partitions):
        links = [self.link_to_leader(partition) for partition in range(partitions)]
        while not self.stopping.wait(0.1):
            for partition, link in enumerate(links):
                told = link.ask(lambda connection: self.high_watermark(connection, partition))
                if told is not None:
                    self.history.high_watermarks.setdefault(partition, []).append(told)
        for link in links:
            link.close()

    def high_watermark(self, connection, partition):
        answer = answered(connection.call(LIST_OFFSETS, 5, {"ReplicaId": -1, "Topics": [{"Name": self.topic, "Partitions": [
            {"PartitionIndex": partition, "Timestamp": LATEST}]}]}))
        told = answer["Topics"][0]["Partitions"][0]
        return (told["LeaderEpoch"], told["Offset"]) if told["ErrorCode"] == 0 else None


def coordinator(connection, group):
    told = answered(connection.call(FIND_COORDINATOR, 3, {"Key": group, "KeyType": 0}))
    return told["NodeId"] if told["ErrorCode"] == 0 else None
