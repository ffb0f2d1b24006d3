"""Copiers read numbered records, write them to another topic and commit both in transactions: each record once.

A copier is a program that is called with BOOTSTRAP NAME SEED, reads topic copier-in in group copiers, writes each value
to copier-out, aborts one transaction in five on purpose, and says "committed N aborted M" after each. It goes on
whatever the broker does to it, until it is killed.
"""

import random
import re
import subprocess
import time

from . import places
from .outcome import check, check_equal, step
from .program import wait_until
from .wire import Connection

IN_PARTITIONS, OUT_PARTITIONS = 4, 3
FETCH, LIST_OFFSETS, LIST_TRANSACTIONS = 1, 2, 66


def kcat(broker, *arguments, stdin=None):
    done = subprocess.run([places.command("kcat"), "-b", broker.bootstrap, *map(str, arguments)], input=stdin,
                          capture_output=True, text=True, timeout=180)
    check(done.returncode == 0, f"kcat {arguments}: {done.stderr}")
    return done.stdout


def read_output(broker, isolation):
    """The values of each partition in their order."""
    return [[int(value) for value in kcat(broker, "-C", "-t", "copier-out", "-p", partition, "-o", "beginning", "-e", "-q",
                                          "-X", f"isolation.level={isolation}", "-X", "check.crcs=true").split()]
            for partition in range(OUT_PARTITIONS)]


def end_offsets(broker, isolation):
    with Connection(broker.port) as connection:
        answer = connection.call(LIST_OFFSETS, 4, {
            "ReplicaId": -1, "IsolationLevel": isolation, "Topics": [{"Name": "copier-out", "Partitions": [
                {"PartitionIndex": index, "CurrentLeaderEpoch": -1, "Timestamp": -1}
                for index in range(OUT_PARTITIONS)]}]})
    return [partition["Offset"] for partition in answer["Topics"][0]["Partitions"]]


def open_transactions(broker):
    with Connection(broker.port) as connection:
        answer = connection.call(LIST_TRANSACTIONS, 0, {"StateFilters": ["Ongoing", "PrepareCommit", "PrepareAbort"],
                                                        "ProducerIdFilters": []})
    check_equal(answer["ErrorCode"], 0, "ListTransactions")
    return [transaction["TransactionalId"] for transaction in answer["TransactionStates"]]


def copied(copiers):
    """How many transactions the copiers have committed and aborted, all their lives together."""
    totals = [0, 0]
    for copier in copiers:
        lives = re.findall(r"committed (\d+) aborted (\d+)", copier.log_file.read_text(errors="replace"))
        best, last = [0, 0], [0, 0]
        for row in lives:
            counts = [int(count) for count in row]
            if counts < last:
                best = [best[0] + last[0], best[1] + last[1]]
            last = counts
        totals = [totals[0] + best[0] + last[0], totals[1] + best[1] + last[1]]
    return totals


def done_copying(broker, count):
    """By the offsets that the group has committed."""
    with Connection(broker.port) as connection:
        answer = connection.call(9, 7, {"GroupId": "copiers", "RequireStable": True, "Topics": [
            {"Name": "copier-in", "PartitionIndexes": list(range(IN_PARTITIONS))}]})
    if answer["ErrorCode"] != 0:
        return False
    partitions = answer["Topics"][0]["Partitions"]
    return all(one["ErrorCode"] == 0 for one in partitions) and \
        sum(max(one["CommittedOffset"], 0) for one in partitions) == count


def start_broker(case, name, count):
    """A broker with `count` records to copy."""
    broker = case.broker({"log.segment.bytes": "1048576", "group.min.session.timeout.ms": "1000",
                          "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"}, name=name).start()
    tools = case.kafka_tools(broker.bootstrap)
    for topic, partitions in (("copier-in", IN_PARTITIONS), ("copier-out", OUT_PARTITIONS)):
        tools.call("kafka-topics", "--create", "--topic", topic, "--partitions", str(partitions))
    kcat(broker, "-P", "-t", "copier-in", "-K", "|", "-X", "enable.idempotence=true",
         stdin="".join(f"k{number}|{number}\n" for number in range(count)))
    return broker


def copy_through_kills(broker, copiers, count, kills):
    """Starts the copiers, kills the broker and them again and again, and checks what came out."""
    chance = random.Random(count + kills)
    for copier in copiers:
        copier.start()
    wait_until(lambda: copied(copiers)[0] > 3, "the first transactions")
    for kill in range(kills):
        before = copied(copiers)[0]
        wait_until(lambda: copied(copiers)[0] > before + 2 or done_copying(broker, count), "more transactions", 120)
        time.sleep(chance.uniform(0, 0.3))
        broker.kill()
        broker.start()
        if kill % 3 == 1:
            victim = copiers[kill % len(copiers)]
            victim.kill()
            victim.start()
    step(f"killed the broker {kills} times and copiers {(kills + 1) // 3} times; {copied(copiers)} transactions so far")
    wait_until(lambda: done_copying(broker, count), f"all {count} records are copied", 240)
    wait_until(lambda: not open_transactions(broker), "no transaction is open any more", 60)
    committed, aborted = copied(copiers)
    for copier in copiers:
        copier.kill()
    wait_until(lambda: not open_transactions(broker), "no transaction is left open by the copiers that were killed", 60)
    rows = read_output(broker, "read_committed")
    check_equal(sorted(value for row in rows for value in row), list(range(count)), "the numbers in the output")
    everything = read_output(broker, "read_uncommitted")
    check(sum(map(len, everything)) > count, "no aborted record is in the output: the test shows nothing")
    check_equal(end_offsets(broker, 1), end_offsets(broker, 0), "the last stable offsets")
    step(f"{count} records, each once under read_committed ({sum(map(len, everything))} with those of aborted "
         f"transactions); {committed} transactions committed, {aborted} aborted on purpose or in trouble")
    return rows
