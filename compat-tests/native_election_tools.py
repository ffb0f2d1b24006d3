#!/usr/bin/env python3
"""kafka-leader-election: ours beside Apache Kafka's, on the same broker of either kind.

For each command line the exit code, the output and the sentence that tells a mistake are equal. Sets that Kafka prints
in the order of a hash are compared as sets. The two tools of an Apache Kafka with an authorizer are told alike that
they may not do it.
"""

import re
from pathlib import Path

from harness import case
from harness.native_tools import NativeTools
from harness.outcome import check_equal, step

# The arguments after --bootstrap-server. EMPTY the empty argument.
ELECTIONS = """
--election-type preferred --all-topic-partitions
--election-type unclean --all-topic-partitions
--election-type preferred --topic held --partition 0
--election-type unclean --topic held --partition 1
--election-type PREFERRED --topic held --partition 0
--election-type Unclean --topic held --partition 0
--election-type clean --topic held --partition 0
--election-type clean --topic held --partition x
--election-type clean --topic held
--election-type clean --path-to-json-file nowhere.json
--election-type unclean --topic nosuch --partition 0
--election-type preferred --topic held --partition 5
--election-type preferred --topic held --partition -1
--election-type preferred --topic held --partition x
--election-type preferred --topic held --partition 99999999999
--election-type preferred --topic a/b --partition 0
--election-type preferred --topic EMPTY --partition 0
--election-type preferred --topic held --partition 0 --topic held
--election-type preferred --topic held
--election-type preferred --partition 0
--election-type preferred --all-topic-partitions --partition x
--election-type preferred
--election-type
--all-topic-partitions
--election-type preferred --all-topic-partitions --topic held --partition 0
--election-type preferred --all-topic-partitions --path-to-json-file both.json
--election-type preferred --topic held --partition 0 --path-to-json-file both.json
--election-type preferred --partition 0 --path-to-json-file both.json
--election-type preferred --path-to-json-file both.json
--election-type unclean --path-to-json-file both.json
--election-type preferred --path-to-json-file mixed.json
--election-type preferred --path-to-json-file twice.json
--election-type preferred --path-to-json-file none.json
--election-type preferred --path-to-json-file cut.json
--election-type preferred --path-to-json-file blank.json
--election-type preferred --path-to-json-file empty.json
--election-type preferred --path-to-json-file list.json
--election-type preferred --path-to-json-file kind.json
--election-type preferred --path-to-json-file null.json
--election-type preferred --path-to-json-file entries.json
--election-type preferred --path-to-json-file no_topic.json
--election-type preferred --path-to-json-file no_partition.json
--election-type preferred --path-to-json-file text.json
--election-type preferred --path-to-json-file number.json
--election-type preferred --path-to-json-file fraction.json
--election-type preferred --path-to-json-file large.json
--election-type preferred --path-to-json-file version.json
--election-type preferred --path-to-json-file nowhere.json --command-config nowhere.properties
--election-type preferred --all-topic-partitions --command-config named.properties
--election-type preferred --all-topic-partitions --admin.config named.properties
--election-type preferred --all-topic-partitions --admin.config named.properties --command-config named.properties
--election-type preferred --all-topic-partitions --command-config wrong.properties
--election-type preferred --all-topic-partitions --admin.config nowhere.properties
--election-type preferred --all-topic-partitions --bogus
--version
""".strip().splitlines()

FILES = {
    "both.json": '{"partitions": [{"topic": "held", "partition": 0}, {"topic": "held", "partition": 1}]}',
    "mixed.json": '{"partitions": [{"topic": "held", "partition": 0}, {"topic": "nosuch", "partition": 1},'
                  ' {"topic": "held", "partition": 7}]}',
    "twice.json": '{"partitions": [{"topic": "held", "partition": 0}, {"topic": "held", "partition": 0},'
                  ' {"topic": "held", "partition": 1}, {"topic": "held", "partition": 1}]}',
    "none.json": '{"partitions": []}',
    "cut.json": '{"partitions": [',
    "blank.json": "",
    "empty.json": "{}",
    "list.json": "[]",
    "kind.json": '{"partitions": 3}',
    "null.json": '{"partitions": null}',
    "entries.json": '{"partitions": [{"topic": "held", "partition": 0}, 3]}',
    "no_topic.json": '{"partitions": [{"partition": 0}]}',
    "no_partition.json": '{"partitions": [{"topic": "held"}]}',
    "text.json": '{"partitions": [{"topic": "held", "partition": "0"}]}',
    "number.json": '{"partitions": [{"topic": 3, "partition": 0}]}',
    "fraction.json": '{"partitions": [{"topic": "held", "partition": 0.0}]}',
    "large.json": '{"partitions": [{"topic": "held", "partition": 99999999999}]}',
    "version.json": '{"partitions": [{"topic": "held", "partition": 0}], "version": 9}',
    "named.properties": "client.id=someone\n",
    "wrong.properties": "request.timeout.ms=soon\n",
}

AUTHORIZER = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
              "allow.everyone.if.no.acl.found": "true", "early.start.listeners": "CONTROLLER"}


def in_order(line):
    """A line with the partitions of its set in order."""
    found = re.match(r"(.* partitions:? \[?)([^\]]+)(\]?)$", line)
    return found[1] + ", ".join(sorted(found[2].split(", "))) + found[3] if found else line


def comparable(text):
    return sorted(in_order(line.rstrip()) for line in text.splitlines() if line.strip())


def first_sentence(text):
    """Of what a tool says on standard error, the log of its client apart."""
    said = [line for line in text.splitlines() if line.strip() and not re.match(r"\[\d{4}-\d\d-\d\d ", line)]
    return in_order(said[0].strip()) if said else ""


def same_sentence(ours, theirs):
    """For a file of properties that is not there our tools add why; for a wrong one nothing may be added."""
    return ours.partition(": No such file")[0] == theirs


def compare(both, tool, arguments):
    line = f"{tool} {arguments}"
    words = ["--bootstrap-server", both.bootstrap, *("" if word == "EMPTY" else word for word in arguments.split())]
    theirs, ours = both.theirs(tool, words), both.ours(tool, words)
    check_equal(ours[0], theirs[0], f"{line}: the exit code ({ours[2][-300:]})")
    check_equal(comparable(ours[1]), comparable(theirs[1]), f"{line}: the output")
    said, expected = first_sentence(ours[2]), first_sentence(theirs[2])
    if not same_sentence(said, expected):
        check_equal(said, expected, f"{line}: what it says of the mistake")


def compare_without_bootstrap(both):
    """Options that are missing are named together."""
    for words in (["--topic", "held"], ["--election-type", "clean"]):
        theirs, ours = both.theirs("kafka-leader-election", words), both.ours("kafka-leader-election", words)
        check_equal((ours[0], ours[1], first_sentence(ours[2])), (theirs[0], theirs[1].strip(), first_sentence(theirs[2])),
                    f"kafka-leader-election {words}")


def compare_forbidden(case):
    """Once the cluster has an ACL, nobody may alter it whom none allows to."""
    broker = case.broker(AUTHORIZER, name="forbidding").start()
    case.kafka_tools(broker.bootstrap).call("kafka-acls", "--add", "--allow-principal", "User:ANONYMOUS", "--operation",
                                            "ClusterAction", "--cluster")
    with NativeTools(case.scratch, broker.bootstrap) as both:
        for arguments in ELECTIONS[:3]:
            compare(both, "kafka-leader-election", arguments)
    step("what is forbidden is told alike")


def run(case):
    broker = case.broker().start()
    case.kafka_tools(broker.bootstrap).call("kafka-topics", "--create", "--topic", "held", "--partitions", "2")
    for name, content in FILES.items():
        Path(case.scratch, name).write_text(content)
    with NativeTools(case.scratch, broker.bootstrap) as both:
        for arguments in ELECTIONS:
            compare(both, "kafka-leader-election", arguments)
        compare_without_bootstrap(both)
    step(f"kafka-leader-election: {len(ELECTIONS)} command lines")
    if not case.is_barnabas:
        compare_forbidden(case)


if __name__ == "__main__":
    case.main(run)
