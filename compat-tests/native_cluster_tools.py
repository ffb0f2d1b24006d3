#!/usr/bin/env python3
"""Tools that look at a cluster as a whole, ours beside Apache Kafka's, on the same broker of either kind.

kafka-broker-api-versions, kafka-log-dirs, kafka-delete-records, kafka-metadata-quorum, kafka-cluster,
kafka-features, kafka-client-metrics: for each command
line the exit code and the output are equal, numbers that move from one call to the next apart. What a JVM tool says on
standard error is compared up to its stack trace.
"""

import json
import re

from harness import case
from harness.native_tools import NativeTools, lines_of
from harness.outcome import check_contains, check_equal, step

# BS is the bootstrap address, CTRL the controller's, FILE:name a file that is written below.
LINES = """
kafka-broker-api-versions --bootstrap-server BS
kafka-broker-api-versions --bootstrap-server BS --bogus
kafka-broker-api-versions
kafka-broker-api-versions --bootstrap-server x
kafka-broker-api-versions --bootstrap-server BS --command-config nowhere.properties
kafka-log-dirs --bootstrap-server BS --describe --topic-list held
kafka-log-dirs --bootstrap-server BS --describe --topic-list nosuch
kafka-log-dirs --bootstrap-server BS --describe --broker-list 1 --topic-list held,nosuch
kafka-log-dirs --bootstrap-server BS --describe --broker-list 7
kafka-log-dirs --bootstrap-server BS --describe --broker-list 1,9,8
kafka-log-dirs --bootstrap-server BS --describe --broker-list x
kafka-log-dirs --bootstrap-server BS
kafka-log-dirs --describe
kafka-delete-records --bootstrap-server BS --offset-json-file two.json
kafka-delete-records --bootstrap-server BS --offset-json-file end.json
kafka-delete-records --bootstrap-server BS --offset-json-file beyond.json
kafka-delete-records --bootstrap-server BS --offset-json-file none.json
kafka-delete-records --bootstrap-server BS --offset-json-file cut.json
kafka-delete-records --bootstrap-server BS --offset-json-file empty.json
kafka-delete-records --bootstrap-server BS --offset-json-file twice.json
kafka-delete-records --bootstrap-server BS --offset-json-file half.json
kafka-delete-records --bootstrap-server BS --offset-json-file list.json
kafka-delete-records --bootstrap-server BS --offset-json-file kind.json
kafka-delete-records --bootstrap-server BS --offset-json-file text.json
kafka-delete-records --bootstrap-server BS --offset-json-file version.json
kafka-delete-records --bootstrap-server BS --offset-json-file nowhere.json
kafka-delete-records --bootstrap-server BS
kafka-metadata-quorum --bootstrap-server BS describe --status
kafka-metadata-quorum --bootstrap-server BS describe --replication
kafka-metadata-quorum --bootstrap-server BS describe --replication --human-readable
kafka-metadata-quorum --bootstrap-controller CTRL describe --status
kafka-metadata-quorum --bootstrap-controller CTRL describe --replication
kafka-metadata-quorum --bootstrap-server BS describe
kafka-metadata-quorum --bootstrap-server BS describe --status --replication
kafka-metadata-quorum --bootstrap-server BS describe --status --human-readable
kafka-cluster cluster-id --bootstrap-server BS
kafka-cluster list-endpoints --bootstrap-server BS
kafka-cluster list-endpoints --bootstrap-server BS --include-fenced-brokers
kafka-cluster list-endpoints --bootstrap-controller CTRL
kafka-cluster unregister --bootstrap-server BS --id 77
kafka-features --bootstrap-server BS describe
kafka-features --bootstrap-controller CTRL describe
kafka-features --bootstrap-server BS upgrade --feature share.version=1
kafka-features --bootstrap-server BS upgrade --feature share.version=1 --feature foo=1 --feature group.version=1
kafka-features --bootstrap-server BS upgrade --release-version 4.3-IV0 --dry-run
kafka-features --bootstrap-server BS upgrade --release-version 9.9
kafka-features --bootstrap-server BS upgrade --release-version 4.3 --feature share.version=1
kafka-features --bootstrap-server BS upgrade --metadata 4.3-IV0
kafka-features --bootstrap-server BS upgrade --metadata 3.9
kafka-features --bootstrap-server BS downgrade --metadata 3.9-IV0 --dry-run
kafka-features --bootstrap-server BS downgrade --metadata 3.9-IV0 --unsafe --dry-run
kafka-features --bootstrap-server BS downgrade --feature share.version=5
kafka-features --bootstrap-server BS downgrade --feature share.version=0 --dry-run
kafka-features --bootstrap-server BS disable --feature share.version --dry-run
kafka-features --bootstrap-server BS disable
kafka-features --bootstrap-server BS upgrade
kafka-features --bootstrap-server BS upgrade --feature x
kafka-features --bootstrap-server BS upgrade --feature x=a
kafka-features version-mapping
kafka-features version-mapping --release-version 3.9
kafka-features version-mapping --release-version 4.0-IV0
kafka-features --bootstrap-server BS feature-dependencies --feature metadata.version=22 --feature kraft.version=1
kafka-features feature-dependencies --feature eligible.leader.replicas.version=1
kafka-features feature-dependencies --feature nope=1
kafka-features feature-dependencies --feature share.version=9
kafka-features feature-dependencies
kafka-features --bootstrap-server BS nonsense
kafka-client-metrics --bootstrap-server BS
kafka-client-metrics --bootstrap-server BS --list
kafka-client-metrics --bootstrap-server BS --describe
kafka-client-metrics --bootstrap-server BS --alter --name m1 --metrics a,b --interval 1000 --match client_id=x.*
kafka-client-metrics --bootstrap-server BS --list
kafka-client-metrics --bootstrap-server BS --describe --name m1
kafka-client-metrics --bootstrap-server BS --describe
kafka-client-metrics --bootstrap-server BS --describe --name nope
kafka-client-metrics --bootstrap-server BS --alter --interval 5
kafka-client-metrics --bootstrap-server BS --alter --name m2 --interval 5
kafka-client-metrics --bootstrap-server BS --alter --name m2 --interval x
kafka-client-metrics --bootstrap-server BS --alter --name m2 --match foo=x
kafka-client-metrics --bootstrap-server BS --alter --name a --generate-name
kafka-client-metrics --bootstrap-server BS --delete
kafka-client-metrics --bootstrap-server BS --delete --name m1 --interval 5
kafka-client-metrics --bootstrap-server BS --delete --name m1
kafka-client-metrics --bootstrap-server BS --delete --name nope
kafka-client-metrics --bootstrap-server BS --list --name x
kafka-client-metrics --bootstrap-server BS --describe --interval 3
kafka-client-metrics --list
""".strip().splitlines()

FILES = {
    "two.json": '{"partitions": [{"topic": "held", "partition": 0, "offset": 1},'
                ' {"topic": "held", "partition": 1, "offset": 0}], "version": 1}',
    "end.json": '{"partitions": [{"topic": "held", "partition": 0, "offset": -1}]}',
    "beyond.json": '{"partitions": [{"topic": "held", "partition": 0, "offset": 100000}], "version": 1}',
    "none.json": '{"partitions": []}',
    "cut.json": '{"partitions": [',
    "empty.json": "{}",
    "twice.json": '{"partitions": [{"topic": "held", "partition": 0, "offset": 0},'
                  ' {"topic": "held", "partition": 0, "offset": 0}]}',
    "half.json": '{"partitions": [{"topic": "held", "partition": 0}]}',
    "list.json": "[]",
    "kind.json": '{"partitions": 3}',
    "text.json": '{"partitions": [{"topic": "held", "partition": 0, "offset": "3"}]}',
    "version.json": '{"partitions": [], "version": 2}',
}

# What differs from one call to the next: the metadata log grows, time passes.
MOVING = [(re.compile(r"^(HighWatermark: +)\d+"), r"\1N"), (re.compile(r"Epoch: \d+$"), "Epoch: N"), (re.compile(r"\b\d{13}\b"), "TIME"),
          (re.compile(r"\b\d+ ms ago"), "N ms ago"), (re.compile(r"(\t)\d+( *\t0 )"), r"\1N\2"), (re.compile(r" +"), " "),
          (re.compile(r"^Exception in thread \"main\" [\w.]+: "), "")]


def with_sorted_lists(json_text):
    """kafka-log-dirs lists partitions in the order of a hash map."""
    def sort(value):
        if isinstance(value, dict):
            return {key: sort(inner) for key, inner in value.items()}
        return sorted(map(sort, value), key=json.dumps) if isinstance(value, list) else value

    return json.dumps(sort(json.loads(json_text)))


def steady_lines(text):
    lines = [with_sorted_lists(line) if line.startswith("{") else line for line in lines_of(text)]
    for pattern, replacement in MOVING:
        lines = [pattern.sub(replacement, line) for line in lines]
    return [line.strip() for line in lines]


def log_lines(text):
    """A JVM client's own log lines are not the tool's."""
    return "\n".join(line for line in text.splitlines() if not re.match(r"\[\d{4}-\d\d-\d\d ", line))


def compare(tools, line, places_of_names):
    words = [places_of_names.get(word, word) for word in line.split()]
    theirs, ours = tools.theirs(words[0], words[1:]), tools.ours(words[0], words[1:])
    check_equal(ours[0], theirs[0], f"{line}: the exit code ({ours[2][-300:]})")
    check_equal(sorted(steady_lines(ours[1])), sorted(steady_lines(theirs[1])), f"{line}: the output")
    said, expected = steady_lines(log_lines(ours[2])), steady_lines(log_lines(theirs[2]))
    # Without any arguments a tool explains itself, in words of its own; some tell on standard output what went wrong.
    if theirs[0] != 0 and expected and len(words) > 1 and not theirs[1]:
        # Kafka's tool also names a metadata.version that it refuses.
        check_contains("\n".join(said), expected[0].removesuffix(", 4.4-IV0"), f"{line}: what it says of the mistake")


def run(case):
    broker = case.broker().start()
    tools = case.kafka_tools(broker.bootstrap)
    tools.call("kafka-topics", "--create", "--topic", "held", "--partitions", "2")
    (case.scratch / "letters").write_text("a\nb\nc\nd\n")
    tools.call("kafka-console-producer", "--topic", "held", input_file=case.scratch / "letters")
    for name, content in FILES.items():
        (case.scratch / name).write_text(content)
    names = {"BS": broker.bootstrap, "CTRL": f"127.0.0.1:{broker.controller_port}"}
    with NativeTools(case.scratch, broker.bootstrap) as both:
        for line in LINES:
            compare(both, line, names)
    step(f"{len(LINES)} command lines")


if __name__ == "__main__":
    case.main(run)
