#!/usr/bin/env python3
"""Copiers of other client libraries beside the Java one, killed as the broker is: each record once.

As in transactions_copier.py, with librdkafka's Python client and with franz-go, each in one group with a Java copier, and
with aiokafka alone.
"""

import functools

from copiers import clients
from copiers.clients import described, make_copiers
from harness import case, copiers, places
from harness.outcome import NotRun, step

NAMES = [name for name in clients.CLIENTS if name != "java"]  # That one is transactions_copier.py's.


def prepare(case):
    clients.prepare(NAMES)


def run(case):
    places.command("kcat")
    count, kills = (100_000, 20) if case.full else (8000, 3)
    missing = []

    def copy(name):
        brokers = copiers.start_broker(case, f"broker-{name}")
        try:
            programs = make_copiers(case, name, brokers.bootstrap)
        except NotRun as reason:
            missing.append(f"{name}: {reason}")
            return
        copiers.copy_through_kills(brokers, programs, count, kills)
        brokers.any().stop()
        step(described(name))
    case.at_once(*(functools.partial(copy, name) for name in NAMES))
    if missing:
        raise NotRun("; ".join(missing))


if __name__ == "__main__":
    case.main(run)
