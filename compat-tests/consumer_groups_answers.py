#!/usr/bin/env python3
"""Requests by hand about groups of the consumer protocol (KIP-848) are answered as Apache Kafka answers them.

Joins, reconciliation step by step, fences, static members, patterns, commits with epochs, descriptions, groups with
members of both protocols. Expected answers: testdata/consumer_groups_answers.json and ..._limits.json, recorded from
Apache Kafka 4.3.1 by this script.
"""

import time

from harness import case
from harness.outcome import check, step
from harness.recorded import Probes
from harness.wire import Connection
from harness.wire_client import WireClient

probes = Probes("consumer_groups_answers")
limits = Probes("consumer_groups_answers_limits")
# Assignments at once: what is compared must not hang on the moment. One group of the tests has the default.
SETTINGS = {"group.consumer.assignment.interval.ms": "0", "group.consumer.min.assignment.interval.ms": "0"}
LIMITS = {**SETTINGS, "group.consumer.max.size": "1", "group.consumer.assignors": "range",
          "group.consumer.migration.policy": "disabled", "group.consumer.heartbeat.interval.ms": "5500"}
GROUPS = ("bad", "one", "v0", "two", "changes", "assignor", "static", "pattern", "topics", "offsets", "seen", "configured",
          "mixed", "upgraded", "simple", "full", "classic")
SUBSCRIPTION = b"\0\0\0\0\0\1\0\2c2\xff\xff\xff\xff"


def call(broker, key, version, values):
    with Connection(broker.port) as connection:
        return connection.call(key, version, values)


def topic_id(broker, name):
    with WireClient(broker.port) as client:
        return client.call(3, 12, {"Topics": [{"TopicId": "00000000-0000-0000-0000-000000000000", "Name": name}],
                                   "AllowAutoTopicCreation": False})["Topics"][0]["TopicId"]


def beat(broker, group, member="m", epoch=0, version=1, **values):
    """A heartbeat. A joining one says everything, unless told otherwise."""
    joining = {"RebalanceTimeoutMs": 60000, "SubscribedTopicNames": ["c2"], "TopicPartitions": []} if epoch == 0 else {}
    return call(broker, 68, version, {"GroupId": group, "MemberId": member, "MemberEpoch": epoch, **joining, **values})


def owns(broker, **topics):
    return [{"TopicId": topic_id(broker, name), "Partitions": list(partitions)} for name, partitions in topics.items()]


def described(broker, *groups, version=1):
    return call(broker, 69, version, {"GroupIds": list(groups), "IncludeAuthorizedOperations": False})["Groups"]


def later(broker, group, member, epoch, wanted, **values):
    """Beats until the epoch is `wanted`; what was answered then."""
    for _ in range(100):
        answer = beat(broker, group, member, epoch, **values)
        if answer["MemberEpoch"] == wanted or answer["ErrorCode"]:
            return answer
        time.sleep(0.1)
    return answer


def prepare(broker, **topics):
    """The topics are there, and the coordinator serves."""
    with WireClient(broker.port) as client:
        for name, partitions in topics.items():
            client.create_topic(name, partitions)
        client.patiently("the coordinator's topic", lambda: (
            client.call(10, 2, {"Key": "g", "KeyType": 0})["ErrorCode"], None))
    for group in GROUPS:
        for _ in range(300):
            if beat(broker, group, "nobody", 7)["ErrorCode"] == 69:
                break
            time.sleep(0.1)


@probes.probe("requests that make no sense")
def _(broker):
    return [beat(broker, "bad", **values) for values in (
        {"member": ""}, {"member": " "}, {"InstanceId": ""}, {"RackId": ""}, {"RebalanceTimeoutMs": -1},
        {"TopicPartitions": None}, {"TopicPartitions": owns(broker, c2=[0])}, {"SubscribedTopicNames": None},
        {"epoch": -2}, {"epoch": -3}, {"epoch": -1}, {"epoch": 5}, {"epoch": 5, "member": ""},
        {"ServerAssignor": "nope"}, {"ServerAssignor": ""})] + [beat(broker, ""), beat(broker, " ")]


PATTERNS = ["(", ")", "[", "*", "a**", "a{1001}", "\\", "\\8", "(?<n", "(?P<n>a)(?P<n>b)", "[b-a]", "(?z)", "(?=a)", "a\\"]


@probes.probe("patterns that are none")
def _(broker):
    return [beat(broker, "bad", SubscribedTopicNames=None, SubscribedTopicRegex=pattern) for pattern in PATTERNS]


@probes.probe("nothing of it made a group")
def _(broker):
    return described(broker, "bad", "") + described(broker, version=0)


@probes.probe("a member joins, beats, is fenced and leaves")
def _(broker):
    answers = [beat(broker, "one"), beat(broker, "one", epoch=2), beat(broker, "one", epoch=99),
               beat(broker, "one", epoch=1), beat(broker, "one", epoch=1, TopicPartitions=owns(broker, c2=[0])),
               beat(broker, "one", member="x", epoch=2), beat(broker, "one"),
               beat(broker, "one", epoch=2, RebalanceTimeoutMs=60000, SubscribedTopicNames=["c2"],
                    TopicPartitions=owns(broker, c2=[0, 1]))]
    answers += described(broker, "one") + described(broker, "one", version=0)
    answers += [beat(broker, "one", epoch=-1), beat(broker, "one", epoch=-1)]
    return answers + described(broker, "one")


@probes.probe("version 0 gives out a member id")
def _(broker):
    answer = beat(broker, "v0", member="", version=0)
    check(len(answer.pop("MemberId")) == 22, "a member id")
    return answer


@probes.probe("two members share")
def _(broker):
    answers = [beat(broker, "two", "a", SubscribedTopicNames=["c4"]),
               beat(broker, "two", "b", SubscribedTopicNames=["c4"])]
    answers += described(broker, "two")
    answers += [beat(broker, "two", "b", 3), beat(broker, "two", "a", 2), beat(broker, "two", "b", 3)]
    kept = answers[-2]["Assignment"]["TopicPartitions"]
    answers += described(broker, "two")
    answers += [beat(broker, "two", "a", 2), beat(broker, "two", "a", 2, TopicPartitions=kept),
                beat(broker, "two", "b", 3)]
    for answer in answers:  # Which two partitions are whose is the assignor's business.
        for topic in (answer.get("Assignment") or {"TopicPartitions": []})["TopicPartitions"]:
            topic["Partitions"] = len(topic["Partitions"])
        for member in answer.get("Members", []):
            for kind in ("Assignment", "TargetAssignment"):
                for topic in member[kind]["TopicPartitions"]:
                    topic["Partitions"] = len(topic["Partitions"])
    return answers


@probes.probe("the subscription changes")
def _(broker):
    return [beat(broker, "changes"), beat(broker, "changes", epoch=2, SubscribedTopicNames=["c1"]),
            beat(broker, "changes", epoch=2, TopicPartitions=[]),
            beat(broker, "changes", epoch=3, SubscribedTopicNames=[]),
            beat(broker, "changes", epoch=3, TopicPartitions=[]), *described(broker, "changes")]


@probes.probe("assignors by name")
def _(broker):
    return [beat(broker, "assignor", ServerAssignor="range"), *described(broker, "assignor"),
            beat(broker, "assignor", epoch=2, ServerAssignor="uniform"), *described(broker, "assignor")]


@probes.probe("static members")
def _(broker):
    answers = [beat(broker, "static", "a", InstanceId="i"), beat(broker, "static", "b", InstanceId="i"),
               beat(broker, "static", "a", 2, InstanceId="i"), beat(broker, "static", "a", 2),
               beat(broker, "static", "c", 2, InstanceId="other"), beat(broker, "static", "a", -2, InstanceId="i")]
    answers += described(broker, "static")
    answers += [beat(broker, "static", "b", InstanceId="i"), beat(broker, "static", "a", 2, InstanceId="i")]
    answers += described(broker, "static")
    return answers + [beat(broker, "static", "b", -1, InstanceId="i"), *described(broker, "static")]


@probes.probe("a pattern is resolved behind the answer")
def _(broker):
    with WireClient(broker.port) as client:
        client.create_topic("pattern-1", 1)
        client.create_topic("pattern-2", 1)
    time.sleep(1)  # the coordinator hears of topics by itself, and looks for them once in ten seconds
    answers = [beat(broker, "pattern", SubscribedTopicNames=None, SubscribedTopicRegex="pattern-.*")]
    answers.append(later(broker, "pattern", "m", 1, 2))
    return answers + described(broker, "pattern")


@probes.probe("a topic comes, grows and goes")
def _(broker):
    answers = [beat(broker, "topics", SubscribedTopicNames=["comes"]), beat(broker, "topics", epoch=2)]
    with WireClient(broker.port) as client:
        client.create_topic("comes", 1)
        answers.append(later(broker, "topics", "m", 2, 3))
        client.call(37, 1, {"Topics": [{"Name": "comes", "Count": 3, "Assignments": None}], "TimeoutMs": 5000})
        answers.append(later(broker, "topics", "m", 3, 4))
        client.call(20, 3, {"TopicNames": ["comes"], "TimeoutMs": 5000})
    for _ in range(100):
        answer = beat(broker, "topics", epoch=4, TopicPartitions=[])
        if answer["MemberEpoch"] == 5:
            break
        time.sleep(0.1)
    return answers + [answer, *described(broker, "topics")]


def commit(broker, group, member, epoch, version=9, partition=0, instance=None):
    return call(broker, 8, version, {
        "GroupId": group, "GenerationIdOrMemberEpoch": epoch, "MemberId": member, "GroupInstanceId": instance,
        "Topics": [{"Name": "c2", "Partitions": [{"PartitionIndex": partition, "CommittedOffset": 5,
                                                  "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}]}]})["Topics"]


def fetch(broker, group, member, epoch, version=9):
    return call(broker, 9, version, {"Groups": [{"GroupId": group, "MemberId": member, "MemberEpoch": epoch, "Topics": [
        {"Name": "c2", "PartitionIndexes": [0]}]}], "RequireStable": False})["Groups"]


@probes.probe("offsets by members at their epoch, and by others")
def _(broker):
    answers = [beat(broker, "offsets"), commit(broker, "offsets", "m", 2), commit(broker, "offsets", "m", 3),
               commit(broker, "offsets", "m", 1), commit(broker, "offsets", "x", 2), commit(broker, "offsets", "", -1),
               commit(broker, "offsets", "m", 2, version=8), commit(broker, "offsets", "m", -1)]
    answers += [fetch(broker, "offsets", "m", 2), fetch(broker, "offsets", "m", 1), fetch(broker, "offsets", "m", 3),
                fetch(broker, "offsets", "x", 2), fetch(broker, "offsets", None, -1), fetch(broker, "offsets", "", -1)]
    # What it has had all along it may commit at an epoch of before.
    answers += [beat(broker, "offsets", epoch=2, SubscribedTopicNames=["c1", "c2"]),
                commit(broker, "offsets", "m", 2), commit(broker, "offsets", "m", 1)]
    answers += [call(broker, 47, 0, {"GroupId": "offsets", "Topics": [
        {"Name": "c2", "Partitions": [{"PartitionIndex": 0}]}, {"Name": "zz", "Partitions": [{"PartitionIndex": 0}]}]})]
    answers += [beat(broker, "offsets", epoch=-1), commit(broker, "offsets", "", -1), fetch(broker, "offsets", "m", 2)]
    return answers


@probes.probe("how other APIs see a consumer group")
def _(broker):
    beat(broker, "seen")
    listed = [call(broker, 16, 5, {"StatesFilter": states, "TypesFilter": types})["Groups"]
              for states, types in (([], ["consumer"]), (["stable"], ["Consumer"]), (["Assigning"], []), ([], ["classic"]))]
    answers = [[group for group in groups if group["GroupId"] == "seen"] for groups in listed]
    answers += [call(broker, 15, 5, {"Groups": ["seen"]})["Groups"], call(broker, 15, 6, {"Groups": ["seen"]})["Groups"]]
    answers += [call(broker, 42, 2, {"GroupsNames": ["seen"]})["Results"]]
    answers += [call(broker, 12, 4, {"GroupId": "seen", "GenerationId": 2, "MemberId": "m"}),
                call(broker, 14, 5, {"GroupId": "seen", "GenerationId": 2, "MemberId": "m", "Assignments": []}),
                call(broker, 13, 5, {"GroupId": "seen", "Members": [{"MemberId": "x"}]})]
    answers += [call(broker, 13, 5, {"GroupId": "seen", "Members": [{"MemberId": "m"}]})]
    return answers + [call(broker, 42, 2, {"GroupsNames": ["seen"]})["Results"], *described(broker, "seen")]


@probes.probe("the configuration of a group")
def _(broker):
    def alter(name, value):
        return call(broker, 44, 1, {"Resources": [{"ResourceType": 32, "ResourceName": "configured", "Configs": [
            {"Name": name, "ConfigOperation": 0, "Value": value}]}], "ValidateOnly": False})["Responses"]
    answers = [alter("consumer.heartbeat.interval.ms", "7000"), alter("consumer.session.timeout.ms", "50000"),
               alter("consumer.heartbeat.interval.ms", "20000"), alter("consumer.assignment.interval.ms", "99999")]
    for _ in range(100):
        answer = beat(broker, "configured")
        if answer["HeartbeatIntervalMs"] != 5000:
            break
        time.sleep(0.1)
    return [*answers, answer]


def join(broker, group, member="", version=9, instance=None, protocols=("range",), metadata=SUBSCRIPTION, kind="consumer"):
    return call(broker, 11, version, {
        "GroupId": group, "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 30000, "MemberId": member,
        "GroupInstanceId": instance, "ProtocolType": kind,
        "Protocols": [{"Name": name, "Metadata": metadata} for name in protocols]})


@probes.probe("a classic member in a consumer group, and the group when it is alone")
def _(broker):
    answers = [beat(broker, "mixed"), join(broker, "mixed", kind="other")]
    first = join(broker, "mixed")
    member = first.pop("MemberId")
    check(len(member) == 22, "a member id")
    second = join(broker, "mixed", member)
    answers += [first, {**second, "MemberId": second["MemberId"] == member}]
    hidden = [{**one, "MemberId": "classic" if one["MemberId"] == member else one["MemberId"]}
              for group in described(broker, "mixed") for one in group["Members"]]
    answers += [sorted(hidden, key=lambda one: one["MemberId"])]
    generation = second["GenerationId"]
    answers += [call(broker, 14, 5, {"GroupId": "mixed", "GenerationId": generation, "MemberId": member,
                                     "ProtocolType": "consumer", "ProtocolName": name, "Assignments": []})
                for name in ("range", "other")]
    answers += [call(broker, 12, 4, {"GroupId": "mixed", "GenerationId": generation + by, "MemberId": member})
                for by in (0, 1)]
    answers += [beat(broker, "mixed", epoch=2), beat(broker, "mixed", epoch=2, TopicPartitions=owns(broker, c2=[0]))]
    # The last member of the consumer protocol goes: the group is a classic one again, and rebalances.
    answers += [beat(broker, "mixed", epoch=-1), described(broker, "mixed")]
    state = call(broker, 15, 5, {"Groups": ["mixed"]})["Groups"]
    for group in state:
        for one in group["Members"]:
            one["MemberId"] = "classic"
    return answers + state + [call(broker, 12, 4, {"GroupId": "mixed", "GenerationId": generation, "MemberId": member})]


@probes.probe("a classic group goes over when a member of the consumer protocol comes")
def _(broker):
    member = join(broker, "upgraded")["MemberId"]
    with Connection(broker.port) as connection:
        connection.send_frame(connection.request(11, 9, {
            "GroupId": "upgraded", "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 30000, "MemberId": member,
            "ProtocolType": "consumer", "Protocols": [{"Name": "range", "Metadata": SUBSCRIPTION}]}))
        joined = connection.answer(11, 9)
    generation = joined["GenerationId"]
    assignment = b"\0\0\0\0\0\1\0\2c2\0\0\0\2\0\0\0\0\0\0\0\1\xff\xff\xff\xff"
    synced = call(broker, 14, 5, {"GroupId": "upgraded", "GenerationId": generation, "MemberId": member,
                                  "ProtocolType": "consumer", "ProtocolName": "range", "Assignments": [{"MemberId": member, "Assignment": assignment}]})
    answers = [generation, synced, beat(broker, "upgraded")]
    answers += [call(broker, 12, 4, {"GroupId": "upgraded", "GenerationId": generation, "MemberId": member})]
    groups = described(broker, "upgraded")
    for group in groups:
        for one in group["Members"]:
            one["MemberId"] = "classic" if one["MemberId"] == member else one["MemberId"]
        group["Members"].sort(key=lambda one: one["MemberId"])
    return answers + groups


@probes.probe("empty groups become what their next member makes them")
def _(broker):
    commit(broker, "simple", "", -1)
    answers = [beat(broker, "simple"), fetch(broker, "simple", None, -1), beat(broker, "simple", epoch=-1)]
    first = join(broker, "simple")
    first["MemberId"] = first["MemberId"].split("-")[0]
    return answers + [first, call(broker, 15, 6, {"Groups": ["simple"]})["Groups"], fetch(broker, "simple", None, -1)]


@limits.probe("limits and other settings")
def _(broker):
    answers = [beat(broker, "full"), beat(broker, "full", "b"), beat(broker, "full"),
               beat(broker, "full", ServerAssignor="uniform"), *described(broker, "full")]
    answers += [join(broker, "full"), beat(broker, "full", epoch=-1)]
    member = join(broker, "classic")["MemberId"]
    joined = join(broker, "classic", member)
    return answers + [joined["ErrorCode"], beat(broker, "classic")]


def run(case):
    broker = case.broker(SETTINGS).start()
    prepare(broker, c1=1, c2=2, c4=4)
    count = probes.compare(broker)
    broker.stop()
    narrow = case.broker(LIMITS, name="narrow").start()
    prepare(narrow, c2=2)
    count += limits.compare(narrow)
    narrow.stop()
    check(count > 15, "there are probes")
    step(f"{count} groups of answers were those of Apache Kafka")


if __name__ == "__main__":
    case.main(run)
