#!/usr/bin/env python3
"""Copiers read, write and commit in transactions while the broker and they themselves are killed: each record once.

Two Java copiers (java_client/TransactionalCopier.java) share a group. Each reads numbered records, writes them to
another topic and commits output and offsets in one transaction; a fifth of the transactions are aborted on purpose.
Meanwhile the broker is killed (kill -9) again and again, and so is one of the copiers. At the end what read_committed
shows of the output must be every number once, what read_uncommitted shows must be more, no transaction may be open, and
the last stable offset must be the end.
"""

from copiers.clients import make_copiers
from harness import case, copiers, places
from harness.outcome import check_equal, step


def run(case):
    places.command("kcat")
    count, kills = (100_000, 20) if case.full else (20_000, 6)
    brokers = copiers.start_broker(case, "broker")
    rows = copiers.copy_through_kills(brokers, make_copiers(case, "java", brokers.bootstrap), count, kills)
    brokers.any().stop()
    brokers.any().start()
    check_equal(brokers.output("read_committed"), rows, "what is read after a clean stop")
    step("and the same after a clean stop")


if __name__ == "__main__":
    case.main(run)
