#!/usr/bin/env python3
"""Groups of the consumer protocol move with their data directory, from Apache Kafka to Barnabas and back.

A broker writes groups (members, a static one that is away, a pattern, committed offsets), stops cleanly, and the other
kind starts on its data directory. Members go on at their epochs: nothing is assigned anew, which it would be if the
metadata hash were another. After a kill -9 they go on again. Then subscriptions change there, and the first kind takes over.
"""

import time

from consumer_groups_answers import SETTINGS, beat, commit, described, fetch, prepare

from harness import case
from harness.outcome import check, check_equal, step

WITHOUT_PATTERN = {"SubscribedTopicNames": None, "SubscribedTopicRegex": "c[12]"}


def write_groups(broker):
    prepare(broker, c1=1, c2=2, c4=4)
    beat(broker, "one", SubscribedTopicNames=["c2", "c4"])
    beat(broker, "static", "a", InstanceId="i")
    beat(broker, "static", "a", -2, InstanceId="i")
    beat(broker, "pattern", **WITHOUT_PATTERN)
    for _ in range(100):
        if beat(broker, "pattern", epoch=1)["MemberEpoch"] == 2:
            break
        time.sleep(0.1)
    commit(broker, "one", "m", 2)
    beat(broker, "left")
    beat(broker, "left", epoch=-1)


def state(broker):
    """What is described, without the order of hash maps."""
    groups = described(broker, "one", "static", "pattern", "left")
    for group in groups:
        group["Members"].sort(key=lambda member: member["MemberId"])
        for member in group["Members"]:
            member["SubscribedTopicNames"].sort()
            for kind in ("Assignment", "TargetAssignment"):
                member[kind]["TopicPartitions"].sort(key=lambda topic: topic["TopicId"])
                for topic in member[kind]["TopicPartitions"]:
                    topic["Partitions"].sort()
    return sorted(groups, key=lambda group: group["GroupId"])


def wait_until_loaded(broker):
    for group in ("one", "static", "pattern", "left"):
        for _ in range(300):
            if beat(broker, group, "nobody", 7)["ErrorCode"] in (25, 69):
                break
            time.sleep(0.1)


def go_on(broker, before, epoch):
    wait_until_loaded(broker)
    for got, expected in zip(state(broker), before, strict=True):
        for key in expected:
            check_equal(got[key], expected[key], f"{key} of {expected['GroupId']} as the other kind left it")
    for group in ("one", "pattern"):
        answer = beat(broker, group, epoch=epoch)
        check_equal((answer["ErrorCode"], answer["MemberEpoch"], answer["Assignment"]), (0, epoch, None),
                    f"the member of {group} goes on")
    check_equal(described(broker, "one")[0]["GroupEpoch"], epoch, "the epoch of a group whose topics are the same")
    check_equal(fetch(broker, "one", "m", epoch)[0]["Topics"][0]["Partitions"][0]["CommittedOffset"], 5, "the offset")


def run(case):
    other = "barnabas" if case.kind == "kafka" else "kafka"
    first = case.broker(SETTINGS, name="first", kind=other).start()
    write_groups(first)
    before = state(first)
    first.stop()
    second = case.broker(SETTINGS, name="second", data_directory=first.data_directory).start()
    go_on(second, before, 2)
    step(f"{case.kind} took over the groups that {other} had written, at their epochs")
    second.kill()
    second.start()
    go_on(second, before, 2)
    step("they went on after a kill -9 too")
    answer = beat(second, "static", "b", InstanceId="i")
    check_equal((answer["MemberEpoch"], len(answer["Assignment"]["TopicPartitions"])), (2, 1), "the static member is back")
    for group in ("one", "pattern"):
        beat(second, group, epoch=2, SubscribedTopicNames=["c1", "c2"], **({} if group == "one" else {"SubscribedTopicRegex": ""}))
        for _ in range(50):
            answer = beat(second, group, epoch=2, TopicPartitions=[])
            if answer["MemberEpoch"] == 3:
                break
            time.sleep(0.1)
    before = state(second)
    second.stop()
    third = case.broker(SETTINGS, name="third", kind=other, data_directory=first.data_directory).start()
    go_on(third, before, 3)
    third.stop()
    step(f"{other} took over the groups that {case.kind} had changed")


if __name__ == "__main__":
    case.main(run)
