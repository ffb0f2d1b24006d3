#!/usr/bin/env python3
"""Starts on directories that Apache Kafka 4.3.1 left behind, and serves what is in them.

testdata/kafka-4.3.1-*.tar.xz are data directories of brokers that were stopped: with records in every codec, aborted and
committed transactions, four kinds of groups, share state, compacted and rolled segments, topics being deleted, a stray
partition, metadata snapshots; with ACLs, SCRAM credentials and delegation tokens; with a static quorum (kraft.version 0)
and a dynamic one. Expected: the topics, partitions and every record (a hash of them), read uncommitted and read
committed, as Apache Kafka 4.3.1 serves them (testdata/data_directory_*.json, recorded by this script). After a
stop and one more start it is all still there, and can be written to.
"""

import tarfile

from harness import case, places
from harness.kcat import Kcat
from harness.outcome import check_equal, step
from harness.recorded import Probes

STATIC = ("static-quorum", "min-insync-2")
SAMPLES = ("many-kinds", "secured", *STATIC)


def unpack(name, target):
    """Unpacks a sample and returns its log directory: where meta.properties is."""
    with tarfile.open(places.COMPAT_TESTS / "testdata" / f"kafka-4.3.1-{name}.tar.xz") as archive:
        archive.extractall(target)
    found = list(target.rglob("meta.properties"))
    check_equal(len(found), 1, f"the log directories in {name}")
    return found[0].parent


def contents(broker):
    kcat, found = Kcat(broker.bootstrap), {}
    for topic, partitions in sorted(kcat.topics().items()):
        found[topic] = {"partitions": partitions}
        # What coordinators wrote is theirs to add to, on every start.
        if not topic.startswith("__"):
            for isolation in ("read_uncommitted", "read_committed"):
                found[topic][isolation] = kcat.digest(topic, "-X", f"isolation.level={isolation}")
    return found


def start_on(case, name):
    directory = unpack(name, case.scratch / f"{name}-sample")
    # The records are old: retention must not take them away while they are read.
    settings = {"log.retention.ms": "-1", "log.retention.check.interval.ms": "3600000", "log.cleaner.backoff.ms": "3600000"}
    broker = case.broker(settings, name=name, data_directory=directory)
    if name in STATIC:
        broker.settings |= {"controller.quorum.bootstrap.servers": None,
                            "controller.quorum.voters": f"1@127.0.0.1:{broker.controller_port}"}
    return broker.start()


def run(case):
    for name in SAMPLES:
        broker = start_on(case, name)
        probes = Probes(f"data_directory_{name.replace('-', '_')}")
        found = contents(broker)
        probes.probe("contents")(lambda _, found=found: found)
        probes.compare(broker)
        broker.stop()
        broker.start()
        check_equal(contents(broker), found, f"{name} after a stop and a start")
        topic = min(topic for topic in found if not topic.startswith("__"))
        before = found[topic]["read_committed"]["records"]
        kcat = Kcat(broker.bootstrap)
        kcat("-P", "-t", topic, "-k", "key", "-p", "0", stdin="one more\n")
        check_equal(kcat.digest(topic)["records"], before + 1, f"the records of {topic} after one more")
        broker.stop()
        step(f"{name}: {len(found)} topics as Apache Kafka serves them")


if __name__ == "__main__":
    case.main(run)
