#!/usr/bin/env python3
"""Offsets of open transactions beside other commits, deletions and each other are those of Apache Kafka.

Of what a transaction commits and what is committed beside it, that counts which was written last, not which ended last. An
offset that is deleted while it is pending is gone. Expected answers: testdata/transactions_offsets_answers.json, recorded
from Apache Kafka 4.3.1 by this script.
"""

from transactions_answers import OFFSET_FETCH, Producer, call, committed
from transactions_levels_answers import prepare

from harness import case
from harness.outcome import check, step
from harness.recorded import Probes, until
from harness.wire_client import WireClient

probes = Probes("transactions_offsets_answers")
OFFSET_COMMIT, LIST_GROUPS, DESCRIBE_GROUPS, DELETE_GROUPS, OFFSET_DELETE = 8, 16, 15, 42, 47
VERSIONS = (3, 5)  # of TxnOffsetCommit: of the protocol before transaction.version 2, and of that


def begin(broker, name, group, offset, version):
    """A transaction with an offset that is pending."""
    one = Producer(broker, f"{name} {group} {version}")
    one.init()
    if version < 5:
        one.add_offsets(3, group)
    check(one.commit_offset(offset, version, group=group, metadata=name)[0][1] == 0, "an offset is pending")
    return one


def end(one, commit, version):
    return one.end(commit, 5 if version == 5 else 4)[0]


def commit(broker, group, offset, topic="t"):
    return call(broker, OFFSET_COMMIT, 8, {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "Topics": [
        {"Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": offset, "CommittedMetadata": "plain"}]}]})[
            "Topics"][0]["Partitions"][0]["ErrorCode"]


def delete(broker, group, *topics):
    answer = call(broker, OFFSET_DELETE, 0, {"GroupId": group, "Topics": [
        {"Name": name, "Partitions": [{"PartitionIndex": 0}, {"PartitionIndex": 2}]} for name in topics or ("t",)]})
    return [answer["ErrorCode"], sorted([topic["Name"], partition["PartitionIndex"], partition["ErrorCode"]]
                                        for topic in answer["Topics"] for partition in topic["Partitions"])]


def seen(broker, group):
    """What is stable, what is there, and all that the group has."""
    whole = call(broker, OFFSET_FETCH, 7, {"GroupId": group, "RequireStable": True, "Topics": None})
    return [committed(broker, True, group), committed(broker, False, group), whole["ErrorCode"], sorted(
        [topic["Name"], partition["PartitionIndex"], partition["ErrorCode"], partition["CommittedOffset"]]
        for topic in whole["Topics"] for partition in topic["Partitions"])]


def group_of(broker, group):
    listed = call(broker, LIST_GROUPS, 5, {"StatesFilter": [], "TypesFilter": []})["Groups"]
    told = call(broker, DESCRIBE_GROUPS, 6, {"Groups": [group]})["Groups"][0]
    return [[[one["GroupState"], one["GroupType"], one["ProtocolType"]] for one in listed if one["GroupId"] == group],
            told["ErrorCode"], told["GroupState"]]


def in_each_way(question):
    """question(group, version, whether it is committed) for each."""
    return [question(f"{version} {commits}", version, commits) for version in VERSIONS for commits in (True, False)]


@probes.probe("a plain commit before and behind a transaction's")
def _(broker):
    def before(name, version, commits):
        group = f"before {name}"
        return [commit(broker, group, 1), (one := begin(broker, "tx", group, 2, version)) and seen(broker, group),
                end(one, commits, version), seen(broker, group)]

    def behind(name, version, commits):
        group = f"behind {name}"
        one = begin(broker, "tx", group, 2, version)
        return [seen(broker, group), commit(broker, group, 1), seen(broker, group), end(one, commits, version), seen(broker, group)]

    return [in_each_way(before), in_each_way(behind)]


@probes.probe("two transactions of one partition, ended in either order")
def _(broker):
    answers = []
    for turned in (False, True):
        def ask(name, version, commits, turned=turned):
            group = f"two {turned} {name}"
            ones = [begin(broker, "first", group, 1, version), begin(broker, "second", group, 2, version)]
            told = [seen(broker, group)]
            for one in reversed(ones) if turned else ones:
                told += [end(one, commits or one is ones[0], version), seen(broker, group)]
            return told
        answers.append(in_each_way(ask))
    return answers


@probes.probe("a transaction commits an offset twice")
def _(broker):
    def ask(name, version, commits):
        group = f"twice {name}"
        one = begin(broker, "tx", group, 5, version)
        told = [one.commit_offset(3, version, group=group), seen(broker, group), commit(broker, group, 9),
                one.commit_offset(4, version, group=group), end(one, commits, version)]
        return [*told, seen(broker, group)]
    return in_each_way(ask)


@probes.probe("OffsetDelete of what is pending")
def _(broker):
    def only_pending(name, version, commits):
        group = f"pending {name}"
        one = begin(broker, "tx", group, 2, version)
        told = [group_of(broker, group), delete(broker, group), seen(broker, group), group_of(broker, group)]
        return [*told, end(one, commits, version), seen(broker, group), group_of(broker, group)]

    def both(name, version, commits):
        group = f"both {name}"
        told = [commit(broker, group, 1)]
        one = begin(broker, "tx", group, 2, version)
        return [*told, delete(broker, group, "t", "nope"), seen(broker, group), end(one, commits, version), seen(broker, group),
                group_of(broker, group)]

    def again(name, version, commits):
        group = f"again {name}"
        one = begin(broker, "tx", group, 2, version)
        told = [delete(broker, group), one.commit_offset(3, version, group=group), seen(broker, group)]
        return [*told, end(one, commits, version), seen(broker, group)]

    return [in_each_way(only_pending), in_each_way(both), in_each_way(again)]


@probes.probe("DeleteGroups of a group with what is pending")
def _(broker):
    def ask(name, version, commits, plain):
        group = f"deleted {plain} {name}"
        told = [commit(broker, group, 1) if plain else "nothing is committed"]
        one = begin(broker, "tx", group, 2, version)
        told += [call(broker, DELETE_GROUPS, 2, {"GroupsNames": [group]})["Results"][0]["ErrorCode"], seen(broker, group),
                 group_of(broker, group), end(one, commits, version), seen(broker, group), group_of(broker, group)]
        return [*told, call(broker, DELETE_GROUPS, 2, {"GroupsNames": [group]})["Results"][0]["ErrorCode"], group_of(broker, group)]
    return [in_each_way(lambda name, version, commits, plain=plain: ask(name, version, commits, plain)) for plain in (False, True)]


@probes.probe("a topic is deleted whose offsets are pending")
def _(broker):
    with WireClient(broker.port) as client:
        client.create_topic("goes", 1)

    def ask(name, version, commits):
        group = f"goes {name}"
        check(commit(broker, group, 1, "goes") == 0, "an offset whose end shows that the coordinator has heard")
        one = begin(broker, "tx", group, 2, version)
        answer = call(broker, 28, version, {
            "TransactionalId": one.name, "GroupId": group, "ProducerId": one.id, "ProducerEpoch": one.epoch,
            "GenerationId": -1, "MemberId": "", "Topics": [{"Name": "goes", "Partitions": [
                {"PartitionIndex": 0, "CommittedOffset": 7}]}]})
        return one, version, commits, group, answer["Topics"]
    asked = in_each_way(ask)
    with WireClient(broker.port) as client:
        client.call(20, 3, {"TopicNames": ["goes"], "TimeoutMs": 5000})
    for _, _, _, group, _ in asked:
        until(lambda group=group: call(broker, OFFSET_FETCH, 7, {"GroupId": group, "RequireStable": False, "Topics": None}),
              lambda told: all(topic["Name"] != "goes" for topic in told["Topics"]))
    return [[told, seen(broker, group), end(one, commits, version), seen(broker, group)]
            for one, version, commits, group, told in asked]


@probes.probe("everything of before is the same once more after the coordinator was loaded")
def _(broker):
    open_ones = [begin(broker, "tx", f"loaded {version}", 6, version) for version in VERSIONS]
    before = [seen(broker, f"{name} {version} {commits}") for name in ("before", "behind", "twice", "both", "again")
              for version in VERSIONS for commits in (True, False)]
    broker.kill()
    broker.start()
    prepare_again(broker)
    after = [seen(broker, f"{name} {version} {commits}") for name in ("before", "behind", "twice", "both", "again")
             for version in VERSIONS for commits in (True, False)]
    told = [seen(broker, f"loaded {version}") for version in VERSIONS]
    ended = [end(one, True, version) for one, version in zip(open_ones, VERSIONS)]
    return [before == after, after, told, ended, [seen(broker, f"loaded {version}") for version in VERSIONS]]


def prepare_again(broker):
    with WireClient(broker.port) as client:
        for key_type, key in ((0, "g"), (1, "x")):
            client.patiently("a coordinator", lambda key=key, key_type=key_type: (
                client.call(10, 2, {"Key": key, "KeyType": key_type})["ErrorCode"], None))
        for partition in range(50):  # a group in each partition of the coordinator's topic, most likely
            client.patiently("the groups are loaded", lambda partition=partition: (
                client.call(9, 7, {"GroupId": f"loading {partition}", "RequireStable": False, "Topics": None})["ErrorCode"], None))
    Producer(broker, "loaded").init()


def run(case):
    broker = case.broker().start()
    prepare(broker)
    count = probes.compare(broker)
    broker.stop()
    check(count > 6, "there are probes")
    step(f"{count} conversations went as with Apache Kafka")


if __name__ == "__main__":
    case.main(run)
