#!/usr/bin/env python3
"""Transactions, request by request: errors, epochs, states and what may be read are those of Apache Kafka.

Producers of the protocol before transaction.version 2 and of that version do what they should and what they should not:
repeat requests, come too late, are fenced, name others' ids, leave partitions out. Expected answers:
testdata/transactions_answers.json, recorded from Apache Kafka 4.3.1 by this script.
"""

import time

from harness import case
from harness.outcome import check, step
from harness.recorded import Probes, until
from harness.transactions import keyed_batch
from harness.wire import Connection

probes = Probes("transactions_answers")
PRODUCE, FETCH, OFFSET_COMMIT, OFFSET_FETCH, FIND, INIT, ADD, ADD_OFFSETS, END, MARKERS, OFFSETS, DESCRIBE, LIST = (
    0, 1, 8, 9, 10, 22, 24, 25, 26, 27, 28, 65, 66)
DELETE_GROUPS, OFFSET_DELETE = 42, 47
WHEN = int(time.time() * 1000)
LOADING = (14, 15, 16)


def call(broker, key, version, values):
    with Connection(broker.port) as connection:
        return connection.call(key, version, values)


class Producer:
    """Makes requests with an id and an epoch; answers tell the id by whose it is, as numbers differ from run to run."""

    made = {}

    def __init__(self, broker, name):
        self.broker, self.name, self.id, self.epoch, self.sequence = broker, name, -1, -1, 0

    def told(self, answer):
        return [answer["ErrorCode"], {-1: "none", self.id: "mine"}.get(answer["ProducerId"], "another"), answer["ProducerEpoch"]]

    def init(self, version=4, expected=None, timeout=60000, take=True, wait=True):
        def ask():
            return call(self.broker, INIT, version, {
                "TransactionalId": self.name, "TransactionTimeoutMs": timeout, "ProducerId": expected[0] if expected else -1,
                "ProducerEpoch": expected[1] if expected else -1})
        answer = until(ask, lambda told: not wait or told["ErrorCode"] not in (*LOADING, 51))
        told = self.told(answer)
        if take and answer["ErrorCode"] == 0:
            self.id, self.epoch, self.sequence = answer["ProducerId"], answer["ProducerEpoch"], 0
        return told

    def add(self, topics=(("t", 0),), version=3, epoch=None, producer_id=None, name=None):
        answer = call(self.broker, ADD, version, {
            "V3AndBelowTransactionalId": self.name if name is None else name,
            "V3AndBelowProducerId": self.id if producer_id is None else producer_id,
            "V3AndBelowProducerEpoch": self.epoch if epoch is None else epoch,
            "V3AndBelowTopics": [{"Name": topic, "Partitions": [index]} for topic, index in topics]})
        return sorted([topic["Name"], partition["PartitionIndex"], partition["PartitionErrorCode"]]
                      for topic in answer["ResultsByTopicV3AndBelow"] for partition in topic["ResultsByPartition"])

    def produce(self, version, partition=0, sequence=None, epoch=None, name=None, topic="t"):
        sequence = self.sequence if sequence is None else sequence
        sent = keyed_batch([(b"k", b"v")], WHEN, attributes=0x10,
                           producer=(self.id, self.epoch if epoch is None else epoch, sequence))
        answer = call(self.broker, PRODUCE, version, {
            "TransactionalId": self.name if name is None else name, "Acks": -1, "TimeoutMs": 30000,
            "TopicData": [{"Name": topic, "PartitionData": [{"Index": partition, "Records": sent}]}]})
        told = answer["Responses"][0]["PartitionResponses"][0]
        if told["ErrorCode"] == 0:
            self.sequence = sequence + 1
        return [told["ErrorCode"], told.get("ErrorMessage")]

    def end(self, commit, version, epoch=None, producer_id=None, name=None, settle=True):
        answer = call(self.broker, END, version, {
            "TransactionalId": self.name if name is None else name,
            "ProducerId": self.id if producer_id is None else producer_id,
            "ProducerEpoch": self.epoch if epoch is None else epoch, "Committed": commit})
        told = self.told(answer) if version >= 5 else [answer["ErrorCode"]]
        if settle:
            told.append(self.state())
        return told

    def take(self, answer):
        """Goes on with the epoch of an EndTxn 5."""
        if answer[0] == 0:
            self.epoch, self.sequence = answer[2], 0
        return answer

    def state(self):
        """Once its markers are written."""
        answer = until(lambda: call(self.broker, DESCRIBE, 0, {"TransactionalIds": [self.name]})["TransactionStates"][0],
                       lambda told: not told["TransactionState"].startswith("Prepare"))
        return answer["TransactionState"]

    def add_offsets(self, version, group="g", epoch=None):
        return call(self.broker, ADD_OFFSETS, version, {
            "TransactionalId": self.name, "ProducerId": self.id, "ProducerEpoch": self.epoch if epoch is None else epoch,
            "GroupId": group})["ErrorCode"]

    def commit_offset(self, offset, version, topic="t", epoch=None, group="g", generation=-1, member="", metadata=""):
        answer = call(self.broker, OFFSETS, version, {
            "TransactionalId": self.name, "GroupId": group, "ProducerId": self.id,
            "ProducerEpoch": self.epoch if epoch is None else epoch, "GenerationId": generation, "MemberId": member,
            "Topics": [{"Name": topic, "Partitions": [
                {"PartitionIndex": index, "CommittedOffset": offset, "CommittedMetadata": metadata} for index in (0, 9)]}]})
        return sorted([partition["PartitionIndex"], partition["ErrorCode"]]
                      for topic in answer["Topics"] for partition in topic["Partitions"])


def committed(broker, stable=True, group="g"):
    answer = call(broker, OFFSET_FETCH, 7, {"GroupId": group, "RequireStable": stable, "Topics": [
        {"Name": "t", "PartitionIndexes": [0]}]})
    one = answer["Topics"][0]["Partitions"][0]
    return [one["ErrorCode"], one["CommittedOffset"], one["Metadata"]]


def commit_plainly(broker, group, offset):
    return call(broker, OFFSET_COMMIT, 8, {"GroupId": group, "Topics": [{"Name": "t", "Partitions": [
        {"PartitionIndex": 0, "CommittedOffset": offset, "CommittedMetadata": ""}]}]})["Topics"][0]["Partitions"][0]["ErrorCode"]


def delete_offset(broker, group):
    answer = call(broker, OFFSET_DELETE, 0, {"GroupId": group, "Topics": [{"Name": "t", "Partitions": [{"PartitionIndex": 0}]}]})
    return [answer["ErrorCode"], [part["ErrorCode"] for topic in answer["Topics"] for part in topic["Partitions"]]]


def delete_group(broker, group):
    return call(broker, DELETE_GROUPS, 2, {"GroupsNames": [group]})["Results"][0]["ErrorCode"]


def fetch(broker, partition=0, committed_only=True, topic="t"):
    """High watermark and last stable offset, and how many aborted transactions are told."""
    answer = call(broker, FETCH, 11, {
        "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, "IsolationLevel": int(committed_only),
        "SessionId": 0, "SessionEpoch": -1, "ForgottenTopicsData": [], "RackId": "", "Topics": [
            {"Topic": topic, "Partitions": [{"Partition": partition, "FetchOffset": 0, "CurrentLeaderEpoch": -1,
                                           "LogStartOffset": -1, "PartitionMaxBytes": 1 << 20}]}]})
    part = answer["Responses"][0]["Partitions"][0]
    aborted = part["AbortedTransactions"]
    return [part["ErrorCode"], part["HighWatermark"], part["LastStableOffset"],
            None if aborted is None else [one["FirstOffset"] for one in aborted]]


def markers(broker, version, producer, topic="t", partition=0, epoch=None, coordinator_epoch=0, commit=False,
            transaction_version=0):
    answer = call(broker, MARKERS, version, {"Markers": [
        {"ProducerId": producer.id, "ProducerEpoch": producer.epoch if epoch is None else epoch, "TransactionResult": commit,
         "Topics": [{"Name": topic, "PartitionIndexes": [partition]}], "CoordinatorEpoch": coordinator_epoch,
         "TransactionVersion": transaction_version}]})
    return [partition["ErrorCode"] for marker in answer["Markers"] for topic in marker["Topics"]
            for partition in topic["Partitions"]]


# --- the coordinator

@probes.probe("FindCoordinator of a transactional id, until it is there")
def _(broker):
    def ask():
        return call(broker, FIND, 4, {"KeyType": 1, "CoordinatorKeys": ["tx"]})["Coordinators"][0]
    first = ask()
    return [first, until(ask, lambda told: told["ErrorCode"] == 0), call(broker, FIND, 2, {"KeyType": 1, "Key": "tx"})]


@probes.probe("the coordinator of the group, too")
def _(broker):
    return until(lambda: call(broker, FIND, 4, {"KeyType": 0, "CoordinatorKeys": ["g"]})["Coordinators"][0],
                 lambda told: told["ErrorCode"] == 0)


@probes.probe("the topics of the coordinators")
def _(broker):
    call(broker, 19, 5, {"timeoutMs": 10000, "Topics": [{"Name": "t", "NumPartitions": 3, "ReplicationFactor": 1}]})
    time.sleep(0.5)
    answer = call(broker, 32, 4, {"Resources": [{"ResourceType": 2, "ResourceName": "__transaction_state",
                                                 "ConfigurationKeys": ["cleanup.policy", "compression.type",
                                                                       "min.insync.replicas", "segment.bytes",
                                                                       "unclean.leader.election.enable"]}]})
    return sorted([config["Name"], config["Value"], config["ConfigSource"]] for config in answer["Results"][0]["Configs"])


# --- InitProducerId

@probes.probe("InitProducerId: the first, the next, and what is refused")
def _(broker):
    one = Producer(broker, "init")
    answers = [one.init(), one.init()]
    for timeout in (0, -1, 900_001, 900_000):
        answers.append(one.init(timeout=timeout, take=timeout == 900_000))
    answers.append(Producer(broker, "").init())
    answers += [one.init(expected=(one.id, -1), take=False), one.init(expected=(-1, 3), take=False)]
    return answers


@probes.probe("InitProducerId of a producer that says who it is")
def _(broker):
    one = Producer(broker, "init again")
    answers = [one.init(), one.init()]
    first = one.id, one.epoch
    answers += [one.init(expected=first), one.init(expected=first), one.init(expected=(one.id, 0), take=False),
                one.init(version=3, expected=(one.id, 0), take=False), one.init(expected=(one.id + 1000, 1), take=False),
                one.init(), one.init(expected=first, take=False)]
    return [answers, Producer(broker, "init unknown").init(expected=(5, 5))]


# --- before transaction.version 2

@probes.probe("partitions are added")
def _(broker):
    one = Producer(broker, "add")
    one.init()
    answers = [one.add([("t", 0), ("nope", 0), ("t", 9)]), one.add([("__consumer_offsets", 0)]), one.state()]
    for version in (0, 1, 2, 3):
        answers += [one.add(version=version), one.add(version=version, epoch=one.epoch + 1),
                    one.add(version=version, epoch=one.epoch - 1), one.add(version=version, producer_id=one.id + 1000),
                    one.add(version=version, name="unknown"), one.add(version=version, name="")]
    return answers


@probes.probe("EndTxn 0 to 4")
def _(broker):
    one = Producer(broker, "end")
    one.init()
    answers = [one.end(True, 4), one.end(False, 4), one.end(True, 4, name="unknown"), one.end(True, 4, name="")]
    for version in range(5):
        for commit in (True, False):
            answers += [one.add(version=min(version, 3)), one.produce(9), one.state(),
                        one.end(commit, version, epoch=one.epoch + 1), one.end(commit, version, producer_id=one.id + 1000),
                        one.end(commit, version), one.end(commit, version), one.end(not commit, version)]
    return answers


@probes.probe("Produce of a partition that was not added")
def _(broker):
    one = Producer(broker, "not added")
    one.init()
    answers = [one.produce(9), one.produce(10), one.produce(11), one.add([("t", 1)]), one.produce(11), one.produce(11, 1),
               one.produce(9, 1), one.produce(9, 1, name="unknown"), one.produce(9, name="unknown"), one.end(True, 4),
               one.produce(9, 1), one.produce(11, 1)]
    return answers


@probes.probe("an older producer of the same id")
def _(broker):
    old, new = Producer(broker, "fenced"), Producer(broker, "fenced")
    old.init()
    answers = [old.add([("t", 1)]), old.produce(9, 1), new.init(wait=False)[0], new.init(), old.state()]
    for version in range(5):
        answers += [old.end(True, version), old.add_offsets(version)]
    answers += [old.add([("t", 1)], version=version) for version in range(4)]
    answers += [old.produce(9, 1), old.produce(12, 1), old.commit_offset(1, 3), old.commit_offset(1, 5)]
    return [answers, new.epoch - old.epoch]


# --- transaction.version 2

@probes.probe("EndTxn 5")
def _(broker):
    one = Producer(broker, "end 5")
    one.init()
    answers = [one.end(True, 5), one.take(one.end(False, 5)), one.take(one.end(False, 5))]
    for commit in (True, False):
        old = one.epoch
        answers += [one.produce(12), one.produce(12), one.state(), one.take(one.end(commit, 5)),
                    one.end(commit, 5, epoch=old), one.end(not commit, 5, epoch=old), one.end(commit, 5, epoch=old - 1),
                    one.end(commit, 5, epoch=one.epoch + 1), one.end(True, 5), one.produce(12, epoch=old, sequence=2),
                    one.produce(9, epoch=old, sequence=2), one.add(epoch=old)]
    return answers


@probes.probe("Produce 12 and 13 make the partition part of the transaction")
def _(broker):
    one = Producer(broker, "implicit")
    one.init()
    answers = [one.produce(12), one.produce(12, 1), one.produce(12, 2, sequence=7)]
    told = call(broker, DESCRIBE, 0, {"TransactionalIds": ["implicit"]})["TransactionStates"][0]
    topics = sorted([topic["Topic"], sorted(topic["Partitions"])] for topic in told["Topics"])
    return [answers, told["TransactionState"], told["TransactionTimeoutMs"], topics, one.take(one.end(True, 5)),
            one.produce(12), one.end(False, 4)]


@probes.probe("a newer producer ends the transaction of the older")
def _(broker):
    old, new = Producer(broker, "fenced 2"), Producer(broker, "fenced 2")
    old.init()
    answers = [old.produce(12), new.init(wait=False)[0], new.init(), old.state(), old.produce(12), old.end(True, 5),
               old.end(False, 5)]
    return [answers, new.epoch - old.epoch, new.produce(12), new.take(new.end(True, 5))]


# --- offsets

@probes.probe("offsets in a transaction")
def _(broker):
    answers = []
    for version in range(6):
        one = Producer(broker, f"offsets {version}")
        one.init()
        for commit in (True, False):
            answers.append([one.commit_offset(version, version) if version < 5 else "adds by itself",
                            one.add_offsets(min(version, 4)) if version < 5 else "adds by itself",
                            one.commit_offset(10 * version + commit, version, metadata="m"), committed(broker),
                            committed(broker, stable=False), one.take(one.end(commit, version)) if version == 5 else
                            one.end(commit, version), committed(broker)])
    return answers


@probes.probe("offsets that are refused")
def _(broker):
    one = Producer(broker, "offsets refused")
    one.init()
    return [one.commit_offset(1, 5, topic="nope"), one.commit_offset(1, 5, generation=1), one.commit_offset(1, 5, member="m"),
            one.commit_offset(1, 5, group="another", generation=1), one.commit_offset(1, 5, metadata="m" * 5000),
            one.commit_offset(1, 5, epoch=one.epoch + 1), one.commit_offset(1, 3, epoch=one.epoch + 1), one.end(False, 5)]


@probes.probe("offsets of a group in the order of the log, whenever their transactions end")
def _(broker):
    first, second = Producer(broker, "order 1"), Producer(broker, "order 2")
    first.init()
    second.init()
    answers = [first.commit_offset(9, 5, group="order"), committed(broker, group="order"), commit_plainly(broker, "order", 20),
               committed(broker, group="order"), first.take(first.end(True, 5)), committed(broker, group="order")]
    answers += [first.commit_offset(30, 5, group="order"), second.commit_offset(40, 5, group="order"),
                second.take(second.end(True, 5)), committed(broker, group="order"), committed(broker, False, "order"),
                first.take(first.end(True, 5)), committed(broker, group="order")]
    # The last of one transaction's own, and what an abort leaves.
    return answers + [first.commit_offset(60, 5, group="order"), first.commit_offset(50, 5, group="order"),
                      first.take(first.end(True, 5)), committed(broker, group="order"), first.commit_offset(70, 5, group="order"),
                      commit_plainly(broker, "order", 45), first.take(first.end(False, 5)), committed(broker, group="order")]


@probes.probe("offsets that are deleted while a transaction is about to change them")
def _(broker):
    one, answers = Producer(broker, "deleted"), []
    one.init()
    for group, delete in (("deleted 1", delete_offset), ("deleted 2", delete_group)):
        answers += [commit_plainly(broker, group, 1), one.commit_offset(9, 5, group=group), delete(broker, group),
                    committed(broker, group=group), one.take(one.end(True, 5)), committed(broker, group=group)]
    # Of a transaction alone, without any other offset.
    for group, delete in (("deleted 3", delete_offset), ("deleted 4", delete_group)):
        answers += [one.commit_offset(9, 5, group=group), delete(broker, group), committed(broker, group=group),
                    one.take(one.end(True, 5)), committed(broker, group=group)]
    return answers


# --- brokers and administrators

@probes.probe("AddPartitionsToTxn of brokers")
def _(broker):
    one, two = Producer(broker, "broker one"), Producer(broker, "broker two")
    one.init()
    two.init()
    one.add([("t", 0)])
    answers = []
    for version in (4, 5):
        answer = call(broker, ADD, version, {"Transactions": [
            {"TransactionalId": producer.name, "ProducerId": producer.id, "ProducerEpoch": producer.epoch + extra,
             "VerifyOnly": verify, "Topics": [{"Name": topic, "Partitions": partitions}]}
            for producer, extra, verify, topic, partitions in (
                (one, 0, True, "t", [0, 1]), (two, 0, False, "t", [0, 1]), (Producer(broker, "nobody"), 0, True, "t", [0]))]})
        answers.append([answer["ErrorCode"], sorted(
            [result["TransactionalId"], partition["PartitionIndex"], partition["PartitionErrorCode"]]
            for result in answer["ResultsByTransaction"] for topic in result["TopicResults"]
            for partition in topic["ResultsByPartition"])])
        for extra, topic in ((1, "t"), (-1, "t"), (0, "nope")):
            answer = call(broker, ADD, version, {"Transactions": [
                {"TransactionalId": one.name, "ProducerId": one.id, "ProducerEpoch": one.epoch + extra, "VerifyOnly": True,
                 "Topics": [{"Name": topic, "Partitions": [0]}]}]})
            answers.append(answer["ResultsByTransaction"][0]["TopicResults"][0]["ResultsByPartition"])
    return [answers, two.state(), one.end(False, 4), two.end(False, 5)]


@probes.probe("WriteTxnMarkers")
def _(broker):
    one = Producer(broker, "markers")
    one.init()
    one.init()
    answers = [one.produce(12, 2, sequence=0), fetch(broker, 2)]
    answers += [markers(broker, 1, one, topic="nope"), markers(broker, 1, one, partition=9),
                markers(broker, 2, one, partition=2, transaction_version=2),
                markers(broker, 1, one, partition=2, epoch=one.epoch - 1), markers(broker, 1, one, partition=2, coordinator_epoch=5),
                fetch(broker, 2), markers(broker, 1, one, partition=2, coordinator_epoch=4),
                markers(broker, 1, one, partition=2, coordinator_epoch=5),
                markers(broker, 2, one, partition=2, coordinator_epoch=5, epoch=one.epoch + 1, transaction_version=2),
                markers(broker, 2, one, partition=2, coordinator_epoch=5, epoch=one.epoch + 1, transaction_version=2),
                fetch(broker, 2), call(broker, MARKERS, 1, {"Markers": []})]
    return answers


@probes.probe("WriteTxnMarkers of ids and epochs that cannot be")
def _(broker):
    call(broker, 19, 5, {"timeoutMs": 10000, "Topics": [{"Name": "bad-markers", "NumPartitions": 9, "ReplicationFactor": 1}]})
    time.sleep(0.5)
    one = Producer(broker, "bad markers")
    one.init()
    one.init()

    def told(partition, producer_id=None, **given):
        other = Producer(broker, "")
        other.id, other.epoch = one.id if producer_id is None else producer_id, one.epoch
        version = 2 if "transaction_version" in given else 1
        return markers(broker, version, other, topic="bad-markers", partition=partition, **given)

    answers = []
    # To a partition that knows nobody.
    for epoch in (-1, -2, -32768):
        answers.append([told(0, epoch=epoch), told(0, epoch=epoch, commit=True)])
        answers += [told(0, epoch=epoch, transaction_version=version) for version in (0, 1, 2)]
    for producer_id in (-1, -2, -2**63, 2**63 - 1):
        answers += [told(1, producer_id), told(1, producer_id, transaction_version=2), told(1, producer_id, epoch=-1)]
    answers += [told(2, coordinator_epoch=epoch) for epoch in (-1, -2, -2**31, 0, -1, 2**31 - 1, 5)]
    answers += [told(3, transaction_version=version) for version in (-128, -1, 3, 127)]
    answers += [told(-1), told(9), told(-2**31)]
    # To one where the producer has a transaction, and one where it has none but was idempotent.
    answers += [one.produce(12, 0, topic="bad-markers"), told(0, epoch=-1), told(0, coordinator_epoch=-1), told(0, epoch=-1),
                told(0, epoch=one.epoch - 1), told(0, epoch=-1, transaction_version=2),
                told(0, epoch=one.epoch, transaction_version=2), told(0, epoch=one.epoch + 1, transaction_version=2)]
    plain = keyed_batch([(b"k", b"v")], WHEN, producer=(one.id, one.epoch, 0))
    answer = call(broker, PRODUCE, 9, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 30000, "TopicData": [
        {"Name": "bad-markers", "PartitionData": [{"Index": 4, "Records": plain}]}]})
    answers += [answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"], told(4, epoch=-1),
                told(4, epoch=one.epoch - 1), told(4), told(4, transaction_version=2, epoch=one.epoch),
                told(4, transaction_version=2, epoch=one.epoch + 1)]
    # Several in a request: what one that cannot be does to those before and behind it.
    def several(*given, base=one.id + 1_000_000):
        """(producer id beyond the base, epoch, transaction version, topic, partitions) each."""
        answer = call(broker, MARKERS, 2, {"Markers": [
            {"ProducerId": -1 if extra is None else base + extra, "ProducerEpoch": epoch, "TransactionResult": False,
             "CoordinatorEpoch": 1, "TransactionVersion": version, "Topics": [{"Name": name, "PartitionIndexes": indexes}]}
            for extra, epoch, version, name, indexes in given]})
        return sorted([marker["ProducerId"] - base if marker["ProducerId"] >= base else -1, topic["Name"],
                       partition["PartitionIndex"], partition["ErrorCode"]] for marker in answer["Markers"]
                      for topic in marker["Topics"] for partition in topic["Partitions"])

    first, last = (1, 0, 0, "bad-markers", [5]), (3, 0, 0, "bad-markers", [8])
    answers += [several(first, (2, -1, 0, "bad-markers", [6, 7]), (4, 0, 0, "nope", [9]), last),
                several((1, 0, 0, "bad-markers", [5]), (1, -1, 0, "bad-markers", [6, 7]), (1, 0, 0, "bad-markers", [8])),
                several(first, (None, 0, 0, "bad-markers", [6, 7]), last),
                several(first, (2, -1, 0, "bad-markers", [6, 99]), last), several(first, (2, -1, 0, "bad-markers", [99]), last),
                several(first, (2, 0, -1, "bad-markers", [6, 7]), last), several(first, (2, -2, 0, "bad-markers", [6]), last),
                several(first, (1, 0, 0, "bad-markers", [5, 7]), last), several(first, (2, -1, 0, "__consumer_offsets", [1]), last),
                several((2, 0, -1, "__consumer_offsets", [1]), (2, 0, -1, "nope", [1])),
                several((None, 0, 0, "__consumer_offsets", [1]), first), several((2, -2, 0, "__consumer_offsets", [1]), first)]
    # The coordinators' own topics.
    answers += [markers(broker, 1, one, topic=topic, epoch=epoch, coordinator_epoch=coordinator_epoch)
                for topic in ("__consumer_offsets", "__transaction_state", "__cluster_metadata")
                for epoch, coordinator_epoch in ((-1, 0), (one.epoch + 3, -1), (one.epoch + 3, 3), (one.epoch + 3, 2))]
    return [answers, [fetch(broker, partition, topic="bad-markers") for partition in range(9)]]


@probes.probe("transactions are described")
def _(broker):
    answer = call(broker, DESCRIBE, 0, {"TransactionalIds": ["init", "nobody", ""]})["TransactionStates"]
    return sorted(([told["TransactionalId"], told["ErrorCode"], told["TransactionState"], told["TransactionTimeoutMs"],
                    told["ProducerEpoch"], told["Topics"]] for told in answer))


@probes.probe("transactions are listed")
def _(broker):
    one = Producer(broker, "listed")
    one.init()
    one.produce(12)

    def listed(version=2, **filters):
        answer = call(broker, LIST, version, {"StateFilters": [], "ProducerIdFilters": [], **filters})
        return [answer["ErrorCode"], sorted(answer["UnknownStateFilters"]),
                sorted([told["TransactionalId"], told["TransactionState"]] for told in answer["TransactionStates"])]

    return [listed(0), listed(StateFilters=["Ongoing"]), listed(StateFilters=["Bogus", "Ongoing"]), listed(StateFilters=["Bogus"]),
            listed(StateFilters=["ongoing"]), listed(ProducerIdFilters=[one.id]), listed(ProducerIdFilters=[-1]),
            listed(1, DurationFilter=100_000_000, StateFilters=["Ongoing"]), listed(1, DurationFilter=0, StateFilters=["Ongoing"]),
            listed(TransactionalIdPattern="list.*"), listed(TransactionalIdPattern="list"), listed(TransactionalIdPattern=""),
            listed(TransactionalIdPattern="(["), one.end(False, 5)]


@probes.probe("what can be read in the end")
def _(broker):
    return [fetch(broker, partition, committed_only) for partition in range(3) for committed_only in (True, False)]


def run(case):
    broker = case.broker().start()
    count = probes.compare(broker)
    check(count > 15, "there are probes")
    step(f"{count} conversations went as with Apache Kafka")


if __name__ == "__main__":
    case.main(run)
