#!/usr/bin/env python3
"""What a producer is told whose transaction was aborted because it took too long, and of an id that nobody has used.

Each API is asked by a late producer of its own, at each of its versions: of the protocol before transaction.version 2, of
that version, with records and with offsets. Then transactional ids expire: what was remembered is gone, an open
transaction is not. Expected answers: testdata/transactions_timing_answers_{timeouts,expiry}.json, recorded from Apache
Kafka 4.3.1 by this script.
"""

import time

from transactions_answers import Producer, call, committed, fetch
from transactions_levels_answers import prepare, records_of

from harness import case
from harness.outcome import check, step
from harness.recorded import Probes, until

DESCRIBE_PRODUCERS, DESCRIBE, LIST = 61, 65, 66
TIMEOUT_MS = 500
TIMEOUTS = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "100"}
EXPIRY = {"transactional.id.expiration.ms": "3000", "transaction.remove.expired.transaction.cleanup.interval.ms": "200"}
timeouts = Probes("transactions_timing_answers_timeouts")
expiry = Probes("transactions_timing_answers_expiry")


def begin(broker, name, since, offsets=False):
    """A producer with an open transaction that has little time; `since`: of the protocol of transaction.version 2."""
    one = Producer(broker, name)
    check(one.init(timeout=TIMEOUT_MS)[0] == 0, "a producer id")
    if offsets:
        told = [] if since else [one.add_offsets(3)]
        told.append(one.commit_offset(5, 5 if since else 3)[0][1])
    else:
        told = [] if since else [one.add()[0][2]]
        told.append(one.produce(12 if since else 9)[0])
    check(set(told) == {0}, f"{name} has a transaction: {told}")
    return one


def aborted(producers):
    """Waits until all of them came too late."""
    for one in producers:
        until(lambda one=one: one.state(), lambda state: state == "CompleteAbort")
    return [one.state() for one in producers]


def late(broker, name, since, requests, offsets=False):
    """Each request by a late producer of its own, and again; what its transaction is then, and the next one's epoch."""
    producers = [begin(broker, f"{name} {number} {since}", since, offsets) for number in range(len(requests))]
    answers = aborted(producers)
    for one, request in zip(producers, requests):
        answers.append([request(one), request(one), one.state()])
        old = one.epoch
        answers.append([one.init(), one.epoch - old])
    return answers


@timeouts.probe("what becomes of a transaction that takes too long")
def _(broker):
    answers = []
    for since in (False, True):
        for offsets in (False, True):
            one = begin(broker, f"time {since} {offsets}", since, offsets)
            before = call(broker, DESCRIBE, 0, {"TransactionalIds": [one.name]})["TransactionStates"][0]
            aborted([one])
            after = call(broker, DESCRIBE, 0, {"TransactionalIds": [one.name]})["TransactionStates"][0]
            answers += [[told["TransactionState"], told["TransactionTimeoutMs"], told["ProducerEpoch"], told["Topics"],
                         told["TransactionStartTimeMs"] == -1] for told in (before, after)]
            answers += [records_of(broker, one.name), committed(broker), fetch(broker)]
            producers = call(broker, DESCRIBE_PRODUCERS, 0, {"Topics": [{"Name": "t", "PartitionIndexes": [0]}]})
            answers += [[told["ProducerEpoch"], told["LastSequence"], told["CoordinatorEpoch"], told["CurrentTxnStartOffset"]]
                        for told in producers["Topics"][0]["Partitions"][0]["ActiveProducers"] if told["ProducerId"] == one.id]
    return answers


for protocol in (False, True):
    named = f"the protocol {'of' if protocol else 'before'} transaction.version 2"

    @timeouts.probe(f"EndTxn, {named}")
    def _(broker, since=protocol):
        return [late(broker, f"end {commit}", since, [lambda one, version=version: one.end(commit, version)
                                                      for version in range(6)]) for commit in (True, False)]

    @timeouts.probe(f"EndTxn of offsets, {named}")
    def _(broker, since=protocol):
        return [late(broker, f"end offsets {commit}", since, [lambda one, version=version: one.end(commit, version)
                                                              for version in (2, 4, 5)], True) for commit in (True, False)]

    @timeouts.probe(f"Produce, {named}")
    def _(broker, since=protocol):
        return late(broker, "produce", since, [lambda one, version=version: one.produce(version)
                                               for version in (3, 7, 9, 10, 11, 12)] +
                    [lambda one: one.produce(12, 1), lambda one: one.produce(11, 1), lambda one: one.produce(12, sequence=0)])

    @timeouts.probe(f"AddPartitionsToTxn, {named}")
    def _(broker, since=protocol):
        return late(broker, "add", since, [lambda one, version=version: one.add(version=version) for version in range(4)] +
                    [lambda one: one.add([("t", 1)])])

    @timeouts.probe(f"AddPartitionsToTxn of brokers, {named}")
    def _(broker, since=protocol):
        def ask(one, version, verify):
            answer = call(broker, 24, version, {"Transactions": [
                {"TransactionalId": one.name, "ProducerId": one.id, "ProducerEpoch": one.epoch, "VerifyOnly": verify,
                 "Topics": [{"Name": "t", "Partitions": [0]}]}]})
            return answer["ResultsByTransaction"][0]["TopicResults"][0]["ResultsByPartition"]
        return late(broker, "add of brokers", since, [lambda one, version=version, verify=verify: ask(one, version, verify)
                                                      for version in (4, 5) for verify in (True, False)])

    @timeouts.probe(f"AddOffsetsToTxn, {named}")
    def _(broker, since=protocol):
        return late(broker, "add offsets", since, [lambda one, version=version: one.add_offsets(version) for version in range(5)],
                    True)

    @timeouts.probe(f"TxnOffsetCommit, {named}")
    def _(broker, since=protocol):
        return late(broker, "offsets", since, [lambda one, version=version: one.commit_offset(9, version)
                                               for version in range(6)], True)

    @timeouts.probe(f"InitProducerId, {named}")
    def _(broker, since=protocol):
        return late(broker, "init", since, [
            lambda one, version=version: one.init(version, (one.id, one.epoch), take=False) for version in (3, 4, 5)] +
            [lambda one, version=version: one.init(version, take=False) for version in (0, 4)])


@timeouts.probe("InitProducerId with the epoch before an end, and the one before that")
def _(broker):
    def asked(name, since, end):
        """With each epoch, by a producer of its own that ended its transaction so."""
        answers = []
        for epoch in range(3):
            one = Producer(broker, f"before {name} {since} {epoch}")
            one.init()
            one.init()
            told = [one.produce(12)] if since else [one.add(), one.produce(9)]
            told += [end(one), one.init(expected=(one.id, epoch), take=False), records_of(broker, one.name)]
            other = Producer(broker, one.name)
            answers.append([told, other.init(), one.init(expected=(one.id, epoch), take=False)])
        return answers

    def begins_anew(one):
        told = one.init(expected=(one.id, 1), take=False, wait=False)
        return [told, one.state()]

    def is_fenced(one):
        told = Producer(broker, one.name).init(wait=False)[0]
        return [told, one.state()]

    return [asked("committed", True, lambda one: one.end(True, 5)), asked("aborted", True, lambda one: one.end(False, 5)),
            asked("committed", False, lambda one: one.end(True, 4)), asked("anew", True, begins_anew),
            asked("anew", False, begins_anew), asked("fenced", True, is_fenced), asked("fenced", False, is_fenced)]


@timeouts.probe("it goes on after it has begun anew")
def _(broker):
    one = begin(broker, "goes on", False)
    answers = [aborted([one]), one.init(), one.add(), one.produce(9), one.end(True, 4)]
    other = begin(broker, "goes on since", True)
    return [*answers, aborted([other]), other.init(), other.produce(12), other.take(other.end(True, 5))]


@timeouts.probe("what can be read in the end")
def _(broker):
    # How many of them were aborted says the last stable offset.
    high, stable = fetch(broker)[1:3]
    return [fetch(broker)[0], high == stable, committed(broker)]


# --- transactional ids that nobody has used

def gone(one):
    told = until(lambda: call(one.broker, DESCRIBE, 0, {"TransactionalIds": [one.name]})["TransactionStates"][0],
                 lambda told: told["ErrorCode"] != 0)
    return [told["ErrorCode"], told["TransactionState"]]


def in_all_states(broker, prefix):
    empty, committing, aborting, since, running = (Producer(broker, f"{prefix} {name}") for name in (
        "empty", "committed", "aborted", "since", "open"))
    for one in (empty, committing, aborting, since, running):
        one.init()
    committing.add()
    committing.produce(9)
    committing.end(True, 4)
    aborting.add()
    aborting.produce(9)
    aborting.end(False, 4)
    since.produce(12)
    since.take(since.end(True, 5))
    running.add()
    running.produce(9)
    return empty, committing, aborting, since, running


@expiry.probe("which ids are forgotten")
def _(broker):
    producers = in_all_states(broker, "states")
    answers = [one.state() for one in producers] + [gone(one) for one in producers[:-1]]
    running = producers[-1]
    answers += [running.state(), running.end(True, 4), gone(running)]
    listed = call(broker, LIST, 2, {"StateFilters": [], "ProducerIdFilters": [],
                                    "TransactionalIdPattern": "states.*"})["TransactionStates"]
    return [answers, listed]


@expiry.probe("a forgotten id begins anew")
def _(broker):
    answers = []
    for one in in_all_states(broker, "anew")[:-1]:
        old = one.id
        answers += [gone(one), one.init(), one.id == old]
    return answers


@expiry.probe("what the producer of a forgotten id is told")
def _(broker):
    answers = []
    requests = [lambda one: [one.add(version=version) for version in range(4)],
                lambda one: [one.add_offsets(version) for version in range(5)],
                lambda one: [one.end(True, version, settle=False) for version in range(6)],
                lambda one: [one.commit_offset(3, version) for version in range(6)],
                lambda one: [one.produce(version) for version in (9, 11, 12)],
                lambda one: [one.init(version, (one.id, one.epoch), take=False) for version in (3, 4, 5)]]
    producers = [in_all_states(broker, f"told {number}")[:4] for number in range(len(requests))]
    for request, group in zip(requests, producers):
        for one in group:
            answers.append([gone(one), request(one)])
    return answers


@expiry.probe("an id that is used is not forgotten")
def _(broker):
    one = Producer(broker, "used")
    one.init()
    answers, end = [], time.monotonic() + 5
    while time.monotonic() < end:
        answers.append([one.add(), one.produce(9), one.end(True, 4)])
        time.sleep(0.25)
    check(len(answers) > 5, "it was used")
    return [all(answer == answers[0] for answer in answers), answers[0], one.state()]


def run(case):
    case.at_once(lambda: compare(case, "timeouts", TIMEOUTS, timeouts, 19), lambda: compare(case, "expiry", EXPIRY, expiry, 3))


def compare(case, name, settings, probes, more_than):
    broker = case.broker(settings, name=name).start()
    prepare(broker)
    count = probes.compare(broker)
    check(count > more_than, f"there are {count} probes")
    broker.stop()
    step(f"{name}: {count} conversations went as with Apache Kafka")


if __name__ == "__main__":
    case.main(run)
