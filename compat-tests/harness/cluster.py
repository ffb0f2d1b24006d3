"""Several nodes that are one cluster: of either kind, with any roles, their quorum static or dynamic (KIP-853).

    cluster = Cluster(case, [Node(1, "controller"), Node(2, "controller", "kafka"), Node(3, "controller"),
                             Node(4, "broker")])
    cluster.start()
    leader = cluster.wait_for_leader()

Each node has a directory, properties and ports of its own, and keeps them over restarts. Nodes are case.broker()s, so
they are ended with the test. Not thread-safe.
"""

import concurrent.futures
from dataclasses import dataclass
from typing import Optional

from . import wire
from .broker import new_cluster_id
from .outcome import check
from .waiting import wait_until

DESCRIBE_QUORUM = 55
NOT_LEADER = 6


@dataclass
class Node:
    """What a node is to be."""
    id: int
    roles: str = "broker,controller"
    kind: Optional[str] = None     # the kind under test, unless it is named
    settings: Optional[dict] = None
    is_voter: bool = True          # a controller: of the quorum's voters from the beginning


class Cluster:
    def __init__(self, case, nodes, dynamic=False, settings=None, name="node", places=None):
        """`settings` are every node's; its directory is NAME-ID. `places(id, node)` may move a node that was made to other
        addresses before the others are told of it."""
        self.case = case
        self.id = new_cluster_id()
        self.dynamic = dynamic
        self.specs = {spec.id: spec for spec in nodes}
        self.nodes = {}
        for spec in nodes:
            self.nodes[spec.id] = case.broker(name=f"{name}-{spec.id}", kind=spec.kind)
            if places:
                places(spec.id, self.nodes[spec.id])
        self.directory_ids = {spec.id: new_cluster_id() for spec in nodes}
        for spec in nodes:
            self.prepare(spec, settings or {})

    def __getitem__(self, node_id):
        return self.nodes[node_id]

    @property
    def controllers(self):
        return [spec.id for spec in self.specs.values() if "controller" in spec.roles]

    @property
    def brokers(self):
        return [spec.id for spec in self.specs.values() if "broker" in spec.roles]

    @property
    def bootstrap(self):
        return ",".join(self.nodes[node_id].bootstrap for node_id in self.brokers)

    def controller_address(self, node_id):
        return f"{self.nodes[node_id].host}:{self.nodes[node_id].controller_port}"

    @property
    def bootstrap_controllers(self):
        return ",".join(map(self.controller_address, self.controllers))

    def voter(self, node_id):
        """As --initial-controllers names it."""
        return f"{node_id}@{self.controller_address(node_id)}:{self.directory_ids[node_id]}"

    def prepare(self, spec, settings):
        node = self.nodes[spec.id]
        listeners = []
        if "broker" in spec.roles:
            listeners.append(f"PLAINTEXT://{node.host}:{node.port}")
        if "controller" in spec.roles:
            listeners.append(f"CONTROLLER://{node.host}:{node.controller_port}")
        voters = ",".join(f"{voter}@{self.controller_address(voter)}" for voter in self.controllers
                          if self.specs[voter].is_voter)
        dynamic = self.dynamic or not spec.is_voter
        node.settings = {
            "process.roles": spec.roles,
            "node.id": str(spec.id),
            "listeners": ",".join(listeners),
            "controller.quorum.voters": None if dynamic else voters,
            "controller.quorum.bootstrap.servers": self.bootstrap_controllers if dynamic else None,
            "inter.broker.listener.name": "PLAINTEXT" if "broker" in spec.roles else None,
            **settings, **(spec.settings or {})}
        if not dynamic:
            node.format_options = []
        elif "controller" in spec.roles and spec.is_voter:
            voters = [self.voter(voter) for voter in self.controllers if self.specs[voter].is_voter]
            node.format_options = ["--initial-controllers", ",".join(voters)]
        else:
            node.format_options = ["--no-initial-controllers"]

    def start(self, node_ids=None):
        """All of them, or those named; together, as some are ready only when others are there."""
        chosen = [self.nodes[node_id] for node_id in node_ids or self.specs]
        new = [node for node in chosen if not (node.data_directory / "meta.properties").exists()]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: node.format(self.id), new))
        for node in chosen:
            node.launch()
        for node in chosen:
            node.wait_until_ready()
        return self

    def replace(self, node_id, kind):
        """A node that is not running is one of another kind from now on: the same directory, id, ports and settings."""
        old = self.nodes[node_id]
        check(old.process is None, f"node {node_id} is still running")
        new = self.case.broker(name=old.directory.name, kind=kind, data_directory=old.data_directory)
        new.port, new.controller_port = old.port, old.controller_port
        new.settings, new.environment, new.format_options = old.settings, old.environment, old.format_options
        self.nodes[node_id] = new
        return new

    def end(self):
        """All of them. Apache Kafka's nodes wait for each other when they stop, and the last one has no quorum."""
        for node in self.nodes.values():
            if node.process is not None:
                node.stop() if node.kind == "barnabas" else node.kill()

    def describe_quorum(self, node_id):
        """What a controller says of the metadata partition; None when it is down or does not answer."""
        try:
            with wire.Connection(self.nodes[node_id].controller_port, 5, self.nodes[node_id].host) as connection:
                answer = connection.call(DESCRIBE_QUORUM, 2, {"Topics": [
                    {"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}]})
        except OSError:
            return None
        return None if answer in (None, wire.CLOSED) else answer["Topics"][0]["Partitions"][0]

    def leading(self):
        """The controller that leads in the highest epoch, and what it says of the metadata partition; None without one.
        Who was elected a moment ago and has committed nothing yet does not know the high watermark (-1), and refuses
        changes of voters."""
        best = None
        for node_id in self.controllers:
            if self.nodes[node_id].process is None:
                continue
            partition = self.describe_quorum(node_id)
            if partition and partition["ErrorCode"] == 0 and partition["LeaderId"] == node_id and \
                    partition["HighWatermark"] >= 0:
                if best is None or partition["LeaderEpoch"] > best[1]["LeaderEpoch"]:
                    best = (node_id, partition)
        return best

    def leader(self):
        """The id of leading()."""
        found = self.leading()
        return found[0] if found else None

    def wait_for_leader(self, other_than=None, seconds=30):
        return wait_until(lambda: (lambda found: found if found != other_than else None)(self.leader()),
                          "a leader of the metadata quorum", seconds)

    def wait_until_caught_up(self, seconds=30):
        """Every running controller has what is committed now; returns who leads then (it may change meanwhile)."""
        _, told = wait_until(self.leading, "a leader of the metadata quorum", seconds)
        wanted = told["HighWatermark"]
        running = {node_id for node_id in self.controllers if self.nodes[node_id].process is not None}
        seen = []

        def caught_up():
            seen.append(self.leading())
            if seen[-1] is None:
                return None
            leader, state = seen[-1]
            # A voter's id may be an observer's too, by a node that is gone.
            ends = {replica["ReplicaId"]: replica["LogEndOffset"]
                    for replica in state["Observers"] + state["CurrentVoters"]}
            return leader if all(ends.get(node_id, -1) >= wanted for node_id in running) else None

        try:
            return wait_until(caught_up, f"controllers {sorted(running)} to have offset {wanted}", seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}; the leader, and what it says: {seen[-1]}") from None

    def output_tails(self):
        return "\n".join(f"--- node {node_id}\n{node.output_tail(15)}" for node_id, node in self.nodes.items()
                         if node.log_file.exists())
