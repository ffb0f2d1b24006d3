#!/usr/bin/env python3
"""A data directory moves between Barnabas and Apache Kafka, in both directions, stopped well or killed.

The broker under test fills a directory (every codec, several segments, a compacted topic, configs, a group's
offsets) and stops; kafka-dump-log reads every file of it; Apache Kafka starts on it, serves the same records, goes on
with the group and writes more; it is killed, and the broker under test goes on; that is killed too, and Kafka goes
on. Then the same beginning with a directory that Apache Kafka formatted. All records are compared field by field.
"""

import re

from harness import case
from harness.kcat import Kcat
from harness.lines import line
from harness.outcome import check, check_contains, check_equal, step

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
GROUP, GROUP_TOPIC, IN_GROUP = "movers", "codec-none", 3000


def fill(broker, tools):
    """Topics of several kinds. Returns nothing: what is there is read back before the directory moves."""
    kcat = Kcat(broker.bootstrap)
    tools.call("kafka-topics", "--create", "--topic", "many", "--partitions", "3", "--config", "segment.bytes=1048576",
               "--config", "index.interval.bytes=1024")
    tools.call("kafka-topics", "--create", "--topic", "latest-per-key", "--partitions", "2", "--config",
               "cleanup.policy=compact")
    for codec in CODECS:
        rows = "".join(f"k{number % 50}\t{line(number)}\n" for number in range(IN_GROUP))
        kcat("-P", "-t", f"codec-{codec}", "-z", codec, "-K", "\t", "-H", f"codec={codec}",
             "-X", "enable.idempotence=true", stdin=rows)
    kcat("-P", "-t", "many", "-K", "\t", stdin="".join(f"{number}\t{line(number)} {line(number)}\n"
                                                       for number in range(25_000)))
    kcat("-P", "-t", "latest-per-key", "-K", "\t", "-Z", stdin="".join(
        f"k{number % 7}\t{'' if number % 11 == 0 else line(number)}\n" for number in range(500)))


def append(broker, first):
    """Some more records into topics that are there, one of them in a new codec."""
    kcat = Kcat(broker.bootstrap)
    for topic, codec in (("codec-none", "zstd"), ("codec-gzip", "none"), ("many", "lz4")):
        kcat("-P", "-t", topic, "-z", codec, "-K", "\t", "-X", "enable.idempotence=true",
             stdin="".join(f"k{number}\t{line(number)}\n" for number in range(first, first + 200)))


def read_in_group(broker, count):
    rows = Kcat(broker.bootstrap)("-G", GROUP, "-c", count, "-q", "-X", "auto.offset.reset=earliest", "-f", "%o\n",
                                  GROUP_TOPIC)
    return [int(row) for row in rows.split()]


def contents(broker):
    kcat = Kcat(broker.bootstrap)
    topics = kcat.topics()
    return {topic: (topics[topic], kcat.everything(topic)) for topic in sorted(topics) if not topic.startswith("__")}


def check_same_contents(got, expected, who):
    check_equal(sorted(got), sorted(expected), f"the topics {who} sees")
    for topic, (partitions, rows) in expected.items():
        check_equal(got[topic][0], partitions, f"the partitions of {topic} {who} sees")
        check_equal(len(got[topic][1]), len(rows), f"how many records of {topic} {who} reads")
        for row, other in zip(got[topic][1], rows):
            check_equal(row, other, f"a record of {topic} as {who} reads it")


def topic_table(tools):
    """Names, ids, counts and configs as kafka-topics tells them."""
    table = {}
    for row in tools.call("kafka-topics", "--describe").splitlines():
        fields = dict(re.findall(r"(Topic|TopicId|PartitionCount|ReplicationFactor|Configs): *([^\t]*)", row))
        if "TopicId" in fields and not fields["Topic"].startswith("__"):
            fields["Configs"] = sorted(fields["Configs"].strip().split(","))
            table[fields["Topic"]] = fields
    check_equal(len(table), len(CODECS) + 2, "how many topics kafka-topics describes")
    return table


def check_dump(text, what):
    bad = [row for row in text.splitlines()
           if re.search(r"isvalid: false|[Mm]ismatch|[Ee]rror|[Ee]xception|could not|is corrupt|not found", row)]
    check(not bad, f"kafka-dump-log of {what}:\n" + "\n".join(bad[:20]))


def dump_every_file(tools, data, expected):
    """kafka-dump-log (which asks no broker) over every file it can read; returns how many there were."""
    files = sorted(path for path in data.rglob("*") if path.suffix in (".log", ".index", ".timeindex", ".snapshot"))
    metadata = [path for path in files if "__cluster_metadata" in str(path) and path.suffix == ".log"]
    metadata += sorted(data.glob("__cluster_metadata-0/*.checkpoint")) + sorted(data.glob("bootstrap.checkpoint"))
    offsets = [path for path in files if "__consumer_offsets" in str(path) and path.suffix == ".log"]
    others = [path for path in files if path not in metadata and path not in offsets]

    def dump(paths, *arguments):
        return tools.call("kafka-dump-log", "--files", ",".join(map(str, paths)), *arguments)

    text = dump(others, "--print-data-log", "--deep-iteration")
    check_dump(text, "the partitions")
    logs = re.split(r"^Dumping (\S+)\n", text, flags=re.MULTILINE)[1:]
    counted = {}
    for path, said in zip(logs[::2], logs[1::2]):
        if path.endswith(".log"):
            topic = path.split("/")[-2].rsplit("-", 1)[0]
            counted[topic] = counted.get(topic, 0) + len(re.findall(r"^\| offset:", said, flags=re.MULTILINE))
    counted = {topic: count for topic, count in counted.items() if not topic.startswith("__")}
    check_equal(counted, {topic: len(rows) for topic, (_, rows) in expected.items()}, "the records kafka-dump-log shows")

    text = dump(metadata, "--cluster-metadata-decoder")
    check_dump(text, "the metadata log")
    for kind in ("REGISTER_BROKER_RECORD", "TOPIC_RECORD", "PARTITION_RECORD", "CONFIG_RECORD", "FEATURE_LEVEL_RECORD"):
        check_contains(text, kind, "kafka-dump-log of the metadata log")
    text = dump(offsets, "--offsets-decoder")
    check_dump(text, "the group offsets")
    check(re.search(rf'"group":"{GROUP}".*"topic":"{GROUP_TOPIC}"', text), f"no commit of {GROUP} in\n{text[-3000:]}")
    return len(metadata) + len(offsets) + len(others)


def there_and_back(case, first_kind, name):
    """One directory that `first_kind` formats and fills, passed on four times."""
    other_kind = "kafka" if first_kind == case.kind else case.kind
    first = case.broker(kind=first_kind, name=f"{name}-first").start()
    other = case.broker(kind=other_kind, name=f"{name}-other", data_directory=first.data_directory)
    other.port, other.controller_port = first.port, first.controller_port
    tools, dump_tools = case.kafka_tools(first.bootstrap), case.kafka_tools()
    fill(first, tools)
    check_equal(read_in_group(first, 1000), list(range(1000)), "the group's first part")
    expected, table = contents(first), topic_table(tools)
    first.stop()
    if first_kind == case.kind:
        files = dump_every_file(dump_tools, first.data_directory, expected)
        step(f"kafka-dump-log reads all {files} files of a directory that {first_kind} wrote")

    other.start()
    check_same_contents(contents(other), expected, other_kind)
    check_equal(topic_table(tools), table, f"the topics as {other_kind} describes them")
    check_equal(read_in_group(other, 1000), list(range(1000, 2000)), "the group's second part")
    append(other, 100_000)
    expected = contents(other)
    check(len(expected["many"][1]) == 25_200, "what was appended is not there")
    other.kill()
    step(f"{other_kind} served what {first_kind} wrote and stopped, wrote more, and was killed")

    first.start()
    check_same_contents(contents(first), expected, first_kind)
    check_equal(read_in_group(first, 600), list(range(2000, 2600)), "the group's third part")
    append(first, 200_000)
    expected = contents(first)
    first.kill()
    step(f"{first_kind} served what {other_kind} left, wrote more, and was killed")

    other.start()
    check_same_contents(contents(other), expected, other_kind)
    check_equal(read_in_group(other, 400), list(range(2600, 3000)), "the group's fourth part")
    other.stop()
    first.start()
    check_same_contents(contents(first), expected, first_kind)
    check_equal(topic_table(tools), table, f"the topics as {first_kind} describes them in the end")
    first.stop()
    step(f"{other_kind} served that, stopped, and {first_kind} went on")


def run(case):
    if case.is_barnabas:
        case.at_once(lambda: there_and_back(case, case.kind, "ours"), lambda: there_and_back(case, "kafka", "kafkas"))
    else:  # Against Apache Kafka both ways are the same way.
        there_and_back(case, case.kind, "ours")


if __name__ == "__main__":
    case.main(run)
