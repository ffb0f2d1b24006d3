#!/usr/bin/env python3
"""kafkajs, a client written in JavaScript, does its main job.

It administers topics and groups, sends with an idempotent producer, plain and in gzip (what it has built in), reads
everything back field by field, finds offsets by time, and goes on in a group across a kill -9 of the broker.
"""

from harness import case, places
from harness.case import two_stages


def run(case):
    folder = places.COMPAT_TESTS / "node_client"
    modules = places.node_modules(folder) / "node_modules"
    two_stages(case.broker().start(),
               [places.command("node"), folder / "main_job.js"],
               "administered, sent and read, and read a part in a group",
               "the group went on where it had stopped, across a kill -9",
               {"NODE_PATH": str(modules), "KAFKAJS_NO_PARTITIONER_WARNING": "1"})


if __name__ == "__main__":
    case.main(run)
