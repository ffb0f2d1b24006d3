#!/usr/bin/env python3
"""A data directory with open transactions moves between Barnabas and Apache Kafka, in both directions, killed each time.

One broker commits, aborts and leaves open: a transaction with records, one with offsets of a group. It is killed (kill
-9), and kafka-dump-log reads what it wrote to __transaction_state and __consumer_offsets. The other one starts on the
directory: the open transactions go on with the producer ids and epochs that they have and are committed, a new producer
of a known id gets the next epoch, and another transaction is left open. It is killed too, and the first one ends that.
Both the protocol before transaction.version 2 and that of it are used.
"""

import subprocess
import time

from harness import case, places
from harness.outcome import check, check_contains, check_equal, step
from harness.transactions import keyed_batch
from harness.wire import Connection

PRODUCE, FETCH, OFFSET_FETCH, FIND_COORDINATOR, INIT, ADD, ADD_OFFSETS, END = 0, 1, 9, 10, 22, 24, 25, 26
TXN_OFFSET_COMMIT, DESCRIBE = 28, 65
CONCURRENT_TRANSACTIONS, COORDINATOR_NOT_AVAILABLE, LOADING, NOT_COORDINATOR = 51, 15, 14, 16
RETRIED = (CONCURRENT_TRANSACTIONS, COORDINATOR_NOT_AVAILABLE, LOADING, NOT_COORDINATOR)
WHEN = 1_700_000_000_000


class Producer:
    """A transactional producer by hand; `version` is the transaction.version whose protocol it speaks."""

    def __init__(self, broker, name, version):
        self.name, self.version, self.sequence = name, version, {}
        self.use(broker)
        self.init()

    def use(self, broker):
        """Goes on with this broker."""
        self.connection = Connection(broker.port)
        self.retry(FIND_COORDINATOR, 4, {"KeyType": 1, "CoordinatorKeys": [self.name]},
                   lambda answer: answer["Coordinators"][0]["ErrorCode"])
        return self

    def retry(self, key, version, body, code_of):
        for _ in range(300):
            answer = self.connection.call(key, version, body)
            if code_of(answer) not in RETRIED:
                break
            time.sleep(0.1)
        check_equal(code_of(answer), 0, f"API {key} of {self.name}: {answer}")
        return answer

    def init(self):
        answer = self.retry(INIT, 4, {"TransactionalId": self.name, "TransactionTimeoutMs": 600000, "ProducerId": -1,
                                      "ProducerEpoch": -1}, lambda told: told["ErrorCode"])
        self.id, self.epoch, self.sequence = answer["ProducerId"], answer["ProducerEpoch"], {}

    def send(self, topic, partition, values):
        if self.version < 2:
            self.retry(ADD, 3, {"V3AndBelowTransactionalId": self.name, "V3AndBelowProducerId": self.id,
                                "V3AndBelowProducerEpoch": self.epoch,
                                "V3AndBelowTopics": [{"Name": topic, "Partitions": [partition]}]},
                       lambda told: told["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"])
        first = self.sequence.get((topic, partition), 0)
        sent = keyed_batch([(b"k", value.encode()) for value in values], WHEN, attributes=0x10,
                           producer=(self.id, self.epoch, first))
        self.retry(PRODUCE, 12 if self.version == 2 else 9, {
            "TransactionalId": self.name, "Acks": -1, "TimeoutMs": 30000,
            "TopicData": [{"Name": topic, "PartitionData": [{"Index": partition, "Records": sent}]}]},
            lambda told: told["Responses"][0]["PartitionResponses"][0]["ErrorCode"])
        self.sequence[topic, partition] = first + len(values)

    def send_offset(self, group, topic, offset):
        self.retry(FIND_COORDINATOR, 4, {"KeyType": 0, "CoordinatorKeys": [group]},
                   lambda answer: answer["Coordinators"][0]["ErrorCode"])
        if self.version < 2:
            self.retry(ADD_OFFSETS, 3, {"TransactionalId": self.name, "ProducerId": self.id, "ProducerEpoch": self.epoch,
                                        "GroupId": group}, lambda told: told["ErrorCode"])
        self.retry(TXN_OFFSET_COMMIT, 5 if self.version == 2 else 3, {
            "TransactionalId": self.name, "GroupId": group, "ProducerId": self.id, "ProducerEpoch": self.epoch,
            "GenerationId": -1, "MemberId": "", "GroupInstanceId": None,
            "Topics": [{"Name": topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": offset,
                                                       "CommittedLeaderEpoch": -1, "CommittedMetadata": "m"}]}]},
            lambda told: told["Topics"][0]["Partitions"][0]["ErrorCode"])

    def end(self, commit):
        answer = self.retry(END, 5 if self.version == 2 else 3, {
            "TransactionalId": self.name, "ProducerId": self.id, "ProducerEpoch": self.epoch, "Committed": commit},
            lambda told: told["ErrorCode"])
        if self.version == 2:
            check_equal((answer["ProducerId"], answer["ProducerEpoch"]), (self.id, self.epoch + 1), "after EndTxn 5")
            self.epoch, self.sequence = answer["ProducerEpoch"], {}


def values(broker, topic, partition=0, committed=True):
    """What a consumer of the isolation level would be given."""
    with Connection(broker.port) as connection:
        answer = connection.call(FETCH, 11, {
            "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 8 << 20, "IsolationLevel": int(committed),
            "SessionId": 0, "SessionEpoch": -1, "ForgottenTopicsData": [], "RackId": "", "Topics": [
                {"Topic": topic, "Partitions": [{"Partition": partition, "FetchOffset": 0, "CurrentLeaderEpoch": -1,
                                                 "LogStartOffset": -1, "PartitionMaxBytes": 8 << 20}]}]})
        part = answer["Responses"][0]["Partitions"][0]
        check_equal(part["ErrorCode"], 0, f"Fetch of {topic}-{partition}")
        return part


def read(broker, topic, partition=0, committed=True):
    isolation = "read_committed" if committed else "read_uncommitted"
    done = subprocess.run([places.command("kcat"), "-C", "-b", broker.bootstrap, "-t", topic, "-p", str(partition), "-o",
                           "beginning", "-e", "-q", "-X", f"isolation.level={isolation}"], capture_output=True, text=True,
                          timeout=60)
    check_equal(done.returncode, 0, f"kcat of {topic}: {done.stderr}")
    return done.stdout.split()


def stable_offset(broker, group, topic):
    """Error and offset, once the group is loaded."""
    for _ in range(100):
        with Connection(broker.port) as connection:
            answer = connection.call(OFFSET_FETCH, 7, {"GroupId": group, "RequireStable": True, "Topics": [
                {"Name": topic, "PartitionIndexes": [0]}]})
        if answer["ErrorCode"] not in RETRIED:
            break
        time.sleep(0.1)
    one = answer["Topics"][0]["Partitions"][0]
    return one["ErrorCode"], one["CommittedOffset"]


def state(broker, name):
    """Once the coordinator is loaded."""
    for _ in range(100):
        with Connection(broker.port) as connection:
            told = connection.call(DESCRIBE, 0, {"TransactionalIds": [name]})["TransactionStates"][0]
        if told["ErrorCode"] not in RETRIED:
            break
        time.sleep(0.1)
    return told["TransactionState"]


def dump(tools, data, topic, decoder):
    files = [path for path in sorted(data.glob(f"{topic}-*/*.log")) if path.stat().st_size]
    check(files, f"nothing in {topic}")
    text = tools.call("kafka-dump-log", "--files", ",".join(map(str, files)), decoder, "--deep-iteration",
                      "--print-data-log")
    for bad in ("rror", "xception", "isvalid: false"):
        check(bad not in text, f"kafka-dump-log of {topic} says {bad}:\n{text[-3000:]}")
    return text


def there_and_back(case, first_kind, version):
    other_kind = "kafka" if first_kind == case.kind else case.kind
    name = f"{first_kind}-{version}"
    first = case.broker(kind=first_kind, name=f"{name}-first").start()
    other = case.broker(kind=other_kind, name=f"{name}-other", data_directory=first.data_directory)
    other.port, other.controller_port = first.port, first.controller_port
    case.kafka_tools(first.bootstrap).call("kafka-topics", "--create", "--topic", "t", "--partitions", "2")
    committed, aborted = Producer(first, "committed", version), Producer(first, "aborted", version)
    committed.send("t", 0, ["a1", "a2"])
    committed.end(True)
    aborted.send("t", 0, ["b1"])
    aborted.end(False)
    opened, offsets = Producer(first, "open", version), Producer(first, "offsets", version)
    opened.send("t", 0, ["c1"])
    offsets.send_offset("movers", "t", 42)
    check_equal(read(first, "t"), ["a1", "a2"], f"what {first_kind} shows as committed")
    check_equal(stable_offset(first, "movers", "t"), (88, -1), f"the pending offset of {first_kind}")
    first.kill()
    text = dump(case.kafka_tools(), first.data_directory, "__transaction_state", "--transaction-log-decoder")
    for status in range(6):  # from Empty to CompleteAbort
        check_contains(text, f'"transactionStatus":{status}', "kafka-dump-log of the transactions")
    dump(case.kafka_tools(), first.data_directory, "__consumer_offsets", "--offsets-decoder")
    step(f"{first_kind} left two transactions open (transaction.version {version}); kafka-dump-log reads what it wrote")

    other.start()
    check_equal(read(other, "t"), ["a1", "a2"], f"what {other_kind} shows as committed")
    opened.use(other)
    check_equal(state(other, "open"), "Ongoing", f"the open transaction on {other_kind}")
    check_equal(stable_offset(other, "movers", "t"), (88, -1), f"the pending offset of {other_kind}")
    opened.send("t", 0, ["c2"])
    opened.send("t", 1, ["c3"])
    opened.end(True)
    offsets.use(other).end(True)
    again = Producer(other, "aborted", version)
    check_equal((again.id, again.epoch), (aborted.id, aborted.epoch + 1), "the next producer of a known id")
    again.send("t", 0, ["d1"])
    again.end(True)
    last = Producer(other, "last", version)
    last.send("t", 0, ["e1"])
    last.send_offset("movers", "t", 43)
    check_equal(read(other, "t"), ["a1", "a2", "c1", "c2", "d1"], f"what {other_kind} shows then")
    check_equal(read(other, "t", 1), ["c3"], f"the other partition on {other_kind}")
    other.kill()
    dump(case.kafka_tools(), first.data_directory, "__transaction_state", "--transaction-log-decoder")
    step(f"{other_kind} went on with them, committed them, and left another open")

    first.start()
    check_equal(state_when_loaded(first, last), "Ongoing", f"the open transaction on {first_kind}")
    last.end(False)
    opened.use(first)
    opened.send("t", 0, ["f1"])
    opened.end(True)
    check_equal(read(first, "t"), ["a1", "a2", "c1", "c2", "d1", "f1"], f"what {first_kind} shows in the end")
    check_equal(stable_offset(first, "movers", "t"), (0, 42), "the group's offset in the end")
    end = values(first, "t")
    check_equal(end["LastStableOffset"], end["HighWatermark"], "the last stable offset")
    first.stop()
    step(f"{first_kind} went on again and ended it")


def state_when_loaded(broker, producer):
    producer.use(broker)
    return state(broker, producer.name)


def run(case):
    places.command("kcat")
    kinds = ("barnabas", "kafka") if case.is_barnabas else ("kafka",)
    for kind in kinds:
        for version in (2, 1):
            there_and_back(case, kind, version)


if __name__ == "__main__":
    case.main(run)
