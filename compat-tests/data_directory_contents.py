#!/usr/bin/env python3
"""What Apache Kafka alone writes, or a crash leaves, moves to the broker under test and back, and reads the same.

Apache Kafka fills a directory: transactions that commit, abort, and one that stays open; records that DeleteRecords
removed; it is killed. The tail of one log is cut in the middle of its last batch, another log is given the message
sets of magic 0 and 1, plain and compressed, that Kafka before 0.11 wrote. The broker under test takes the directory,
must serve just that, deletes and writes more, and is killed and its log's tail cut too. Apache Kafka goes on: it ends
the open transaction and aborts another. Then the broker under test again. Each time both isolation levels, the last
stable offset and the aborted transactions that Fetch tells, the start offsets and every record are compared.
"""

import time

from harness import case, state
from harness.kcat import Kcat
from harness.message_set import gzip_wrapper, message
from harness.outcome import check, check_equal, step
from harness.record_batches import Record, decode
from harness.transactions import Transaction, keyed_batch, produce
from harness.waiting import wait_until
from harness.wire import Connection
from harness.wire_client import WireClient

TRANSACTIONS, TRIMMED, TORN, ANCIENT = TOPICS = ("transactions", "trimmed", "torn", "ancient")
WHEN = int(time.time() * 1000)  # Older ones would roll segments beside the markers, which have the time of day.
FIRST_SEGMENT = "00000000000000000000"


def pairs(what, count):
    return [(f"key {what} {number}".encode(), f"value {what} {number}".encode()) for number in range(count)]


def write_plain(broker, topic, what, batches):
    with WireClient(broker.port) as client:
        for number in range(batches):
            client.produce(topic, 0, [Record(0, WHEN, key, value) for key, value in pairs(f"{what} {number}", 3)])


def delete_records(broker, offset):
    with WireClient(broker.port) as client:
        answer = client.call(21, 2, {"TimeoutMs": 10000, "Topics": [
            {"Name": TRIMMED, "Partitions": [{"PartitionIndex": 0, "Offset": offset}]}]})
        told = answer["Topics"][0]["Partitions"][0]
        check_equal((told["ErrorCode"], told["LowWatermark"]), (0, offset), "DeleteRecords")
    checkpoint = broker.data_directory / "log-start-offset-checkpoint"
    wait_until(lambda: checkpoint.exists() and f"{TRIMMED} 0 {offset}" in checkpoint.read_text().splitlines(),
               "the new start outlasts a kill -9", 20)


def write_transactions(port):
    """Of four that overlap two commit, one aborts, and the last stays open: it is returned."""
    producers = [Transaction(port, f"txn-{number}") for number in range(4)]
    for part in range(3):
        for number, producer in enumerate(producers[:3]):
            producer.send(TRANSACTIONS, pairs(f"txn {number} part {part}", 2), WHEN)
    producers[0].end(True)
    producers[1].end(False)
    producers[3].send(TRANSACTIONS, pairs("open", 2), WHEN)
    producers[2].end(True)
    producers[0].send(TRANSACTIONS, pairs("txn 0 again", 2), WHEN)
    producers[0].end(False)
    with Connection(port) as connection:
        produce(connection, TRANSACTIONS, keyed_batch(pairs("beside", 2), WHEN))
    return producers[3]


def seen_by(broker):
    """Everything that is compared."""
    kcat, seen = Kcat(broker.bootstrap), {}
    for topic in TOPICS:
        for level in ("read_committed", "read_uncommitted"):
            seen[topic, level] = kcat.everything(topic, "-X", f"isolation.level={level}")
        seen[topic, "offsets"] = state.start_offsets(broker, topic, 1) + state.end_offsets(broker, topic, 1)
    with WireClient(broker.port) as client:
        answer = client.call(1, 11, {"MaxWaitMs": 0, "MinBytes": 0, "IsolationLevel": 1, "Topics": [
            {"Topic": TRANSACTIONS, "Partitions": [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 8 << 20}]}]})
        part = answer["Responses"][0]["Partitions"][0]
        seen["last stable offset"] = part["LastStableOffset"]
        # Apache Kafka tells some that begin behind it as well: of records that nobody is served yet.
        seen["aborted"] = sorted((one["ProducerId"], one["FirstOffset"]) for one in part["AbortedTransactions"]
                                 if one["FirstOffset"] < part["LastStableOffset"])
    return seen


def check_same(got, expected, who):
    check_equal(sorted(map(str, got)), sorted(map(str, expected)), f"what {who} was asked")
    for what, rows in expected.items():
        check_equal(got[what], rows, f"{what} as {who} serves it")


def values(seen, topic, level="read_uncommitted"):
    return [(row["offset"], row["key"], row["payload"]) for row in seen[topic, level]]


def cut_tail(broker, expected):
    """The last batch of a log is torn; what was in it is expected no more."""
    path = broker.data_directory / f"{TORN}-0" / f"{FIRST_SEGMENT}.log"
    last = decode(path.read_bytes())[-1]
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 11)
    begin = last.records[0].offset
    for level in ("read_committed", "read_uncommitted"):
        expected[TORN, level] = [row for row in expected[TORN, level] if row["offset"] < begin]
    expected[TORN, "offsets"] = [expected[TORN, "offsets"][0], begin]


def make_ancient(broker):
    """Message sets in the place of a log that is empty; returns what is in them."""
    log = broker.data_directory / f"{ANCIENT}-0" / f"{FIRST_SEGMENT}.log"
    check_equal(log.stat().st_size, 0, "the bytes of a log without records")
    rows = [(number, f"key {number}", f"magic {number // 4} {number}") for number in range(8)]
    encoded = [(key.encode(), value.encode()) for _, key, value in rows]
    plain = [message(number, *encoded[number], magic=number // 4, timestamp=WHEN) for number in (0, 1, 4, 5)]
    inner = [message(2, *encoded[2], magic=0) + message(3, *encoded[3], magic=0),
             message(0, *encoded[6], timestamp=WHEN) + message(1, *encoded[7], timestamp=WHEN)]
    log.write_bytes(b"".join([*plain[:2], gzip_wrapper(inner[0], 3, magic=0), *plain[2:],
                              gzip_wrapper(inner[1], 7, timestamp=WHEN)]))
    for suffix in (".index", ".timeindex"):
        log.with_suffix(suffix).unlink()
    return rows


def fill(broker):
    with WireClient(broker.port) as client:
        for topic in TOPICS:
            client.create_topic(topic, 1)
    unended = write_transactions(broker.port)
    write_plain(broker, TRIMMED, "kept", 8)
    write_plain(broker, TORN, "whole", 4)
    delete_records(broker, 7)
    seen = seen_by(broker)
    committed, everything = values(seen, TRANSACTIONS, "read_committed"), values(seen, TRANSACTIONS)
    check(len(committed) < len(everything), f"{len(committed)} of {len(everything)} records are committed")
    check(seen["aborted"], "no aborted transaction is told below the last stable offset")
    check_equal(seen[TRIMMED, "offsets"], [7, 24], "the offsets after DeleteRecords")
    return seen, unended


def run(case):
    settings = {"log.flush.start.offset.checkpoint.interval.ms": "200", "log.initial.task.delay.ms": "200"}
    theirs = case.broker(settings, kind="kafka", name="theirs").start()
    mine = case.broker(settings, name="mine", data_directory=theirs.data_directory)
    mine.port, mine.controller_port = theirs.port, theirs.controller_port
    expected, unended = fill(theirs)
    theirs.kill()
    cut_tail(theirs, expected)
    ancient = make_ancient(theirs)

    mine.start()
    got = seen_by(mine)
    check_equal(values(got, ANCIENT), ancient, f"the message sets as {mine.kind} serves them")
    for what in ((ANCIENT, "read_committed"), (ANCIENT, "read_uncommitted"), (ANCIENT, "offsets")):
        expected[what] = got[what]
    check_same(got, expected, mine.kind)
    step(f"{mine.kind} serves what Apache Kafka left: transactions, an open one, deleted records, a cut tail, magic 0 and 1")
    delete_records(mine, 13)
    for topic in (TORN, ANCIENT, TRIMMED):
        write_plain(mine, topic, "more", 3)
    expected = seen_by(mine)
    mine.kill()
    cut_tail(mine, expected)

    theirs.start()
    check_same(seen_by(theirs), expected, "Apache Kafka")
    unended.connection = Connection(theirs.port)
    unended.send(TRANSACTIONS, pairs("still open", 2), WHEN)
    unended.end(True)
    last = Transaction(theirs.port, "txn-1")
    last.send(TRANSACTIONS, pairs("last", 2), WHEN)
    last.end(False)
    delete_records(theirs, 16)
    Transaction(theirs.port, "txn-1")  # Once it has its producer id the abort is done.
    expected = seen_by(theirs)
    check(len(expected["aborted"]) == 3 and expected["last stable offset"] == expected[TRANSACTIONS, "offsets"][1],
          f"the transactions in the end: {expected['aborted']} and {expected['last stable offset']}")
    theirs.stop()
    step(f"Apache Kafka serves what {mine.kind} left, ends the open transaction and aborts another")

    mine.start()
    check_same(seen_by(mine), expected, mine.kind)
    mine.stop()
    step(f"{mine.kind} serves the same")


if __name__ == "__main__":
    case.main(run)
