#!/usr/bin/env python3
"""Classic groups of several members, request by request: who waits, who is told what, and what becomes of the group.

The initial delay, the size limit, member ids that are required (KIP-394), static members (KIP-345), reasons (KIP-800), the
choice of a protocol, generations, followers and leaders that join again, members that do not come back, removal by an
administrator, offsets that expire, and offsets of many groups. Expected answers: testdata/groups_answers.json, recorded
from Apache Kafka 4.3.1 by this script. Members are told apart by the names that they have here; nothing depends on how
long anything took.
"""

import struct
import time

from harness import case
from harness.outcome import check, step
from harness.recorded import Probes, until
from harness.wire import Connection

probes = Probes("groups_answers")
COMMIT, FETCH, FIND, JOIN, HEARTBEAT, LEAVE, SYNC, DESCRIBE, LIST, DELETE, OFFSET_DELETE = (
    8, 9, 10, 11, 12, 13, 14, 15, 16, 42, 47)
MAX_SIZE = 3
GROUPS = ("delay", "choice", "full", "required", "static", "static 8", "reasons", "generations", "again", "late", "admin",
          "expiry", "many 1", "many 2", "deleted", "other kind", "session")


def subscription(*topics):
    return struct.pack(">hi", 0, len(topics)) + b"".join(
        struct.pack(">h", len(topic)) + topic.encode() for topic in topics) + struct.pack(">i", -1)


def call(broker, key, version, values):
    with Connection(broker.port) as connection:
        return connection.call(key, version, values)


def named(value, names):
    """With member ids replaced by what the members are called, lists of members in the order of these names."""
    if isinstance(value, dict):
        return {key: named(item, names) for key, item in value.items() if key != "ThrottleTimeMs"}
    if isinstance(value, list):
        return [named(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


class Member:
    """One connection; a join or a sync may be answered later."""

    names = {}  # {member id: what it is called}

    def __init__(self, broker, group, name, instance=None, version=9, protocols=(("range", subscription("t")),),
                 kind="consumer", session=30000, rebalance=30000, reason=None):
        self.broker, self.group, self.name, self.instance, self.version = broker, group, name, instance, version
        self.protocols, self.kind, self.session, self.rebalance, self.reason = protocols, kind, session, rebalance, reason
        self.id, self.generation = "", -1
        self.connection = Connection(broker.port)

    def close(self):
        self.connection.socket.close()

    def take(self, answer):
        if answer.get("MemberId"):
            self.id = answer["MemberId"]
            self.names.setdefault(self.id, f"${self.name}")
        if answer["ErrorCode"] == 0:
            self.generation = answer["GenerationId"]
        return answer

    def ask_join(self):
        values = {"GroupId": self.group, "SessionTimeoutMs": self.session, "RebalanceTimeoutMs": self.rebalance,
                  "MemberId": self.id, "ProtocolType": self.kind,
                  "Protocols": [{"Name": name, "Metadata": data} for name, data in self.protocols]}
        if self.version >= 5:
            values["GroupInstanceId"] = self.instance
        if self.version >= 8:
            values["Reason"] = self.reason
        self.connection.send_frame(self.connection.request(JOIN, self.version, values))

    def joined(self):
        """What its join is told."""
        return named(self.take(self.connection.answer(JOIN, self.version)), self.names)

    def join(self):
        self.ask_join()
        return self.joined()

    def begin(self):
        """Asks to join, with the id that it is given first (KIP-394); the join itself stays open."""
        if self.version >= 4 and self.instance is None and not self.id:
            self.join()
        self.ask_join()
        return self

    def is_answered(self, seconds=0.5):
        """Whether its join is, by now; a join that waits must wait, so this is only for answers that must not come."""
        self.connection.socket.settimeout(seconds)
        try:
            return bool(self.connection.socket.recv(1, 2))  # MSG_PEEK
        except TimeoutError:
            return False
        finally:
            self.connection.socket.settimeout(15)

    def ask_sync(self, assignments=(), **wrong):
        values = {"GroupId": self.group, "GenerationId": self.generation, "MemberId": self.id,
                  "GroupInstanceId": self.instance, "ProtocolType": self.kind, "ProtocolName": self.protocols[0][0],
                  "Assignments": [{"MemberId": member.id, "Assignment": member.name.encode()} for member in assignments],
                  **wrong}
        self.connection.send_frame(self.connection.request(SYNC, 5, values))

    def synced(self):
        return named(self.connection.answer(SYNC, 5), self.names)

    def sync(self, assignments=(), **wrong):
        self.ask_sync(assignments, **wrong)
        return self.synced()

    def heartbeat(self, **wrong):
        return call(self.broker, HEARTBEAT, 4, {"GroupId": self.group, "GenerationId": self.generation,
                                                "MemberId": self.id, "GroupInstanceId": self.instance, **wrong})["ErrorCode"]

    def commit(self, offset=1, version=8, **wrong):
        answer = call(self.broker, COMMIT, version, {
            "GroupId": self.group, "GenerationIdOrMemberEpoch": self.generation, "MemberId": self.id,
            "GroupInstanceId": self.instance, "Topics": [{"Name": "t", "Partitions": [
                {"PartitionIndex": 0, "CommittedOffset": offset, "CommittedMetadata": "m"}]}], **wrong})
        return [partition["ErrorCode"] for topic in answer["Topics"] for partition in topic["Partitions"]]

    def leave(self, version=5, **more):
        return leave(self.broker, self.group, [{"MemberId": self.id, "GroupInstanceId": self.instance, **more}], version)


def leave(broker, group, members, version=5):
    answer = call(broker, LEAVE, version, {"GroupId": group, "Members": members})
    return named(answer, Member.names)


def all_join(*members):
    """What each is told when all have come; each asks when the one before is known to the group."""
    for number, member in enumerate(members, 1):
        member.begin()
        until(lambda: len(described(member.broker, member.group)["Members"]), lambda count: count >= number)
    return [member.joined() for member in members]


def settle(*members):
    """A stable group of these, the first of them the leader."""
    answers = all_join(*members)
    for member in members[1:]:
        member.ask_sync()
    return [answers, members[0].sync(members), [member.synced() for member in members[1:]]]


def in_order(joined):
    """The members that a leader is told, by name."""
    return {**joined, "Members": sorted(joined["Members"], key=lambda member: member["MemberId"])}


def described(broker, group, version=5):
    answer = named(call(broker, DESCRIBE, version, {"Groups": [group]}), Member.names)["Groups"][0]
    return {**answer, "Members": sorted(([member["MemberId"], member["GroupInstanceId"], member["MemberAssignment"]]
                                         for member in answer["Members"]), key=str)}


@probes.probe("the coordinator is there, and the topic")
def _(broker):
    until(lambda: call(broker, FIND, 4, {"KeyType": 0, "CoordinatorKeys": ["g"]})["Coordinators"][0]["ErrorCode"],
          lambda code: code == 0)
    call(broker, 19, 5, {"timeoutMs": 10000, "Topics": [{"Name": "t", "NumPartitions": 3, "ReplicationFactor": 1}]})
    # While its partition is loaded a group lets heartbeats pass.
    return until(lambda: sorted({call(broker, HEARTBEAT, 3, {"GroupId": group, "GenerationId": 1, "MemberId": "m"})["ErrorCode"]
                                 for group in GROUPS}), lambda codes: codes == [25])


@probes.probe("the first members of an empty group come together within the initial delay")
def _(broker):
    one, two = Member(broker, "delay", "one"), Member(broker, "delay", "two")
    one.begin()
    early = one.is_answered()
    two.begin()
    answers = [in_order(one.joined()), two.joined()]
    return [early, answers, described(broker, "delay")["GroupState"]]


@probes.probe("the leader's choice of the protocol is that of most members")
def _(broker):
    data = subscription("t")
    one = Member(broker, "choice", "one", protocols=(("roundrobin", data), ("range", data)))
    two = Member(broker, "choice", "two", protocols=(("range", data), ("roundrobin", data)))
    three = Member(broker, "choice", "three", protocols=(("range", data),))
    answers = [in_order(told) for told in all_join(one, two, three)]
    odd = Member(broker, "choice", "odd", protocols=(("sticky", data),))
    foreign = Member(broker, "choice", "foreign", kind="connect")
    none = Member(broker, "choice", "none", protocols=())
    return [answers, odd.join(), foreign.join(), none.join(), described(broker, "choice")["GroupState"]]


@probes.probe("a group has room for so many")
def _(broker):
    members = [Member(broker, "full", name) for name in ("one", "two", "three")]
    answers = [in_order(told) for told in all_join(*members)]
    late = Member(broker, "full", "four")
    answers += [late.join(), Member(broker, "full", "five", version=3).join(),
                Member(broker, "full", "six", instance="six").join()]
    left = members[2].leave()
    return [answers, left, sorted(member[0] for member in described(broker, "full")["Members"])]


@probes.probe("member ids are required from version 4 on, but of static members")
def _(broker):
    answers = []
    for version in range(2, 10):
        member = Member(broker, "required", f"version {version}", version=version)
        if version >= 4:
            answers.append(member.join())
            given = Member(broker, "required", "stranger", version=version)
            given.id = "not given to anybody"
            answers.append(given.join())
            static = Member(broker, "required", "static", version=version, instance="i")
            static.id = member.id
            answers.append(static.join() if version >= 5 else "no static members")
            answers.append(member.leave(version=3))
        else:
            member.ask_join()
            answers.append(in_order(member.joined()))
            answers.append(member.leave())
    return answers


@probes.probe("a member that was given an id and does not come back is forgotten")
def _(broker):
    member = Member(broker, "session", "one", session=1000)
    given = member.join()
    time.sleep(2)
    return [given, member.join()]


@probes.probe("a static member comes back without a rebalance, and its former self is fenced")
def _(broker):
    one, two = Member(broker, "static", "one", instance="a"), Member(broker, "static", "two", instance="b")
    answers = [settle(one, two)]
    again = Member(broker, "static", "one again", instance="a")
    answers.append(in_order(again.join()))
    answers += [one.heartbeat(), one.commit(), one.sync(), one.leave(), one.join(), again.heartbeat(), again.sync(),
                two.heartbeat()]
    follower = Member(broker, "static", "two again", instance="b")
    answers += [in_order(follower.join()), follower.sync(), two.heartbeat(), again.heartbeat(),
                again.heartbeat(GroupInstanceId="nobody"), again.heartbeat(GroupInstanceId=None),
                again.heartbeat(MemberId="nobody"), described(broker, "static")]
    return answers


@probes.probe("a static leader that comes back is told so by version")
def _(broker):
    one = Member(broker, "static 8", "one", instance="a", version=8)
    answers = [settle(one)]
    again = Member(broker, "static 8", "one again", instance="a", version=8)
    answers += [again.join(), again.sync()]
    changed = Member(broker, "static 8", "one changed", instance="a", protocols=(("range", subscription("t", "u")),))
    answers += [changed.join(), described(broker, "static 8")["GroupState"], again.heartbeat()]
    return answers


@probes.probe("reasons are taken from version 8 of JoinGroup and 5 of LeaveGroup on")
def _(broker):
    one = Member(broker, "reasons", "one", reason="for a reason")
    answers = [settle(one), one.leave(Reason="x" * 300)]
    return [answers, described(broker, "reasons")]


@probes.probe("generations")
def _(broker):
    one, two = Member(broker, "generations", "one"), Member(broker, "generations", "two")
    answers = [all_join(one), one.heartbeat(), one.commit(), one.sync(GenerationId=7), one.sync(ProtocolName="sticky"),
               one.sync(ProtocolType="connect"), one.sync((one,)), one.sync(), one.heartbeat(GenerationId=0),
               one.heartbeat(GenerationId=2), one.heartbeat(GenerationId=-1), one.commit(GenerationIdOrMemberEpoch=2),
               one.commit(GenerationIdOrMemberEpoch=-1), one.commit(GenerationIdOrMemberEpoch=-1, MemberId=""),
               one.commit(MemberId="nobody")]
    two.begin()
    until(one.heartbeat, lambda code: code == 27)
    answers += [one.heartbeat(), one.commit(3), one.sync(), described(broker, "generations")["GroupState"]]
    one.ask_join()
    answers += [in_order(one.joined()), two.joined(), one.heartbeat(), one.commit(4), two.heartbeat(GenerationId=1)]
    two.ask_sync()
    answers += [one.sync((one, two)), two.synced(), one.commit(5), described(broker, "generations")]
    return answers


@probes.probe("who joins again and why it matters")
def _(broker):
    one, two = Member(broker, "again", "one"), Member(broker, "again", "two")
    settle(one, two)
    answers = [two.join(), two.sync(), one.heartbeat()]
    one.ask_join()  # the leader wants a new assignment
    until(two.heartbeat, lambda code: code == 27)
    two.ask_join()
    answers += [in_order(one.joined()), two.joined()]
    # In the middle of it each may ask once more.
    answers += [in_order(one.join()), two.join()]
    two.ask_sync()
    time.sleep(0.2)
    two.protocols = (("range", subscription("t", "u")),)
    other = Connection(broker.port)
    old, two.connection = two.connection, other
    two.ask_join()
    two.connection = old
    answers.append(two.synced())  # its assignment will not come
    two.connection = other
    one.ask_join()
    answers += [in_order(one.joined()), two.joined(), described(broker, "again")["GroupState"]]
    return answers


@probes.probe("a member that does not come back in time is left behind")
def _(broker):
    one = Member(broker, "late", "one", rebalance=1500)
    two = Member(broker, "late", "two", rebalance=1500)
    settle(one, two)
    one.ask_join()
    answers = [in_order(one.joined()), two.heartbeat(), two.commit(), two.leave(), two.join(), one.sync((one,))]
    return answers


@probes.probe("a member without heartbeats is gone")
def _(broker):
    one = Member(broker, "session", "two", session=1500)
    settle(one)
    return [until(lambda: described(broker, "session")["GroupState"], lambda state: state == "Empty"), one.heartbeat()]


@probes.probe("an administrator removes members")
def _(broker):
    one, two = Member(broker, "admin", "one", instance="a"), Member(broker, "admin", "two")
    settle(one, two)
    pending = Member(broker, "admin", "pending")
    pending.join()
    answers = [leave(broker, "admin", [{"MemberId": member, "GroupInstanceId": instance}], version) for version in (3, 4, 5)
               for member, instance in (("", "nobody"), ("nobody", None), ("nobody", "a"), ("", None), (one.id, "b"))]
    answers.append(leave(broker, "admin", [{"MemberId": "", "GroupInstanceId": "a"}, {"MemberId": two.id, "GroupInstanceId": None},
                                           {"MemberId": pending.id, "GroupInstanceId": None}, {"MemberId": "x", "GroupInstanceId": None}]))
    return [answers, one.heartbeat(), described(broker, "admin"), leave(broker, "admin", []), leave(broker, "", [])]


@probes.probe("offsets with a retention of their own expire")
def _(broker):
    simple = Member(broker, "expiry", "one")
    values = {"GenerationIdOrMemberEpoch": -1, "MemberId": "", "RetentionTimeMs": 500}
    answers = [simple.commit(7, version=version, **values) for version in (2, 3, 4)]
    gone = until(lambda: committed(broker, "expiry"), lambda told: told[1] == -1)
    return [answers, gone, until(lambda: described(broker, "expiry", 6)["ErrorCode"], lambda code: code == 69)]


def committed(broker, group):
    answer = call(broker, FETCH, 7, {"GroupId": group, "RequireStable": True, "Topics": [
        {"Name": "t", "PartitionIndexes": [0]}]})
    one = answer["Topics"][0]["Partitions"][0]
    return [one["ErrorCode"], one["CommittedOffset"], one["Metadata"]]


@probes.probe("offsets of many groups")
def _(broker):
    for group, offset in (("many 1", 11), ("many 2", 12)):
        Member(broker, group, "one").commit(offset, GenerationIdOrMemberEpoch=-1, MemberId="")
    one = {"GroupId": "many 1", "Topics": [{"Name": "t", "PartitionIndexes": [0, 1, 77]}, {"Name": "nowhere", "PartitionIndexes": [0]}]}
    answers = []
    for version in (8, 9):
        for stable in (True, False):
            for groups in ([one, {"GroupId": "many 2", "Topics": None}, {"GroupId": "nobody", "Topics": None}],
                           [{"GroupId": "many 2", "Topics": []}], [one, one], [], [{"GroupId": "", "Topics": None}],
                           [{"GroupId": "nobody", "Topics": one["Topics"]}]):
                answers.append(named(call(broker, FETCH, version, {"Groups": groups, "RequireStable": stable}), {}))
    members = [{**one, "MemberId": member, "MemberEpoch": epoch} for member, epoch in
               ((None, -1), ("", -1), ("nobody", 3), (None, 5))]
    return [answers, [named(call(broker, FETCH, 9, {"Groups": [asked], "RequireStable": True}), {}) for asked in members]]


@probes.probe("offsets and groups are deleted")
def _(broker):
    one = Member(broker, "deleted", "one")
    settle(one)
    one.commit(5)
    def delete_offset(group="deleted", topic="t"):
        return named(call(broker, OFFSET_DELETE, 0, {"GroupId": group, "Topics": [
            {"Name": topic, "Partitions": [{"PartitionIndex": index} for index in (0, 9)]}]}), {})
    foreign = Member(broker, "other kind", "one", kind="connect", protocols=(("p", b""),))
    settle(foreign)
    foreign.commit(6)
    answers = [delete_offset(), delete_offset(topic="nowhere"), delete_offset("other kind"), delete_offset("nobody")]
    groups = ["deleted", "nobody", ""]
    answers += [named(call(broker, DELETE, version, {"GroupsNames": groups}), {}) for version in (0, 1, 2)]
    one.leave()
    answers += [delete_offset(), committed(broker, "deleted")]
    answers += [named(call(broker, DELETE, version, {"GroupsNames": groups}), {}) for version in (2, 2)]
    return [answers, [described(broker, "deleted", version) for version in (5, 6)]]


def run(case):
    broker = case.broker({"group.initial.rebalance.delay.ms": "1500", "group.max.size": str(MAX_SIZE),
                          "group.min.session.timeout.ms": "1000", "offsets.retention.check.interval.ms": "500",
                          "offsets.topic.num.partitions": "5"}).start()
    asked = probes.compare(broker)
    check(asked == len(probes.questions), "every question was asked")
    step(f"{asked} answers")


if __name__ == "__main__":
    case.main(run)
