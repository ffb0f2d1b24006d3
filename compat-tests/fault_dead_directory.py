#!/usr/bin/env python3
"""One of two log directories dies under a node that serves: the other goes on, and nothing acknowledged is lost.

Two directories, each on an ext4 of its own (harness/small_disk.py), the metadata log in the first, and
log.flush.interval.messages=1. The second disk dies under load:
  - its partitions answer KAFKA_STORAGE_ERROR or NOT_LEADER_OR_FOLLOWER and are told without a leader, their replica
    offline; DescribeLogDirs says error 56 for it; those of the first are written and read on, and new ones are made
    there. Both kafka-log-dirs print the same; the metadata log has the records that Apache Kafka's controller writes;
  - the node starts without it, and with it again; what was acknowledged is there, in order, once.
At a start a directory on a disk that is dead or read-only, or in whose place there is a file, is offline; one that is
missing or not formatted keeps the node from starting. When the disk of the metadata log dies the node ends.
"""

import json
import os
import time
import urllib.request

from harness import case
from harness.acknowledged import problems, regressions
from harness.acknowledged_load import Load, read_all
from harness.broker import free_ports
from harness.log_dirs import without_sizes
from harness.native_tools import NativeTools
from harness.outcome import check, check_equal, step
from harness.small_disk import SmallDisk, call, own_mount_namespace
from harness.waiting import wait_until
from harness.wire_client import WireClient

TOPIC, PARTITIONS = "spread", 4
KAFKA_STORAGE_ERROR, LEADER_NOT_AVAILABLE, NOT_LEADER, LOG_DIR_NOT_FOUND = 56, 5, 6, 57
UNKNOWN_SERVER_ERROR = -1


def refusals(case):
    """What clients may be told of a dead directory's partitions. Apache Kafka takes some errors of a read for none of
    the disk's: they are its own, and the directory stays online until the next write."""
    return {KAFKA_STORAGE_ERROR, NOT_LEADER} | (set() if case.is_barnabas else {UNKNOWN_SERVER_ERROR})


def described(client):
    """{directory: (error code, {(topic, partition)}, whether its volume's sizes are told)}"""
    answer = client.call(35, 4, {"Topics": None})
    check_equal(answer["ErrorCode"], 0, "DescribeLogDirs")
    return {told["LogDir"]: (told["ErrorCode"],
                             {(topic["Name"], partition["PartitionIndex"]) for topic in told["Topics"]
                              for partition in topic["Partitions"]},
                             told["TotalBytes"] > 0 and told["UsableBytes"] > 0) for told in answer["Results"]}


def metadata(client, topic):
    """{partition: (error code, leader, replicas, in sync, offline replicas)}"""
    told, = client.call(3, 9, {"Topics": [{"Name": topic}], "AllowAutoTopicCreation": False})["Topics"]
    return {partition["PartitionIndex"]: (partition["ErrorCode"], partition["LeaderId"], partition["ReplicaNodes"],
                                          partition["IsrNodes"], partition["OfflineReplicas"])
            for partition in told["Partitions"]}


LED = (0, 1, [1], [1], [])
OFFLINE = (LEADER_NOT_AVAILABLE, -1, [1], [], [1])


def partitions_in(client, directory, topic=TOPIC):
    return {partition for name, partition in described(client)[str(directory)][1] if name == topic}


def wait_for_places(client):
    """Apache Kafka makes logs, and tells the controller where they are, some time after the topic is there."""
    wait_until(lambda: sum(len(told[1]) for told in described(client).values()) >= PARTITIONS, "every log is there", 20)
    time.sleep(1)


def move(client, topic, partition, directory):
    answer = client.call(34, 2, {"Dirs": [
        {"Path": str(directory), "Topics": [{"Name": topic, "Partitions": [partition]}]}]})
    return answer["Results"][0]["Partitions"][0]["ErrorCode"]


class Two:
    """The broker and its two directories, each on its own disk."""

    def __init__(self, case):
        self.case = case
        self.disks = []
        for name in "ab":
            place = case.scratch / name
            place.mkdir()
            self.disks.append(SmallDisk(place, 64))
        self.first, self.second = (disk.path / "logs" for disk in self.disks)
        settings = {"log.dirs": f"{self.first},{self.second}", "log.flush.interval.messages": "1"}
        if case.is_barnabas:
            self.http_port, = free_ports(1)
            settings["barnabas.http.listener"] = f"127.0.0.1:{self.http_port}"
        self.broker = case.broker(settings, data_directory=self.first)
        self.broker.format()
        for disk in self.disks:
            disk.write_back()

    def close(self):
        self.case.close()
        for disk in self.disks:
            disk.close()

    def offline_metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines
                if "offlinelogdirectorycount" in line or "logdirectoryoffline" in line if not line.startswith("#")}


def check_dead(two, client, dead, alive):
    wait_until(lambda: described(client)[str(two.second)][0] == KAFKA_STORAGE_ERROR, "the directory is offline", 30)
    check_equal(described(client)[str(two.second)], (KAFKA_STORAGE_ERROR, set(), False), "the dead directory")
    check_equal(described(client)[str(two.first)][0], 0, "the other one")
    expected = {**dict.fromkeys(alive, LED), **dict.fromkeys(dead, OFFLINE)}
    wait_until(lambda: metadata(client, TOPIC) == expected, f"the metadata are {expected}", 10)
    for partition in dead:
        check(client.fetch(TOPIC, partition, 0)[0] in refusals(two.case), "a fetch from the dead directory")
    gone, here = min(dead), min(alive)
    check_equal(move(client, TOPIC, gone, two.first), KAFKA_STORAGE_ERROR, "a move from the dead directory")
    check_equal(move(client, TOPIC, here, two.second), KAFKA_STORAGE_ERROR, "a move to it")
    check_equal(move(client, TOPIC, here, "/elsewhere"), LOG_DIR_NOT_FOUND, "a move to what is no log directory")
    client.create_topic("later", 3)
    wait_until(lambda: partitions_in(client, two.first, "later") == {0, 1, 2}, "new partitions are in the other", 10)
    if two.case.is_barnabas:
        label = "kafka_log_logmanager_logdirectoryoffline{logDirectory"
        check_equal(two.offline_metrics(), {"kafka_log_logmanager_offlinelogdirectorycount": 1.0,
                                            f'{label}="{two.first}"}}': 0.0, f'{label}="{two.second}"}}': 1.0},
                    "the metrics")
        told = [line for line in two.broker.output().splitlines() if f"Log directory {two.second} has failed" in line]
        check_equal(len(told), 1, "the line that tells of the failed directory")


def check_tools(two):
    with NativeTools(two.case.scratch, two.broker.bootstrap) as tools:
        arguments = ["--bootstrap-server", two.broker.bootstrap, "--describe", "--topic-list", "later"]
        theirs, ours = tools.theirs("kafka-log-dirs", arguments), tools.ours("kafka-log-dirs", arguments)
        check_equal(ours[0], theirs[0], "the exit code of kafka-log-dirs")
        check_equal(without_sizes(ours[1]), without_sizes(theirs[1]), "what kafka-log-dirs prints")
        node, = json.loads(theirs[1].splitlines()[-1])["brokers"]
        failed, = (told for told in node["logDirs"] if told["logDir"] == str(two.second))
        check("KafkaStorageException" in failed["error"], f"kafka-log-dirs of the dead directory: {failed}")


def metadata_records(two):
    """What the metadata log says of directories, in order: what changes of partitions and of the broker."""
    log = two.first / "__cluster_metadata-0" / "00000000000000000000.log"
    out = two.case.kafka_tools().call("kafka-dump-log", "--cluster-metadata-decoder", "--files", log)
    payloads = [json.loads(line.split("payload: ", 1)[1]) for line in out.splitlines() if "payload: {" in line]
    return [(payload["type"], payload["data"]) for payload in payloads]


def identity(directory):
    lines = (directory / "meta.properties").read_text().splitlines()
    return next(line.split("=", 1)[1] for line in lines if line.startswith("directory.id="))


def check_records(two, dead, alive):
    """As measured on Kafka 4.3.1: who has what where, then the ends of the leaders, then the broker's directories."""
    first, second = identity(two.first), two.second_id
    records = metadata_records(two)
    topic = next(data["topicId"] for kind, data in records if kind == "TOPIC_RECORD" and data["name"] == TOPIC)
    made = {data["partitionId"]: data["directories"] for kind, data in records
            if kind == "PARTITION_RECORD" and data["topicId"] == topic}
    check_equal(made, {number: ["AAAAAAAAAAAAAAAAAAAAAQ"] for number in range(PARTITIONS)}, "new partitions' places")
    changes = [data for kind, data in records if kind == "PARTITION_CHANGE_RECORD" and data["topicId"] == topic]
    places = {change["partitionId"]: change["directories"] for change in changes if "directories" in change}
    check_equal(places, {**{number: [first] for number in alive}, **{number: [second] for number in dead}}, "places")
    ends = sorted((change for change in changes if "leader" in change), key=lambda change: change["partitionId"])
    check_equal(ends, [{"partitionId": number, "topicId": topic, "isr": [], "leader": -1,
                        "eligibleLeaderReplicas": [1], "lastKnownElr": [1]} for number in sorted(dead)],
                "the changes of the partitions in the dead directory")
    broker = [data["logDirs"] for kind, data in records
              if kind == "BROKER_REGISTRATION_CHANGE_RECORD" and data.get("logDirs")]
    check_equal(broker, [[first]], "the directories that the broker has left")


def dies_under_load(two):
    two.broker.start()
    two.second_id = identity(two.second)
    with WireClient(two.broker.port) as client:
        client.create_topic(TOPIC, PARTITIONS)
        wait_for_places(client)
        dead, alive = partitions_in(client, two.second), partitions_in(client, two.first)
        check(dead and alive, f"partitions {dead} and {alive} in the two directories")
        load = Load(two.broker, TOPIC, PARTITIONS)
        with load:
            load.wait_for(60)
            begun = time.monotonic()
            two.disks[1].lose_power()
            died = time.monotonic()
            check_dead(two, client, dead, alive)
            load.wait_for(60)
            history = load.stop()
    late = [batch for batch in history.acknowledged if batch.sent > died]
    check({batch.partition for batch in late} == alive, f"acknowledged after a disk died: {late[:3]}")
    told = {(partition in alive, code) for when, partition, code in history.refusals if when > died}
    check(told <= {(False, code) for code in refusals(two.case)}, f"producers were told {told}")
    check_tools(two)
    check_records(two, dead, alive)
    # What was acknowledged of the dead ones before. A sync under way may have been told a lie: harness/small_disk.py.
    history.acknowledged = [batch for batch in history.acknowledged
                            if batch.partition in alive or batch.received < begun]
    check_all(two, history, alive)
    two.broker.stop()
    step(f"a directory dies: {len(dead)} partitions are offline, the other {len(alive)} go on; the node stops cleanly")
    return history, dead, alive


def check_all(two, history, partitions):
    rows = [row for row in history.rows() if row[0] in partitions]
    with WireClient(two.broker.port) as client:
        there = [(partition, record.offset, record.value.decode()) for partition in sorted(partitions)
                 for record in client.records(TOPIC, partition)]
    found = problems(rows, there)
    for partition, seen in history.high_watermarks.items():
        found += regressions(f"the high watermark of partition {partition}", seen)
    check(not found, "\n".join(found))


def starts_without(two, history, dead, alive, what):
    two.broker.start()
    with WireClient(two.broker.port) as client:
        check_equal(described(client)[str(two.second)], (KAFKA_STORAGE_ERROR, set(), False), f"{what}: the directory")
        expected = {**dict.fromkeys(alive, LED), **dict.fromkeys(dead, OFFLINE)}
        wait_until(lambda: metadata(client, TOPIC) == expected, f"{what}: the metadata are {expected}", 10)
        for partition in dead:
            check(client.fetch(TOPIC, partition, 0)[0] in refusals(two.case), f"{what}: a fetch from the directory")
    check_all(two, history, alive)
    two.broker.stop()


def refuses_to_start(two, what):
    try:
        two.broker.start()
    except AssertionError as error:
        check("at its start" in str(error), f"{what}: {error}")
        return
    raise AssertionError(f"{what}: the node started")


def starts(two, history, dead, alive):
    starts_without(two, history, dead, alive, "a dead disk")
    two.disks[1].power_up()
    disk, second, aside = two.disks[1].path, two.second, two.disks[1].path / "aside"
    call("mount", "-o", "remount,ro", disk, why="no read-only disk")
    starts_without(two, history, dead, alive, "a read-only disk")
    call("mount", "-o", "remount,rw", disk, why="no disk that is read-only no more")
    os.rename(second, aside)
    refuses_to_start(two, "without the directory")
    second.mkdir(exist_ok=True)
    refuses_to_start(two, "with an empty directory, as of a disk that is not mounted")
    for path in second.iterdir():
        path.unlink()
    second.rmdir()
    second.write_text("a file")
    starts_without(two, history, dead, alive, "a file in the directory's place")
    second.unlink()
    os.rename(aside, second)
    two.broker.start()
    check_equal(len(set(row[0] for row in read_all(two.broker, TOPIC, PARTITIONS))), PARTITIONS, "partitions read")
    check_all(two, history, dead | alive)
    with WireClient(two.broker.port) as client:
        wait_until(lambda: metadata(client, TOPIC) == dict.fromkeys(range(PARTITIONS), LED), "all are led again", 10)
    step("the node starts without a directory whose disk is dead or read-only or that is a file, not without one that "
         f"is missing or empty; with all again there are {len(history.rows())} acknowledged records, in order, once")


def metadata_disk_dies(two):
    two.disks[0].lose_power()
    with WireClient(two.broker.port) as client:
        try:
            client.call(19, 4, {"Topics": [{"Name": "never", "NumPartitions": 1, "ReplicationFactor": 1}],
                                "timeoutMs": 2000})
        except (OSError, AssertionError):
            pass  # The connection goes with the node.
    wait_until(lambda: two.broker.process.poll() is not None, "the node ends with its metadata log's directory", 60)
    two.broker.kill()
    step("the disk of the metadata log dies, and the node ends")


def run(case):
    own_mount_namespace()
    two = Two(case)
    try:
        history, dead, alive = dies_under_load(two)
        starts(two, history, dead, alive)
        metadata_disk_dies(two)
    finally:
        two.close()


if __name__ == "__main__":
    case.main(run)
