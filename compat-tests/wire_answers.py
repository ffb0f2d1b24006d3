#!/usr/bin/env python3
"""Requests by hand, over the APIs of the main job, are answered field by field as Apache Kafka answers them.

Right ones and wrong ones: unknown topics, invalid names, partitions and configs, sequence numbers, fetch sessions,
group generations. Expected answers: testdata/wire_answers.json, recorded from Apache Kafka 4.3.1 by this script.
"""

import time

from harness import case
from harness.outcome import check, step
from harness.recorded import Probes
from harness.wire import Connection, batch

probes = Probes("wire_answers")
NO_SUCH_ID = "11111111-1111-1111-1111-111111111111"
CONSUMER = b"\0\0\0\0\0\1\0\4main\xff\xff\xff\xff"


def call(broker, key, version, values):
    with Connection(broker.port) as connection:
        return connection.call(key, version, values)


def ask(name, key, version, values, pick=lambda answer: answer):
    """A probe that is one request; `pick` chooses what of the answer is compared."""
    @probes.probe(name)
    def question(broker):
        answer = call(broker, key, version, values)
        return answer if isinstance(answer, str) else pick(answer)


def without(*names):
    """Leaves out fields of any depth that depend on the machine or the moment."""
    def strip(value):
        if isinstance(value, dict):
            return {key: strip(item) for key, item in value.items() if key not in names}
        return [strip(item) for item in value] if isinstance(value, list) else value
    return strip


# --- what is there

def create(name, partitions=1, replicas=1, configs=None, assignments=None, version=7, validate=False):
    topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": replicas,
             "Configs": [{"Name": key, "Value": value} for key, value in (configs or {}).items()],
             "Assignments": assignments or []}
    values = {"Topics": [topic], "timeoutMs": 10000}
    return (19, version, {**values, "validateOnly": validate} if version else values)


no_configs = without("Configs")
ask("create main", *create("main", 2, configs={"retention.ms": "-1"}), no_configs)
ask("create other", *create("other.topic", -1, -1), no_configs)
ask("create compacted", *create("compacted", configs={"cleanup.policy": "compact"}), no_configs)

for version in range(2, 8):
    ask(f"create a topic that is there, version {version}", *create("main", version=version), no_configs)
for name, arguments in {
        "no partitions": {"partitions": 0}, "-2 partitions": {"partitions": -2}, "no replicas": {"replicas": 0},
        "nine replicas": {"replicas": 9}, "10001 partitions": {"partitions": 10001, "validate": True},
        "a config nobody knows": {"configs": {"zz": "1"}}, "a config that is no number": {"configs": {"retention.ms": "x"}},
        "a config out of range": {"configs": {"segment.bytes": "1"}}, "a null config": {"configs": {"retention.ms": None}},
        "a policy nobody knows": {"configs": {"cleanup.policy": "burn"}},
        "a compression nobody knows": {"configs": {"compression.type": "rar"}},
        "an assignment and a count": {"assignments": [{"PartitionIndex": 0, "BrokerIds": [1]}]},
        "an assignment to nobody": {"partitions": -1, "replicas": -1,
                                    "assignments": [{"PartitionIndex": 0, "BrokerIds": [7]}]},
        "an assignment with a hole": {"partitions": -1, "replicas": -1,
                                      "assignments": [{"PartitionIndex": 1, "BrokerIds": [1]}]},
        "an assignment without replicas": {"partitions": -1, "replicas": -1,
                                           "assignments": [{"PartitionIndex": 0, "BrokerIds": []}]},
        "validation only": {"validate": True}}.items():
    ask(f"create with {name}", *create("new", **arguments), no_configs)
for name in ("", ".", "..", "a/b", "a:b", "a b", "x" * 250, "ü", "other_topic", "__cluster_metadata"):
    ask(f"create the name {name[:20]!r} of {len(name)}", *create(name), no_configs)
ask("create a name of 249", *create("y" * 249), no_configs)
ask("create one name twice in a request", 19, 7, {"Topics": [
    {"Name": "twice", "NumPartitions": 1, "ReplicationFactor": 1}] * 2, "timeoutMs": 5000}, no_configs)
ask("the configs of a topic that was created", *create("with-configs", configs={"retention.ms": "77"}),
    lambda answer: sorted((config["Name"], config["Value"], config["ConfigSource"], config["ReadOnly"])
                          for config in answer["Topics"][0]["Configs"]))

# --- metadata

for version in range(14):
    ask(f"Metadata of a topic, version {version}", 3, version, {"Topics": [{"Name": "main"}]})
ask("Metadata of no topic", 3, 13, {"Topics": []})
ask("Metadata of all topics", 3, 12, {"Topics": None},
    lambda answer: sorted(topic["Name"] for topic in answer["Topics"]))
ask("Metadata of no topic in version 0 is all", 3, 0, {"Topics": []},
    lambda answer: sorted(topic["Name"] for topic in answer["Topics"]))
ask("Metadata of an unknown topic", 3, 12, {"Topics": [{"Name": "nowhere"}], "AllowAutoTopicCreation": False},
    lambda answer: answer["Topics"])
ask("Metadata of an unknown id", 3, 12, {"Topics": [{"Name": None, "TopicId": NO_SUCH_ID}],
                                         "AllowAutoTopicCreation": False}, lambda answer: answer["Topics"])
for name in ("a/b", "", "..", "x" * 250):
    ask(f"Metadata that would create {name[:10]!r} of {len(name)}", 3, 12, {"Topics": [{"Name": name}]},
        lambda answer: answer["Topics"])
ask("Metadata that creates a topic", 3, 12, {"Topics": [{"Name": "by-metadata"}]}, lambda answer: answer["Topics"])


@probes.probe("Metadata of the topic it created, later")
def _(broker):
    end = time.monotonic() + 10
    while True:
        topics = call(broker, 3, 12, {"Topics": [{"Name": "by-metadata"}]})["Topics"]
        if topics[0]["ErrorCode"] == 0 or time.monotonic() > end:
            return topics
        time.sleep(0.05)


ask("Metadata by operations", 3, 12, {"Topics": [{"Name": "main"}], "IncludeTopicAuthorizedOperations": True},
    lambda answer: answer["Topics"][0]["TopicAuthorizedOperations"])
for version in range(3):
    ask(f"DescribeCluster version {version}", 60, version, {"IncludeClusterAuthorizedOperations": True})
ask("DescribeCluster of the controllers", 60, 1, {"EndpointType": 2})
ask("DescribeCluster of an endpoint type nobody knows", 60, 1, {"EndpointType": 9})
ask("DescribeTopicPartitions", 75, 0, {"Topics": [{"Name": "main"}, {"Name": "nowhere"}], "Cursor": None})
ask("DescribeTopicPartitions, one at a time", 75, 0, {"Topics": [{"Name": "main"}, {"Name": "other.topic"}],
                                                      "ResponsePartitionLimit": 1, "Cursor": None})
ask("DescribeTopicPartitions from a cursor", 75, 0, {
    "Topics": [{"Name": "main"}, {"Name": "other.topic"}], "Cursor": {"TopicName": "main", "PartitionIndex": 1}})


# --- the quorum, features

for version in range(3):
    ask(f"DescribeQuorum version {version}", 55, version,
        {"Topics": [{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}]},
        without("HighWatermark", "LogEndOffset", "LastFetchTimestamp", "LastCaughtUpTimestamp", "ReplicaDirectoryId",
                "LeaderEpoch"))
    ask(f"DescribeQuorum of another topic, version {version}", 55, version,
        {"Topics": [{"TopicName": "main", "Partitions": [{"PartitionIndex": 0}]}]})
    ask(f"DescribeQuorum of several partitions, version {version}", 55, version,
        {"Topics": [{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}, {"PartitionIndex": 1}]}]})
    ask(f"DescribeQuorum of nothing, version {version}", 55, version, {"Topics": []})
for version in range(3):
    for what, updates in {
            "nothing": [], "an unknown feature": [("foo.version", 1)], "a level that is there": [("group.version", 1)],
            "a level too high": [("group.version", 9)], "a level below": [("group.version", 0)],
            "a negative level": [("group.version", -1)], "one right and one wrong": [("share.version", 1), ("x", 1)],
            "a metadata version too low": [("metadata.version", 1)], "one twice": [("group.version", 1)] * 2,
            "kraft.version as it is": [("kraft.version", 1)], "kraft.version lower": [("kraft.version", 0)]}.items():
        for kind in ((1, 2, 3, 0, 9) if version else (1,)):
            values = [{"Feature": name, "MaxVersionLevel": level,
                       **({"UpgradeType": kind} if version else {"AllowDowngrade": False})} for name, level in updates]
            ask(f"UpdateFeatures version {version}, kind {kind}, {what}", 57, version,
                {"timeoutMs": 5000, "FeatureUpdates": values, **({"ValidateOnly": True} if version else {})})
ask("UnregisterBroker of nobody", 64, 0, {"BrokerId": 77})
ask("UnregisterBroker of a negative id", 64, 0, {"BrokerId": -1})

# --- produce

def produce(broker, records, version=9, topic="main", partition=0, **more):
    data = [{"Name": topic, "PartitionData": [{"Index": partition, "Records": records}]}]
    answer = call(broker, 0, version, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 5000, "TopicData": data, **more})
    return answer if isinstance(answer, str) else answer["Responses"]


for version in range(3, 13):
    probes.probe(f"Produce version {version}")(lambda broker, version=version: produce(broker, batch(), version))
probes.probe("Produce with acks=1")(lambda broker: produce(broker, batch([b"a", b"b"]), Acks=1))
probes.probe("Produce to an unknown topic")(lambda broker: produce(broker, batch(), topic="nowhere"))
probes.probe("Produce to an unknown partition")(lambda broker: produce(broker, batch(), partition=9))
probes.probe("Produce to a negative partition")(lambda broker: produce(broker, batch(), partition=-1))
probes.probe("Produce to an invalid topic name")(lambda broker: produce(broker, batch(), topic="a/b"))
ask("Produce version 13 to an unknown id", 0, 13, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [
    {"TopicId": NO_SUCH_ID, "PartitionData": [{"Index": 0, "Records": batch()}]}]})


def topic_id(broker, name):
    return call(broker, 3, 12, {"Topics": [{"Name": name}]})["Topics"][0]["TopicId"]


@probes.probe("Produce version 13 by the topic's id")
def _(broker):
    return call(broker, 0, 13, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [
        {"TopicId": topic_id(broker, "main"), "PartitionData": [{"Index": 0, "Records": batch()}]}]})


@probes.probe("Produce the same partition twice in a request")
def _(broker):
    data = [{"Name": "main", "PartitionData": [{"Index": 1, "Records": batch([b"one"])},
                                               {"Index": 1, "Records": batch([b"two", b"three"])}]}]
    return call(broker, 0, 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": data})["Responses"]


@probes.probe("InitProducerId")
def _(broker):
    """The first answer after a start may be 'coordinator load in progress'."""
    end = time.monotonic() + 10
    while True:
        answer = call(broker, 22, 4, {"TransactionalId": None, "TransactionTimeoutMs": 60000})
        if answer["ErrorCode"] != 14 or time.monotonic() > end:
            return [answer["ErrorCode"], answer["ProducerId"] >= 0, answer["ProducerEpoch"]]
        time.sleep(0.05)


@probes.probe("InitProducerId gives each its own id")
def _(broker):
    first, second = (call(broker, 22, 4, {"TransactionalId": None})["ProducerId"] for _ in range(2))
    return second > first


for name, producer in {
        "a first sequence of 5": (500, 0, 5), "the next": (500, 0, 6), "the same again": (500, 0, 6),
        "the first again": (500, 0, 5), "a gap": (500, 0, 9), "an older epoch before any newer": (500, -1, 7),
        "a newer epoch that does not begin at 0": (500, 2, 3), "a newer epoch": (500, 2, 0),
        "the old epoch then": (500, 0, 7), "sequence 1 of it": (500, 2, 1),
        "another producer, 2147483647": (600, 0, 2147483647), "its wrap to 0": (600, 0, 0),
        "a producer id without an epoch": (700, -1, 0), "a negative sequence": (700, 0, -1)}.items():
    probes.probe(f"Produce by sequence: {name}")(
        lambda broker, producer=producer: produce(broker, batch(producer=producer), topic="other.topic"))
for name, offset in {"two hours ahead": 7200, "a minute ahead": 60}.items():
    @probes.probe(f"Produce with a timestamp {name}")
    def _(broker, offset=offset):
        answer = produce(broker, batch(timestamp=int((time.time() + offset) * 1000)), topic="with-configs")
        return without("BatchIndexErrorMessage")(answer)


# --- fetch

def fetch_values(version, offset, topic="main", partition=0, wait=0, minimum=0, maximum=1 << 20, partition_maximum=1 << 20,
                 epoch=-1, session=0, session_epoch=-1, identity=None, isolation=0):
    part = {"Partition": partition, "CurrentLeaderEpoch": epoch, "FetchOffset": offset,
            "PartitionMaxBytes": partition_maximum}
    who = {"TopicId": identity} if version >= 13 else {"Topic": topic}
    values = {"MaxWaitMs": wait, "MinBytes": minimum, "MaxBytes": maximum, "IsolationLevel": isolation,
              "Topics": [{**who, "Partitions": [part]}]}
    if version < 15:
        values["ReplicaId"] = -1
    if version >= 7:
        values |= {"SessionId": session, "SessionEpoch": session_epoch}
    return values


for version in range(4, 13):
    ask(f"Fetch version {version}", 1, version, fetch_values(version, 3))
for version in range(13, 19):
    @probes.probe(f"Fetch version {version} by the topic's id")
    def _(broker, version=version):
        return call(broker, 1, version, fetch_values(version, 3, identity=topic_id(broker, "main")))
ask("Fetch at the end", 1, 11, fetch_values(11, 14))
ask("Fetch beyond the end", 1, 11, fetch_values(11, 9999))
ask("Fetch at a negative offset", 1, 11, fetch_values(11, -3))
ask("Fetch of an unknown topic", 1, 11, fetch_values(11, 0, topic="nowhere"))
ask("Fetch of an unknown partition", 1, 11, fetch_values(11, 0, partition=44))
ask("Fetch of an unknown id", 1, 13, fetch_values(13, 0, identity=NO_SUCH_ID))
ask("Fetch with a newer leader epoch", 1, 11, fetch_values(11, 0, epoch=99))
ask("Fetch of one byte has one batch", 1, 11, fetch_values(11, 2, maximum=1, partition_maximum=1))
ask("Fetch of two batches' bytes", 1, 11, fetch_values(11, 0, partition_maximum=150))
ask("Fetch in the middle of a batch has the whole batch", 1, 11, fetch_values(11, 11))
ask("Fetch of committed records", 1, 11, fetch_values(11, 12, isolation=1))


@probes.probe("Fetch waits as long as it is told to, and no longer")
def _(broker):
    begun = time.monotonic()
    answer = call(broker, 1, 11, fetch_values(11, 14, wait=400, minimum=1))
    return [0.39 < time.monotonic() - begun < 1.5, answer]


@probes.probe("a waiting Fetch is answered when a record comes")
def _(broker):
    with Connection(broker.port) as connection:
        connection.send_frame(connection.request(1, 11, fetch_values(11, 14, wait=10000, minimum=1)))
        time.sleep(0.2)
        begun = time.monotonic()
        produce(broker, batch([b"at last"]))
        answer = connection.answer(1, 11)
        return [time.monotonic() - begun < 2, answer]


@probes.probe("fetch sessions")
def _(broker):
    with Connection(broker.port) as connection:
        def go_on(session, epoch, topics=()):
            answer = connection.call(1, 12, {"ReplicaId": -1, "MaxWaitMs": 10, "MaxBytes": 1 << 20,
                                             "SessionId": session, "SessionEpoch": epoch, "Topics": list(topics)})
            return {"same session": answer.pop("SessionId") == session, **answer}

        first = connection.call(1, 12, fetch_values(12, 13, session_epoch=0))
        session = first.pop("SessionId")
        steps = [session != 0, first, go_on(session, 1), go_on(session, 9), go_on(session + 1, 1)]
        produce(broker, batch([b"new"]))
        # A session's position is the client's to move; until it does, the same records come again.
        steps.append(go_on(session, 2))
        moved = fetch_values(12, 16)["Topics"]
        steps.append(go_on(session, 3, moved))
        return steps + [go_on(session, -1)]


# --- offsets

def list_offsets(timestamp, topic="main", partition=0, epoch=-1):
    return {"ReplicaId": -1, "Topics": [{"Name": topic, "Partitions": [
        {"PartitionIndex": partition, "CurrentLeaderEpoch": epoch, "Timestamp": timestamp}]}]}


for version in range(1, 12):
    ask(f"ListOffsets version {version}", 2, version, {
        name: value for name, value in list_offsets(-1, epoch=-1).items()})
for timestamp in (-1, -2, -3, -4, -5, -6, -7, 0, 1_600_000_000_000, 1_700_000_000_000, 99_999_999_999_999):
    ask(f"ListOffsets at {timestamp}", 2, 11, list_offsets(timestamp), lambda answer: answer["Topics"])
ask("ListOffsets of an unknown topic", 2, 11, list_offsets(-1, "nowhere"), lambda answer: answer["Topics"])
ask("ListOffsets of an unknown partition", 2, 11, list_offsets(-1, partition=77), lambda answer: answer["Topics"])
ask("ListOffsets with a newer epoch", 2, 11, list_offsets(-1, epoch=77), lambda answer: answer["Topics"])
ask("ListOffsets of one partition twice", 2, 7, {"ReplicaId": -1, "Topics": [{"Name": "main", "Partitions": [
    {"PartitionIndex": 0, "Timestamp": -1}, {"PartitionIndex": 0, "Timestamp": -2}]}]})
ask("OffsetForLeaderEpoch", 23, 4, {"ReplicaId": -1, "Topics": [{"Topic": "main", "Partitions": [
    {"Partition": 0, "CurrentLeaderEpoch": -1, "LeaderEpoch": 0}, {"Partition": 1, "LeaderEpoch": 5},
    {"Partition": 7, "LeaderEpoch": 0}, {"Partition": 0, "CurrentLeaderEpoch": 9, "LeaderEpoch": 0}]}]})


def delete_records(offset, topic="main", partition=0):
    return {"Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": partition, "Offset": offset}]}],
            "TimeoutMs": 5000}


ask("DeleteRecords before 2", 21, 2, delete_records(2))
ask("DeleteRecords before 1, which is gone", 21, 2, delete_records(1))
ask("DeleteRecords beyond the end", 21, 2, delete_records(9999))
ask("DeleteRecords of an unknown topic", 21, 2, delete_records(1, "nowhere"))
ask("DeleteRecords of an unknown partition", 21, 2, delete_records(1, partition=7))
ask("DeleteRecords of a negative offset", 21, 2, delete_records(-5))
ask("DeleteRecords of a compacted topic", 21, 2, delete_records(0, "compacted"))
ask("Fetch before what was deleted", 1, 11, fetch_values(11, 0))
ask("ListOffsets of the earliest after it", 2, 11, list_offsets(-2), lambda answer: answer["Topics"])
ask("DeleteRecords of all there is", 21, 2, delete_records(-1, "main", 1))
ask("ListOffsets after that", 2, 11, list_offsets(-2, partition=1), lambda answer: answer["Topics"])

# --- partitions and configs

ask("CreatePartitions", 37, 3, {"Topics": [
    {"Name": "main", "Count": 2, "Assignments": None}, {"Name": "nowhere", "Count": 2, "Assignments": None},
    {"Name": "other.topic", "Count": 0, "Assignments": None}, {"Name": "compacted", "Count": 3, "Assignments": None}],
    "TimeoutMs": 5000})
ask("CreatePartitions of one topic twice", 37, 3, {"Topics": [
    {"Name": "main", "Count": 4, "Assignments": None}, {"Name": "main", "Count": 5, "Assignments": None}],
    "TimeoutMs": 5000})


def configs(*resources):
    return {"Resources": [{"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}
                          for kind, name, keys in resources], "IncludeSynonyms": True}


def sorted_configs(answer):
    for result in answer["Results"]:
        result["Configs"] = sorted(without("ConfigType", "Documentation")(result["Configs"]), key=lambda row: row["Name"])
    return answer


ask("DescribeConfigs of a topic", 32, 4, configs((2, "with-configs", None)), sorted_configs)
ask("DescribeConfigs of two of a topic's", 32, 4, configs((2, "with-configs", ["retention.ms", "segment.bytes", "zz"])),
    sorted_configs)
ask("DescribeConfigs of an unknown topic", 32, 4, configs((2, "nowhere", None)), sorted_configs)
ask("DescribeConfigs of an invalid topic", 32, 4, configs((2, "a/b", None)), sorted_configs)
ask("DescribeConfigs of an unknown type", 32, 4, configs((9, "x", None), (2, "main", ["retention.ms"])), sorted_configs)
ask("DescribeConfigs of another broker", 32, 4, configs((4, "99", None)), sorted_configs)
ask("DescribeConfigs of a broker that is no number", 32, 4, configs((4, "abc", None)), sorted_configs)
ask("DescribeConfigs of some of the broker's", 32, 4, configs((4, "1", [
    "num.partitions", "log.retention.hours", "log.retention.ms", "message.max.bytes", "auto.create.topics.enable",
    "offsets.topic.num.partitions", "min.insync.replicas", "node.id", "process.roles"])), sorted_configs)


def alter(name, *changes, kind=2, validate=False):
    return {"Resources": [{"ResourceType": kind, "ResourceName": name, "Configs": [
        {"Name": key, "ConfigOperation": operation, "Value": value} for key, operation, value in changes]}],
        "ValidateOnly": validate}


SET, DELETE, APPEND, SUBTRACT = range(4)
for name, values in {
        "sets": alter("main", ("max.message.bytes", SET, "2000000")), "a key twice": alter(
            "main", ("retention.ms", SET, "5"), ("retention.ms", SET, "6")),
        "an operation nobody knows": alter("main", ("retention.ms", 9, "5")),
        "an append to what is no list": alter("main", ("retention.ms", APPEND, "5")),
        "an append to a list": alter("main", ("cleanup.policy", APPEND, "compact")),
        "a subtraction from a list": alter("main", ("cleanup.policy", SUBTRACT, "compact")),
        "null": alter("main", ("retention.ms", SET, None)), "an unknown key": alter("main", ("zz", SET, "1")),
        "no number": alter("main", ("retention.ms", SET, "x")), "an unknown topic": alter("nowhere", ("retention.ms", SET, "5")),
        "only a check": alter("main", ("flush.ms", SET, "5"), validate=True),
        "a deletion": alter("main", ("max.message.bytes", DELETE, None)),
        "an unknown resource type": alter("main", ("retention.ms", SET, "5"), kind=99),
        "another broker": alter("99", ("log.cleaner.threads", SET, "2"), kind=4)}.items():
    ask(f"IncrementalAlterConfigs: {name}", 44, 1, values)
ask("AlterConfigs", 33, 2, {"Resources": [{"ResourceType": 2, "ResourceName": "with-configs", "Configs": [
    {"Name": "retention.ms", "Value": "600000"}]}]})
ask("what the changes left", 32, 4, configs((2, "main", ["retention.ms", "max.message.bytes", "cleanup.policy", "flush.ms"]),
                                            (2, "with-configs", ["retention.ms"])), sorted_configs)


# --- groups

def find_coordinator(broker):
    """Asks until the group coordinator is there."""
    end = time.monotonic() + 15
    while True:
        answer = call(broker, 10, 4, {"KeyType": 0, "CoordinatorKeys": ["g", "h"]})
        if all(one["ErrorCode"] == 0 for one in answer["Coordinators"]) or time.monotonic() > end:
            return answer
        time.sleep(0.05)


probes.probe("FindCoordinator of two groups")(find_coordinator)


@probes.probe("the groups of this test are loaded")
def _(broker):
    """A coordinator answers 14 to 16 until it has read its partition."""
    end, states = time.monotonic() + 15, {14}
    while states & {14, 15, 16} and time.monotonic() < end:
        states = {call(broker, 12, 3, {"GroupId": group, "GenerationId": 1, "MemberId": "m"})["ErrorCode"]
                  for group in ("g", "h", "q", "static", "nothing")}
        time.sleep(0.05)
    return sorted(states)


for version in range(4):
    ask(f"FindCoordinator version {version}", 10, version, {"Key": "g"})
ask("FindCoordinator of a type nobody knows", 10, 6, {"KeyType": 9, "CoordinatorKeys": ["x"]})
ask("FindCoordinator of an empty group", 10, 6, {"KeyType": 0, "CoordinatorKeys": [""]})
ask("FindCoordinator of a share key that is none", 10, 6, {"KeyType": 2, "CoordinatorKeys": ["bad"]})


def join_values(group, member="", instance=None, protocols=(("range", CONSUMER),), session=10000, kind="consumer"):
    return {"GroupId": group, "SessionTimeoutMs": session, "RebalanceTimeoutMs": 5000, "MemberId": member,
            "GroupInstanceId": instance, "ProtocolType": kind,
            "Protocols": [{"Name": name, "Metadata": data} for name, data in protocols]}


def named(value, names):
    """The same value with member ids replaced by what they are called."""
    if isinstance(value, dict):
        return {key: named(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [named(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


@probes.probe("a group from its first member to its end")
def _(broker):
    with Connection(broker.port) as connection:
        first = connection.call(11, 9, join_values("g"))
        member = first["MemberId"]
        joined = connection.call(11, 9, join_values("g", member))
        generation = joined["GenerationId"]
        mine = {"GroupId": "g", "GenerationId": generation, "MemberId": member, "GroupInstanceId": None}
        answers = [first, joined]
        answers.append(connection.call(14, 5, {**mine, "ProtocolType": "consumer", "ProtocolName": "range",
                                               "Assignments": [{"MemberId": member, "Assignment": b"mine"}]}))
        answers += [connection.call(12, 4, {**mine, **wrong}) for wrong in
                    ({}, {"GenerationId": 99}, {"MemberId": "nobody"}, {"GroupId": "nothing"}, {"GroupId": ""})]
        offsets = {"GroupId": "g", "GenerationIdOrMemberEpoch": generation, "MemberId": member, "Topics": [
            {"Name": "main", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 3, "CommittedMetadata": "note"},
                                            {"PartitionIndex": 55, "CommittedOffset": 3, "CommittedMetadata": ""},
                                            {"PartitionIndex": 1, "CommittedOffset": 4, "CommittedMetadata": "x" * 4097}]},
            {"Name": "nowhere", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 3, "CommittedMetadata": ""}]}]}
        answers.append(connection.call(8, 8, offsets))
        answers += [connection.call(8, 8, {**offsets, **wrong}) for wrong in
                    ({"GenerationIdOrMemberEpoch": 99}, {"MemberId": "nobody"}, {"GroupId": "nothing"}, {"GroupId": ""})]
        answers.append(connection.call(15, 5, {"Groups": ["g"], "IncludeAuthorizedOperations": True}))
        answers.append(connection.call(16, 5, {"StatesFilter": ["Stable"]}))
        answers.append(connection.call(42, 2, {"GroupsNames": ["g"]}))
        answers.append(connection.call(13, 5, {"GroupId": "g", "Members": [
            {"MemberId": member, "GroupInstanceId": None}, {"MemberId": "nobody", "GroupInstanceId": None}]}))
        answers.append(connection.call(15, 5, {"Groups": ["g"]}))
        return [member.startswith("wire-"), *named(answers, {member: "$MEMBER"})]


@probes.probe("a static member comes back with its old place")
def _(broker):
    with Connection(broker.port) as connection:
        first = connection.call(11, 7, join_values("static", instance="one"))
        mine = {"GroupId": "static", "GenerationId": first["GenerationId"], "MemberId": first["MemberId"],
                "GroupInstanceId": "one", "ProtocolType": "consumer", "ProtocolName": "range"}
        synced = connection.call(14, 5, {**mine, "Assignments": [{"MemberId": first["MemberId"], "Assignment": b"a"}]})
        again = connection.call(11, 7, join_values("static", instance="one"))
        fenced = connection.call(12, 4, {name: mine[name] for name in
                                         ("GroupId", "GenerationId", "MemberId", "GroupInstanceId")})
        left = connection.call(13, 5, {"GroupId": "static", "Members": [{"MemberId": "", "GroupInstanceId": "one"}]})
        return named([first, synced, again, fenced, left], {first["MemberId"]: "$OLD", again["MemberId"]: "$NEW"})


ask("JoinGroup with an empty group", 11, 9, join_values(""))
ask("JoinGroup with a short session", 11, 9, join_values("q", session=1))
ask("JoinGroup with a long session", 11, 9, join_values("q", session=99_999_999))
ask("JoinGroup without protocols", 11, 9, join_values("q", protocols=()))
ask("JoinGroup without a protocol type", 11, 9, join_values("q", kind=""))
ask("JoinGroup with a member nobody knows", 11, 9, join_values("q", member="abc"))
ask("SyncGroup of an unknown group", 14, 5, {"GroupId": "nothing", "GenerationId": 1, "MemberId": "m", "GroupInstanceId": None,
                                             "ProtocolType": "consumer", "ProtocolName": "range", "Assignments": []})
ask("LeaveGroup of an unknown group", 13, 5, {"GroupId": "nothing", "Members": [{"MemberId": "m", "GroupInstanceId": None}]})
for version in range(2, 10):
    ask(f"OffsetCommit version {version} outside a group", 8, version, {"GroupId": "h", "Topics": [
        {"Name": "main", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": version, "CommittedMetadata": "m"}]}]})
for version in range(1, 8):
    ask(f"OffsetFetch version {version}", 9, version, {"GroupId": "h", "Topics": [
        {"Name": "main", "PartitionIndexes": [0, 1]}, {"Name": "nowhere", "PartitionIndexes": [0]}]})
ask("OffsetFetch of groups", 9, 9, {"Groups": [
    {"GroupId": "h", "Topics": [{"Name": "main", "PartitionIndexes": [0, 1]}]}, {"GroupId": "g", "Topics": None},
    {"GroupId": "nothing", "Topics": None}]})
ask("OffsetDelete", 47, 0, {"GroupId": "h", "Topics": [{"Name": "main", "Partitions": [{"PartitionIndex": 0},
                                                                                      {"PartitionIndex": 9}]}]})
ask("OffsetDelete of an unknown group", 47, 0, {"GroupId": "nothing", "Topics": []})
ask("DescribeGroups of an unknown group, version 5", 15, 5, {"Groups": ["nothing"]})
ask("DescribeGroups of an unknown group, version 6", 15, 6, {"Groups": ["nothing"]})
for name, values in {"all": {}, "empty ones": {"StatesFilter": ["Empty"]}, "classic ones": {"TypesFilter": ["classic"]},
                     "of a state nobody knows": {"StatesFilter": ["Bogus"]}, "of a type nobody knows": {"TypesFilter": ["bogus"]}}.items():
    ask(f"ListGroups: {name}", 16, 5, values, lambda answer: {**answer, "Groups": sorted(
        answer["Groups"], key=lambda group: group["GroupId"])})
ask("DeleteGroups", 42, 2, {"GroupsNames": ["nothing", "g", ""]})

# --- the end

ask("DeleteTopics", 20, 6, {"Topics": [{"Name": "nowhere"}, {"Name": None, "TopicId": NO_SUCH_ID}, {"Name": "compacted"}],
                            "TimeoutMs": 5000})
ask("DeleteTopics of one name twice", 20, 6, {"Topics": [{"Name": "main"}, {"Name": "main"}], "TimeoutMs": 5000})
ask("Metadata of a deleted topic", 3, 12, {"Topics": [{"Name": "compacted"}], "AllowAutoTopicCreation": False},
    lambda answer: answer["Topics"])


@probes.probe("requests in one packet are answered in their order")
def _(broker):
    with Connection(broker.port) as connection:
        frames = b""
        for _ in range(20):
            payload = connection.request(18, 0, {})
            frames += len(payload).to_bytes(4, "big") + payload
        connection.send(frames)
        return [int.from_bytes(connection.receive()[:4], "big") for _ in range(20)]


def run(case):
    broker = case.broker().start()
    count = probes.compare(broker)
    check(count > 150, "there are probes")
    step(f"{count} requests were answered as Apache Kafka answers them")
    broker.stop()


if __name__ == "__main__":
    case.main(run)
