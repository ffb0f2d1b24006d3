#!/usr/bin/env python3
"""kafkajs, a client written in JavaScript, does its main job.

It administers topics and groups, sends with an idempotent producer, plain and in gzip (what it has built in), reads
everything back field by field, finds offsets by time, and goes on in a group across a kill -9 of the broker.
"""

import os
import subprocess

from harness import case, places
from harness.outcome import check, check_equal, step


def run(case):
    folder = places.COMPAT_TESTS / "node_client"
    modules = places.node_modules(folder) / "node_modules"
    broker = case.broker().start()

    def stage(name):
        done = subprocess.run([places.command("node"), folder / "main_job.js", broker.bootstrap, name],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180,
                              env={**os.environ, "NODE_PATH": str(modules), "KAFKAJS_NO_PARTITIONER_WARNING": "1"})
        check(done.returncode == 0, f"stage {name}: exit code {done.returncode}\n{done.stderr[-3000:]}")
        return [int(number) for number in done.stdout.split()]

    first = stage("first")
    step("administered, sent and read, and read a part in a group")
    broker.kill()
    broker.start()
    second = stage("second")
    check_equal(sorted(first + second), list(range(3000)), "what the group read before and after kill -9")
    step("the group went on where it had stopped, across a kill -9")


if __name__ == "__main__":
    case.main(run)
