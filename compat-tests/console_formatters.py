#!/usr/bin/env python3
"""Kafka's formatters of internal topics show of Barnabas' topics what they show of Apache Kafka's, and ours show the same.

The same history of groups and transactions happens on a broker of each kind. kafka-console-consumer reads what each wrote
to __consumer_offsets and __transaction_state with OffsetsMessageFormatter, GroupMetadataMessageFormatter and
TransactionLogMessageFormatter: every line is the same, but for times and ids. Our console consumer with the formatters of
these names prints the same to the byte, of records that nobody's coordinator would write too.
"""

import json
import re
import struct

from native_data_tools import plain, told_lines
from transactions_answers import Producer, call

from harness import case
from harness.native_tools import NativeTools
from harness.outcome import check, check_equal, step
from harness.record_batches import Record
from harness.recorded import UUID, until
from harness.wire_client import WireClient

PACKAGE = "org.apache.kafka.tools.consumer."
FORMATTERS = {"OffsetsMessageFormatter": "__consumer_offsets", "GroupMetadataMessageFormatter": "__consumer_offsets",
              "TransactionLogMessageFormatter": "__transaction_state"}
# One partition each, so that there is one order in which it is read.
SETTINGS = {"offsets.topic.num.partitions": "1", "transaction.state.log.num.partitions": "1"}
OFFSET_COMMIT, JOIN, LEAVE, SYNC, DELETE_GROUPS, OFFSET_DELETE, CONSUMER_BEAT = 8, 11, 13, 14, 42, 47, 68
CONTROL = 0x20  # the attribute of a batch that ends a transaction
SUBSCRIPTION = b"\0\3\0\0\0\1\0\1t\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff"
ASSIGNMENT = b"\0\3\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\xff\xff\xff\xff"


# --- a history

def commit(broker, group, offset, version=8, generation=-1, member="", **more):
    answer = call(broker, OFFSET_COMMIT, version, {
        "GroupId": group, "GenerationIdOrMemberEpoch": generation, "MemberId": member, **more, "Topics": [
            {"Name": "t", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": offset,
                                          "CommittedMetadata": f"at {offset}"}]}]})
    check_equal(answer["Topics"][0]["Partitions"][0]["ErrorCode"], 0, f"a commit of {group}")


def join(broker, group, instance=None):
    """A member that is alone in a classic group, with its assignment: its id and generation."""
    request = {"GroupId": group, "SessionTimeoutMs": 60000, "RebalanceTimeoutMs": 60000, "MemberId": "",
               "GroupInstanceId": instance, "ProtocolType": "consumer",
               "Protocols": [{"Name": name, "Metadata": SUBSCRIPTION} for name in ("range", "roundrobin")]}
    joined = call(broker, JOIN, 9, request)
    if joined["ErrorCode"] == 79:
        joined = call(broker, JOIN, 9, {**request, "MemberId": joined["MemberId"]})
    check_equal(joined["ErrorCode"], 0, f"a join of {group}")
    synced = call(broker, SYNC, 5, {
        "GroupId": group, "GenerationId": joined["GenerationId"], "MemberId": joined["MemberId"],
        "GroupInstanceId": instance, "ProtocolType": "consumer", "ProtocolName": "range",
        "Assignments": [{"MemberId": joined["MemberId"], "Assignment": ASSIGNMENT}]})
    check_equal(synced["ErrorCode"], 0, f"a sync of {group}")
    return joined["MemberId"], joined["GenerationId"]


def history_of_groups(broker):
    member, generation = join(broker, "classic")
    commit(broker, "classic", 1, generation=generation, member=member)
    commit(broker, "classic", 2, 9, generation, member)
    call(broker, LEAVE, 5, {"GroupId": "classic", "Members": [{"MemberId": member}]})
    join(broker, "static", "i")
    join(broker, "static", "i")  # comes back
    call(broker, LEAVE, 5, {"GroupId": "static", "Members": [{"MemberId": "", "GroupInstanceId": "i"}]})
    commit(broker, "simple", 3, 2, RetentionTimeMs=3_600_000)
    commit(broker, "simple", 4)
    call(broker, OFFSET_DELETE, 0, {"GroupId": "simple", "Topics": [{"Name": "t", "Partitions": [{"PartitionIndex": 0}]}]})
    call(broker, CONSUMER_BEAT, 1, {"GroupId": "consumer", "MemberId": "m", "MemberEpoch": 0, "RebalanceTimeoutMs": 60000,
                                    "SubscribedTopicNames": ["t"], "TopicPartitions": []})
    commit(broker, "consumer", 5, 9, 2, "m")
    call(broker, CONSUMER_BEAT, 1, {"GroupId": "consumer", "MemberId": "m", "MemberEpoch": -1})
    commit(broker, "gone", 6)
    for group in ("classic", "consumer", "gone"):
        check_equal(call(broker, DELETE_GROUPS, 2, {"GroupsNames": [group]})["Results"][0]["ErrorCode"], 0, f"deleting {group}")


def history_of_transactions(broker):
    """Each step waits until the markers of the one before are written, so that the log has one order."""
    before = Producer(broker, "before")
    before.init()
    for ended in (True, False):
        before.add([("t", 0), ("t", 2), ("u", 1)])
        before.produce(9)
        before.end(ended, 4)
    before.add()
    before.init()
    check_equal(before.state(), "Empty", "a transaction whose producer began anew")
    since = Producer(broker, "since")
    since.init(timeout=12345)
    for ended in (True, False):
        since.produce(12)
        since.commit_offset(7 + ended, 5, group="simple", metadata="in a transaction")
        since.take(since.end(ended, 5))
    since.produce(12)


def write_history(broker):
    with WireClient(broker.port) as client:
        client.create_topic("t", 3)
        client.create_topic("u", 2)
        client.create_topic("odd", 1)
        for key_type, key in ((0, "g"), (1, "x")):
            client.patiently("a coordinator", lambda key=key, key_type=key_type: (
                client.call(10, 2, {"Key": key, "KeyType": key_type})["ErrorCode"], None))
        until(lambda: client.call(OFFSET_COMMIT, 8, {"GroupId": "first", "GenerationIdOrMemberEpoch": -1, "Topics": [
            {"Name": "t", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 0}]}]})["Topics"][0]["Partitions"][0]["ErrorCode"],
            lambda code: code == 0)
        client.produce("odd", 0, [Record(0, 1_700_000_000_000, key, value, []) for key, value in ODD])
    history_of_groups(broker)
    history_of_transactions(broker)


# --- records that nobody's coordinator writes: what a formatter takes for its own, and what it makes of it

def short(number):
    return struct.pack(">h", number)


def text(value):
    return short(len(value)) + value


OFFSET_KEY, GROUP_KEY = text(b"g") + text(b"t") + struct.pack(">i", 1), text(b"g")
OFFSET_VALUE = {0: struct.pack(">q", 5) + text(b"m") + struct.pack(">q", 6),
                1: struct.pack(">q", 5) + text(b"m") + struct.pack(">qq", 6, 7),
                2: struct.pack(">q", 5) + text(b"m") + struct.pack(">q", 6),
                3: struct.pack(">qi", 5, 4) + text(b"m") + struct.pack(">q", 6),
                4: struct.pack(">qi", 5, 4) + b"\2m" + struct.pack(">q", 6) + b"\0"}
GROUP_VALUE = {0: text(b"consumer") + struct.pack(">i", 1) + text(b"range") + text(b"m") + struct.pack(">i", 0),
               2: text(b"consumer") + struct.pack(">i", 1) + text(b"range") + short(-1) + struct.pack(">qi", 6, 0)}
TRANSACTION_KEY, TRANSACTION_VALUE = text(b"x"), struct.pack(">qhibiqq", 7, 1, 60000, 0, -1, 5, -1)
ODD = [
    *((short(1) + OFFSET_KEY, short(version) + value) for version, value in OFFSET_VALUE.items()),
    *((short(2) + GROUP_KEY, short(version) + value) for version, value in GROUP_VALUE.items()),
    (short(0) + OFFSET_KEY, short(0) + OFFSET_VALUE[0]), (short(0) + OFFSET_KEY, short(3) + OFFSET_VALUE[3]),
    (short(0) + TRANSACTION_KEY, short(0) + TRANSACTION_VALUE),
    (short(1) + OFFSET_KEY, None), (short(2) + GROUP_KEY, None), (short(0) + TRANSACTION_KEY, None),
    (short(3) + GROUP_KEY, short(0) + struct.pack(">i", 1)), (short(3) + GROUP_KEY, None), (short(99) + GROUP_KEY, b"v"),
    (short(-1) + GROUP_KEY, None), (None, b"v"),
    # What cannot be read: keys and values that end too soon, that go on, of versions that there are not.
    (b"", b"v"), (b"\0", b"v"), (short(1), None), (short(1) + OFFSET_KEY[:-1], None), (short(1) + OFFSET_KEY + b"more", None),
    (short(1) + OFFSET_KEY, b""), (short(1) + OFFSET_KEY, b"\0"), (short(1) + OFFSET_KEY, short(1) + OFFSET_VALUE[1][:-1]),
    (short(1) + OFFSET_KEY, short(1) + OFFSET_VALUE[1] + b"more"), (short(1) + OFFSET_KEY, short(9) + OFFSET_VALUE[1]),
    (short(1) + OFFSET_KEY, short(-1) + OFFSET_VALUE[1]), (short(2) + GROUP_KEY, short(0) + b"\x7f\xff"),
    (short(0) + TRANSACTION_KEY, short(9) + TRANSACTION_VALUE), (short(0) + b"\xff\xff", None),
]


# --- what is shown

class Reader:
    """Both kinds of console consumers on one broker; whatever the formatter, they must do the same."""

    def __init__(self, both):
        self.both, self.count, self.different = both, 0, []

    def read(self, formatter, topic, *more):
        """What is printed."""
        arguments = ["--bootstrap-server", self.both.bootstrap, "--topic", topic, "--partition", "0", "--formatter",
                     formatter if "." in formatter else PACKAGE + formatter, *more]
        (their_code, out, their_err), (our_code, our_out, our_err) = (
            call("kafka-console-consumer", arguments) for call in (self.both.theirs, self.both.ours))
        for what, ours, theirs in (("standard output", our_out, out), ("exit code", our_code, their_code),
                                   ("told", told_lines(plain(our_err, "")), told_lines(plain(their_err, "")))):
            if ours != theirs:
                self.different.append(f"{formatter} of {topic} {' '.join(more)}: {what}\n   ours   {ours}\n   theirs {theirs}")

        self.count += 1
        return out


def values_of(text):
    """The formatters print no separator."""
    values, position, decoder = [], 0, json.JSONDecoder()
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        values.append(value)
    return values


class Normal:
    """Takes out what cannot be the same twice: times, member ids, topic ids; producer ids are numbered as they come."""

    def __init__(self):
        self.producers = {-1: -1}

    def of(self, value, name=""):
        if isinstance(value, dict):
            return {key: self.of(item, key) for key, item in value.items()}
        if isinstance(value, list):
            rows = [self.of(item) for item in value]
            return sorted(rows, key=json.dumps)  # of sets
        if re.search(r"producerId$", name, re.IGNORECASE):
            return self.producers.setdefault(value, f"producer {len(self.producers)}")
        if re.search(r"timestamp", name, re.IGNORECASE) and value != -1:
            return "a time"
        if name == "topicId":
            return "an id"
        return UUID.sub("UUID", value) if isinstance(value, str) else value


def size(broker, topic):
    """How many records a consumer is given."""
    with WireClient(broker.port) as client:
        return sum(len(batch.records) for batch in client.batches(topic, 0) if not batch.attributes & CONTROL)


def first(count):
    return "--offset", "earliest", "--max-messages", str(count)


def read_odd_records(reader):
    for formatter in FORMATTERS:
        reader.read(formatter, "odd", *first(len(ODD)), "--skip-message-on-error")
        for offset, (key, _) in enumerate(ODD):
            if offset > 16 and key is not None:  # those that cannot be read, each for itself
                reader.read(formatter, "odd", "--offset", str(offset), "--max-messages", "1")
    # The names of other packages and of releases before.
    for other in ("kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter",
                  "org.apache.kafka.tools.consumer.group.OffsetsMessageFormatter", "nope.Formatter",
                  PACKAGE + "NopeMessageFormatter"):
        reader.read(other, "odd", *first(1))


def shown(case, kind, name, odd):
    """{formatter: lines} of a broker of that kind."""
    broker = case.broker(SETTINGS, name=name, kind=kind).start()
    write_history(broker)
    with NativeTools(case.scratch, broker.bootstrap) as both:
        reader = Reader(both)
        lines = {formatter: [Normal().of(value) for value in values_of(reader.read(formatter, topic, *first(size(broker, topic))))]
                 for formatter, topic in FORMATTERS.items()}
        lines["read committed"] = [Normal().of(value) for value in values_of(reader.read(
            "OffsetsMessageFormatter", "__consumer_offsets", *first(size(broker, "__consumer_offsets") - 1), "--isolation-level",
            "read_committed"))]
        check_equal(len(lines["read committed"]), len(lines["OffsetsMessageFormatter"]) - 1, "without what was aborted")
        if odd:
            read_odd_records(reader)
        check(not reader.different, f"{len(reader.different)} differences:\n" + "\n".join(reader.different))
        step(f"{kind}: {sum(map(len, lines.values()))} lines of Kafka's formatters; ours print the same, "
             f"{reader.count} command lines")
    broker.stop()
    return lines


def run(case):
    expected = shown(case, "kafka", "theirs", odd=False)
    for formatter in FORMATTERS:
        check(len(expected[formatter]) > 4, f"{formatter} shows something")
    got = shown(case, case.kind, "ours", odd=True)
    for formatter, lines in expected.items():
        for number, (one, other) in enumerate(zip(got[formatter], lines)):
            check_equal(one, other, f"line {number} of {formatter}")
        check_equal(len(got[formatter]), len(lines), f"how many lines of {formatter} there are")
    step("the same history looks the same in the topics of both brokers")


if __name__ == "__main__":
    case.main(run)
