#!/usr/bin/env python3
"""kafka-python, a client written in Python alone, does its main job.

It administers topics, sends in every codec and is told each offset, reads everything back field by field, finds
offsets by time, and goes on in a group across a kill -9 of the broker.
"""

import subprocess

from harness import case, places
from harness.outcome import check, check_equal, step

REQUIREMENTS = ("kafka-python==2.2.15", "lz4==4.4.4", "python-snappy==0.7.3", "zstandard==0.23.0")


def run(case):
    python = places.python_with(*REQUIREMENTS)
    broker = case.broker().start()

    def stage(name):
        done = subprocess.run([python, places.COMPAT_TESTS / "kafka_python" / "main_job.py", broker.bootstrap, name],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
        check(done.returncode == 0, f"stage {name}: exit code {done.returncode}\n{done.stderr[-3000:]}")
        return [int(number) for number in done.stdout.split()]

    first = stage("first")
    step("administered, sent and read in every codec, and read a part in a group")
    broker.kill()
    broker.start()
    second = stage("second")
    check_equal(sorted(first + second), list(range(3000)), "what the group read before and after kill -9")
    step("the group went on where it had stopped, across a kill -9")


if __name__ == "__main__":
    case.main(run)
