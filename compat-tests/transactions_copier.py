#!/usr/bin/env python3
"""Copiers read, write and commit in transactions while the broker and they themselves are killed: each record once.

Two Java copiers (java_client/TransactionalCopier.java) share a group. Each reads numbered records, writes them to
another topic and commits output and offsets in one transaction; a fifth of the transactions are aborted on purpose.
Meanwhile the broker is killed (kill -9) again and again, and so is one of the copiers. At the end what read_committed
shows of the output must be every number once, what read_uncommitted shows must be more, no transaction may be open, and
the last stable offset must be the end.
"""

from harness import case, copiers, places
from harness.outcome import check_equal, step
from harness.program import java


def run(case):
    places.command("kcat")
    count, kills = (100_000, 20) if case.full else (20_000, 6)
    class_path = places.java_classes(places.COMPAT_TESTS / "java_client" / "TransactionalCopier.java", places.kafka_libs())
    broker = copiers.start_broker(case, "broker", count)
    programs = [case.program(f"copier-{name}", java(class_path, "TransactionalCopier", broker.bootstrap, name, seed))
                for seed, name in enumerate("ab")]
    rows = copiers.copy_through_kills(broker, programs, count, kills)
    broker.stop()
    broker.start()
    check_equal(copiers.read_output(broker, "read_committed"), rows, "what is read after a clean stop")
    step("and the same after a clean stop")


if __name__ == "__main__":
    case.main(run)
