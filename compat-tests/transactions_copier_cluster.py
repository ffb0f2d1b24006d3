#!/usr/bin/env python3
"""Copiers go on through failovers: coordinators, leaders, the active controller and they themselves are killed, and each
record is copied once.

As in transactions_copier.py, on three nodes that are brokers and controllers, with the topics and the transactions on all
of them. Killed (kill -9) are in turn the coordinator of the group, the coordinator of a copier's transactions, the leader
of a partition of the output, and the active controller; every second time a copier as well. In the quick tier it is
franz-go beside the Java client; in the full tier each client copies 100,000 records through twenty kills.
"""

from copiers import clients
from copiers.clients import described, make_copiers
from harness import case, copiers, places
from harness.outcome import NotRun, step


def names(case):
    return list(clients.CLIENTS) if case.full else ["franz"]


def prepare(case):
    clients.prepare(names(case))


def run(case):
    places.command("kcat")
    count, kills = (100_000, 20) if case.full else (8000, 4)
    missing = []
    for name in names(case):
        cluster, brokers = copiers.start_cluster(case, name)
        try:
            programs = make_copiers(case, name, brokers.bootstrap)
            copiers.copy_through_failovers(cluster, brokers, programs, count, kills)
            step(described(name))
        except NotRun as reason:
            missing.append(f"{name}: {reason}")
        cluster.end()
    if missing:
        raise NotRun("; ".join(missing))


if __name__ == "__main__":
    case.main(run)
