#!/usr/bin/env python3
"""kafka-python, a client written in Python alone, does its main job.

It administers topics, sends in every codec and is told each offset, reads everything back field by field, finds
offsets by time, and goes on in a group across a kill -9 of the broker.
"""

from harness import case, places
from harness.case import two_stages

REQUIREMENTS = ("kafka-python==2.2.15", "lz4==4.4.4", "python-snappy==0.7.3", "zstandard==0.23.0")


def run(case):
    python = places.python_with(*REQUIREMENTS)
    two_stages(case.broker().start(),
               [python, places.COMPAT_TESTS / "kafka_python" / "main_job.py"],
               "administered, sent and read in every codec, and read a part in a group",
               "the group went on where it had stopped, across a kill -9")


if __name__ == "__main__":
    case.main(run)
