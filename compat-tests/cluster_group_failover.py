#!/usr/bin/env python3
"""Three nodes; two members each of a classic group and of two groups of the consumer protocol, of the Java client and of
librdkafka, read and commit while each node, and so each coordinator, is killed in turn (kill -9) and comes back.

Every acknowledged record is read by every group. Committed offsets never go back: not as the coordinators tell them all
the while, not below what a member was told is committed. A partition is assigned to a member only when the one before has
given it up. After each round the groups settle: every partition belongs to one member, both members have some.
"""

import subprocess
import threading
import time

from harness import case, jvm, places
from harness.cluster import Cluster, Node
from harness.cluster_load import ClusterLoad, RoutedLink, coordinator
from harness.failover import create_topic, state_of, unfenced, wait_in_sync, wait_whole
from harness.outcome import check, check_equal, step
from harness.waiting import wait_until

NODES, PARTITIONS, OFFSETS_PARTITIONS = (1, 2, 3), 6, 6
TOPIC, LOAD_PAUSE_SECONDS = "read", 0.05
GROUPS = {"java-classic": "classic", "java-consumer": "consumer", "rd-consumer": "consumer"}
SETTINGS = {"offsets.topic.replication.factor": "3", "offsets.topic.num.partitions": str(OFFSETS_PARTITIONS),
            "default.replication.factor": "3", "group.initial.rebalance.delay.ms": "0",
            "group.consumer.min.heartbeat.interval.ms": "500", "group.consumer.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
OFFSET_FETCH, DESCRIBE, CONSUMER_DESCRIBE = 9, 15, 69


class Group:
    """What its members said and what its coordinators say."""

    def __init__(self, name):
        self.name = name
        self.owners = {}       # {partition: the member that has it}
        self.read = {}         # {partition: [(first, last)]}
        self.told = {}         # {partition: the highest offset that a member was told is committed}
        self.seen = {}         # {partition: the last offset that a coordinator told}
        self.problems = []
        self.dropped = set()   # (member, partition) that went to another before the member told of its loss

    def take(self, member, what, *values):
        """A line of a member. Lines of all members of a group come from one process, in order."""
        if what == "failed":
            self.problems.append(f"{member} failed: {' '.join(values)}")
        elif what == "read":
            partition, first, last = map(int, values)
            self.read.setdefault(partition, []).append((first, last))
        elif what == "committed":
            partition, offset = map(int, values)
            self.told[partition] = max(self.told.get(partition, 0), offset)
        elif what == "assigned":
            for partition in map(int, values):
                before = self.owners.get(partition)
                if before not in (None, member):
                    self.dropped.add((before, partition))
                self.owners[partition] = member
        elif what in ("revoked", "lost"):
            for partition in map(int, values):
                if (member, partition) in self.dropped:
                    # A member that was fenced hears of it later than who has the partition now.
                    if what == "lost":
                        self.dropped.remove((member, partition))
                elif self.owners.get(partition) == member:
                    del self.owners[partition]

    def see(self, offsets):
        """Asked of a coordinator after `told` was noted: (partition, what a member had been told then, offset)."""
        for partition, told, offset in offsets:
            if offset < max(told, self.seen.get(partition, 0)):
                self.problems.append(f"partition {partition}: {offset} is committed now, but {told} was told to a member and "
                                     f"{self.seen.get(partition)} by a coordinator before")
            self.seen[partition] = max(offset, self.seen.get(partition, 0))

    def missing(self, acknowledged):
        """{partition: offsets} that were acknowledged and that nobody read."""
        missing = {}
        for partition, end in acknowledged.items():
            position = 0
            for first, last in sorted(self.read.get(partition, [])):
                if first > position:
                    break
                position = max(position, last + 1)
            if position < end:
                missing[partition] = (position, end)
        return missing


class Members:
    """A process with members of groups."""

    def __init__(self, command, groups, directory, name):
        self.name, self.log = name, directory / f"{name}.err"
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=open(self.log, "wb"), text=True)
        self.thread = threading.Thread(target=self.follow, args=(groups,), daemon=True)
        self.thread.start()

    def follow(self, groups):
        for line in self.process.stdout:
            member, *rest = line.split()
            groups[member.split("/")[0]].take(member, *rest)

    def stop(self):
        self.process.stdin.write("stop\n")
        self.process.stdin.close()
        check_equal(self.process.wait(60), 0, f"{self.name}'s exit code, {self.log.read_text()[-2000:]}")
        self.thread.join(10)


class Watch:
    """Asks the groups' coordinators for what is committed, all the while."""

    def __init__(self, cluster, groups):
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.watch, args=(cluster, group), daemon=True) for group in groups]
        for thread in self.threads:
            thread.start()

    def watch(self, cluster, group):
        link = RoutedLink(cluster.nodes, self.stopping, lambda connection: coordinator(connection, group.name))
        while not self.stopping.wait(0.1):
            told = link.ask(lambda connection: self.committed(connection, group))
            if told is not None:
                group.see(told)
        link.close()

    @staticmethod
    def committed(connection, group):
        before = dict(group.told)
        answer = connection.call(OFFSET_FETCH, 8, {"Groups": [{"GroupId": group.name, "Topics": [
            {"Name": TOPIC, "PartitionIndexes": list(range(PARTITIONS))}]}], "RequireStable": True})
        if not isinstance(answer, dict):
            raise ConnectionResetError("closed")
        told, = answer["Groups"]
        if told["ErrorCode"] != 0:
            return None
        return [(partition["PartitionIndex"], before.get(partition["PartitionIndex"], 0),
                 max(partition["CommittedOffset"], 0))
                for topic in told["Topics"] for partition in topic["Partitions"]]

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)


def assignments(cluster, group):
    """[partitions of each member] as the coordinator tells them once the group is stable, else None."""
    link = RoutedLink(cluster.nodes, threading.Event(), lambda connection: coordinator(connection, group))
    try:
        connection = link.connect()
        with connection:
            if GROUPS[group] == "consumer":
                told = connection.call(CONSUMER_DESCRIBE, 0, {"GroupIds": [group]})["Groups"][0]
                parts = [[part for topic in member["Assignment"]["TopicPartitions"] for part in topic["Partitions"]]
                         for member in told["Members"]]
            else:
                told = connection.call(DESCRIBE, 5, {"Groups": [group]})["Groups"][0]
                parts = [partitions_in(member["MemberAssignment"]) for member in told["Members"]]
    except (OSError, TypeError):
        return None
    return parts if told["ErrorCode"] == 0 and told["GroupState"] == "Stable" else None


def partitions_in(assignment):
    """Of the one topic that a classic assignment (version, topics, name, partitions) names."""
    if len(assignment) < 6 or int.from_bytes(assignment[2:6], "big") == 0:
        return []
    at = 8 + int.from_bytes(assignment[6:8], "big")
    count = int.from_bytes(assignment[at:at + 4], "big")
    return [int.from_bytes(assignment[at + 4 + 4 * i:at + 8 + 4 * i], "big") for i in range(count)]


def wait_settled(cluster, groups, seconds=60):
    """The coordinator and the members say the same: two members, each with partitions of its own, all in all."""
    for group in groups.values():
        def settled():
            check(not group.problems, "\n".join(group.problems[:5]))
            parts = assignments(cluster, group.name)
            if parts is None or len(parts) != 2 or not all(parts):
                return False
            owned = {}
            for partition, owner in list(group.owners.items()):
                owned.setdefault(owner, []).append(partition)
            return sorted(map(sorted, owned.values())) == sorted(map(sorted, parts)) and \
                sorted(sum(parts, [])) == list(range(PARTITIONS))
        wait_until(settled, f"{group.name} to settle", seconds)


def acknowledged(load):
    """{partition: the offset behind the last acknowledged one}"""
    ends = {}
    for batch in list(load.history.acknowledged):
        ends[batch.partition] = max(ends.get(batch.partition, 0), batch.offset + len(batch.values))
    return ends


def wait_read(load, groups, seconds=60):
    """Until every group has read what is acknowledged now."""
    wanted = acknowledged(load)
    for group in groups.values():
        wait_until(lambda: not group.missing(wanted), f"{group.name} to read what is missing", seconds)


def members_of(case, cluster, groups):
    libs = places.kafka_libs()
    class_path = places.java_classes(places.COMPAT_TESTS / "java_client" / "GroupMembers.java", libs)
    python = places.python_with("confluent-kafka==2.16.1")
    java = [places.command("java"), "-Xmx256m", *jvm.options(libs), jvm.log4j("tools_log4j2.yaml"), "-cp", class_path,
            "GroupMembers", cluster.bootstrap, TOPIC,
            *(f"{name}={protocol}" for name, protocol in GROUPS.items() if name.startswith("java"))]
    librdkafka = [python, places.COMPAT_TESTS / "librdkafka" / "group_members.py", cluster.bootstrap, TOPIC, "rd-consumer"]
    return [Members(java, groups, case.scratch, "java"), Members(librdkafka, groups, case.scratch, "librdkafka")]


def kill_each(cluster, load, groups, rounds):
    for victim in NODES * rounds:
        asked = next(node for node in NODES if node != victim)
        led = sum(leader == victim for leader, _ in state_of(cluster[asked], "__consumer_offsets").values())
        killed = time.monotonic()
        cluster[victim].kill()
        load.wait_for(50, seconds=60)
        wait_read(load, groups)
        gap = time.monotonic() - killed
        cluster[victim].start()
        wait_whole(cluster, asked, TOPIC, PARTITIONS, len(NODES))
        wait_in_sync(cluster[asked], "__consumer_offsets", OFFSETS_PARTITIONS, len(NODES))
        wait_settled(cluster, groups)
        step(f"node {victim}, with {led} of {OFFSETS_PARTITIONS} coordinators, was killed and is back; every group had read on "
             f"after {gap:.1f} s")


def run(case):
    cluster = Cluster(case, [Node(node) for node in NODES], settings=SETTINGS).start()
    wait_until(lambda: unfenced(cluster[1]) == set(NODES), "all brokers", 30)
    create_topic(cluster[1], TOPIC, PARTITIONS, len(NODES), {"retention.ms": "-1"})
    wait_in_sync(cluster[1], TOPIC, PARTITIONS, len(NODES))
    groups = {name: Group(name) for name in GROUPS}
    members = members_of(case, cluster, groups)
    try:
        with ClusterLoad(cluster.nodes, TOPIC, PARTITIONS, pause=LOAD_PAUSE_SECONDS) as load:
            load.wait_for(50, seconds=60)
            wait_settled(cluster, groups)
            wait_read(load, groups)
            watch = Watch(cluster, groups.values())
            kill_each(cluster, load, groups, rounds=5 if case.full else 1)
            history = load.stop()
        wait_read(load, groups)
        watch.stop()
        for process in members:
            process.stop()
    finally:
        for process in members:
            process.process.kill()
    for group in groups.values():
        check(not group.problems, "\n".join(group.problems[:10]))
        check(not group.dropped, f"{group.name}: assigned to another before it was given up: {group.dropped}")
        check(all(group.seen.get(partition, 0) > 0 for partition in range(PARTITIONS)),
              f"{group.name}: the offsets that were seen: {group.seen}")
    step(f"{len(history.rows())} records were read by three groups over the death of each coordinator, and no offset went back")
    cluster.end()


if __name__ == "__main__":
    case.main(run)
