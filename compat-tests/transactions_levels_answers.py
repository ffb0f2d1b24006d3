#!/usr/bin/env python3
"""Transactions of clusters whose transaction.version is 0 or 1, and while it changes, are answered as by Apache Kafka.

One broker is formatted at each level, and one at 2 that goes down and up again under open transactions. Compared are
errors, epochs, states, what may be read, and the version of each record of __transaction_state. At level 0 a request of
the protocol of transaction.version 2, which no client makes there, is refused; the transactional id goes on then, where
Apache Kafka is never done with it. Expected answers:
testdata/transactions_levels_answers_{0,1,changing}.json, recorded from Apache Kafka 4.3.1 by this script.
"""

import struct
import time

from transactions_answers import Producer, call, committed, fetch

from harness import case
from harness.outcome import check, check_equal, step
from harness.recorded import Probes, until
from harness.wire_client import WireClient

API_VERSIONS, UPDATE_FEATURES = 18, 57
FEATURE = "transaction.version"
UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3
levels = {level: Probes(f"transactions_levels_answers_{level}") for level in ("0", "1")}
changing = Probes("transactions_levels_answers_changing")


def prepare(broker):
    with WireClient(broker.port) as client:
        client.create_topic("t", 3)
        for key_type, key in ((0, "g"), (1, "x")):
            client.patiently("a coordinator", lambda key=key, key_type=key_type: (
                client.call(10, 2, {"Key": key, "KeyType": key_type})["ErrorCode"], None))
    Producer(broker, "first").init()
    until(lambda: committed(broker)[0], lambda code: code == 0)


def finalized(broker):
    """The level as ApiVersions tells it: [least, most], and nothing at level 0."""
    answer = call(broker, API_VERSIONS, 4, {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1"})
    supported = [[one["MinVersion"], one["MaxVersion"]] for one in answer["SupportedFeatures"] if one["Name"] == FEATURE]
    level = [[one["MinVersionLevel"], one["MaxVersionLevel"]] for one in answer["FinalizedFeatures"] if one["Name"] == FEATURE]
    return supported, level


def records_of(broker, name, since=0):
    """[version, epoch, state] of each record of a transactional id; since the n-th."""
    with WireClient(broker.port) as client:
        found = [record for partition in range(5) for record in client.records("__transaction_state", partition)]
    key = b"\0\0" + struct.pack(">h", len(name)) + name.encode()
    rows = []
    for record in found:
        if record.key == key:
            version, _, epoch, _, state = struct.unpack(">hqhib", record.value[:17])
            rows.append([version, epoch, state, len(record.value)])
    return rows[since:]


def each(probes_of, name):
    """Decorator: the same question at each level."""
    def add(question):
        for probes in probes_of.values():
            probes.probe(name)(question)
        return question
    return add


@each(levels, "the level that is told")
def _(broker):
    return finalized(broker)


@each(levels, "InitProducerId, again, and by a producer that says who it is")
def _(broker):
    one = Producer(broker, "init")
    answers = [one.init(version) for version in (0, 1, 2, 3, 4, 5)]
    answers += [one.init(expected=(one.id, one.epoch)), one.init(expected=(one.id, one.epoch - 1), take=False)]
    return [answers, records_of(broker, "init")]


@each(levels, "a transaction of the protocol before transaction.version 2")
def _(broker):
    one = Producer(broker, "before")
    one.init()
    answers = []
    for version in range(5):
        for commit in (True, False):
            answers += [one.add(version=min(version, 3)), one.produce(9), one.add_offsets(min(version, 4)),
                        one.commit_offset(version, min(version, 4)), one.state(), one.end(commit, version),
                        one.end(commit, version), one.end(not commit, version), committed(broker), one.epoch]
    return [answers, records_of(broker, "before"), fetch(broker)]


@each({"1": levels["1"]}, "requests of the protocol of transaction.version 2")
def _(broker):
    one = Producer(broker, "since")
    one.init()
    answers = [one.produce(12, 1), one.state()]
    answers += [one.end(True, 5, epoch=one.epoch + 1), one.take(one.end(True, 5)), one.produce(12, 1), one.produce(12, 1, epoch=0),
                one.commit_offset(7, 5), one.state(), committed(broker)]
    answers += [one.take(one.end(False, 5)), one.take(one.end(False, 5)), one.take(one.end(True, 5)), one.epoch,
                one.produce(13, 1), one.take(one.end(True, 5)), committed(broker), one.epoch]
    return [answers, records_of(broker, "since"), fetch(broker, 1)]


@each({"1": levels["1"]}, "both in one transaction")
def _(broker):
    one = Producer(broker, "both")
    one.init()
    answers = [one.add([("t", 2)]), one.produce(12, 2), one.end(True, 4), one.add([("t", 2)]), one.produce(9, 2),
               one.take(one.end(True, 5)), one.add([("t", 2)]), one.produce(9, 2), one.take(one.end(False, 5)),
               one.produce(12, 2), one.end(True, 3), one.epoch]
    return [answers, records_of(broker, "both")]


@each(levels, "a partition that was not added")
def _(broker):
    one = Producer(broker, "not added")
    one.init()
    return [one.produce(version, 1) for version in (9, 10, 11)] + [one.state(), one.commit_offset(1, 3), one.commit_offset(1, 4)]


@each(levels, "a newer producer of the same id")
def _(broker):
    answers = []
    for version in (9, 12) if finalized(broker)[1] else (9,):
        old, new = Producer(broker, f"fenced {version}"), Producer(broker, f"fenced {version}")
        old.init()
        answers += [old.add() if version < 12 else None, old.produce(version), new.init(wait=False)[0], new.init(), old.state(),
                    new.epoch - old.epoch]
        for late in range(6):
            answers += [old.end(True, late), old.end(False, late)]
        answers += [old.add(version=late) for late in range(4)] + [old.add_offsets(late) for late in range(5)]
        answers += [old.produce(late) for late in (9, 11, 12)] + [old.commit_offset(1, late) for late in range(6)]
        answers += [old.init(expected=(old.id, old.epoch), take=False), records_of(broker, old.name)]
    return answers


def add_as_broker(one, version, verify):
    answer = call(one.broker, 24, version, {"Transactions": [
        {"TransactionalId": one.name, "ProducerId": one.id, "ProducerEpoch": one.epoch, "VerifyOnly": verify,
         "Topics": [{"Name": "t", "Partitions": [0]}]}]})
    return [answer["ErrorCode"], [topic["ResultsByPartition"] for result in answer["ResultsByTransaction"]
                                  for topic in result["TopicResults"]]]


@each(levels, "AddPartitionsToTxn of brokers that verify")
def _(broker):
    one = Producer(broker, "verified")
    one.init()
    return [add_as_broker(one, 4, True), one.add(), add_as_broker(one, 4, True), add_as_broker(one, 5, True), one.end(True, 4),
            add_as_broker(one, 4, True)]


@each({"1": levels["1"]}, "AddPartitionsToTxn of brokers that add")
def _(broker):
    one = Producer(broker, "added")
    one.init()
    answers = []
    for version in (4, 5):
        answers += [add_as_broker(one, version, False), add_as_broker(one, version, True), one.end(True, 4)]
    return answers


def error_of(told):
    """Apache Kafka fails the whole request."""
    return told[0] or told[1][0][0]["PartitionErrorCode"]


REFUSED_AT_0 = [lambda one: one.produce(12), lambda one: one.commit_offset(1, 5),
                lambda one: one.end(False, 5, settle=False), lambda one: error_of(add_as_broker(one, 4, False)),
                lambda one: error_of(add_as_broker(one, 5, False))]


def refused_at_0(broker, name):
    """Each by a producer of its own, with a transaction that is open and with none."""
    for is_open in (False, True):
        for number, request in enumerate(REFUSED_AT_0):
            one = Producer(broker, f"{name} {number} {is_open}")
            one.init()
            if is_open:
                one.add([("t", 1)])
            yield one, request, is_open


@levels["0"].probe("requests of the protocol of transaction.version 2 are refused")
def _(broker):
    return [[request(one), records_of(broker, one.name)] for one, request, _ in refused_at_0(broker, "refused")]


def go_on_at_0(broker):
    """What was refused has changed nothing."""
    for one, request, is_open in refused_at_0(broker, "goes on"):
        for _ in range(2):
            request(one)
        check_equal(one.add(), [["t", 0, 0]], f"{one.name} begins a transaction")
        check_equal([one.produce(9), one.end(True, 4)], [[0, None], [0, "CompleteCommit"]], f"{one.name} commits it")
        check_equal(one.init(), [0, "mine", 1], f"{one.name} begins anew")


# --- the level changes under open transactions

def update(broker, level, kind, validate_only=False):
    answer = call(broker, UPDATE_FEATURES, 1, {"timeoutMs": 10000, "ValidateOnly": validate_only, "FeatureUpdates": [
        {"Feature": FEATURE, "MaxVersionLevel": level, "UpgradeType": kind}]})
    told = [answer["ErrorCode"], answer["ErrorMessage"],
            [[result["Feature"], result["ErrorCode"], result["ErrorMessage"]] for result in answer["Results"]]]
    if answer["ErrorCode"] == 0 and not validate_only:
        wanted = [[level, level]] if level else []
        until(lambda: finalized(broker)[1], lambda found: found == wanted)
        time.sleep(0.3)  # Who has told of the level and who works by it are not the same.
    return [told, finalized(broker)]


@changing.probe("refused changes")
def _(broker):
    return [update(broker, 1, UPGRADE), update(broker, 3, UPGRADE), update(broker, -1, SAFE_DOWNGRADE), update(broker, 2, UPGRADE),
            update(broker, 2, SAFE_DOWNGRADE), update(broker, 1, SAFE_DOWNGRADE, validate_only=True)]


@changing.probe("transactions are begun at each level and ended at another")
def _(broker):
    open_ones, answers = {}, []
    for level, kind in ((2, None), (1, SAFE_DOWNGRADE), (2, UPGRADE), (1, UNSAFE_DOWNGRADE), (0, SAFE_DOWNGRADE), (1, UPGRADE),
                        (0, UNSAFE_DOWNGRADE), (2, UPGRADE)):
        if level == 0:  # A transaction of that protocol that is open then: refused_then().
            answers.append(open_ones.pop("since").end(True, 5)[0])
        if kind is not None:
            answers.append(update(broker, level, kind))
        for one in open_ones.values():
            answers.append([one.name, one.take(one.end(True, 5)) if one.name.startswith("since") else one.end(True, 4)])
        for name in ("before", "since"):
            if level == 0 and name == "since":
                continue
            one = open_ones.setdefault(name, Producer(broker, name))
            one.init()
            answers.append([one.add(), one.produce(9)] if name == "before" else [one.produce(12)])
            answers += [one.epoch, records_of(broker, name)[-1]]
    for name, one in open_ones.items():
        answers.append([one.end(False, 5 if name == "since" else 4), one.epoch, records_of(broker, name)])
    return answers


@changing.probe("a transaction of the protocol of transaction.version 2 is open when the level becomes 0")
def _(broker):
    one = Producer(broker, "surprised")
    one.init()
    return [one.produce(12, 2), update(broker, 0, UNSAFE_DOWNGRADE), one.end(True, 5, settle=False), records_of(broker, one.name)]


@changing.probe("what can be read in the end")
def _(broker):
    return [fetch(broker), fetch(broker, committed_only=False)]


def go_on_after_surprise(broker):
    """It can be ended as before, and another producer can come."""
    one = Producer(broker, "surprised")
    check_equal(one.state(), "Ongoing", "a transaction whose end was refused")
    one.init()
    check_equal([one.add([("t", 2)]), one.produce(9, 2), one.end(True, 4)], [[["t", 2, 0]], [0, None], [0, "CompleteCommit"]],
                "the transaction after it")


def run(case):
    count = 0
    for level, probes in levels.items():
        broker = case.broker(name=f"level-{level}")
        broker.format_options = [*broker.format_options, "--feature", f"{FEATURE}={level}"]
        broker.start()
        prepare(broker)
        count += probes.compare(broker)
        if level == "0" and case.is_barnabas:
            go_on_at_0(broker)
        broker.stop()
        step(f"transaction.version {level}: {count} conversations went as with Apache Kafka")
    broker = case.broker(name="changing").start()
    prepare(broker)
    count += changing.compare(broker)
    if case.is_barnabas:
        go_on_after_surprise(broker)
    broker.stop()
    check(count > 15, "there are probes")
    step("the level was changed under open transactions")


if __name__ == "__main__":
    case.main(run)
