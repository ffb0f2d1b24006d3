#!/usr/bin/env python3
"""Groups whose members change their protocol are answered as by Apache Kafka, under each migration policy.

A member of the consumer protocol comes to a classic group, alive or empty, and a classic member to a group of the consumer
protocol; the last member of the consumer protocol leaves, or is removed. With group.consumer.migration.policy upgrade
and downgrade; consumer_groups_answers.py has bidirectional and disabled. Then a member that subscribes by a pattern and a
classic one share a group. Expected answers: testdata/consumer_groups_migration_answers_{upgrade,downgrade,both}.json,
recorded from Apache Kafka 4.3.1 by this script.
"""

import time

from consumer_groups_answers import SETTINGS, SUBSCRIPTION, beat, call, commit, described, fetch, join, later, owns, prepare

from harness import case
from harness.outcome import check, step
from harness.recorded import Probes
from harness.wire_client import WireClient

HEARTBEAT, LEAVE, SYNC, DESCRIBE, LIST = 12, 13, 14, 15, 16
ASSIGNMENT = b"\0\0\0\0\0\1\0\2c2\0\0\0\2\0\0\0\0\0\0\0\1\xff\xff\xff\xff"
policies = {policy: Probes(f"consumer_groups_migration_answers_{policy}") for policy in ("upgrade", "downgrade", "both")}


def each(name):
    """Decorator: the same question under each policy."""
    def add(question):
        for probes in policies.values():
            probes.probe(name)(question)
        return question
    return add


class Classic:
    """A member of the classic protocol. Its id differs from run to run."""

    def __init__(self, broker, group, instance=None):
        self.broker, self.group, self.instance, self.member, self.generation = broker, group, instance, "", -1

    def told(self, answer):
        return {key: "mine" if value == self.member else value for key, value in answer.items()}

    def join(self, protocols=("range",), metadata=SUBSCRIPTION):
        answer = join(self.broker, self.group, self.member, instance=self.instance, protocols=protocols, metadata=metadata)
        if answer["ErrorCode"] == 79:
            self.member = answer["MemberId"]
            answer = join(self.broker, self.group, self.member, instance=self.instance, protocols=protocols, metadata=metadata)
        if answer["ErrorCode"] == 0:
            self.member, self.generation = answer["MemberId"], answer["GenerationId"]
        return [answer["ErrorCode"], answer["GenerationId"], answer["ProtocolType"], answer["ProtocolName"],
                answer["Leader"] == self.member, answer["SkipAssignment"], len(answer["Members"])]

    def sync(self, assign=True):
        assignments = [{"MemberId": self.member, "Assignment": ASSIGNMENT}] if assign else []
        return call(self.broker, SYNC, 5, {
            "GroupId": self.group, "GenerationId": self.generation, "MemberId": self.member, "GroupInstanceId": self.instance,
            "ProtocolType": "consumer", "ProtocolName": "range", "Assignments": assignments})

    def beat(self):
        return call(self.broker, HEARTBEAT, 4, {"GroupId": self.group, "GenerationId": self.generation, "MemberId": self.member,
                                                "GroupInstanceId": self.instance})["ErrorCode"]

    def leave(self):
        return call(self.broker, LEAVE, 5, {"GroupId": self.group, "Members": [
            {"MemberId": self.member, "GroupInstanceId": self.instance}]})["ErrorCode"]


def seen(broker, group, *classics):
    """The group as each API describes it."""
    names = {classic.member: f"classic {number}" for number, classic in enumerate(classics)}
    told = [*call(broker, DESCRIBE, 6, {"Groups": [group]})["Groups"], *described(broker, group)]
    for one in told:
        for member in one["Members"]:
            member["MemberId"] = names.get(member["MemberId"], member["MemberId"])
            for kind in ("Assignment", "TargetAssignment"):
                if isinstance(member.get(kind), dict):
                    for topic in member[kind]["TopicPartitions"]:
                        topic["Partitions"] = len(topic["Partitions"])  # whose is which is the assignor's affair
                        topic.pop("TopicId")
    listed = call(broker, LIST, 5, {"StatesFilter": [], "TypesFilter": []})["Groups"]
    return [told, [[one["GroupState"], one["GroupType"]] for one in listed if one["GroupId"] == group]]


def counted(answer):
    """A heartbeat's answer, without whose which partitions are."""
    if answer["Assignment"]:
        answer["Assignment"] = sorted(len(topic["Partitions"]) for topic in answer["Assignment"]["TopicPartitions"])
    return answer


@each("a member of the consumer protocol comes to a classic group")
def _(broker):
    classic = Classic(broker, "alive")
    answers = [classic.join(), classic.sync(), commit(broker, "alive", classic.member, classic.generation),
               counted(beat(broker, "alive")), classic.beat(), seen(broker, "alive", classic)]
    answers += [commit(broker, "alive", classic.member, classic.generation), counted(beat(broker, "alive", "other")), classic.beat(),
                classic.join(), classic.sync(False), classic.beat(), classic.leave(), seen(broker, "alive", classic)]
    return answers


@each("it comes to one with a static member")
def _(broker):
    classic = Classic(broker, "alive-static", "i")
    return [classic.join(), classic.sync(), counted(beat(broker, "alive-static", InstanceId="j")), classic.beat(),
            counted(beat(broker, "alive-static", "x", InstanceId="i")), classic.beat(), seen(broker, "alive-static", classic)]


@each("it comes to one that is being rebalanced, or is of another kind")
def _(broker):
    classic = Classic(broker, "rebalanced")
    answers = [classic.join(), counted(beat(broker, "rebalanced")), classic.beat()]
    call(broker, 11, 5, {"GroupId": "connect", "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 30000, "GroupInstanceId": "i",
                         "ProtocolType": "connect", "Protocols": [{"Name": "range", "Metadata": b"x"}]})
    unknown = Classic(broker, "unknown-metadata", "i")
    return [*answers, counted(beat(broker, "connect")), unknown.join(metadata=b"x"), unknown.sync(),
            counted(beat(broker, "unknown-metadata")), seen(broker, "unknown-metadata", unknown)]


@each("it comes to an empty classic group")
def _(broker):
    classic = Classic(broker, "empty")
    answers = [classic.join(), classic.sync(), commit(broker, "empty", classic.member, classic.generation), classic.leave(),
               seen(broker, "empty"), counted(beat(broker, "empty")), fetch(broker, "empty", "m", 2), seen(broker, "empty")]
    return answers


@each("a classic member comes to a group of the consumer protocol, whose last member leaves")
def _(broker):
    answers = [counted(beat(broker, "left"))]
    classic = Classic(broker, "left")
    answers += [classic.join(), classic.sync(False), classic.beat(), counted(beat(broker, "left", epoch=2)),
                counted(beat(broker, "left", epoch=2, TopicPartitions=owns(broker, c2=[0])))]
    answers += [beat(broker, "left", epoch=-1), classic.beat(), seen(broker, "left", classic)]
    answers += [classic.join(), classic.sync(), classic.beat(), seen(broker, "left", classic), classic.leave(),
                seen(broker, "left", classic)]
    return answers


@each("two classic members remain, one of them static")
def _(broker):
    answers = [counted(beat(broker, "remain"))]
    one, two = Classic(broker, "remain"), Classic(broker, "remain", "i")
    answers += [one.join(), two.join(), one.beat(), two.beat(), beat(broker, "remain", epoch=-1), one.beat(), two.beat()]
    told = seen(broker, "remain", one, two)
    return [*answers, told]


@each("an administrator removes the last member of the consumer protocol")
def _(broker):
    answers = [counted(beat(broker, "removed", InstanceId="i"))]
    classic = Classic(broker, "removed")
    answers += [classic.join(), call(broker, LEAVE, 5, {"GroupId": "removed", "Members": [
        {"MemberId": "", "GroupInstanceId": "i"}]})]
    return [*answers, classic.beat(), seen(broker, "removed", classic)]


@each("a classic member comes to an empty group of the consumer protocol")
def _(broker):
    answers = [counted(beat(broker, "emptied")), commit(broker, "emptied", "m", 2), beat(broker, "emptied", epoch=-1)]
    classic = Classic(broker, "emptied")
    return [*answers, classic.join(), classic.sync(), classic.beat(), fetch(broker, "emptied", None, -1),
            seen(broker, "emptied", classic)]


@policies["both"].probe("a member by a pattern and a classic one in a group")
def _(broker):
    with WireClient(broker.port) as client:
        client.create_topic("by-pattern", 2)
    time.sleep(1)
    pattern = {"SubscribedTopicNames": None, "SubscribedTopicRegex": "c2|by-pat.*"}
    answers = [counted(beat(broker, "pattern-mixed", **pattern)), counted(later(broker, "pattern-mixed", "m", 1, 2))]
    classic = Classic(broker, "pattern-mixed")
    answers += [classic.join(), classic.sync(False), seen(broker, "pattern-mixed", classic)]
    answers += [counted(beat(broker, "pattern-mixed", epoch=2)),
                counted(beat(broker, "pattern-mixed", epoch=2, TopicPartitions=owns(broker, **{"c2": [0], "by-pattern": [0, 1]})))]
    answers += [beat(broker, "pattern-mixed", epoch=3, SubscribedTopicRegex="nothing.*", SubscribedTopicNames=None)["ErrorCode"]]
    answers += [beat(broker, "pattern-mixed", epoch=-1), classic.beat(), seen(broker, "pattern-mixed", classic)]
    return answers


def run(case):
    count = 0
    for policy, probes in policies.items():
        settings = {} if policy == "both" else {"group.consumer.migration.policy": policy}
        broker = case.broker({**SETTINGS, **settings}, name=policy).start()
        prepare(broker, c2=2)
        count += probes.compare(broker)
        broker.stop()
        step(f"{policy}: {count} groups of answers so far were those of Apache Kafka")
    check(count > 15, "there are probes")


if __name__ == "__main__":
    case.main(run)
