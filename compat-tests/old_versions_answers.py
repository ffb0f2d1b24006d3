#!/usr/bin/env python3
"""The versions that Apache Kafka 4 has dropped are answered as Apache Kafka 3.9.1 answers them.

Message sets of magic 0 and 1 are produced and fetched, batches are converted down for old consumers, and every other
API is asked in the versions that only 3.9.1 has. Expected answers: testdata/old_versions_answers.json, recorded from
Apache Kafka 3.9.1 by this script (BARNABAS_RECORD=1 --broker kafka-3.9.1).
"""

import time

from harness import case, message_set
from harness.message_set import gzip_wrapper, message
from harness.outcome import NotRun, check, step
from harness.recorded import Probes
from harness.wire import CLOSED, Connection, batch, records

probes = Probes("old_versions_answers", recorded_from="kafka-3.9.1")
T = 1_700_000_000_000


def call(broker, key, version, values):
    with Connection(broker.port) as connection:
        return connection.call(key, version, values)


def ask(name, key, version, values, pick=lambda answer: answer):
    @probes.probe(name)
    def question(broker):
        answer = call(broker, key, version, values)
        return answer if isinstance(answer, str) else pick(answer)


# --- topics

def topic(name, partitions=1, replicas=1, configs=None):
    return {"Name": name, "NumPartitions": partitions, "ReplicationFactor": replicas, "Assignments": [],
            "Configs": [{"Name": key, "Value": value} for key, value in (configs or {}).items()]}


for version in (0, 1):
    ask(f"CreateTopics version {version}", 19, version, {"Topics": [topic(f"v{version}", 2)], "timeoutMs": 10000})
    ask(f"CreateTopics version {version}, again", 19, version, {"Topics": [topic(f"v{version}")], "timeoutMs": 10000})
    ask(f"CreateTopics version {version} with defaults", 19, version,
        {"Topics": [topic("defaults", -1, -1)], "timeoutMs": 10000})
    ask(f"CreateTopics version {version} with a bad config", 19, version,
        {"Topics": [topic("bad", configs={"retention.ms": "x"})], "timeoutMs": 10000})
ask("CreateTopics version 1, validation only", 19, 1,
    {"Topics": [topic("seen")], "timeoutMs": 10000, "validateOnly": True})
ask("more topics", 19, 1, {"Topics": [
    topic("old"), topic("new"), topic("stamped", configs={"message.timestamp.type": "LogAppendTime"}),
    topic("packed", configs={"compression.type": "gzip"}), topic("compacted", configs={"cleanup.policy": "compact"}),
    topic("zstd"), topic("small", configs={"max.message.bytes": "200"}), topic("mixed")], "timeoutMs": 10000})
ask("DeleteTopics version 0", 20, 0, {"TopicNames": ["v0", "nowhere"], "TimeoutMs": 10000})

# --- produce


def produce(broker, records, version, name="old", partition=0, acks=-1):
    data = [{"Name": name, "PartitionData": [{"Index": partition, "Records": records}]}]
    answer = call(broker, 0, version, {"Acks": acks, "TimeoutMs": 5000, "TopicData": data})
    if isinstance(answer, str):
        return answer
    for partition_answer in answer["Responses"][0]["PartitionResponses"]:
        if partition_answer.get("LogAppendTimeMs", -1) > 0:
            partition_answer["LogAppendTimeMs"] = "now"
    return answer


def sets(magic):
    """Message sets of one magic, by what is special about them."""
    def plain(offset, key, value, **more):
        return message(offset, key, value, magic=magic, **more)
    two = plain(0, b"k0", b"v0") + plain(1, None, b"v1")
    return {
        "two messages": two,
        "one with null key and value": plain(0, None, None),
        "offsets that mean nothing": plain(77, b"k", b"a") + plain(3, b"k", b"b"),
        "gzip": gzip_wrapper(two, 1, magic=magic),
        "gzip with an outer offset of its own": gzip_wrapper(plain(0, b"k", b"a") + plain(1, b"k", b"b"), 40, magic=magic),
        "gzip of offsets that do not begin at 0": gzip_wrapper(plain(5, b"k", b"a") + plain(6, b"k", b"b"), 6, magic=magic),
        "two wrappers": gzip_wrapper(two, 1, magic=magic) + gzip_wrapper(two, 1, magic=magic),
        "a wrapper and a message": gzip_wrapper(two, 1, magic=magic) + plain(2, b"k", b"plain"),
        "a wrong checksum": plain(0, b"k", b"v", wrong_crc=True),
        "a wrong checksum inside": gzip_wrapper(plain(0, b"k", b"v", wrong_crc=True), 0, magic=magic),
        "a cut message": two[:-3],
        "nothing whole": two[:20],
        "nothing": b"",
        "an empty wrapper": gzip_wrapper(b"", 0, magic=magic),
        "a wrapper in a wrapper": gzip_wrapper(gzip_wrapper(two, 1, magic=magic), 1, magic=magic),
        "what does not unpack": plain(0, None, b"no gzip", attributes=1),
        "a codec nobody knows": plain(0, None, b"x", attributes=6),
        "zstd": plain(0, None, b"x", attributes=4),
        "a batch of magic 2": batch((b"new",)),
    }


for version in (0, 1, 2):
    for magic in (0, 1):
        for what, data in sets(magic).items():
            probes.probe(f"Produce version {version}, magic {magic}: {what}")(
                lambda broker, data=data, version=version: produce(broker, data, version))
    other = {"to nowhere": ("nowhere", 0), "to a partition that is not there": ("old", 9)}
    for what, (name, partition) in other.items():
        probes.probe(f"Produce version {version} {what}")(
            lambda broker, name=name, partition=partition, version=version:
            produce(broker, message(0, None, b"x"), version, name, partition))
    probes.probe(f"Produce version {version} with acks=2")(
        lambda broker, version=version: produce(broker, message(0, None, b"x"), version, acks=2))
probes.probe("Produce message sets of magic 0 and 1 in one")(
    lambda broker: produce(broker, message(0, None, b"a", magic=0) + message(1, None, b"b", magic=1), 2))
for magic in (0, 1):
    probes.probe(f"Produce magic {magic} to a topic that stamps")(
        lambda broker, magic=magic: produce(broker, sets(magic)["two messages"], 2, "stamped"))
    probes.probe(f"Produce magic {magic} to a topic that packs")(
        lambda broker, magic=magic: produce(broker, sets(magic)["two messages"], 2, "packed"))
    probes.probe(f"Produce magic {magic} without keys to a compacted topic")(
        lambda broker, magic=magic: produce(broker, message(0, None, b"x", magic=magic), 2, "compacted"))
    probes.probe(f"Produce magic {magic} that is too large")(
        lambda broker, magic=magic: produce(broker, message(0, None, b"x" * 300, magic=magic), 2, "small"))
for version in (3, 5, 7):
    probes.probe(f"Produce version {version} with a message set")(
        lambda broker, version=version: produce(broker, message(0, b"k", b"v"), version))

# --- what became of it, for new clients


def batches(data):
    """[(base offset, codec and timestamp type, record count, first and last timestamp, producer id)] of batches."""
    import struct
    found, position = [], 0
    while len(data) - position > 60:
        base, size = struct.unpack_from(">qi", data, position)
        attributes, last, first_time, max_time, producer = struct.unpack_from(">hiqqq", data, position + 21)
        count = struct.unpack_from(">i", data, position + 57)[0]
        times = ["now" if found_time > T + 1000 else found_time for found_time in (first_time, max_time)]
        found.append([base, attributes, last, count, *times, producer])
        position += 12 + size
    return found


def fetch(broker, version, name="old", offset=0, partition=0, limit=1 << 20, wait=0, minimum=0):
    part = {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": limit}
    values = {"ReplicaId": -1, "MaxWaitMs": wait, "MinBytes": minimum,
              "Topics": [{"Topic": name, "Partitions": [part]}]}
    if version >= 3:
        values["MaxBytes"] = 1 << 20
    answer = call(broker, 1, version, values)
    if answer == CLOSED:
        return answer
    return answer


def fetched(broker, version, **what):
    answer = fetch(broker, version, **what)
    if answer == CLOSED:
        return answer
    part = answer["Responses"][0]["Partitions"][0]
    data = part.pop("Records") or b""
    messages = [["now" if (field or 0) == item[3] and item[3] and item[3] > T + 1000 else field for field in item]
                for item in message_set.read(data)]
    return [answer, messages]


for name in ("old", "stamped", "packed"):
    @probes.probe(f"Fetch version 4 of {name}: batches")
    def _(broker, name=name):
        answer = fetch(broker, 4, name)
        return batches(answer["Responses"][0]["Partitions"][0]["Records"])

# --- fetch, for old clients

plain_batch = batch((b"one", b"two", b"three"), key=b"key")


def with_headers():
    """A batch whose record has a header, which message sets cannot hold."""
    header = b"\x02h\x02x"
    body = b"\0\0\0" + b"\x02k" + b"\x02v" + b"\x02" + header
    return batch(payload=bytes([len(body) * 2]) + body, count=1)


@probes.probe("fill the topic of new batches")
def _(broker):
    import gzip
    data = [plain_batch, with_headers(), batch(payload=gzip.compress(records([b"g1", b"g2", b"g3"], b"k"), mtime=0),
                                               count=3, attributes=1), batch((None,), key=b"k", timestamp=T + 5)]
    return [call(broker, 0, 3, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 5000, "TopicData": [
        {"Name": "new", "PartitionData": [{"Index": 0, "Records": one}]}]})["Responses"][0]["PartitionResponses"][0]["BaseOffset"]
        for one in data]


@probes.probe("fill the topic of zstd")
def _(broker):
    # A frame of zstd made by hand: one raw block.
    payload = records([b"z1"])
    frame = b"\x28\xb5\x2f\xfd\x20" + bytes([len(payload)]) + (1 | len(payload) << 3).to_bytes(3, "little") + payload
    return call(broker, 0, 7, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 5000, "TopicData": [
        {"Name": "zstd", "PartitionData": [{"Index": 0, "Records": batch(payload=frame, count=1, attributes=4)}]}]})["Responses"]


for version in (0, 1, 2, 3):
    for name in ("old", "new", "stamped", "packed", "zstd", "v1"):
        probes.probe(f"Fetch version {version} of {name}")(
            lambda broker, version=version, name=name: fetched(broker, version, name=name))
    for offset in (1, 2, 4, 5, 7):
        probes.probe(f"Fetch version {version} from {offset}")(
            lambda broker, version=version, offset=offset: fetched(broker, version, name="new", offset=offset))
    for what, where in {"beyond the end": {"offset": 1000}, "at the end": {"name": "new", "offset": 8},
                        "before the start": {"offset": -1}, "from nowhere": {"name": "nowhere"},
                        "of a partition that is not there": {"partition": 9}}.items():
        probes.probe(f"Fetch version {version} {what}")(
            lambda broker, version=version, where=where: fetched(broker, version, **where))


def size_and_offsets(broker, version, limit, offset=0):
    """How old fetches obey their limit: the size that came, and the offsets of the messages that are whole."""
    answer = fetch(broker, version, "new", offset, limit=limit)
    part = answer["Responses"][0]["Partitions"][0]
    data = part["Records"] or b""
    offsets = [item[0] for item in message_set.read(data)]
    return [part["ErrorCode"], offsets, "something" if data else "nothing"]


for version in (0, 2, 3):
    for limit in (0, 1, 40, 100, 150, 1000):
        probes.probe(f"Fetch version {version} of at most {limit} bytes")(
            lambda broker, version=version, limit=limit: size_and_offsets(broker, version, limit))

# --- offsets


def offsets(broker, timestamp, count, name="old"):
    return call(broker, 2, 0, {"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": [
        {"PartitionIndex": 0, "Timestamp": timestamp, "MaxNumOffsets": count}]}]})


for timestamp in (-1, -2, -3, 0, T, T + 1, 9_000_000_000_000):
    for count in (1, 5):
        probes.probe(f"ListOffsets version 0 at {timestamp}, {count}")(
            lambda broker, timestamp=timestamp, count=count: offsets(broker, timestamp, count))
probes.probe("ListOffsets version 0 of nowhere")(lambda broker: offsets(broker, -1, 1, "nowhere"))
probes.probe("ListOffsets version 0 of an empty log")(lambda broker: offsets(broker, -1, 3, "v1"))
for count in (0, -1):
    probes.probe(f"ListOffsets version 0 of {count} offsets")(lambda broker, count=count: offsets(broker, -1, count))
for version in (0, 1):
    ask(f"OffsetForLeaderEpoch version {version}", 23, version, {"ReplicaId": -2, "Topics": [
        {"Topic": "old", "Partitions": [{"Partition": 0, "LeaderEpoch": epoch} for epoch in (0, 5)]},
        {"Topic": "nowhere", "Partitions": [{"Partition": 0, "LeaderEpoch": 0}]}]})

# --- groups


@probes.probe("FindCoordinator")
def _(broker):
    end = time.monotonic() + 20
    while True:
        answer = call(broker, 10, 0, {"Key": "g"})
        if answer["ErrorCode"] == 0 or time.monotonic() > end:
            return answer
        time.sleep(0.2)


@probes.probe("OffsetCommit version 1, once the coordinator has loaded")
def _(broker):
    end = time.monotonic() + 20
    while True:
        answer = commit(broker, 1)
        if answer == CLOSED or answer["Topics"][0]["Partitions"][0]["ErrorCode"] not in (14, 15, 16) \
                or time.monotonic() > end:
            return answer
        time.sleep(0.2)


def commit(broker, version, name="old", generation=-1, member="", group="g"):
    partition = {"PartitionIndex": 0, "CommittedOffset": 2, "CommittedMetadata": "m"}
    if version == 1:
        partition["CommitTimestamp"] = -1
    values = {"GroupId": group, "Topics": [{"Name": name, "Partitions": [partition]}]}
    if version >= 1:
        values |= {"GenerationIdOrMemberEpoch": generation, "MemberId": member}
    return call(broker, 8, version, values)


for version in (0, 1):
    probes.probe(f"OffsetCommit version {version}")(lambda broker, version=version: commit(broker, version))
    probes.probe(f"OffsetCommit version {version} of nowhere")(
        lambda broker, version=version: commit(broker, version, "nowhere"))
probes.probe("OffsetCommit version 1 of a member nobody knows")(lambda broker: commit(broker, 1, generation=3, member="m"))
for version in (0, 1):
    for group in ("g", "other"):
        ask(f"OffsetFetch version {version} of {group}", 9, version, {"GroupId": group, "Topics": [
            {"Name": "old", "PartitionIndexes": [0, 7]}, {"Name": "nowhere", "PartitionIndexes": [0]}]})

# --- configurations, directories


def described(answer):
    return [[result["ErrorCode"], result["ErrorMessage"], sorted(
        [config["Name"], config["Value"], config["ReadOnly"], config["IsDefault"], config["IsSensitive"]]
        for config in result["Configs"] if config["Name"] in ("retention.ms", "cleanup.policy", "compression.type"))]
        for result in answer["Results"]]


ask("DescribeConfigs version 0", 32, 0, {"Resources": [
    {"ResourceType": 2, "ResourceName": "compacted", "ConfigurationKeys": None},
    {"ResourceType": 2, "ResourceName": "old", "ConfigurationKeys": ["retention.ms", "compression.type"]},
    {"ResourceType": 2, "ResourceName": "nowhere", "ConfigurationKeys": None}]}, described)


@probes.probe("DescribeLogDirs version 0")
def _(broker):
    answer = call(broker, 35, 0, {"Topics": [{"Topic": "new", "Partitions": [0, 3]}]})
    if answer == CLOSED:
        return answer
    for directory in answer["Results"]:
        directory["LogDir"] = "$DIRECTORY"
        for found in directory["Topics"]:
            for partition in found["Partitions"]:
                partition["PartitionSize"] = partition["PartitionSize"] > 0
    return answer


def run(case):
    if case.kind == "kafka":
        raise NotRun("Apache Kafka 4 does not speak these versions; --broker kafka-3.9.1 does")
    broker = case.broker().start()
    step(f"{probes.compare(broker)} answers to old versions are those of Apache Kafka 3.9.1")
    check(broker.process.poll() is None, "the broker lives")
    broker.stop()


if __name__ == "__main__":
    case.main(run)
