#!/usr/bin/env python3
"""Partitions move between three log directories under load, the node is killed meanwhile, and nothing is lost or twice.

An idempotent load writes and its high watermarks are watched while every partition is moved again and again, by the
wire as kafka-reassign-partitions asks for it. While a move runs, held back by
replica.alter.log.dirs.io.max.bytes.per.second, DescribeLogDirs tells a future replica, and kafka-log-dirs, Apache
Kafka's and ours, print the same of it; kill -9 leaves the move to the next start, which ends it. A consumer reads from the first record to the last all the
while. In the end each partition has one directory, and of what Barnabas left Apache Kafka serves every record.
"""

import json
import threading
import time

from harness import case
from harness.acknowledged import problems, regressions
from harness.acknowledged_load import Load, read_all
from harness.log_dirs import without_sizes
from harness.native_tools import NativeTools, lines_of
from harness.outcome import check, check_equal, step
from harness.record_batches import Record
from harness.wire_client import WireClient

TOPIC, PARTITIONS = "moved", 3
SECONDS = 30  # A move's end, and what it needs
BIG, BIG_BATCHES = "big", 12
SLOW_BYTES_PER_SECOND = 200_000


def described(client, topic):
    """{partition: [(directory, size, lag, whether it is the future replica)]}"""
    answer = client.call(35, 4, {"Topics": None})
    check_equal(answer["ErrorCode"], 0, "DescribeLogDirs")
    found = {}
    for directory in answer["Results"]:
        check_equal(directory["ErrorCode"], 0, f"DescribeLogDirs of {directory['LogDir']}")
        for told in directory["Topics"]:
            for partition in told["Partitions"] if told["Name"] == topic else []:
                found.setdefault(partition["PartitionIndex"], []).append(
                    (directory["LogDir"], partition["PartitionSize"], partition["OffsetLag"], partition["IsFutureKey"]))
    return found


def move(client, topic, partition, directory):
    """The error code of AlterReplicaLogDirs."""
    answer = client.call(34, 2, {"Dirs": [
        {"Path": str(directory), "Topics": [{"Name": topic, "Partitions": [partition]}]}]})
    return answer["Results"][0]["Partitions"][0]["ErrorCode"]


def home(client, topic, partition):
    """Where a partition is; nothing while it moves."""
    found = described(client, topic).get(partition, [])
    return found[0][0] if len(found) == 1 and not found[0][3] else None


def wait_for_home(client, topic, partition, directory):
    deadline = time.monotonic() + SECONDS
    while home(client, topic, partition) != str(directory):
        check(time.monotonic() < deadline, f"{topic}-{partition} is not in {directory} after {SECONDS} s: "
              f"{described(client, topic)}")
        time.sleep(0.02)


def other_than(directories, here):
    return [str(directory) for directory in directories if str(directory) != here]


class Reader:
    """Reads one partition from its start while it moves, over and over, until it is stopped. Use it in a `with`."""

    def __init__(self, broker, topic, partition):
        self.broker, self.topic, self.partition = broker, topic, partition
        self.stopping, self.rounds, self.failure = threading.Event(), 0, None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            with WireClient(self.broker.port) as client:
                before = []
                while not self.stopping.is_set():
                    code, part = client.fetch(self.topic, self.partition, 0)
                    if code == 6:  # The clients of both try again: the log changes under the fetch.
                        continue
                    check_equal(code, 0, f"a fetch of {self.topic}-{self.partition} while it moves")
                    got = (part["Records"] or b"")[:1000]
                    check(not before or got == before, "the first records of the partition changed")
                    before = got or before
                    self.rounds += 1
                    self.stopping.wait(0.01)
        except BaseException as error:  # Told by the test.
            self.failure = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(SECONDS)


def under_load(broker, directories, rounds):
    with WireClient(broker.port) as client:
        client.create_topic(TOPIC, PARTITIONS, {"segment.bytes": "1048576"})
        check_equal(move(client, TOPIC, 0, "/elsewhere"), 57, "a move to what is no log directory")
        load = Load(broker, TOPIC, PARTITIONS, padding=2000)
        with load, Reader(broker, TOPIC, 0) as reader:
            load.wait_for(30)
            for number in range(rounds):
                for partition in range(PARTITIONS):
                    goal = other_than(directories, home(client, TOPIC, partition))[number % 2]
                    check_equal(move(client, TOPIC, partition, goal), 0, f"a move of {TOPIC}-{partition}")
                    wait_for_home(client, TOPIC, partition, goal)
                    load.wait_for(5)
            history = load.stop()
        check(reader.failure is None, f"the reader: {reader.failure}")
        check(reader.rounds > 10, f"the reader read {reader.rounds} times only")
    check_all(broker, history)
    step(f"{rounds * PARTITIONS} moves under load: {len(history.rows())} records acknowledged, all there, in order, once")
    return history


def check_all(broker, history):
    found = problems(history.rows(), read_all(broker, TOPIC, PARTITIONS))
    for partition, seen in history.high_watermarks.items():
        found += regressions(f"the high watermark of partition {partition}", seen)
    check(not found, "\n".join(found))


def shown_by_tools(tools, directories, *topics):
    """What kafka-log-dirs shows of the replicas of some topics, or of all: [(directory, partition, whether it is the
    future one)]. Apache Kafka's and ours print the same."""
    arguments = ["--bootstrap-server", tools.bootstrap, "--describe", *(["--topic-list", ",".join(topics)] * bool(topics))]
    theirs, ours = tools.theirs("kafka-log-dirs", arguments), tools.ours("kafka-log-dirs", arguments)
    check_equal((ours[0], lines_of(ours[2])), (theirs[0], lines_of(theirs[2])), "the exit code of kafka-log-dirs")
    check_equal(without_sizes(ours[1]), without_sizes(theirs[1]), f"what kafka-log-dirs {arguments[2:]} prints")
    node, = json.loads(theirs[1].splitlines()[-1])["brokers"]
    check_equal(sorted(directory["logDir"] for directory in node["logDirs"]), sorted(map(str, directories)),
                "the directories that kafka-log-dirs shows")
    check_equal({directory["error"] for directory in node["logDirs"]}, {None}, "their errors")
    return sorted((directory["logDir"], partition["partition"], partition["isFuture"])
                  for directory in node["logDirs"] for partition in directory["partitions"])


def throttle(client, bytes_per_second):
    """Sets how fast moves may copy; None takes the limit back."""
    name = "replica.alter.log.dirs.io.max.bytes.per.second"
    value = None if bytes_per_second is None else str(bytes_per_second)
    answer = client.call(44, 1, {"Resources": [{"ResourceType": 4, "ResourceName": "1", "Configs": [
        {"Name": name, "ConfigOperation": 1 if value is None else 0, "Value": value}]}], "ValidateOnly": False})
    check_equal(answer["Responses"][0]["ErrorCode"], 0, f"setting {name}")


def killed_half_way(case, broker, directories):
    with WireClient(broker.port) as client:
        throttle(client, SLOW_BYTES_PER_SECOND)
        client.create_topic(BIG, 1, {"segment.bytes": "1048576"})
        for _ in range(BIG_BATCHES):
            client.produce(BIG, 0, [Record(0, 1000 + number, None, bytes([97 + number % 26]) * 20_000)
                                    for number in range(40)])
        before = [(record.offset, record.value) for record in client.records(BIG, 0)]
        start = home(client, BIG, 0)
        goal = other_than(directories, start)[0]
        check_equal(move(client, BIG, 0, goal), 0, f"a move of {BIG}-0")
        both = sorted([(start, f"{BIG}-0", False), (goal, f"{BIG}-0", True)])
        with NativeTools(case.scratch, broker.bootstrap) as tools:
            check_equal(shown_by_tools(tools, directories, BIG), both, "kafka-log-dirs while it moves")
            everything = shown_by_tools(tools, directories)
            check_equal([one for one in everything if one[1] == f"{BIG}-0"], both, "of all, those of the one that moves")
            check_equal(shown_by_tools(tools, directories, "missing"), [], "kafka-log-dirs of a topic that is not there")
        told = described(client, BIG)[0]
        check_equal(sorted((where, f"{BIG}-0", future) for where, _, _, future in told), both,
                    "the replicas while it moves")
        lag, size = [(lag, size) for _, size, lag, future in told if future][0]
        check(0 < lag <= len(before) and size < BIG_BATCHES * 800_000, f"the future replica: {lag} behind, {size} bytes")
    broker.kill()
    broker.start()
    with WireClient(broker.port) as client:
        client.partitions(BIG)
        throttle(client, None)
        wait_for_home(client, BIG, 0, goal)
        check_equal([(record.offset, record.value) for record in client.records(BIG, 0)], before,
                    "the records after kill -9 in a move")
    step(f"kill -9 in a move, {lag} records before its end: the next start ended it, and every record is there")
    return before


def check_directories(directories):
    """Each partition is in one directory by its own name; what is left beside it waits for its removal."""
    names = [path.name for directory in directories for path in directory.iterdir() if path.is_dir()]
    for partition in [f"{TOPIC}-{number}" for number in range(PARTITIONS)] + [f"{BIG}-0"]:
        check_equal(names.count(partition), 1, f"how many directories are called {partition}")
    check_equal([name for name in names if name.endswith("-future")], [], "future logs that are left")


def run(case):
    directories = [case.scratch / f"logs-{letter}" for letter in "abc"]
    settings = {"log.dirs": ",".join(map(str, directories))}
    broker = case.broker(settings, data_directory=directories[0]).start()
    history = under_load(broker, directories, 10 if case.full else 2)
    big = killed_half_way(case, broker, directories)
    check_all(broker, history)
    broker.stop()
    check_directories(directories)
    if not case.is_barnabas:
        return
    theirs = case.broker(settings, name="theirs", kind="kafka", data_directory=directories[0])
    theirs.port, theirs.controller_port = broker.port, broker.controller_port
    theirs.start()
    check_all(theirs, history)
    with WireClient(theirs.port) as client:
        check_equal([(record.offset, record.value) for record in client.records(BIG, 0)], big,
                    "the records as Apache Kafka reads them")
    theirs.stop()
    step("Apache Kafka serves every record of the directories")


if __name__ == "__main__":
    case.main(run)
