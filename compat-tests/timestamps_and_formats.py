#!/usr/bin/env python3
"""Timestamps, sizes and codecs of records are handled as Apache Kafka 4.3.1 handles them.

CreateTime and LogAppendTime with their limits, ListOffsets by every kind of timestamp (before and after
DeleteRecords, in every version), max.message.bytes at its edge, compression.type from and to each codec and level.
Expected answers: testdata/timestamps_and_formats.json, recorded from Apache Kafka (BARNABAS_RECORD=1 --broker kafka).
"""

import gzip
import re
import struct
import time

from harness import case, record_batches
from harness.outcome import check, step
from harness.recorded import Probes
from harness.record_batches import Record
from harness.wire import Connection, batch, records

probes = Probes("timestamps_and_formats")
T = 1_700_000_000_000
LIST_VERSIONS = range(1, 12)
KINDS = (-1, -2, -3, -4, -5, -6, -7)


def call(broker, key, version, values):
    with Connection(broker.port) as connection:
        return connection.call(key, version, values)


def create(name, configs):
    @probes.probe(f"the topic {name}")
    def _(broker):
        configured = {"retention.ms": "-1", **configs}
        answer = call(broker, 19, 5, {"Topics": [{
            "Name": name, "NumPartitions": 1, "ReplicationFactor": 1, "Assignments": [],
            "Configs": [{"Name": key, "Value": value} for key, value in configured.items()]}], "timeoutMs": 10000})
        end = time.monotonic() + 20
        created = not any(topic["ErrorCode"] for topic in answer["Topics"])
        while created and call(broker, 3, 5, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False})["Topics"][0][
                "ErrorCode"] and time.monotonic() < end:
            time.sleep(0.05)
        return [topic["ErrorCode"] for topic in answer["Topics"]]


def produce(broker, name, data, version=9):
    answer = call(broker, 0, version, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 10000, "TopicData": [
        {"Name": name, "PartitionData": [{"Index": 0, "Records": data}]}]})
    told = answer["Responses"][0]["PartitionResponses"][0]
    for field in ("LogAppendTimeMs", "ErrorMessage"):
        told[field] = re.sub(r"\d{12,}", "TIME", str(told[field]))
    for record in told["RecordErrors"]:
        record["BatchIndexErrorMessage"] = re.sub(r"\d{12,}", "TIME", str(record["BatchIndexErrorMessage"]))
    return told


def fetched(broker, name):
    """(codec and timestamp type, largest timestamp, records) of each batch."""
    answer = call(broker, 1, 11, {
        "ReplicaId": -1, "MaxWaitMs": 100, "MinBytes": 1, "MaxBytes": 1 << 24, "IsolationLevel": 0, "SessionId": 0,
        "SessionEpoch": -1, "Topics": [{"Topic": name, "Partitions": [{
            "Partition": 0, "CurrentLeaderEpoch": -1, "FetchOffset": 0, "LogStartOffset": -1,
            "PartitionMaxBytes": 1 << 24}]}], "ForgottenTopicsData": [], "RackId": ""})
    data = answer["Responses"][0]["Partitions"][0]["Records"] or b""
    found, position = [], 0
    while position < len(data):
        size = struct.unpack_from(">i", data, position + 8)[0] + 12
        attributes, = struct.unpack_from(">h", data, position + 21)
        rows = [[record.offset, masked(record.timestamp), record.key, record.value]
                for record in record_batches.decode(data[position:position + size])[0].records]
        found.append([attributes, masked(struct.unpack_from(">q", data, position + 35)[0]), rows])
        position += size
    return found


def masked(timestamp):
    return "now" if abs(timestamp - time.time() * 1000) < 3_600_000 else timestamp


def times(*offsets):
    """A batch whose records have these times after T."""
    return record_batches.encode([Record(0, T + offset, b"key", b"at %d" % offset, []) for offset in offsets])


def packed(values, timestamp=T):
    return batch(values, payload=gzip.compress(records(values, b"key"), mtime=0), attributes=1, timestamp=timestamp)


# --- limits of timestamps

create("created", {"message.timestamp.before.max.ms": "3600000", "message.timestamp.after.max.ms": "60000"})
create("appended", {"message.timestamp.type": "LogAppendTime", "message.timestamp.before.max.ms": "1000",
                    "message.timestamp.after.max.ms": "1000"})
for topic in ("created", "appended"):
    for seconds in (-10 ** 8, -3700, -3500, 0, 30, 120, 10 ** 8):
        for form in ("plain", "gzip"):
            @probes.probe(f"Produce {form} to {topic}, {seconds} s from now")
            def _(broker, topic=topic, seconds=seconds, form=form):
                at = int(time.time() + seconds) * 1000
                return produce(broker, topic, packed([b"v", b"w"], at) if form == "gzip" else batch(timestamp=at))

# --- ListOffsets

create("listed", {})
for number, offsets in enumerate(((100, 30, 20), (10,), (50, 70, 60), (70,), (40, 40), (90,))):
    probes.probe(f"Produce batch {number} of those that are listed")(
        lambda broker, offsets=offsets: produce(broker, "listed", times(*offsets)))
create("empty", {})


def list_offsets(broker, name, timestamp, version):
    asked = {"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": timestamp}
    answer = call(broker, 2, version, {"ReplicaId": -1, "IsolationLevel": 0, "TimeoutMs": 5000,
                                       "Topics": [{"Name": name, "Partitions": [asked]}]})
    return answer if isinstance(answer, str) else answer["Topics"][0]["Partitions"]


def list_everything(what, name):
    for version in LIST_VERSIONS:
        probes.probe(f"ListOffsets version {version} of kinds, {what}")(
            lambda broker, version=version: [list_offsets(broker, name, kind, version) for kind in KINDS])
    probes.probe(f"ListOffsets by timestamp, {what}")(
        lambda broker: [list_offsets(broker, name, T + offset, 7) for offset in range(0, 111, 5)])


def delete_records(offset):
    @probes.probe(f"DeleteRecords before {offset}")
    def _(broker):
        return call(broker, 21, 2, {"Topics": [{"Name": "listed", "Partitions": [
            {"PartitionIndex": 0, "Offset": offset}]}], "TimeoutMs": 5000})["Topics"]


list_everything("of an empty topic", "empty")
list_everything("of all", "listed")
for offset in (1, 3, 5, 6, 11):
    delete_records(offset)
    list_everything(f"behind {offset}", "listed")

# --- max.message.bytes

LIMIT = 1000
for topic, configs in {"limited": {}, "limited-gzip": {"compression.type": "gzip"},
                       "limited-plain": {"compression.type": "uncompressed"}}.items():
    create(topic, {"max.message.bytes": str(LIMIT), **configs})
    for change in (-1, 0, 1, 3000):
        fill = LIMIT + change - len(batch([b""])) - 2
        @probes.probe(f"Produce {change} bytes from the limit to {topic}")
        def _(broker, topic=topic, fill=fill, change=change):
            data = batch([b"x" * fill])
            while len(data) > LIMIT + change:
                data = batch([b"x" * (fill := fill - 1)])
            return [len(data), produce(broker, topic, data)]
    for size in (100, 5000):
        probes.probe(f"Produce {size} bytes in gzip to {topic}")(
            lambda broker, topic=topic, size=size: produce(broker, topic, packed([b"y" * size])))
    probes.probe(f"what became of them in {topic}")(lambda broker, topic=topic: fetched(broker, topic))

# --- compression.type

TARGETS = {"producer": {}, "uncompressed": {}, "snappy": {}, "gzip": {"compression.gzip.level": ("-1", "1", "9")},
           "lz4": {"compression.lz4.level": ("1", "9", "17")}, "zstd": {"compression.zstd.level": ("-7", "3", "22")}}
for target, levels in TARGETS.items():
    for key, level in [(key, level) for key, all_levels in levels.items() for level in all_levels] or [(None, None)]:
        for kind in ("CreateTime", "LogAppendTime"):
            topic = f"to-{target}{'' if key is None else level}-{kind}"
            create(topic, {"compression.type": target, "message.timestamp.type": kind, **({key: level} if key else {})})
            for what, data in {"plain": times(5, 1, 3), "gzip": packed([b"a" * 300, b"b", b""])}.items():
                probes.probe(f"Produce {what} to {topic}")(
                    lambda broker, topic=topic, data=data: produce(broker, topic, data))
            probes.probe(f"what became of them in {topic}")(lambda broker, topic=topic: fetched(broker, topic))
for key, level in (("compression.gzip.level", "0"), ("compression.gzip.level", "10"), ("compression.lz4.level", "18"),
                   ("compression.zstd.level", "23")):
    create(f"refused-{key}-{level}", {key: level})


def run(case):
    broker = case.broker().start()
    count = probes.compare(broker)
    step(f"{count} answers about timestamps, sizes and codecs are those of Apache Kafka")
    check(broker.process.poll() is None, "the broker lives")
    broker.stop()


if __name__ == "__main__":
    case.main(run)
