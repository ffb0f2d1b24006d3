#!/usr/bin/env python3
"""kafka-transactions of Apache Kafka: list, describe, describe-producers, find-hanging and abort.

A producer leaves a transaction open that its coordinator knows nothing of (the broker does not verify, as one before
KIP-890): it hangs. The tool finds it and aborts it, whereupon the last stable offset moves on. Beside it a transaction
that its coordinator knows is listed and described.
"""

import re
import time

from harness import case
from harness.outcome import check, check_contains, check_equal, step
from harness.transactions import Transaction, keyed_batch, produce
from harness.wire import Connection


def last_stable_offset(broker):
    with Connection(broker.port) as connection:
        answer = connection.call(2, 4, {"ReplicaId": -1, "IsolationLevel": 1, "Topics": [
            {"Name": "t", "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1, "Timestamp": -1}]}]})
    return answer["Topics"][0]["Partitions"][0]["Offset"]


def run(case):
    broker = case.broker({"transaction.partition.verification.enable": "false"}).start()
    tools = case.kafka_tools(broker.bootstrap)
    tools.call("kafka-topics", "--create", "--topic", "t", "--partitions", "1")
    known = Transaction(broker.port, "known")
    known.send("t", [(b"k", b"1")], int(time.time() * 1000))
    known.end(True)
    hanging = Transaction(broker.port, "hanging")
    hanging.open = True  # without AddPartitionsToTxn
    old = int(time.time() * 1000) - 3_600_000
    hanging.send("t", [(b"k", b"2")], old)
    known.send("t", [(b"k", b"3")], int(time.time() * 1000))

    listed = tools.call("kafka-transactions", "list")
    rows = {row.split()[0]: row.split()[1:] for row in listed.splitlines()[1:] if row.split()}
    check_equal(rows["known"][-1], "Ongoing", f"the state of a known transaction in\n{listed}")
    check_equal(rows["hanging"][-1], "Empty", f"the state of the id of the one that hangs in\n{listed}")
    check("known" not in tools.call("kafka-transactions", "list", "--duration-filter", "3600000").split(),
          "a young transaction is listed among those that are open for an hour")
    check_contains(tools.call("kafka-transactions", "list", "--transactional-id-pattern", "kno.*"), "known", "the pattern")
    described = tools.call("kafka-transactions", "describe", "--transactional-id", "known")
    check(re.search(rf"\bknown\s+{known.id}\s+{known.epoch}\s+Ongoing\s+600000\b.*\bt-0\b", described),
          f"the description of a known transaction:\n{described}")
    producers = tools.call("kafka-transactions", "describe-producers", "--topic", "t", "--partition", "0")
    check(re.search(rf"^{hanging.id}\s+{hanging.epoch}\s", producers, flags=re.MULTILINE), f"the producers:\n{producers}")
    step("transactions are listed and described")

    found = tools.call("kafka-transactions", "find-hanging", "--topic", "t", "--partition", "0")
    rows = [row.split() for row in found.splitlines()[1:] if row.split()]
    check_equal(len(rows), 1, f"how many transactions hang, in\n{found}")
    check_equal(rows[0][:3], ["t", "0", str(hanging.id)], f"what hangs, in\n{found}")
    stuck = last_stable_offset(broker)
    tools.call("kafka-transactions", "abort", "--topic", "t", "--partition", "0", "--start-offset", str(stuck))
    moved = last_stable_offset(broker)
    check(moved > stuck, f"the last stable offset stays at {stuck}")
    known.end(True)
    with Connection(broker.port) as connection:
        produce(connection, "t", keyed_batch([(b"k", b"4")], int(time.time() * 1000)))
    check_equal(last_stable_offset(broker), stuck + 5, "the last stable offset in the end")  # 2 markers, 3 records
    found = tools.call("kafka-transactions", "find-hanging", "--topic", "t", "--partition", "0")
    check(not [row for row in found.splitlines()[1:] if row.split()], f"something still hangs:\n{found}")
    step("a transaction that hangs is found and aborted")


if __name__ == "__main__":
    case.main(run)
