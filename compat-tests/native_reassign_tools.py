#!/usr/bin/env python3
"""kafka-reassign-partitions, ours beside Apache Kafka's, on the same broker of either kind.

For each command line the exit code and the output are equal, and so is what became of the throttles; of a mistake in the
command line the sentence is.
"""

import json

from harness import case
from harness.native_tools import NativeTools, lines_of
from harness.outcome import check, check_contains, check_equal, step

# A line that begins with an option is one of kafka-reassign-partitions with --bootstrap-server. BS is the bootstrap
# address, CTRL the controller's; files are written below.
LINES = """
--generate --topics-to-move-json-file topics.json --broker-list 1
--generate --topics-to-move-json-file one_topic.json --broker-list 1 --disable-rack-aware
--generate --topics-to-move-json-file one_topic.json --broker-list 1,2
--generate --topics-to-move-json-file one_topic.json --broker-list 1,1
--generate --topics-to-move-json-file one_topic.json --broker-list x
--generate --topics-to-move-json-file one_topic.json --broker-list 7
--generate --topics-to-move-json-file twice_topics.json --broker-list 1
--generate --topics-to-move-json-file nosuch_topics.json --broker-list 1
--generate --topics-to-move-json-file no_topics.json --broker-list 1
--generate --topics-to-move-json-file version2_topics.json --broker-list 1
--generate --topics-to-move-json-file cut.json --broker-list 1
--generate --topics-to-move-json-file empty.json --broker-list 1
--generate --topics-to-move-json-file no_field.json --broker-list 1
--generate --topics-to-move-json-file nowhere.json --broker-list 1
--generate --topics-to-move-json-file topics.json
--generate --broker-list 1
--generate --topics-to-move-json-file topics.json --broker-list 1 --throttle 5
--generate --topics-to-move-json-file topics.json --broker-list 1 --reassignment-json-file move.json
kafka-reassign-partitions --bootstrap-controller CTRL --generate --topics-to-move-json-file topics.json --broker-list 1
--list
kafka-reassign-partitions --bootstrap-controller CTRL --list
--list --throttle 5
--execute --reassignment-json-file move.json
--execute --reassignment-json-file single.json
--verify --reassignment-json-file move.json
--execute --reassignment-json-file move.json --throttle 100000 --replica-alter-log-dirs-throttle 5000
--verify --reassignment-json-file move.json --preserve-throttles
--verify --reassignment-json-file move.json
--execute --reassignment-json-file dirs.json
--verify --reassignment-json-file dirs.json
--execute --reassignment-json-file dirs.json --replica-alter-log-dirs-throttle 5000
--verify --reassignment-json-file dirs.json --preserve-throttles
--verify --reassignment-json-file dirs.json
--execute --reassignment-json-file baddir.json --timeout 2000
--verify --reassignment-json-file baddir.json
--execute --reassignment-json-file reldir.json --timeout 2000
--execute --reassignment-json-file unequal.json
--execute --reassignment-json-file nosuch.json
--verify --reassignment-json-file nosuch.json
--cancel --reassignment-json-file nosuch.json
--execute --reassignment-json-file nopart.json
--verify --reassignment-json-file nopart.json
--execute --reassignment-json-file unknown_broker.json
--verify --reassignment-json-file unknown_broker.json --command-config hasty.properties
--execute --reassignment-json-file empty_replicas.json
--execute --reassignment-json-file dup_replicas.json
--execute --reassignment-json-file dup_partitions.json
--execute --reassignment-json-file no_partitions.json
--verify --reassignment-json-file no_partitions.json
--cancel --reassignment-json-file no_partitions.json
--execute --reassignment-json-file no_field.json
--execute --reassignment-json-file half.json
--execute --reassignment-json-file noreplicas.json
--execute --reassignment-json-file noversion.json
--verify --reassignment-json-file noversion.json
--execute --reassignment-json-file version2.json
--verify --reassignment-json-file version2.json
--execute --reassignment-json-file cut.json
--execute --reassignment-json-file list.json
--execute --reassignment-json-file empty.json
--execute --reassignment-json-file kind.json
--execute --reassignment-json-file vkind.json
--execute --reassignment-json-file nowhere.json
--verify --reassignment-json-file nowhere.json
--cancel --reassignment-json-file cut.json
--cancel --reassignment-json-file move.json
--cancel --reassignment-json-file move.json --preserve-throttles
--cancel --reassignment-json-file dirs.json
kafka-reassign-partitions --bootstrap-controller CTRL --execute --reassignment-json-file single.json
kafka-reassign-partitions --bootstrap-controller CTRL --verify --reassignment-json-file single.json
kafka-reassign-partitions --bootstrap-controller CTRL --cancel --reassignment-json-file single.json
--execute --reassignment-json-file single.json --additional
--execute --reassignment-json-file single.json --throttle 0
--execute --reassignment-json-file single.json --throttle -5
--execute --reassignment-json-file single.json --throttle x
--execute --reassignment-json-file single.json --timeout x
--execute --reassignment-json-file single.json --replica-alter-log-dirs-throttle x
--verify --reassignment-json-file single.json --additional
--verify --reassignment-json-file single.json --throttle 5
--execute --verify --reassignment-json-file single.json
--execute
--verify
--cancel
--cancel --reassignment-json-file single.json --throttle 5
--execute --reassignment-json-file single.json --broker-list 1
--execute --reassignment-json-file single.json --preserve-throttles
--execute --reassignment-json-file single.json --disable-rack-aware
--list --timeout 100
--list --reassignment-json-file single.json
kafka-reassign-partitions --bootstrap-server BS
kafka-reassign-partitions --bootstrap-server BS --bootstrap-controller CTRL --list
kafka-reassign-partitions --list
--list --bogus
--list --command-config nowhere.properties
kafka-reassign-partitions --timeout 3
--execute --broker-list 1
--list --timeout 5 --throttle 3 --additional
--verify --reassignment-json-file lost.json
--execute --reassignment-json-file repeating.json
--execute --reassignment-json-file number.json
--execute --reassignment-json-file one_replica.json
--execute --reassignment-json-file single.json --disallow-replication-factor-change
--generate --topics-to-move-json-file misspelt.json --broker-list 1
--generate --topics-to-move-json-file object.json --broker-list 1
--generate --topics-to-move-json-file list.json --broker-list 1
--generate --topics-to-move-json-file version2_topics.json --broker-list x
""".strip().splitlines()


def plan(*partitions, **fields):
    names = ("topic", "partition", "replicas", "log_dirs")
    return json.dumps({"version": 1, **fields, "partitions": [dict(zip(names, partition)) for partition in partitions]})


def topics(*names, **fields):
    return json.dumps({"version": 1, **fields, "topics": [{"topic": name} for name in names]})


def files(log_dir):
    """By name. `log_dir` is the directory in which the broker keeps everything."""
    return {
        "topics.json": topics("moved", "other"),
        "one_topic.json": json.dumps({"topics": [{"topic": "moved"}]}),
        "twice_topics.json": topics("moved", "moved"),
        "nosuch_topics.json": topics("moved", "nosuch"),
        "no_topics.json": topics(),
        "version2_topics.json": topics("moved", version=2),
        "misspelt.json": '{"version": 1, "topics": [{"topik": "moved"}]}',
        "object.json": '{"version": 1, "topics": {"topic": "moved"}}',
        "move.json": plan(("moved", 1, [1]), ("moved", 0, [1], ["any"])),
        "single.json": plan(("moved", 0, [1])),
        "dirs.json": plan(("moved", 0, [1], [log_dir])),
        "baddir.json": plan(("moved", 0, [1], ["/no/such/dir"])),
        "reldir.json": plan(("moved", 0, [1], ["relative"])),
        "lost.json": plan(("moved", 7, [1], ["/x"])),
        "unequal.json": plan(("moved", 0, [1], ["any", "any"])),
        "nosuch.json": plan(("nosuch", 0, [1])),
        "nopart.json": plan(("moved", 7, [1]), ("moved", 0, [1])),
        "unknown_broker.json": plan(("moved", 0, [9])),
        "empty_replicas.json": plan(("moved", 0, [])),
        "dup_replicas.json": plan(("moved", 0, [1, 1])),
        "repeating.json": plan(("moved", 0, [1, 1, 2, 2]), ("moved", 1, [2, 2])),
        "dup_partitions.json": plan(("moved", 0, [1]), ("moved", 0, [1])),
        "no_partitions.json": plan(),
        "no_field.json": '{"version": 1}',
        "half.json": '{"version": 1, "partitions": [{"topic": "moved", "replicas": [1]}]}',
        "noreplicas.json": plan(("moved", 0)),
        "one_replica.json": plan(("moved", 0, 1)),
        "noversion.json": '{"partitions": [{"topic": "moved", "partition": 0, "replicas": [1]}]}',
        "version2.json": plan(version=2),
        "cut.json": '{"version": 1, "partitions": [',
        "list.json": "[]",
        "empty.json": "",
        "kind.json": plan(("moved", "x", [1])),
        "number.json": plan((5, 0, [1])),
        "vkind.json": plan(version="x"),
        "hasty.properties": "default.api.timeout.ms=2000\nrequest.timeout.ms=1000\n",
    }


def written_by_a_parser(line):
    """Of text that is no JSON Kafka's tool repeats what its parser said."""
    return "cut.json" in line and "--generate" not in line


def up_to_the_error(text):
    """Without the stack trace below it."""
    lines = lines_of(text)
    errors = [index for index, said in enumerate(lines) if said.startswith("Error: ")]
    return lines[:errors[0] + 1] if errors else lines


def check_mistake(line, ours, theirs):
    if written_by_a_parser(line):
        check(any("not a valid JSON" in said for said in lines_of(ours[1])), f"{line}: the mistake is named: {ours[1]}")
        return
    check_equal(lines_of(ours[1]), up_to_the_error(theirs[1]), f"{line}: the output")
    expected = [said.split("Exception: ")[-1] for said in lines_of(theirs[2])]
    if expected:
        check_contains(lines_of(ours[2])[0], expected[0], f"{line}: what it says of the mistake")


def compare(tools, line, addresses):
    if line.startswith("--"):
        line = f"kafka-reassign-partitions --bootstrap-server BS {line}"
    tool, *arguments = [addresses.get(word, word) for word in line.split()]
    theirs, ours = tools.theirs(tool, arguments), tools.ours(tool, arguments)
    check_equal(ours[0], theirs[0], f"{line}: the exit code ({ours[1][-300:]}{ours[2][-300:]})")
    if theirs[0] != 0:
        check_mistake(line, ours, theirs)
    else:
        check_equal(ours[1], theirs[1], f"{line}: the output")


def only_log_dir(tools, bootstrap):
    _, out, _ = tools.theirs("kafka-log-dirs", ["--bootstrap-server", bootstrap, "--describe", "--topic-list", "moved"])
    return json.loads(out.splitlines()[-1])["brokers"][0]["logDirs"][0]["logDir"]


def throttles(tools, bootstrap):
    """What is configured of the broker and of the topic."""
    _, broker, _ = tools.theirs("kafka-configs", ["--bootstrap-server", bootstrap, "--describe", "--entity-type",
                                                  "brokers", "--entity-name", "1"])
    _, topic, _ = tools.theirs("kafka-configs", ["--bootstrap-server", bootstrap, "--describe", "--entity-type",
                                                 "topics", "--entity-name", "moved"])
    return sorted(word for word in (broker + topic).split() if "throttled" in word or "io.max" in word)


def check_throttles(tools, bootstrap):
    """Both tools set and clear the same ones."""
    limits = ["--throttle", "100000", "--replica-alter-log-dirs-throttle", "5000"]
    start = ["--bootstrap-server", bootstrap, "--execute", "--reassignment-json-file", "dirs.json", *limits]
    keep = ["--bootstrap-server", bootstrap, "--verify", "--reassignment-json-file", "dirs.json", "--preserve-throttles"]
    end = keep[:-1]
    seen = []
    for run in (tools.theirs, tools.ours):
        steps = []
        for arguments in (start, keep, end):
            code, out, err = run("kafka-reassign-partitions", arguments)
            check_equal(code, 0, f"{arguments}: the exit code ({out}{err})")
            steps.append(throttles(tools, bootstrap))
        check(len(steps[0]) > 3 and steps[1] == steps[0], f"set and preserved: {steps}")
        check_equal(steps[2], [], "throttles after --verify")
        seen.append(steps[0])
    check_equal(seen[1], seen[0], "the throttles that --execute sets")


def run(case):
    broker = case.broker().start()
    kafka = case.kafka_tools(broker.bootstrap)
    kafka.call("kafka-topics", "--create", "--topic", "moved", "--partitions", "2")
    kafka.call("kafka-topics", "--create", "--topic", "other", "--partitions", "1")
    addresses = {"BS": broker.bootstrap, "CTRL": f"127.0.0.1:{broker.controller_port}"}
    with NativeTools(case.scratch, broker.bootstrap) as tools:
        for name, content in files(only_log_dir(tools, broker.bootstrap)).items():
            (case.scratch / name).write_text(content)
        check_throttles(tools, broker.bootstrap)
        step("throttles")
        for line in LINES:
            compare(tools, line, addresses)
    step(f"{len(LINES)} command lines")


if __name__ == "__main__":
    case.main(run)
