"""The nodes that faults happen to: each in a network of its own, on two disks of its own (metadata, data), with syncs,
writes and a wall clock that can be made to fail.
"""

import pathlib
import signal
import time

from harness.cluster import Cluster, Node
from harness.disk_faults import DiskFaults
from harness.failover import state_of, unfenced
from harness.outcome import check
from harness.own_network import OwnNetwork
from harness.small_disk import SmallDisk, own_mount_namespace
from harness.waiting import wait_until

PORT, CONTROLLER_PORT = 9092, 9093
SETTINGS = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "min.insync.replicas": "2",
    "log.segment.delete.delay.ms": "1000",
    "log.message.timestamp.after.max.ms": "9223372036854775807",  # Clocks jump.
    "log.message.timestamp.before.max.ms": "9223372036854775807",
    "barnabas.log.scrub.interval.ms": "10000",  # Apache Kafka names what it does not know, and goes on.
    "barnabas.log.scrub.bytes.per.second": "100000000",
}
CLIENTS = 0  # Their place in the network.


class ChaosCluster:
    """Three nodes that are brokers and controllers, or with `is_separate` three of each; the clients' place is this
    process's. Not thread-safe."""

    def __init__(self, case, seed, data_megabytes, is_separate=False):
        own_mount_namespace()
        case.broker(name="unused")  # Fetches what the kind needs while there is a way out.
        roles = [("controller", 1), ("controller", 2), ("controller", 3), ("broker", 4), ("broker", 5), ("broker", 6)] \
            if is_separate else [("broker,controller", 1), ("broker,controller", 2), ("broker,controller", 3)]
        self.case, self.disks, self.faults = case, {}, {}
        self.network = OwnNetwork(case.scratch, len(roles) + 1, seed)
        self.network.enter(CLIENTS)
        self.megabytes = {"data": data_megabytes, "metadata": 64}
        self.cluster = Cluster(case, [Node(node, role) for role, node in roles], settings=SETTINGS, places=self.move)
        self.paused = set()

    def move(self, node_id, node):
        node.host, node.port, node.controller_port = self.network.address(node_id), PORT, CONTROLLER_PORT
        node.command_prefix = self.network.prefix(node_id)
        self.disks[node_id] = {}
        for purpose, megabytes in self.megabytes.items():
            directory = node.directory / purpose
            directory.mkdir()
            self.disks[node_id][purpose] = SmallDisk(directory, megabytes)
        node.data_directory = self.disks[node_id]["data"].path / "logs"
        self.faults[node_id] = DiskFaults(node.directory)
        node.environment = dict(self.faults[node_id].environment)

    def start(self):
        for node_id, node in self.cluster.nodes.items():
            node.settings["log.dirs"] = str(node.data_directory)
            node.settings["metadata.log.dir"] = str(self.disks[node_id]["metadata"].path / "log")
        self.cluster.start()
        for disks in self.disks.values():
            for disk in disks.values():
                disk.write_back()
        wait_until(lambda: unfenced(self[self.brokers[0]]) == set(self.brokers), "all brokers", 60)

    def __getitem__(self, node_id):
        return self.cluster[node_id]

    @property
    def ids(self):
        return sorted(self.cluster.nodes)

    @property
    def brokers(self):
        return self.cluster.brokers

    def running(self):
        return [node_id for node_id in self.ids if self[node_id].process is not None]

    def others(self, node_id):
        return [other for other in self.ids if other != node_id]

    # What the cluster knows.
    def ask(self, question, patience=30):
        """question(broker) of any broker that answers something that counts as true."""
        def answered():
            for node_id in self.brokers:
                if self[node_id].process is None or node_id in self.paused:
                    continue
                try:
                    if told := question(self[node_id]):
                        return told
                except (OSError, AssertionError, TypeError):
                    continue
            return None
        return wait_until(answered, "a broker that answers", patience)

    def leaders(self, topic):
        """{partition: leader}, once all have one."""
        def all_led(node):
            told = {partition: leader for partition, (leader, _) in state_of(node, topic, 3).items()}
            return told if told and min(told.values()) >= 0 else None
        return self.ask(all_led)

    def active_controller(self):
        return self.cluster.wait_for_leader(seconds=60)

    # What is done to nodes.
    def kill(self, *node_ids):
        for node_id in node_ids:
            if self[node_id].process is not None:
                self[node_id].process.kill()
        for node_id in node_ids:
            self[node_id].kill()
            self.paused.discard(node_id)

    def launch(self, *node_ids):
        for node_id in node_ids:
            self[node_id].launch()

    def start_again(self, *node_ids):
        self.launch(*node_ids)
        for node_id in node_ids:
            self[node_id].wait_until_ready()

    def pause(self, node_id):
        self.paused.add(node_id)
        self[node_id].process.send_signal(signal.SIGSTOP)

    def resume(self, node_id):
        self.paused.discard(node_id)
        self[node_id].process.send_signal(signal.SIGCONT)

    def wait_for_end(self, node_id, seconds=60):
        """Of a node that cannot go on: it ends by itself, or (Apache Kafka, at times) does not within that time."""
        deadline = time.monotonic() + seconds
        while self[node_id].process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        ended = self[node_id].process.poll() is not None
        self.kill(node_id)
        return ended

    def lose_power(self, *node_ids):
        """The machines are off at once, and on again; their nodes are not started."""
        self.kill(*node_ids)
        for node_id in node_ids:
            for disk in self.disks[node_id].values():
                disk.lose_power()
        for node_id in node_ids:
            for disk in self.disks[node_id].values():
                disk.power_up()

    def replace_data_disk(self, node_id):
        """Of a node that does not run: an empty disk in the place of the one with its partitions, formatted."""
        disk, node = self.disks[node_id]["data"], self[node_id]
        disk.make_empty()
        node.format_options = [*node.format_options, "--ignore-formatted"]
        node.format(self.cluster.id)
        node.format_options = node.format_options[:-1]

    def replica(self, node_id, topic, partition):
        """The directory of a replica."""
        return self[node_id].data_directory / f"{topic}-{partition}"

    def segments(self, node_id, topic, partition):
        return sorted(self.replica(node_id, topic, partition).glob("*.log"))

    def check_alive(self):
        self.network.check_alive()
        for node_id in self.ids:
            check(self[node_id].process is not None, f"node {node_id} was not started again")
            self[node_id].check_alive()

    def heal(self):
        """Everything that can be undone is; nodes that run stay as they are."""
        self.network.heal()
        for node_id in list(self.paused):
            self.resume(node_id)
        for faults in self.faults.values():
            faults.disarm()
            faults.shift_clock(0)

    def keep_data(self):
        """For whoever looks into a failure: the disks are gone with this process."""
        for node_id, disks in self.disks.items():
            for purpose, disk in disks.items():
                disk.copy_to(pathlib.Path(self[node_id].directory) / f"kept-{purpose}")

    def close(self):
        self.case.close()
        self.network.close()
        for disks in self.disks.values():
            for disk in disks.values():
                disk.close()
