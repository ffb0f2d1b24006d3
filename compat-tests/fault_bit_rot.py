#!/usr/bin/env python3
"""Bits flip in a partition's files, under a running node and under a stopped one: nobody is served a wrong record.

A topic with a partition for each place where a bit flips: every field of a batch in a closed segment, the active segment,
the very last base offset, the indexes. A consumer that checks checksums then reads each partition from its beginning and
goes on behind what it is refused. It gets the records that were written, at their offsets, or an error; of segments that
are sound it gets all. Under a running node the scrub finds the flips of closed segments, and GET /metrics tells.
Apache Kafka 4.3.1 serves what it finds, so there the test only says what came.
"""

import struct
import time
import urllib.request

from harness import case, wire
from harness.broker import free_ports
from harness.outcome import check, check_equal, step
from harness.record_batches import Record
from harness.wire_client import WireClient

TOPIC, SEGMENTS, BATCHES, RECORDS = "rot", 4, 4, 2
BEGIN = 1_700_000_000_000
CORRUPT_MESSAGE = 2
IN_SEGMENT = RECORDS * BATCHES
# What is flipped: the ending of a file, its segment, the batch in it and the byte of that batch (or of the file).
FLIPS = {"base offset": (".log", 1, 1, 7), "high base offset": (".log", 1, 1, 3), "length": (".log", 1, 1, 11),
         "leader epoch": (".log", 1, 1, 13), "magic": (".log", 1, 1, 16), "checksum": (".log", 1, 1, 18),
         "attributes": (".log", 1, 1, 22), "last offset delta": (".log", 1, 1, 26), "timestamp": (".log", 1, 1, 34),
         "records": (".log", 1, 1, 70), "records of the active segment": (".log", SEGMENTS - 1, 1, 70),
         "last base offset": (".log", SEGMENTS - 1, BATCHES - 1, 7), "offset index": (".index", 1, 0, 9),
         "time index": (".timeindex", 1, 0, 14)}
INDEXES = ("offset index", "time index")


def record(offset):
    segment, within = divmod(offset, IN_SEGMENT)
    return Record(offset, BEGIN + segment * 120_000 + within, b"key", b"value %d" % offset, [])


def settings(case):
    if not case.is_barnabas:
        return {}, None
    port = free_ports(1)[0]
    return {"barnabas.http.listener": f"127.0.0.1:{port}", "barnabas.log.scrub.interval.ms": "200",
            "barnabas.log.scrub.bytes.per.second": "100000000"}, port


def metric(port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    values = [float(line.split()[-1]) for line in page.splitlines() if line.split(" ")[0] == name]
    check(values, f"GET /metrics has no {name}")
    return values[0]


def fill(broker):
    """Segments are closed by the timestamps of their records."""
    with WireClient(broker.port) as client:
        client.create_topic(TOPIC, len(FLIPS), {"segment.ms": "60000", "index.interval.bytes": "1"})
        for partition in range(len(FLIPS)):
            for first in range(0, SEGMENTS * IN_SEGMENT, RECORDS):
                at = client.produce(TOPIC, partition, [record(first), record(first + 1)])
                check_equal(at, first, "the offset of a batch")


def flip(broker, partition, kind):
    ending, segment, batch, byte = FLIPS[kind]
    path = broker.data_directory / f"{TOPIC}-{partition}" / f"{segment * IN_SEGMENT:020d}{ending}"
    with open(path, "r+b") as file:
        position = 0
        for _ in range(batch):
            file.seek(position + 8)
            position += struct.unpack(">i", file.read(4))[0] + 12
        file.seek(position + byte)
        flipped = file.read(1)[0] ^ 0x04
        file.seek(position + byte)
        file.write(bytes([flipped]))


def read_batch(data, position):
    """Offset to value of a batch that a consumer takes; nothing when its checksum is wrong."""
    base, length = struct.unpack_from(">qi", data, position)
    batch = data[position:position + 12 + length]
    if len(batch) < 61 or wire.crc32c(batch[21:]) != struct.unpack_from(">I", batch, 17)[0]:
        return None, position + 12 + max(length, 0)
    epoch, (attributes, delta) = struct.unpack_from(">i", batch, 12)[0], struct.unpack_from(">hi", batch, 21)
    check_equal(attributes, 0, "attributes of a batch with a sound checksum")
    values, at = {}, 61
    for number in range(delta + 1):
        begin = batch.index(b"value ", at)
        end = begin + 6
        while batch[end:end + 1].isdigit():
            end += 1
        values[base + number], at = (batch[begin:end], epoch), end
    return values, position + 12 + length


def consume(client, partition):
    """(what is read by offset, the offsets that were refused, those behind which a checksum was wrong)"""
    seen, refused, wrong, offset = {}, [], [], 0
    while offset < SEGMENTS * IN_SEGMENT:
        code, part = client.fetch(TOPIC, partition, offset)
        before, position, data = offset, 0, part["Records"] or b""
        if code != 0:
            refused.append((offset, code))
        while position + 12 <= len(data):
            values, position = read_batch(data, position)
            if values is None:
                wrong.append(offset)
                break
            seen.update(values)
            offset = max(offset, max(values) + 1)
        if offset == before:
            offset += 1
    return seen, refused, wrong


def check_partition(kind, seen, refused, wrong, is_running):
    for offset, (value, epoch) in seen.items():
        check_equal(value, record(offset).value, f"{kind}: the value at {offset}")
        check_equal(epoch, 0, f"{kind}: the leader epoch at {offset}")
    check(all(code == CORRUPT_MESSAGE for _, code in refused), f"{kind}: refused with {refused}")
    hit = FLIPS[kind][1]
    for offset in range(SEGMENTS * IN_SEGMENT):
        is_sound = kind in INDEXES or offset // IN_SEGMENT != hit
        check(not is_sound or offset in seen, f"{kind}: the sound record at {offset} is not served")
    # What this process wrote is trusted until a scrub reads it, and that reads closed segments.
    may_be_wrong = is_running and hit == SEGMENTS - 1
    check(not wrong or may_be_wrong, f"{kind}: a wrong checksum is served at {wrong}")
    missing = SEGMENTS * IN_SEGMENT - len(seen)
    check(bool(missing) == bool(refused or wrong), f"{kind}: {missing} records are missing, {refused} refused")


def read_all(case, broker, when, is_running=False):
    with WireClient(broker.port) as client:
        client.partitions(TOPIC)
        for partition, kind in enumerate(FLIPS):
            seen, refused, wrong = consume(client, partition)
            if case.is_barnabas:
                if not (is_running and kind == "last base offset"):
                    check_partition(kind, seen, refused, wrong, is_running)
                continue
            lies = sorted(at for at in seen if at >= SEGMENTS * IN_SEGMENT or seen[at][0] != record(at).value)
            print(f"{when}, {kind}: {len(seen)} records, {lies} at wrong offsets, refused {refused[:3]}, "
                  f"wrong checksums at {wrong}", flush=True)


def under_a_stopped_node(case):
    made, port = settings(case)
    broker = case.broker(made, name="stopped").start()
    fill(broker)
    broker.stop()
    for partition, kind in enumerate(FLIPS):
        flip(broker, partition, kind)
    broker.start()
    read_all(case, broker, "flipped while it was stopped")
    if case.is_barnabas:
        check(metric(port, "barnabas_log_corrupt_places_total") >= 9, "the broken places are not counted")
        check(metric(port, "barnabas_log_corrupt_files_total") >= 1, "the broken indexes are not counted")
        check_equal(metric(port, "barnabas_log_mended_batches_total"), 1, "mended batches")
    broker.stop()
    step("bits flipped while the node was stopped: " + ("sound records are served, the rest is refused or mended"
                                                        if case.is_barnabas else "what is served stands above"))


def under_a_running_node(case):
    made, port = settings(case)
    broker = case.broker(made, name="running").start()
    fill(broker)
    for partition, kind in enumerate(FLIPS):
        flip(broker, partition, kind)
    if case.is_barnabas:
        passes = metric(port, "barnabas_log_scrub_passes_total")
        end = time.monotonic() + 60
        while metric(port, "barnabas_log_scrub_passes_total") < passes + 2 and time.monotonic() < end:
            time.sleep(0.1)
        check(metric(port, "barnabas_log_scrub_corrupt_places") >= 10, "the scrub finds what rotted")
        check(metric(port, "barnabas_log_scrub_last_pass_timestamp_seconds") > 0, "the last pass has a time")
    read_all(case, broker, "flipped while it ran", is_running=True)
    broker.kill()
    step("bits flipped under a running node: " + ("the scrub finds them, and what it found is refused"
                                                  if case.is_barnabas else "what is served stands above"))


def run(case):
    under_a_stopped_node(case)
    under_a_running_node(case)


if __name__ == "__main__":
    case.main(run)
