#!/usr/bin/env python3
"""Kafka Streams (4.3.1) counts words with exactly_once_v2 on three brokers; instances and brokers are killed: exactly once.

harness/word_count.py says what is counted and what must come out. In the quick tier an instance and the coordinator of
the group are killed (kill -9); in the full tier three instances and three brokers are, in turn, for ten minutes.
"""

from harness import case
from harness.word_count import run_long, run_short


def run(case):
    (run_long if case.full else run_short)(case, [None, None, None])


if __name__ == "__main__":
    case.main(run)
