#!/usr/bin/env python3
"""MirrorMaker 2 (4.3.1) mirrors records, topics and groups from an Apache Kafka to the broker under test, and back.

Two clusters: `castle` is an Apache Kafka, `village` the broker under test. One MirrorMaker mirrors both ways. Records
must have the same partition, offset, key, value, headers and timestamp on the other side; topics the same number of
partitions and the same configuration, also when either changes later; the offsets of groups are translated, so that a
reader who moves to the other cluster misses nothing. In the full tier both sides are fed while the broker under test is
killed (kill -9) and MirrorMaker is stopped and killed: a record may come twice, but none is missing or out of order.
"""

from harness import case, places
from harness.kcat import Kcat
from harness.lines import line
from harness.outcome import check, check_equal, step
from harness.program import java
from harness.state import committed_offsets, end_offsets, topic_configs
from harness.waiting import wait_until

PARTITIONS = 3
COUNT = 3000
CONFIGS = {"retention.ms": "123456789", "max.message.bytes": "2000000", "segment.bytes": "2097152"}


class Side:
    """A cluster, and what is mirrored from it."""

    def __init__(self, case, name, title, broker):
        self.name, self.title, self.broker = name, title, broker
        self.kcat = Kcat(broker.bootstrap)
        self.tools = case.kafka_tools(broker.bootstrap)
        self.topic = f"letters-{name}"       # here
        self.mirrored = f"{name}.{self.topic}"  # on the other side

    def send(self, first, count, partition, *arguments):
        """Sends lines, each with a key of its own; every seventh has no value."""
        rows = "".join(f"key-{number}|{'' if number % 7 == 0 else line(number)}\n"
                       for number in range(first, first + count))
        self.kcat("-P", "-t", self.topic, "-p", partition, "-K", "|", "-Z", *arguments, stdin=rows)

    def send_everywhere(self, first, count):
        """The same number to each partition, each with a codec and headers of its own."""
        for partition, arguments in enumerate((("-H", "from=here", "-H", "twice=a", "-H", "twice=b"), ("-z", "zstd"),
                                               ("-z", "lz4", "-H", "empty="))):
            self.send(first, count, partition, *arguments)


def mirror_maker(case, castle, village):
    settings = {
        "clusters": "castle, village",
        "castle.bootstrap.servers": castle.broker.bootstrap,
        "village.bootstrap.servers": village.broker.bootstrap,
        "castle->village.enabled": "true", "village->castle.enabled": "true",
        "topics": "letters-.*", "groups": ".*",
        "replication.factor": 1, "checkpoints.topic.replication.factor": 1, "heartbeats.topic.replication.factor": 1,
        "offset-syncs.topic.replication.factor": 1, "config.storage.replication.factor": 1,
        "offset.storage.replication.factor": 1, "status.storage.replication.factor": 1,
        "offset.storage.partitions": 3, "status.storage.partitions": 1,
        "refresh.topics.interval.seconds": 2, "refresh.groups.interval.seconds": 2,
        "sync.topic.configs.interval.seconds": 2, "emit.checkpoints.interval.seconds": 1,
        "sync.group.offsets.enabled": "true", "sync.group.offsets.interval.seconds": 1,
        "offset.lag.max": 0, "offset.flush.interval.ms": 1000, "tasks.max": 1,
    }
    path = case.scratch / "mm2.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    libs = places.maven_jars(places.COMPAT_TESTS / "connect")
    return case.program("mirror-maker", java(f"{libs}/*", "org.apache.kafka.connect.mirror.MirrorMaker", path,
                                             megabytes=512, level="info"))


def rows_of(side, topic):
    """Every record, without the name of the topic, which differs."""
    rows = side.kcat.everything(topic)
    for row in rows:
        del row["topic"]
    return rows


def wait_for_mirror(here, there):
    def ends(side, topic):
        return end_offsets(side.broker, topic, PARTITIONS)
    wanted = ends(here, here.topic)
    wait_until(lambda: all(got >= end for got, end in zip(ends(there, here.mirrored), wanted)),
               f"{here.mirrored} reaches {wanted}", 90)


def check_mirrored_exactly(here, there):
    wait_for_mirror(here, there)
    expected, got = rows_of(here, here.topic), rows_of(there, here.mirrored)
    check(len(expected) == COUNT * PARTITIONS, f"{here.topic} has {len(expected)} records")
    for wanted, mirrored in zip(expected, got, strict=True):
        check_equal(mirrored, wanted, f"a record of {here.mirrored}")
    check_equal(topic_configs(there.broker, here.mirrored), CONFIGS, f"the configuration of {here.mirrored}")
    step(f"{here.title} to {there.title}: {len(got)} records have the same partition, offset, timestamp, key, value "
         "and headers, the topic the same configuration")


def check_groups(here, there):
    """A group that has read everything, and one that has read a part and goes on elsewhere."""
    everything = PARTITIONS * COUNT
    finished, readers = f"finished-{here.name}", f"readers-{here.name}"
    here.kcat("-G", finished, "-X", "auto.offset.reset=earliest", "-c", everything, here.topic)
    read = here.kcat("-G", readers, "-X", "auto.offset.reset=earliest", "-c", everything // 2, "-f", "%p %o\n",
                     here.topic).splitlines()
    at_the_end = {(here.mirrored, partition): COUNT for partition in range(PARTITIONS)}
    wait_until(lambda: committed_offsets(there.broker, finished) == at_the_end,
               f"the offsets of a group that has read all of {here.topic} are translated")
    committed = committed_offsets(here.broker, readers)
    translated = wait_until(lambda: committed_offsets(there.broker, readers), "the offsets of a group are translated")
    for (topic, partition), offset in committed.items():
        moved = translated.get((here.mirrored, partition), 0)
        check(moved <= offset, f"{topic} {partition}: offset {offset} was translated into {moved}, which skips records")
    more = there.kcat("-G", readers, "-X", "auto.offset.reset=earliest", "-e", "-q", "-f", "%p %o\n",
                      here.mirrored).splitlines()
    wanted = {f"{partition} {offset}" for partition in range(PARTITIONS) for offset in range(COUNT)}
    check_equal(set(read) | set(more), wanted, "what the readers have read in both clusters")
    step(f"groups of {here.title} go on in {there.title}: one exactly at the end; one that had stopped on its way "
         f"misses nothing and reads {len(read) + len(more) - everything} records again")


def check_changes(here, there):
    """The configuration and the number of partitions follow."""
    here.tools.call("kafka-configs", "--alter", "--topic", here.topic, "--add-config", "retention.ms=987654321",
                    "--delete-config", "max.message.bytes")
    here.tools.call("kafka-topics", "--alter", "--topic", here.topic, "--partitions", PARTITIONS + 1)
    expected = {"retention.ms": "987654321", "segment.bytes": CONFIGS["segment.bytes"]}
    wait_until(lambda: topic_configs(there.broker, here.mirrored) == expected, f"configs of {here.mirrored} follow")
    wait_until(lambda: there.kcat.topics()[here.mirrored] == PARTITIONS + 1, f"{here.mirrored} gets a partition more")
    step(f"{here.title} to {there.title}: a changed configuration and a new partition follow")


def first_times(rows):
    """The keys of each partition, as they came for the first time, and how often one came again."""
    keys = {}
    for row in rows:
        keys.setdefault(row["partition"], {})[row["key"]] = None
    return {partition: list(once) for partition, once in keys.items()}, len(rows) - sum(map(len, keys.values()))


def check_disturbed(sides, village, mirror):
    """Both sides are fed; the broker under test is killed, MirrorMaker is stopped and started."""
    first = COUNT
    for disturb in ("kill", "stop", "kill -9 of MirrorMaker"):
        for side in sides:
            side.send_everywhere(first, 500)
        if disturb == "kill":
            village.broker.kill()
            village.broker.start()
        elif disturb == "stop":
            mirror.stop()
            mirror.start()
        else:
            mirror.kill()
            mirror.start()
        first += 500
        for side in sides:
            side.send_everywhere(first, 500)
        first += 500
    again = 0
    for here, there in (sides, sides[::-1]):
        wait_for_mirror(here, there)
        expected, none = first_times(rows_of(here, here.topic))
        check_equal(none, 0, f"repetitions in {here.topic}")
        wait_until(lambda: first_times(rows_of(there, here.mirrored))[0] == expected,
                   f"{here.mirrored} has everything, in order", 90)
        again += first_times(rows_of(there, here.mirrored))[1]
    step(f"the broker killed, MirrorMaker stopped and killed while both were fed: nothing is missing or out of "
         f"order, {again} records came again")


def run(case):
    places.command("kcat")
    castle = Side(case, "castle", "Apache Kafka", case.broker(name="castle", kind="kafka").start())
    village = Side(case, "village", "the broker under test", case.broker(name="village").start())
    sides = (castle, village)
    for side in sides:
        configs = [word for key, value in CONFIGS.items() for word in ("--config", f"{key}={value}")]
        side.tools.call("kafka-topics", "--create", "--topic", side.topic, "--partitions", PARTITIONS, *configs)
        side.send_everywhere(0, COUNT)
    mirror = mirror_maker(case, *sides).start()
    for here, there in (sides, sides[::-1]):
        check_mirrored_exactly(here, there)
    for here, there in (sides, sides[::-1]):
        check_groups(here, there)
    for here, there in (sides, sides[::-1]):
        check_changes(here, there)
    if case.full:
        check_disturbed(sides, village, mirror)
    mirror.stop()


if __name__ == "__main__":
    case.main(run)
