#!/usr/bin/env python3
"""A disk that is full: producers are told so, consumers go on, and once there is room again so do producers.

The data directory is an ext4 of 64 MiB (harness/small_disk.py) of which a file of the test's takes most; producers
fill the rest. On the full disk every acknowledged record is read and a group's offsets are told, while produce is
refused with KAFKA_STORAGE_ERROR. DeleteRecords makes room, and the producers go on by themselves, in the same
session. They fill it again; the node is killed, an operator makes room, it starts and they go on; then retention.bytes
keeps room for them. At the end all that was acknowledged and not deleted is there, in order, once.
Measured on Kafka 4.3.1: its node halts with its only log directory, and producers and consumers find nobody until an
operator makes room. A difference on purpose (docs/gaps.md).
"""

import os
import time

from harness import case, state
from harness.acknowledged import problems, regressions
from harness.acknowledged_load import Load, read_all
from harness.outcome import check, check_equal, step
from harness.small_disk import SmallDisk, own_mount_namespace
from harness.waiting import wait_until
from harness.wire_client import WireClient

TOPIC, PARTITIONS, GROUP, COMMITTED = "filling", 2, "readers", 17
KAFKA_STORAGE_ERROR = 56
ROOM = 3 << 20
SETTINGS = {"log.segment.delete.delay.ms": "500", "log.retention.check.interval.ms": "500",
            "log.initial.task.delay.ms": "500"}


class Ballast:
    """A file that takes what is free of a disk, but for some."""

    def __init__(self, disk):
        self.disk, self.path = disk, disk.path / "ballast"

    def take_all_but(self, room):
        with open(self.path, "ab") as file:
            os.posix_fallocate(file.fileno(), 0, file.tell() + self.disk.free_bytes() - room)

    def give(self, room):
        os.truncate(self.path, self.path.stat().st_size - room)


def has_ended(broker):
    return broker.process.poll() is not None


def wait_until_full(load, broker, disk):
    """Until no producer gets anything acknowledged any more, for a second."""
    def stands_still():
        count = len(load.history.acknowledged)
        time.sleep(1)
        return has_ended(broker) or len(load.history.acknowledged) == count
    wait_until(stands_still, "the disk is full")
    check(disk.free_bytes() < 100_000, f"{disk.free_bytes()} bytes are free, and yet nothing is acknowledged")


def retention_is_done(broker):
    """Nothing is deleted over two of its rounds."""
    before = state.start_offsets(broker, TOPIC, PARTITIONS)
    time.sleep(1.2)
    return state.start_offsets(broker, TOPIC, PARTITIONS) == before


def check_everything(broker, load, what):
    starts = dict(enumerate(state.start_offsets(broker, TOPIC, PARTITIONS)))
    acknowledged = load.history.rows()
    found = problems(acknowledged, read_all(broker, TOPIC, PARTITIONS, starts), starts=starts)
    check(not found, f"{what}:\n" + "\n".join(found))
    with WireClient(broker.port) as client:
        check_equal(client.committed(GROUP, TOPIC, [0]), {0: COMMITTED}, f"{what}: the group's offset")
    return len(acknowledged), starts


def delete_records(client, partition, end):
    answer = client.call(21, 2, {"TimeoutMs": 10000, "Topics": [
        {"Name": TOPIC, "Partitions": [{"PartitionIndex": partition, "Offset": end}]}]})
    check_equal(answer["Topics"][0]["Partitions"][0]["ErrorCode"], 0, "DeleteRecords on the full disk")


def stay_up_when_full(broker, load):
    """Consumers go on beside the refusals, and DeleteRecords makes room."""
    told = {code for _, _, code in load.history.refusals}
    check_equal(told, {KAFKA_STORAGE_ERROR}, "what the producers were told")
    count, _ = check_everything(broker, load, "on the full disk")
    broker.check_alive()
    step(f"on the full disk producers are told KAFKA_STORAGE_ERROR, and all {count} acknowledged records are read")
    end = state.end_offsets(broker, TOPIC, PARTITIONS)[0]
    with WireClient(broker.port) as client:
        delete_records(client, 0, end)
    load.wait_for(40)
    step("DeleteRecords makes room, and they go on")
    wait_until_full(load, broker, broker.disk)


def start_when_full(broker, load):
    """Nobody has made room: a node that starts is read from, and can be told to delete."""
    for _ in range(3):
        broker.start()
        wait_until_full(load, broker, broker.disk)
        count, starts = check_everything(broker, load, "started on the full disk")
        broker.kill()
    broker.start()
    end = state.end_offsets(broker, TOPIC, PARTITIONS)[1]
    with WireClient(broker.port) as client:
        delete_records(client, 1, end)
    load.wait_for(40)
    broker.stop()
    step(f"killed and started on the full disk three times: all {count} are read, and DeleteRecords makes room")


def fill(case, disk):
    broker = case.broker(SETTINGS, data_directory=disk.path / "data")
    broker.disk = disk
    broker.start()
    with WireClient(broker.port) as client:
        client.create_topic(TOPIC, PARTITIONS, {"internal.segment.bytes": "200000"})
        client.commit(GROUP, TOPIC, {0: COMMITTED})
    ballast = Ballast(disk)
    ballast.take_all_but(ROOM)
    load = Load(broker, TOPIC, PARTITIONS, records=10, padding=1000)
    with load:
        wait_until_full(load, broker, disk)
        if case.is_barnabas:
            stay_up_when_full(broker, load)
        else:
            check(has_ended(broker), "Apache Kafka is expected to halt")
        broker.kill()
        if case.is_barnabas:
            start_when_full(broker, load)
        ballast.give(10 * ROOM)
        broker.start()
        load.wait_for(20)
        count, _ = check_everything(broker, load, "after kill -9 on the full disk")
        step(f"killed on the full disk and started with some room: all {count} are there, and producers go on")
        with WireClient(broker.port) as client:
            answer = client.call(44, 1, {"Resources": [{"ResourceType": 2, "ResourceName": TOPIC, "Configs": [
                {"Name": "retention.bytes", "ConfigOperation": 0, "Value": "400000"}]}]})
            check_equal(answer["Responses"][0]["ErrorCode"], 0, "retention.bytes")
        wait_until(lambda: min(state.start_offsets(broker, TOPIC, PARTITIONS)) > 0, "retention deletes")
        ballast.take_all_but(2 * ROOM)
        load.wait_for(4 * ROOM // 10_000)  # Twice of what would fit.
        load.stop()
    wait_until(lambda: retention_is_done(broker), "retention is done")
    for partition, seen in load.history.high_watermarks.items():
        check(not regressions("", seen), f"high watermark {regressions(f'of {partition}', seen)}")
    count, starts = check_everything(broker, load, "with retention")
    check(min(starts.values()) > 0, f"retention deleted nothing: {starts}")
    broker.stop()
    step(f"retention.bytes keeps room: {count} acknowledged in all, those from {starts} on are there, in order, once")


def run(case):
    own_mount_namespace()
    disk = SmallDisk(case.scratch, 64)
    try:
        fill(case, disk)
    finally:
        case.close()
        disk.close()


if __name__ == "__main__":
    case.main(run)
