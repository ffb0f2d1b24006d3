#!/usr/bin/env python3
"""kafka-transactions, ours beside Apache Kafka's, on the same broker of either kind.

list, describe, describe-producers, find-hanging, abort and forceTerminateTransaction: for each command line the exit
code, the output and what is said of a mistake are equal, times and the order of partitions apart. What changes
something is done by ours to one transaction and by theirs to another like it, and both end in the same state.
"""

import re
import time

from harness import case
from harness.native_tools import NativeTools, lines_of
from harness.outcome import check, check_equal, step
from harness.transactions import Transaction

LINES = """
list
list --duration-filter 3600000
list --duration-filter 0
list --transactional-id-pattern kno.*
list --transactional-id-pattern kno
list --transactional-id-pattern ([
list --duration-filter x
describe --transactional-id known
describe --transactional-id ended
describe --transactional-id nosuch
describe
describe-producers --topic t --partition 0
describe-producers --topic t --partition 0 --broker-id 1
describe-producers --topic t --partition 1
describe-producers --topic t --partition 0 --broker-id 7
describe-producers --topic nosuch --partition 0
describe-producers --topic t --partition 9
describe-producers --topic t
describe-producers --topic t --partition x
find-hanging --topic t --partition 0
find-hanging --topic t
find-hanging --broker-id 1
find-hanging --topic t --max-transaction-timeout 100
find-hanging --topic nosuch
find-hanging --partition 0
find-hanging
abort --topic t --partition 0 --start-offset 12345
abort --topic t --partition 0
abort --topic t --partition 0 --producer-id 5
abort --topic t --partition 0 --producer-id 5 --producer-epoch 1
abort --topic t --partition 0 --producer-id 5 --producer-epoch 70000 --coordinator-epoch 1
abort --topic t --partition 0 --producer-id PRODUCER --producer-epoch -1 --coordinator-epoch 9
abort --topic nosuch --partition 0 --producer-id 5 --producer-epoch 1 --coordinator-epoch 9
abort --partition 0
forceTerminateTransaction
nonsense
""".strip().splitlines()

# Times, and how long an open transaction of `describe` runs. Whether a call of theirs that nobody answers is told to wait
# for a node, or how often it was tried, is a matter of chance.
MOVING = [(re.compile(r"\b\d{13}\b"), "TIME"), (re.compile(r"([A-Z]\w+\s+\d+\s+TIME\s+)\d+"), r"\1N"),
          (re.compile(r"Timed out waiting for a node assignment\. Call: (\w+\(api=\w+\))"), r"TIMEOUT of \1"),
          (re.compile(r"Call\(callName=(\w+\(api=\w+\)), .* attempt\(s\)"), r"TIMEOUT of \1"), (re.compile(r"\s+"), " ")]


def steady(text):
    lines = [line for line in lines_of(text) if not re.match(r"\[\d{4}-\d\d-\d\d ", line)]
    for pattern, replacement in MOVING:
        lines = [pattern.sub(replacement, line) for line in lines]
    return [" ".join(",".join(sorted(word.split(","))) for word in line.split()) for line in lines]


def difference(both, line, words):
    """What ours does otherwise than theirs, or nothing."""
    theirs, ours = both.theirs("kafka-transactions", words), both.ours("kafka-transactions", words)
    if ours[0] != theirs[0]:
        return f"{line}: exit code {ours[0]}, not {theirs[0]}\n   {ours[2][-300:]}\n   {theirs[2][-300:]}"
    # In which order partitions of a set come is a hash map's affair.
    if sorted(steady(ours[1])) != sorted(steady(theirs[1])):
        return f"{line}: the output\n   got      {steady(ours[1])}\n   expected {steady(theirs[1])}"
    said, expected = "\n".join(steady(ours[2])), steady(theirs[2])
    if theirs[0] != 0 and expected:
        # The usage text before it is in words of our own.
        sentence = expected[-1].partition("kafka-transactions.sh: ")[2] or expected[-1]
        if sentence not in said:
            return f"{line}: what it says of the mistake\n   got      {said}\n   expected {sentence}"
    return None


def hang(broker, name):
    """Leaves a transaction open that its coordinator does not know of; its producer and its first offset."""
    transaction = Transaction(broker.port, name)
    transaction.open = True  # without AddPartitionsToTxn, which a broker that does not verify lets pass
    transaction.send("t", [(b"k", b"2")], int(time.time() * 1000) - 3_600_000)
    return transaction


def open_rows(both):
    """{producer id: start offset} of the transactions that are open in t-0."""
    rows = both.ours("kafka-transactions", both.server + ["describe-producers", "--topic", "t", "--partition", "0"])[1]
    found = (row.split() for row in rows.splitlines()[1:])
    return {int(row[0]): int(row[5]) for row in found if row[5] != "None"}


def check_changes(both, broker, hanging):
    starts = open_rows(both)
    for run, transaction in zip((both.ours, both.theirs), hanging):
        words = ["abort", "--topic", "t", "--partition", "0", "--start-offset", str(starts[transaction.id])]
        check_equal(run("kafka-transactions", both.server + words)[:2], (0, ""), "abort of a transaction that hangs")
    left = set(open_rows(both))
    check(not left & {transaction.id for transaction in hanging}, f"some of {hanging} is still open: {left}")
    forced = [Transaction(broker.port, f"forced-{index}") for index in range(2)]
    for run, transaction in zip((both.ours, both.theirs), forced):
        transaction.send("t", [(b"k", b"3")], int(time.time() * 1000))
        done = run("kafka-transactions", both.server + ["forceTerminateTransaction", "--transactionalId", transaction.name])
        check_equal(done[:2], (0, ""), f"forceTerminateTransaction\n{done[2]}")
    described = [steady(both.theirs("kafka-transactions", both.server + [
        "describe", "--transactional-id", transaction.name])[1])[1].split()[3:] for transaction in forced]
    check_equal(described[0], described[1], "the state after forceTerminateTransaction by ours and by theirs")


def run(case):
    broker = case.broker({"transaction.partition.verification.enable": "false"}).start()
    case.kafka_tools(broker.bootstrap).call("kafka-topics", "--create", "--topic", "t", "--partitions", "2")
    (case.scratch / "fast.properties").write_text("default.api.timeout.ms=4000\nrequest.timeout.ms=3000\n")
    ended = Transaction(broker.port, "ended")
    ended.send("t", [(b"k", b"0")], int(time.time() * 1000))
    ended.end(True)
    known = Transaction(broker.port, "known")
    known.send("t", [(b"k", b"1")], int(time.time() * 1000))
    hanging = [hang(broker, name) for name in ("hanging-1", "hanging-2")]
    with NativeTools(case.scratch, broker.bootstrap) as both:
        both.server = ["--bootstrap-server", broker.bootstrap, "--command-config", "fast.properties"]
        calls = [(line, both.server + [str(known.id) if word == "PRODUCER" else word for word in line.split()])
                 for line in LINES] + [("without a server", ["list"])]
        found = list(filter(None, (difference(both, *call) for call in calls)))
        check(not found, f"{len(found)} of {len(calls)} command lines differ:\n" + "\n".join(found))
        step(f"{len(LINES) + 1} command lines")
        check_changes(both, broker, hanging)
        step("transactions that hang are aborted, open ones terminated, by ours as by theirs")


if __name__ == "__main__":
    case.main(run)
