#!/usr/bin/env python3
"""Kafka Streams counts words with exactly_once_v2 on a cluster of both kinds of brokers, which are killed in turn.

Two brokers of the kind under test and one of Apache Kafka, each of them a controller too; coordinators of groups and of
transactions, and the partitions that their markers go to, are on either kind and move between them. As in
software_streams_exactly_once.py every word must be counted exactly once.
"""

from harness import case
from harness.word_count import run_long, run_short


def run(case):
    (run_long if case.full else run_short)(case, [None, "kafka", None])


if __name__ == "__main__":
    case.main(run)
