#!/usr/bin/env python3
"""kafka-reassign-partitions moves data between brokers, of one kind and of both, while a producer goes on.

Two brokers have half of the partitions each, and swap them again and again: with the tool's throttle, with the leaders'
rate alone and with the followers' alone, never faster than it says; --verify takes the throttles away. A swap that is
cancelled leaves everything as it was. In the end both brokers have all: the same bytes, which begin with what the first
owner had, and every acknowledged record (librdkafka, idempotent, acks=all) is there once, in order.
Then a cluster of Apache Kafka goes to other machines, as docs/migration.md says: nodes with new ids join it, as voters
too, everything is moved to them, and the old ones are stopped and unregistered. Clients go on all the while.
"""

import json
import random
import subprocess
import threading
import time

from cluster_failover import Consumer
from cluster_voter_changes import Quorum
from crash_produce_kill9 import count_lines, finish_load, read_all, start_load, wait_for_acknowledgements
from harness import acknowledged, case, places
from harness.cluster import Cluster, Node
from harness.failover import create_topic, unfenced, wait_in_sync
from harness.native_tools import NativeTools
from harness.outcome import check, check_contains, check_equal, step
from harness.state import topic_configs
from harness.waiting import wait_until
from harness.wire_client import WireClient

METADATA, CREATE_TOPICS, DESCRIBE_CONFIGS, ALTER_CONFIGS, LIST_REASSIGNMENTS, DESCRIBE_CLUSTER = 3, 19, 32, 44, 46, 60
TOPIC_RESOURCE, BROKER_RESOURCE, SET = 2, 4, 0
TOPIC = "load"
PARTITIONS = 4
ONE, OTHER = 2, 3
HOMES = {0: [ONE], 1: [ONE], 2: [OTHER], 3: [OTHER]}
AWAY = {partition: [OTHER if home == [ONE] else ONE] for partition, home in HOMES.items()}
BOTH = {partition: [*home, *AWAY[partition]] for partition, home in HOMES.items()}
FILLED_RECORDS, RECORD_BYTES = 4000, 1000
FETCH_BYTES = 256 << 10
RATE = 2_000_000
WINDOWS = 4  # of a second each, over which a rate is a mean
SIDES = ("leader", "follower")


def replicas_of(node, topic=TOPIC):
    with WireClient(node.port) as client:
        told, = client.call(METADATA, 9, {"Topics": [{"Name": topic}], "AllowAutoTopicCreation": False})["Topics"]
    return {partition["PartitionIndex"]: partition["ReplicaNodes"] for partition in told["Partitions"]}


def moving(node):
    """{(topic, partition)} of the reassignments that go on."""
    with WireClient(node.port) as client:
        answer = client.call(LIST_REASSIGNMENTS, 0, {"Topics": None})
    check_equal(answer["ErrorCode"], 0, "ListPartitionReassignments")
    return {(topic["Name"], partition["PartitionIndex"]) for topic in answer["Topics"] for partition in topic["Partitions"]}


def log_of(node, partition, topic=TOPIC):
    """Its bytes; where a segment ends is each broker's own affair."""
    return b"".join(file.read_bytes() for file in sorted((node.data_directory / f"{topic}-{partition}").glob("*.log")))


def log_size(node, partition):
    try:
        return sum(file.stat().st_size for file in (node.data_directory / f"{TOPIC}-{partition}").glob("*.log"))
    except FileNotFoundError:  # It went while it was looked at.
        return 0


def alter_configs(node, resource, name, configs):
    with WireClient(node.port) as client:
        answer = client.call(ALTER_CONFIGS, 1, {"Resources": [{"ResourceType": resource, "ResourceName": name, "Configs": [
            {"Name": key, "ConfigOperation": SET, "Value": value} for key, value in configs.items()]}]})
    check_equal([told["ErrorCode"] for told in answer["Responses"]], [0], f"configs of {name}")


class Growth:
    """Watches how fast the copies of partitions grow on their new brokers: {broker: [partition]}. Use it in a `with`."""

    def __init__(self, cluster, copies, rate):
        self.cluster, self.copies, self.rate, self.done = cluster, copies, rate, threading.Event()
        self.begun, self.too_fast, self.last = dict.fromkeys(copies), [], dict.fromkeys(copies, 0)
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.done.wait(0.05):
            for node_id, partitions in self.copies.items():
                now = time.monotonic()
                size = sum(log_size(self.cluster[node_id], partition) for partition in partitions)
                if size == 0 or self.begun[node_id] is None:
                    self.begun[node_id] = now
                self.last[node_id] = size
                # The mean since the beginning, of a second at least; and the answer by which it is exceeded, which is
                # forgotten with its window.
                elapsed = time.monotonic() - self.begun[node_id] + 0.1
                allowed = self.rate * max(elapsed, 1) + (len(partitions) + 1) * FETCH_BYTES * (1 + elapsed // WINDOWS)
                if size > allowed:
                    self.too_fast.append(f"node {node_id}: {size} bytes after {elapsed:.2f} s, {allowed:.0f} are allowed")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


class Moves:
    """A cluster under load, and the tools on it."""

    def __init__(self, case, both, cluster):
        self.case, self.both, self.cluster = case, both, cluster
        self.path = case.scratch / f"acknowledged-{cluster.id}"
        self.load = None

    def tool(self, tool, *arguments, name="kafka-reassign-partitions"):
        """'theirs' or 'ours'; must succeed."""
        arguments = ["--bootstrap-server", self.cluster.bootstrap, *map(str, arguments)]
        code, out, err = getattr(self.both, tool)(name, arguments)
        check_equal(code, 0, f"{name} {arguments}, {tool}: {out}{err[-800:]}; exit code")
        return out

    def plan(self, replicas, topic=TOPIC):
        return self.write_plan({"version": 1, "partitions": [
            {"topic": topic, "partition": partition, "replicas": nodes} for partition, nodes in replicas.items()]})

    def write_plan(self, plan):
        path = self.case.scratch / f"plan-{self.cluster.id}.json"
        path.write_text(json.dumps(plan))
        return path

    def throttles(self, node_ids=(ONE, OTHER)):
        """{name: value} of what limits the copying, the brokers' and the topic's."""
        found = {f"{TOPIC}: {name}": value for name, value in topic_configs(self.cluster[ONE], TOPIC).items()
                 if "throttled" in name}
        for node_id in node_ids:
            with WireClient(self.cluster[node_id].port) as client:
                told, = client.call(DESCRIBE_CONFIGS, 4, {"Resources": [
                    {"ResourceType": BROKER_RESOURCE, "ResourceName": str(node_id), "ConfigurationKeys": None}]})["Results"]
            found |= {f"{node_id}: {config['Name']}": config["Value"] for config in told["Configs"]
                      if "throttled.rate" in config["Name"] and config["Value"] is not None}
        return found

    def wait_for_throttles(self, sides):
        """Until those of these sides are there, and no others."""
        def there():
            limits = self.throttles()
            return len(limits) == 3 * len(sides) and {name.split(": ")[1].split(".")[0] for name in limits} == set(sides)
        wait_until(there, f"the throttles to be those of {sides or 'nobody'}", 20)

    def start_load(self):
        self.load = start_load(self.case, self.cluster, TOPIC, self.path, PARTITIONS, rate=1000)

    def go_on(self):
        wait_for_acknowledgements(self.load, self.path, count_lines(self.path) + 300)

    def wait_until_moved(self, replicas, topic=TOPIC, seconds=60):
        """As the active controller and every broker know it: a tool asks any of them."""
        wait_until(lambda: not moving(self.cluster[self.cluster.brokers[-1]]), "the reassignments to end", seconds)
        for node_id in self.cluster.brokers:
            wait_until(lambda: replicas_of(self.cluster[node_id], topic) == replicas,
                       f"the replicas of {topic} to be {replicas} at node {node_id}", 30)


def fill(cluster):
    """So much that a copy takes seconds. [(partition, offset, value)]; values open with rising numbers below those of the
    load."""
    rows, chance = [], random.Random(1)
    for partition, (node_id,) in HOMES.items():
        values = [f"{(number - FILLED_RECORDS - 1) * PARTITIONS + partition} {chance.randbytes(RECORD_BYTES // 2).hex()}"
                  for number in range(FILLED_RECORDS)]
        done = subprocess.run([places.command("kcat"), "-P", "-b", cluster[node_id].bootstrap, "-t", TOPIC, "-p",
                               str(partition), "-X", "enable.idempotence=true", "-X", "batch.size=65536"],
                              input="".join(value + "\n" for value in values), capture_output=True, text=True, timeout=120)
        check(done.returncode == 0, f"filling partition {partition}: {done.stderr}")
        rows += [(partition, offset, value) for offset, value in enumerate(values)]
    return rows


def limit(moves, sides):
    """Both brokers' rate on one side, without the tool."""
    for node_id in (ONE, OTHER):
        alter_configs(moves.cluster[node_id], BROKER_RESOURCE, str(node_id),
                      {f"{side}.replication.throttled.rate": str(RATE) for side in sides})
    alter_configs(moves.cluster[ONE], TOPIC_RESOURCE, TOPIC, {f"{side}.replication.throttled.replicas": "*" for side in sides})


def swap(moves, tool, before, after, sides):
    """All partitions change their brokers. With both sides the throttle is the tool's."""
    cluster, plan = moves.cluster, moves.plan(after)
    had = {partition: log_of(cluster[node_id], partition) for partition, (node_id,) in before.items()}
    copies = {node_id: [partition for partition, nodes in after.items() if nodes == [node_id]] for node_id in (ONE, OTHER)}
    if sides != SIDES:
        limit(moves, sides)
        moves.wait_for_throttles(sides)
    time.sleep(WINDOWS + 1)  # What was copied, or could have been, before counts no more.
    with Growth(cluster, copies, RATE) as growth:
        begun = time.monotonic()
        out = moves.tool(tool, "--execute", "--reassignment-json-file", plan, *(["--throttle", RATE] if sides == SIDES else []))
        check_contains(out, "Successfully started partition reassignments", "--execute")
        moves.wait_for_throttles(sides)
        moves.wait_until_moved(after)
        took = time.monotonic() - begun
        moves.go_on()
    check_equal(growth.too_fast[:3], [], "what was copied faster than the throttle lets it")
    out = moves.tool(tool, "--verify", "--reassignment-json-file", plan)
    for partition in after:
        check_contains(out, f"Reassignment of partition {TOPIC}-{partition} is completed.", "--verify")
    moves.wait_for_throttles(())
    for partition, (node_id,) in after.items():
        check(log_of(cluster[node_id], partition).startswith(had[partition]),
              f"partition {partition} at node {node_id} does not begin with what node {before[partition][0]} had")
        gone = cluster[before[partition][0]].data_directory / f"{TOPIC}-{partition}"
        wait_until(lambda: not gone.exists(), f"{gone} to go", 20)
    size = sum(map(len, had.values()))
    step(f"{size / 1e6:.0f} MB changed their brokers in {took:.1f} s, throttled on the side of the {' and the '.join(sides)} "
         f"({tool})")


def cancel(moves, tool, before, after):
    """At a rate at which it does not come to its end."""
    cluster, plan = moves.cluster, moves.plan(after)
    moves.tool(tool, "--execute", "--reassignment-json-file", plan, "--throttle", 50_000)
    for partition, (node_id,) in after.items():
        wait_until(lambda: log_size(cluster[node_id], partition) > 0, f"the beginning of a copy of partition {partition}", 30)
    moves.wait_for_throttles(SIDES)
    out = moves.tool(tool, "--verify", "--reassignment-json-file", plan)
    for partition in after:
        check_contains(out, f"Reassignment of partition {TOPIC}-{partition} is still in progress.", "--verify")
    moves.wait_for_throttles(SIDES)
    check_equal(moving(cluster[OTHER]), {(TOPIC, partition) for partition in after}, "what is moving")
    listed = moves.tool(tool, "--list")
    for partition, (node_id,) in after.items():
        check_contains(listed, f"{TOPIC}-{partition}: replicas: {node_id},{before[partition][0]}. adding: {node_id}. removing: "
                               f"{before[partition][0]}.", "--list")
    moves.go_on()
    out = moves.tool(tool, "--cancel", "--reassignment-json-file", plan)
    check_contains(out, "Successfully cancelled partition reassignments", "--cancel")
    moves.wait_until_moved(before)
    for partition, (node_id,) in after.items():
        gone = cluster[node_id].data_directory / f"{TOPIC}-{partition}"
        wait_until(lambda: not gone.exists(), f"{gone} to go", 20)
    moves.wait_for_throttles(())
    moves.go_on()
    step(f"a swap was cancelled when a part was copied, and nothing of it is left ({tool})")


def check_records(moves, rows, read):
    rows = rows + acknowledged.read_acknowledged(open(moves.path))
    found = acknowledged.problems(rows, read)
    check(not found, "\n".join(found))
    return len(rows)


def stay_on_both(moves, rows):
    """With the replicas of both, what is compared is all that was ever written."""
    cluster, plan = moves.cluster, moves.plan(BOTH)
    moves.tool("ours", "--execute", "--reassignment-json-file", plan)
    moves.wait_until_moved(BOTH)
    wait_in_sync(cluster[ONE], TOPIC, PARTITIONS, 2)
    moves.go_on()
    finish_load(moves.load)
    count = check_records(moves, rows, read_all(cluster, TOPIC))
    for node_id in (OTHER, ONE):
        cluster[node_id].stop()
    for partition in HOMES:
        one, other = log_of(cluster[ONE], partition), log_of(cluster[OTHER], partition)
        found = acknowledged.replica_problems(f"partition {partition}", {ONE: one, OTHER: other})
        check(not found, "\n".join(found))
    step(f"{count} acknowledged records are there, in order, once; both brokers have the same bytes")


def swaps(moves):
    swap(moves, "theirs", HOMES, AWAY, SIDES)
    swap(moves, "ours", AWAY, HOMES, ("leader",))
    swap(moves, "theirs", HOMES, AWAY, ("follower",))
    cancel(moves, "ours", AWAY, HOMES)


def few_swaps(moves):
    swap(moves, "ours", HOMES, AWAY, SIDES)
    cancel(moves, "theirs", AWAY, HOMES)


def between_two(case, both, kinds, do):
    cluster = Cluster(case, [Node(1, "controller"), Node(ONE, "broker", kinds[0]), Node(OTHER, "broker", kinds[1])],
                      settings={"replica.fetch.max.bytes": str(FETCH_BYTES), "replication.quota.window.num": str(WINDOWS),
                                "auto.leader.rebalance.enable": "false"}, name="-".join(kinds))
    cluster.start()
    wait_until(lambda: unfenced(cluster[ONE]) == {ONE, OTHER}, "both brokers", 30)
    with WireClient(cluster[ONE].port) as client:
        answer = client.call(CREATE_TOPICS, 7, {"Topics": [
            {"Name": TOPIC, "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": [
                {"PartitionIndex": partition, "BrokerIds": nodes} for partition, nodes in HOMES.items()], "Configs": [
                {"Name": "segment.bytes", "Value": "1048576"}, {"Name": "retention.ms", "Value": "-1"}]}],
            "timeoutMs": 15000, "validateOnly": False})
    check_equal([told["ErrorCode"] for told in answer["Topics"]], [0], f"CreateTopics of {TOPIC}")
    wait_in_sync(cluster[ONE], TOPIC, PARTITIONS, 1)
    moves = Moves(case, both, cluster)
    rows = fill(cluster)
    moves.start_load()
    try:
        moves.go_on()
        step(f"brokers of {' and '.join(kinds)}, under load")
        do(moves)
        stay_on_both(moves, rows)
    finally:
        moves.load.kill()
    cluster.end()


OLD, NEW = (1, 2), (11, 12)
OFFSETS, OFFSETS_PARTITIONS = "__consumer_offsets", 5


def known_brokers(node):
    """{id: whether it is fenced} of all that are registered."""
    with WireClient(node.port) as client:
        answer = client.call(DESCRIBE_CLUSTER, 2, {"IncludeFencedBrokers": True})
    return {broker["BrokerId"]: broker["IsFenced"] for broker in answer["Brokers"]}


def move_everything(moves):
    """Whatever topic there is, with the plan that the tool makes."""
    names = moves.tool("theirs", "--list", name="kafka-topics").split()
    check_equal(sorted(names), [OFFSETS, TOPIC], "the topics")
    topics = moves.write_plan({"version": 1, "topics": [{"topic": name} for name in names]})
    out = moves.tool("theirs", "--generate", "--topics-to-move-json-file", topics, "--broker-list", ",".join(map(str, NEW)))
    plan = json.loads(out[out.index("Proposed partition reassignment configuration"):].split("\n", 1)[1])
    check(all(set(partition["replicas"]) == set(NEW) for partition in plan["partitions"]), f"the plan: {out}")
    path = moves.write_plan(plan)
    moves.tool("theirs", "--execute", "--reassignment-json-file", path, "--throttle", 10_000_000)
    for name in names:
        moves.wait_until_moved({told["partition"]: told["replicas"] for told in plan["partitions"] if told["topic"] == name},
                               name)
    out = moves.tool("ours", "--verify", "--reassignment-json-file", path)
    check_equal(out.count(" is completed."), len(plan["partitions"]), f"what --verify says is completed: {out}")
    for name in names:
        wait_in_sync(moves.cluster[NEW[0]], name, sum(1 for told in plan["partitions"] if told["topic"] == name), 2)


def retire(moves, quorum):
    """The old nodes, controllers first."""
    cluster = moves.cluster
    quorum.remove("theirs", OLD[0])
    quorum.wait_for_voters(NEW[0])
    for node_id in OLD[::-1]:
        cluster[node_id].stop()
    wait_until(lambda: known_brokers(cluster[NEW[1]]) == {**dict.fromkeys(OLD, True), **dict.fromkeys(NEW, False)},
               "the old brokers to be fenced", 30)
    where = ",".join(cluster[node_id].bootstrap for node_id in NEW)
    for tool, node_id in zip(("theirs", "ours"), OLD):
        code, out, err = getattr(moves.both, tool)("kafka-cluster", ["unregister", "--bootstrap-server", where, "--id",
                                                                     str(node_id)])
        check_equal(code, 0, f"kafka-cluster unregister, {tool}: {out}{err[-800:]}; exit code")
    wait_until(lambda: known_brokers(cluster[NEW[1]]) == dict.fromkeys(NEW, False), "the old brokers to be forgotten", 10)


def to_other_machines(case, both):
    settings = {"offsets.topic.replication.factor": "2", "default.replication.factor": "2"}
    cluster = Cluster(case, [Node(1, kind="kafka"), Node(2, "broker", "kafka"), Node(11, is_voter=False), Node(12, "broker")],
                      dynamic=True, settings=settings, name="machine")
    cluster.start(OLD)
    wait_until(lambda: unfenced(cluster[OLD[0]]) == set(OLD), "both old brokers", 30)
    create_topic(cluster[OLD[0]], TOPIC, PARTITIONS, 2, {"segment.bytes": "1048576", "retention.ms": "-1"})
    moves, quorum = Moves(case, both, cluster), Quorum(case, both, cluster)
    moves.start_load()
    consumer = Consumer(cluster, case.scratch)
    try:
        moves.go_on()
        wait_until(consumer.seen, "the consumer to read", 60)
        cluster.start(NEW)
        wait_until(lambda: unfenced(cluster[OLD[0]]) == {*OLD, *NEW}, "the new brokers", 30)
        wait_until(lambda: NEW[0] in quorum.state()[2], "the new controller to observe", 30)
        quorum.add("theirs", NEW[0])
        quorum.wait_for_voters(OLD[0], NEW[0])
        step("new nodes have joined, one of them as a voter")
        had = {partition: log_of(cluster[OLD[0]], partition) for partition in range(PARTITIONS)}
        move_everything(moves)
        moves.go_on()
        step("everything is moved to them")
        retire(moves, quorum)
        moves.go_on()
        step("the old ones are stopped and unregistered")
        finish_load(moves.load)
        rows = acknowledged.read_acknowledged(open(moves.path))
        wanted = {(partition, offset) for partition, offset, _ in rows if offset >= 0}
        wait_until(lambda: wanted <= consumer.seen(), "the consumer to have every record", 60)
        consumer.process.terminate()  # It commits what it has read.
        check_equal(consumer.process.wait(30), 0, "the consumer's exit code")
    finally:
        moves.load.kill()
        consumer.process.kill()
    check_alone(moves, had)


def check_alone(moves, had):
    """The new nodes without the old ones' addresses. `had` is what an old one held when they came, {partition: bytes}."""
    cluster = moves.cluster
    for node_id in NEW:
        cluster[node_id].kill()
        cluster[node_id].settings["controller.quorum.bootstrap.servers"] = cluster.controller_address(NEW[0])
    cluster.start(NEW)
    wait_until(lambda: unfenced(cluster[NEW[0]]) == set(NEW), "the new brokers, alone", 30)
    wait_in_sync(cluster[NEW[0]], TOPIC, PARTITIONS, 2)
    wait_in_sync(cluster[NEW[0]], OFFSETS, OFFSETS_PARTITIONS, 2)
    count = check_records(moves, [], read_all(cluster, TOPIC))
    told = [line.split() for line in moves.tool("theirs", "--describe", "--group", "readers", name="kafka-consumer-groups")
            .splitlines() if line.startswith("readers")]
    check_equal([row[5] for row in told], ["0"] * PARTITIONS, "how far the group is behind")
    for topic, partitions in ((TOPIC, PARTITIONS), (OFFSETS, OFFSETS_PARTITIONS)):
        for partition in range(partitions):
            logs = {node_id: log_of(cluster[node_id], partition, topic) for node_id in NEW}
            found = acknowledged.replica_problems(f"{topic}-{partition}", logs)
            check(not found, "\n".join(found))
            begins = topic != TOPIC or logs[NEW[0]].startswith(had[partition])
            check(begins, f"{topic}-{partition} does not begin with what node {OLD[0]} had")
    step(f"after kill -9 they have {count} acknowledged records, in order, once, and the same bytes")
    for node in cluster.nodes.values():
        node.kill()


def run(case):
    places.command("kcat")
    places.built_program("librdkafka_program")
    with NativeTools(case.scratch, None) as both:
        case.at_once(lambda: between_two(case, both, ("kafka", case.kind), swaps), lambda: others(case, both))


def others(case, both):
    if case.is_barnabas:
        between_two(case, both, ("barnabas", "barnabas"), few_swaps)
    to_other_machines(case, both)


if __name__ == "__main__":
    case.main(run)
