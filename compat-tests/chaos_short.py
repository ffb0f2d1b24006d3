#!/usr/bin/env python3
"""Three nodes under faults of each kind, drawn from a seed, for a minute: nothing acknowledged is lost, doubled or out of
order, no high watermark goes back, and the nodes are whole again after each.

The short form of `make chaos` (chaos/): real processes in network namespaces of their own and on disks of their own,
under an idempotent acks=all load, consumers and commits. With --full all faults happen, for ten minutes.
"""

import time

from chaos import faults
from chaos.session import Session
from harness import case


def run(case):
    seed = time.time_ns() % 1_000_000
    Session(case, seed, faults.ALL if case.full else faults.SHORT, 10 if case.full else 1).run()


if __name__ == "__main__":
    case.main(run)
