#!/usr/bin/env python3
"""Requests beside the main job - administration of partitions and log directories, security on a node without any,
listeners, limits - are answered field by field as Apache Kafka answers them.

With wire_answers.py, bad_input.py and user_admin_answers.py this covers each input whose answer was measured for a
function that is there. Expected answers: testdata/probe_answers.json, recorded from Apache Kafka 4.3.1 by this script.
"""

import os
import time

from harness import case
from harness.outcome import check, step
from harness.recorded import Probes, until
from harness.wire import CLOSED, SILENT, Connection, batch

plain = Probes("probe_answers")
limits = Probes("probe_answers_limits")
NO_SUCH_ID = "11111111-1111-1111-1111-111111111111"


def call(broker, key, version, values, controller=False):
    with Connection(broker.controller_port if controller else broker.port) as connection:
        return connection.call(key, version, values)


def ask(name, key, version, values, pick=lambda answer: answer, controller=False, probes=plain):
    @probes.probe(name)
    def question(broker):
        answer = call(broker, key, version, values, controller)
        return answer if isinstance(answer, str) else pick(answer)


def pause(seconds):
    """A record of the metadata log takes effect on Apache Kafka a moment after its answer."""
    plain.probe(f"a pause of {seconds} s, {len(plain.questions)}")(lambda broker: time.sleep(seconds))


# The versions that only Apache Kafka 3.9 has are asked in the unit tests of each API.

# --- listeners and their APIs

def told(answer):
    return answer if answer in (CLOSED, SILENT) else "answered"


def raw(name, key, version, body, controller=False):
    @plain.probe(name)
    def question(broker):
        with Connection(broker.controller_port if controller else broker.port) as connection:
            connection.send_frame(key.to_bytes(2, "big") + version.to_bytes(2, "big") + b"\0\0\0\7\0\4wire" + body)
            return told(connection.what_comes())


raw("PushTelemetry without a receiver", 72, 0, b"\0" + bytes(32))
raw("BrokerHeartbeat on the broker's listener", 63, 0, b"\0" + bytes(24))
raw("InitProducerId 6, which is not stable", 22, 6, b"\0" + bytes(24))
raw("Produce on the controller's listener", 0, 9, b"\0" + bytes(24), controller=True)
raw("Metadata on the controller's listener", 3, 12, b"\0" + bytes(4), controller=True)
ask("SaslHandshake on a plain text listener", 17, 1, {"Mechanism": "PLAIN"})
ask("SaslHandshake 0 on a plain text listener", 17, 0, {"Mechanism": "nobody's"})
ask("SaslHandshake on the controller's plain text listener", 17, 1, {"Mechanism": "PLAIN"}, controller=True)
for version in range(3):
    ask(f"SaslAuthenticate {version} on a plain text listener", 36, version, {"AuthBytes": b"\0a\0b"})
for endpoint_type in (1, 2, 3):
    for version in (1, 2):
        ask(f"DescribeCluster {version} of endpoints {endpoint_type} on the controller's listener", 60, version,
            {"EndpointType": endpoint_type, "IncludeClusterAuthorizedOperations": True}, controller=True)

# --- topics


def create(name, partitions=1, configs=None):
    return {"Topics": [{"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Assignments": [],
                        "Configs": [{"Name": key, "Value": value} for key, value in (configs or {}).items()]}],
            "timeoutMs": 10000}


for name, partitions, configs in (("t", 3, {"retention.ms": "-1"}), ("ct", 1, {}), ("two", 2, {"retention.ms": "-1"})):
    ask(f"create {name}", 19, 7, create(name, partitions, configs), lambda answer: answer["Topics"][0]["ErrorCode"])
@plain.probe("the topics are there")
def _(broker):
    """Apache Kafka tells of a topic a moment after it has created it."""
    end, names = time.monotonic() + 60, []
    while len(names) < 3 and time.monotonic() < end:
        names = sorted(topic["Name"] for topic in call(broker, 3, 12, {"Topics": None})["Topics"] if topic["ErrorCode"] == 0)
        time.sleep(0.05)
    return names


for name in ("__consumer_offsets", "__transaction_state", "__share_group_state"):
    ask(f"Metadata that does not create {name}", 3, 12, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False},
        lambda answer: answer["Topics"])
for version in (0, 1, 4, 9):
    for what, topics in {"null": None, "no": []}.items():
        if version or topics is not None:
            ask(f"Metadata {version} of {what} topics", 3, version, {"Topics": topics},
                lambda answer: sorted(topic["Name"] for topic in answer["Topics"]))
for name in (".", "ok:colon"):
    ask(f"Metadata that would create {name}", 3, 12, {"Topics": [{"Name": name}]}, lambda answer: answer["Topics"])
ask("DeleteTopics by a name and an id", 20, 6, {"Topics": [{"Name": "t", "TopicId": NO_SUCH_ID}], "TimeoutMs": 5000})
ask("DeleteTopics 1 of nowhere", 20, 1, {"TopicNames": ["nowhere"], "TimeoutMs": 5000})
ask("DeleteTopics 4 of nowhere", 20, 4, {"TopicNames": ["nowhere"], "TimeoutMs": 5000})
ask("DeleteTopics 5 of nowhere", 20, 5, {"TopicNames": ["nowhere"], "TimeoutMs": 5000})

# --- elections and reassignments, of which a single node has little to do


def elect(partitions, kind=0):
    return {"ElectionType": kind, "TimeoutMs": 5000, "TopicPartitions": partitions and [
        {"Topic": topic, "Partitions": numbers} for topic, numbers in partitions]}


for version in range(3):
    for kind in (0, 1, 7) if version else (0,):
        more = {"ElectionType": kind} if version else {}
        for what, partitions in {"a topic": [("t", [0, 1])], "a partition that is not there": [("t", [9, 0])],
                                 "nowhere": [("nowhere", [0])], "nothing": [], "every partition": None,
                                 "two topics": [("t", [2]), ("ct", [0])], "no partition": [("t", [])],
                                 "a negative partition": [("t", [-1])], "a partition twice": [("t", [0, 0])]}.items():
            values = {**elect(partitions), **more}
            if not version:
                del values["ElectionType"]
            for controller in (False, True) if what in ("a topic", "every partition") else (False,):
                where = " on the controller's listener" if controller else ""
                ask(f"ElectLeaders {version}, kind {kind}, of {what}{where}", 43, version, values, controller=controller)


def reassign(*topics, version=0, **more):
    return {"TimeoutMs": 5000, **more, "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": index, "Replicas": replicas} for index, replicas in partitions]}
        for name, partitions in topics]}


for version in (0, 1):
    for what, topics in {
            "to where it is": [("t", [(0, [1])])], "to a broker that is not there": [("t", [(0, [77])])],
            "to itself and another": [("t", [(0, [1, 77])])], "to nobody": [("t", [(0, [])])],
            "to one broker twice": [("t", [(0, [1, 1])])], "to a negative broker": [("t", [(0, [-1])])],
            "that is to be cancelled and is none": [("t", [(0, None)])],
            "of a partition that is not there": [("t", [(9, [1])])], "of nowhere": [("nowhere", [(0, [1])])],
            "of nowhere, cancelled": [("nowhere", [(0, None)])], "of several": [("t", [(0, [1]), (1, None), (9, [1])]),
                                                                            ("nowhere", [(0, [1])])],
            "of one partition twice": [("t", [(0, [1]), (0, [77])])], "of nothing": [], "of no partition": [("t", [])],
            "of one topic twice": [("t", [(0, [1])]), ("t", [(1, [1])])]}.items():
        for change in (True, False) if version else (True,):
            more = {"AllowReplicationFactorChange": change} if version else {}
            ask(f"AlterPartitionReassignments {version}, change {change}: {what}", 45, version, reassign(*topics, **more))
ask("AlterPartitionReassignments on the controller's listener", 45, 0, reassign(("t", [(0, [1]), (1, [77])])),
    controller=True)
for what, topics in {"all": None, "none": [], "of a topic": [("t", [0, 9])], "of nowhere": [("nowhere", [0])]}.items():
    for controller in (False, True):
        ask(f"ListPartitionReassignments: {what}, controller: {controller}", 46, 0, {"TimeoutMs": 5000, "Topics": topics and [
            {"Name": name, "PartitionIndexes": indexes} for name, indexes in topics]}, controller=controller)


# --- log directories

def move(path, *topics):
    return {"Path": path, "Topics": [{"Name": name, "Partitions": partitions} for name, partitions in topics]}


def ask_move(name, *moves):
    """$DATA in a path is the node's log directory."""
    for version in (1, 2):
        @plain.probe(f"AlterReplicaLogDirs {version}: {name}")
        def question(broker, version=version):
            dirs = [{**one, "Path": one["Path"].replace("$DATA", str(broker.data_directory))} for one in moves]
            return call(broker, 34, version, {"Dirs": dirs})


ask_move("to where it is", move("$DATA", ("t", [0, 1])))
ask_move("to a directory that is not the node's", move("/nowhere", ("t", [0])))
ask_move("to a relative path", move("data", ("t", [0])))
ask_move("to no path", move("", ("t", [0])))
ask_move("of a partition that is not there", move("$DATA", ("t", [9])))
ask_move("of a partition that is not there, to a directory that is not the node's", move("/nowhere", ("t", [9])))
ask_move("of nowhere", move("$DATA", ("nowhere", [0]), ("t", [2])))
ask_move("of an invalid name", move("$DATA", ("a/b", [0])))
ask_move("of nothing")
ask_move("of one partition twice", move("$DATA", ("t", [0, 0])))


def log_dirs(answer):
    """Without the figures of the machine and the moment."""
    for result in answer["Results"]:
        result["LogDir"] = os.path.basename(result["LogDir"])
        for name in ("TotalBytes", "UsableBytes"):
            if name in result:
                result[name] = result[name] > 0
        for topic in result["Topics"]:
            topic["Partitions"].sort(key=lambda partition: partition["PartitionIndex"])
    return answer


for version in range(1, 6):
    ask(f"DescribeLogDirs {version} of a topic", 35, version, {"Topics": [{"Topic": "t", "Partitions": [0, 2]}]}, log_dirs)
    ask(f"DescribeLogDirs {version} of what is not there", 35, version,
        {"Topics": [{"Topic": "t", "Partitions": [9]}, {"Topic": "nowhere", "Partitions": [0]}]}, log_dirs)
    ask(f"DescribeLogDirs {version} of nothing", 35, version, {"Topics": []}, log_dirs)

# --- security where there is none

ANY, TOPIC, LITERAL, MATCH = 1, 2, 3, 2
ACL = {"ResourceType": TOPIC, "ResourceName": "t", "Principal": "User:a", "Host": "*", "Operation": 3, "PermissionType": 3}
FILTER = {"ResourceTypeFilter": ANY, "ResourceNameFilter": None, "PrincipalFilter": None, "HostFilter": None,
          "Operation": ANY, "PermissionType": ANY}
for version in range(1, 4):
    pattern, pattern_filter = {"ResourcePatternType": LITERAL}, {"PatternTypeFilter": ANY}
    for controller in (False, True):
        where = f"{version}{' on the controller' if controller else ''}"
        ask(f"DescribeAcls {where}", 29, version, {**FILTER, **pattern_filter}, controller=controller)
        ask(f"CreateAcls {where}", 30, version, {"Creations": [{**ACL, **pattern}] * 2}, controller=controller)
        ask(f"DeleteAcls {where}", 31, version, {"Filters": [{**FILTER, **pattern_filter}] * 2}, controller=controller)
    ask(f"CreateAcls {version} of nothing", 30, version, {"Creations": []})
    ask(f"DeleteAcls {version} of nothing", 31, version, {"Filters": []})
    ask(f"CreateAcls {version} of a resource nobody knows", 30, version, {"Creations": [{**ACL, **pattern, "ResourceType": 0}]})
    ask(f"CreateAcls {version} of an operation nobody knows", 30, version, {"Creations": [{**ACL, **pattern, "Operation": 0}]})
    ask(f"DescribeAcls {version} of a type nobody knows", 29, version, {**FILTER, **pattern_filter, "ResourceTypeFilter": 0})
    ask(f"DeleteAcls {version} of a type nobody knows", 31, version,
        {"Filters": [{**FILTER, **pattern_filter, "ResourceTypeFilter": 0}]})
for version in range(1, 4):
    ask(f"CreateDelegationToken {version}", 38, version, {"Renewers": [], "MaxLifetimeMs": -1})
    ask(f"CreateDelegationToken {version} for somebody", 38, version, {
        "Renewers": [{"PrincipalType": "User", "PrincipalName": "a"}], "MaxLifetimeMs": 5})
    ask(f"DescribeDelegationToken {version}", 41, version, {"Owners": None})
    ask(f"DescribeDelegationToken {version} of nobody", 41, version, {"Owners": []})
for version in (1, 2):
    ask(f"RenewDelegationToken {version}", 39, version, {"Hmac": b"h", "RenewPeriodMs": 5})
    ask(f"ExpireDelegationToken {version}", 40, version, {"Hmac": b"h", "ExpiryTimePeriodMs": 5})

# --- configurations

for what, kind, name in (("no logger", 8, ""), ("another node's loggers", 8, "99"), ("loggers of no number", 8, "abc"),
                         ("no group", 32, ""), ("no client metrics", 16, ""), ("an empty topic", 2, "")):
    ask(f"DescribeConfigs of {what}", 32, 4, {"Resources": [
        {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}]})
ask("set client metrics and a group", 44, 1, {"Resources": [
    {"ResourceType": kind, "ResourceName": name, "Configs": [{"Name": key, "ConfigOperation": 0, "Value": "50000"}]}
    for kind, name, key in ((16, "cm", "interval.ms"), (32, "g1", "consumer.session.timeout.ms"))]})
pause(0.3)
ask("ListConfigResources 0", 74, 0, {})
for what, types in {"all": [], "topics": [2], "groups and metrics": [32, 16], "brokers": [4, 8], "nothing known": [99],
                    "a known and an unknown": [2, 99], "topics twice": [2, 2]}.items():
    ask(f"ListConfigResources 1 of {what}", 74, 1, {"ResourceTypes": types}, lambda answer: {
        **answer, "ConfigResources": [one for one in answer["ConfigResources"] if not one["ResourceName"].startswith("__")]})


# --- produce, at its limits

def produce(broker, records, topic="t", partition=0, acks=-1, version=9):
    return call(broker, 0, version, {"TransactionalId": None, "Acks": acks, "TimeoutMs": 5000, "TopicData": [
        {"Name": topic, "PartitionData": [{"Index": partition, "Records": records}]}]})


ask("Produce to no topic", 0, 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": []})
ask("Produce to no partition", 0, 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [{"Name": "t", "PartitionData": []}]})


@plain.probe("Produce of null records")
def _(broker):
    with Connection(broker.port) as connection:
        connection.send_frame(connection.request(0, 9, {"Acks": -1, "TimeoutMs": 1000, "TopicData": [
            {"Name": "t", "PartitionData": [{"Index": 0, "Records": None}]}]}))
        return told(connection.what_comes(4))


@plain.probe("Produce with acks=0 is not answered, and is written")
def _(broker):
    with Connection(broker.port) as connection:
        connection.send_frame(connection.request(0, 9, {"Acks": 0, "TimeoutMs": 1000, "TopicData": [
            {"Name": "two", "PartitionData": [{"Index": 1, "Records": batch()}]}]}))
        silent = told(connection.what_comes(1))
    return [silent, call(broker, 2, 7, {"ReplicaId": -1, "Topics": [{"Name": "two", "Partitions": [
        {"PartitionIndex": 1, "Timestamp": -1}]}]})["Topics"]]


@plain.probe("the last five batches of a producer are known again, older ones are not")
def _(broker):
    sent = [batch(producer=(900, 0, number)) for number in range(6)]
    return [produce(broker, data, "two")["Responses"] for data in [*sent, sent[0], *sent[:0:-1], sent[3]]]


ask("DescribeProducers", 61, 0, {"Topics": [{"Name": "two", "PartitionIndexes": [0, 1, 9]},
                                            {"Name": "nowhere", "PartitionIndexes": [0]}]})

# --- groups


def coordinator(broker):
    end = time.monotonic() + 60
    while True:
        answer = call(broker, 10, 6, {"KeyType": 0, "CoordinatorKeys": ["g1"]})["Coordinators"][0]
        if answer["ErrorCode"] == 0 or time.monotonic() > end:
            return answer
        time.sleep(0.05)


ask("FindCoordinator before its topic is there", 10, 6, {"KeyType": 0, "CoordinatorKeys": ["g1"]})
plain.probe("FindCoordinator once it is there")(coordinator)


@plain.probe("the group is loaded")
def _(broker):
    end, error = time.monotonic() + 60, None
    # A group that is being loaded lets heartbeats pass; one that is loaded knows no such member.
    while error != 25 and time.monotonic() < end:
        error = call(broker, 12, 3, {"GroupId": "g1", "GenerationId": 1, "MemberId": "m"})["ErrorCode"]
        time.sleep(0.05)
    return error


ask("Produce to __consumer_offsets", 0, 9, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [
    {"Name": "__consumer_offsets", "PartitionData": [{"Index": 0, "Records": batch()}]}]})
ask("create __consumer_offsets", 19, 7, create("__consumer_offsets"))
ask("OffsetCommit 2 with a retention", 8, 2, {"GroupId": "g1", "RetentionTimeMs": 60000, "Topics": [
    {"Name": "t", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 4, "CommittedMetadata": "m"}]}]})


@plain.probe("OffsetFetch 10 by the topic's id")
def _(broker):
    known = call(broker, 3, 12, {"Topics": [{"Name": "t"}]})["Topics"][0]["TopicId"]
    return call(broker, 9, 10, {"Groups": [{"GroupId": "g1", "Topics": [
        {"TopicId": known, "PartitionIndexes": [0, 7]}, {"TopicId": NO_SUCH_ID, "PartitionIndexes": [0]}]}]})


@plain.probe("JoinGroup 3 takes a member without an id at once")
def _(broker):
    with Connection(broker.port) as connection:
        joined = connection.call(11, 3, {"GroupId": "old", "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 5000, "MemberId": "",
                                         "ProtocolType": "consumer", "Protocols": [{"Name": "range", "Metadata": b"\0"}]})
        left = connection.call(13, 1, {"GroupId": "old", "MemberId": joined["MemberId"]})
        member = joined["MemberId"]
        return [member.startswith("wire-"), joined["ErrorCode"], joined["GenerationId"], joined["Leader"] == member, left]


ask("DeleteTopics of __consumer_offsets", 20, 6, {"Topics": [{"Name": "__consumer_offsets"}], "TimeoutMs": 5000},
    lambda answer: [topic["ErrorCode"] for topic in answer["Responses"]])


@plain.probe("a deleted topic leaves its directories at once")
def _(broker):
    call(broker, 20, 5, {"TopicNames": ["ct"], "TimeoutMs": 5000})
    end = time.monotonic() + 60
    while (broker.data_directory / "ct-0").exists() and time.monotonic() < end:
        time.sleep(0.05)
    left = [path.name.split(".") for path in broker.data_directory.iterdir() if path.name.startswith("ct-0")]
    return [[name[0], len(name[-1])] for name in left]


# --- a node with narrow limits

LIMITS = {"auto.create.topics.enable": "false", "connections.max.idle.ms": "2000", "socket.request.max.bytes": "100000",
          "max.connections.per.ip": "5", "min.insync.replicas": "2", "log.retention.hours": "24",
          "producer.id.expiration.ms": "4000", "producer.id.expiration.check.interval.ms": "200"}

ask("Metadata does not create where nothing is created", 3, 12, {"Topics": [{"Name": "auto"}]},
    lambda answer: answer["Topics"], probes=limits)
ask("nor what is internal", 3, 12, {"Topics": [{"Name": "__consumer_offsets"}]}, lambda answer: answer["Topics"],
    probes=limits)
ask("no topic is there", 3, 12, {"Topics": None}, lambda answer: answer["Topics"], probes=limits)
ask("create a topic", 19, 7, create("t"), lambda answer: [answer["Topics"][0]["ErrorCode"], sorted(
    [one["Name"], one["Value"], one["ConfigSource"]] for one in answer["Topics"][0]["Configs"])], probes=limits)
ask("its retention and what must be in sync", 32, 4, {"IncludeSynonyms": True, "Resources": [
    {"ResourceType": 2, "ResourceName": "t", "ConfigurationKeys": ["retention.ms", "min.insync.replicas"]}]}, probes=limits)
for acks in (-1, 1):
    limits.probe(f"Produce with acks={acks} where two must be in sync and one is all there is")(
        lambda broker, acks=acks: produce(broker, batch(), acks=acks))


@limits.probe("after a producer's state expired any first sequence is accepted, and the last batches are not known again")
def _(broker):
    def told(sequence):
        # The time of its last record is when a producer was seen last.
        sent = batch(producer=(900, 0, sequence), timestamp=int(time.time() * 1000))
        return produce(broker, sent)["Responses"][0]["PartitionResponses"][0]["ErrorCode"]

    def known():
        return len(call(broker, 61, 0, {"Topics": [{"Name": "t", "PartitionIndexes": [0]}]})["Topics"][0]["Partitions"][0][
            "ActiveProducers"])
    before = [told(sequence) for sequence in (0, 1, 7)] + [known()]
    return [before, until(known, lambda count: count == 0), [told(sequence) for sequence in (7, 7, 1, 9, 8)]]


limits.probe("FindCoordinator creates its topic all the same")(lambda broker: [coordinator(broker), sorted(
    topic["Name"] for topic in call(broker, 3, 12, {"Topics": None})["Topics"])])


@limits.probe("a frame of more than socket.request.max.bytes")
def _(broker):
    with Connection(broker.port) as connection:
        connection.send((100001).to_bytes(4, "big"))
        return told(connection.what_comes())


def idle(broker, speak):
    with Connection(broker.port) as connection:
        if speak:
            connection.call(18, 0, {})
        begun = time.monotonic()
        ended = told(connection.what_comes(20))
        return [ended, time.monotonic() - begun > 1.5]


limits.probe("a connection that falls silent is closed")(lambda broker: idle(broker, True))
limits.probe("a connection that never spoke is closed")(lambda broker: idle(broker, False))


@limits.probe("the sixth connection of an address is not served")
def _(broker):
    # Each is served before the next one comes: threads that accept side by side may count them in any order.
    opened, answers = [], []
    for _ in range(6):
        opened.append(Connection(broker.port))
        try:
            answers.append(told(opened[-1].call(18, 0, {})))
        except OSError:
            answers.append(CLOSED)
    for connection in opened:
        connection.socket.close()
    return answers


def meant_to_differ(name, got, expected):
    """Apache Kafka never answers null records; Barnabas says what is wrong with them."""
    return name == "Produce of null records" and (got, expected) == ("answered", SILENT)


def run(case):
    broker = case.broker().start()
    count = plain.compare(broker, meant_to_differ=meant_to_differ if case.is_barnabas else None)
    broker.stop()
    narrow = case.broker(LIMITS, name="narrow").start()
    count += limits.compare(narrow)
    narrow.stop()
    check(count > 150, "there are probes")
    step(f"{count} requests were answered as Apache Kafka answers them")


if __name__ == "__main__":
    case.main(run)
