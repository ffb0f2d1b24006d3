#!/usr/bin/env python3
"""The last batch of a log is cut, or its end is zeros, at every length: what is before it is served, and nothing else.

A real data directory of a killed node. A topic has as many partitions as its last batch has bytes, all with the same
batches; in each another number of bytes of the last one is cut (or zeroed), so one start tries all of them. Then each
partition holds exactly the batches before, goes on at the right offset, and a start after that reads the same.
The last batch of the metadata log is cut and zeroed too, a start for each length (the quick tier: a sample): the node
starts with the topics made before, and the one of that batch is there whole or not at all.
"""

import pathlib
import random
import shutil
import struct
import time

from harness import case
from harness.outcome import check, check_equal, step
from harness.record_batches import Record
from harness.wire_client import WireClient

TOPIC, BATCHES = "torn", 3
LOG = "00000000000000000000.log"


def records(batch):
    """Those of a batch, by its number. Its last byte is not zero."""
    return [Record(0, 1_700_000_000_000 + batch, b"key", f"batch {batch}, record {number}".encode(), [("h", b"end")])
            for number in range(2)]


def values(count):
    return [record.value for batch in range(count) for record in records(batch)]


def last_batch(path):
    """Position and size of the last batch of a log file."""
    data, position, found = path.read_bytes(), 0, None
    while position + 12 <= len(data):
        size = struct.unpack_from(">i", data, position + 8)[0] + 12
        if size == 12:
            break  # Room that was taken ahead.
        found, position = (position, size), position + size
    check(found is not None, f"{path} has no batch")
    return found


def damage(path, position, size, lost, zeros):
    """Takes the last `lost` bytes of the batch away, or makes them zeros."""
    with open(path, "r+b") as file:
        if zeros:
            file.seek(position + size - lost)
            file.write(bytes(lost))
        else:
            file.truncate(position + size - lost)


def fill(case, name, partitions):
    """A node with the topic in that many partitions, killed."""
    broker = case.broker(name=name).start()
    with WireClient(broker.port) as client:
        client.create_topic(TOPIC, partitions)
        for batch in range(BATCHES):
            for partition in range(partitions):
                client.produce(TOPIC, partition, records(batch))
    broker.kill()
    return broker


def log_of(broker, partition):
    return pathlib.Path(broker.data_directory) / f"{TOPIC}-{partition}" / LOG


def check_partitions(broker, size, batches, what):
    with WireClient(broker.port) as client:
        client.partitions(TOPIC)
        for lost in range(1, size + 1):
            found = client.records(TOPIC, lost - 1)
            check_equal([record.value for record in found], values(batches), f"{what} {lost} bytes: what is read")
            check_equal([record.offset for record in found], list(range(2 * batches)), f"{what} {lost} bytes: offsets")


def tear_logs(case, size, zeros):
    what = "zeroed" if zeros else "cut by"
    broker = fill(case, "zeros" if zeros else "cuts", size)
    for lost in range(1, size + 1):
        position, found = last_batch(log_of(broker, lost - 1))
        check_equal(found, size, "the size of the last batch")
        damage(log_of(broker, lost - 1), position, size, lost, zeros)
    broker.start()
    check_partitions(broker, size, BATCHES - 1, what)
    with WireClient(broker.port) as client:
        for lost in range(1, size + 1):
            offset = client.produce(TOPIC, lost - 1, records(BATCHES - 1))
            check_equal(offset, 2 * (BATCHES - 1), f"{what} {lost} bytes: the offset of the next record")
    broker.kill()
    broker.start()
    check_partitions(broker, size, BATCHES, f"after another start, {what}")
    broker.stop()
    step(f"the last batch {what} 1 to {size} bytes: what is before it is served, and the log goes on there")


def tear_metadata(case, zeros, chance, few):
    """The last batch made a topic, and the node was killed before it could write another."""
    what = "zeroed" if zeros else "cut by"
    broker = case.broker({"metadata.max.idle.interval.ms": "0"}, name=f"metadata-{zeros}").start()
    with WireClient(broker.port) as client:
        for number in range(3):
            client.create_topic(f"made-{number}", 2)
    broker.kill()
    whole = broker.data_directory.with_name("whole")
    shutil.copytree(broker.data_directory, whole)
    log = broker.data_directory / "__cluster_metadata-0" / LOG
    position, size = last_batch(log)
    lengths = range(1, size + 1) if few is None else sorted(chance.sample(range(1, size + 1), few))
    for lost in lengths:
        shutil.rmtree(broker.data_directory)
        shutil.copytree(whole, broker.data_directory)
        damage(log, position, size, lost, zeros)
        broker.start()
        with WireClient(broker.port) as client:
            names = {name for name in client.topics() if name.startswith("made-")}
            check({"made-0", "made-1"} <= names, f"metadata {what} {lost} of {size} bytes: the topics are {names}")
            for name in names:
                check_equal(client.partitions(name), [0, 1], f"metadata {what} {lost} bytes: {name}")
            client.create_topic("after", 1)
        broker.kill()
    shutil.rmtree(whole)
    step(f"the last batch of the metadata log {what} {', '.join(map(str, lengths))} of its {size} bytes: "
         "the node starts with what is before it")


def run(case):
    seed = time.time_ns() % 1_000_000
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    probe = fill(case, "probe", 1)
    _, size = last_batch(log_of(probe, 0))
    tear_logs(case, size, zeros=False)
    tear_logs(case, size, zeros=True)
    few = (None if case.full else 5) if case.is_barnabas else 1
    tear_metadata(case, False, chance, few)
    tear_metadata(case, True, chance, few)


if __name__ == "__main__":
    case.main(run)
