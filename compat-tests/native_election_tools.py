#!/usr/bin/env python3
"""kafka-leader-election and kafka-delegation-tokens: ours beside Apache Kafka's, on the same broker of either kind.

For each command line the exit code, the output and the sentence that tells a mistake are equal. Sets that Kafka prints
in the order of a hash are compared as sets. The two tools of an Apache Kafka with an authorizer are told alike that
they may not do it. Tokens exist on secured connections only; a relay before the broker answers as if it were one, to
see how they are shown and what the tools ask.
"""

import re
from pathlib import Path

from harness import case
from harness.native_tools import NativeTools
from harness.outcome import check_contains, check_equal, step
from harness.relay import Relay

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

# The arguments after --bootstrap-server and --command-config.
TOKENS = """
--create --max-life-time-period -1
--create --max-life-time-period 1000 --renewer-principal User:a --renewer-principal User:b
--create --max-life-time-period 1000 --renewer-principal User:a,User:b --owner-principal User:a --owner-principal User:b
--create --max-life-time-period 1000 --renewer-principal bad
--create --max-life-time-period 1000 --owner-principal bad
--create --max-life-time-period 1000 --owner-principal : --renewer-principal User:
--create --max-life-time-period 1000 --owner-principal :a:b
--create --max-life-time-period 1000 --owner-principal EMPTY
--create --max-life-time-period 1000 --renewer-principal EMPTY
--create --max-life-time-period 1000 --owner-principal --renewer-principal
--create --max-life-time-period 1000 --max-life-time-period 1000
--create --max-life-time-period 1000 --hmac abcd
--create --max-life-time-period 1000 --renew-time-period 5
--create --max-life-time-period 1000 --expiry-time-period 5
--create --hmac abcd
--create
--renew --renew-time-period -1 --hmac abcd
--renew --renew-time-period 5 --hmac EMPTY
--renew --renew-time-period 5 --hmac ab
--renew --renew-time-period 5 --hmac ab==
--renew --renew-time-period 5 --hmac abc
--renew --renew-time-period 5 --hmac abc=
--renew --renew-time-period 5 --hmac +/+/
--renew --renew-time-period 5 --hmac a
--renew --renew-time-period 5 --hmac abcde
--renew --renew-time-period 5 --hmac ab=
--renew --renew-time-period 5 --hmac ab=c
--renew --renew-time-period 5 --hmac ab==c
--renew --renew-time-period 5 --hmac abc=d
--renew --renew-time-period 5 --hmac abcd=
--renew --renew-time-period 5 --hmac a===
--renew --renew-time-period 5 --hmac a=
--renew --renew-time-period 5 --hmac ====
--renew --renew-time-period 5 --hmac ab==c!
--renew --renew-time-period 5 --hmac a!bcd
--renew --renew-time-period 5 --hmac ab-_
--renew --hmac abcd
--renew --renew-time-period -1
--renew
--renew --renew-time-period -1 --hmac abcd --owner-principal User:a
--renew --renew-time-period -1 --hmac abcd --renewer-principal User:a
--renew --renew-time-period -1 --hmac abcd --max-life-time-period 1
--renew --renew-time-period -1 --hmac abcd --expiry-time-period 1
--expire --expiry-time-period -1 --hmac abcd
--expire --expiry-time-period 70000 --hmac abcd --renewer-principal User:a
--expire --expiry-time-period 1 --hmac a!
--expire --hmac abcd
--expire --expiry-time-period -1
--expire --expiry-time-period -1 --hmac abcd --owner-principal User:a
--expire --expiry-time-period -1 --hmac abcd --max-life-time-period 3
--expire --expiry-time-period -1 --hmac abcd --renew-time-period 3
--describe
--describe --owner-principal User:a
--describe --owner-principal User:a --owner-principal Group:b
--describe --owner-principal bad
--describe --owner-principal EMPTY
--describe --owner-principal
--describe --renewer-principal User:a
--describe --hmac abcd
--describe --max-life-time-period 3
--describe --renew-time-period 3
--describe --expiry-time-period 3
--describe --create
--describe --bogus
--owner-principal User:a
""".strip().splitlines()

T = 1_700_000_000_000
SHORT, LONG = b"\x01\x02", bytes(range(64))
TIMES = {"IssueTimestamp": T, "ExpiryTimestamp": T + 3_600_000, "MaxTimestamp": T + 86_400_000 * 7}
ONE = {"PrincipalType": "User", "PrincipalName": "a", "TokenRequesterPrincipalType": "User",
       "TokenRequesterPrincipalName": "somebody with a long name"}
# What a broker with tokens answers, by the API.
ANSWERS = {
    38: lambda asked: {**ONE, "IssueTimestampMs": T, "ExpiryTimestampMs": T + 60_000, "MaxTimestampMs": T + 90_000,
                       "TokenId": "aFPQJT-QQYGEAKc9USM6Bg", "Hmac": LONG},
    39: lambda asked: {"ExpiryTimestampMs": T + 120_000},
    40: lambda asked: {"ExpiryTimestampMs": T - 1},
    41: lambda asked: {"Tokens": [
        {**ONE, **TIMES, "TokenId": "short", "Hmac": SHORT, "Renewers": []},
        {**ONE, **TIMES, "TokenId": "aFPQJT-QQYGEAKc9USM6Bg", "Hmac": LONG,
         "Renewers": [{"PrincipalType": "User", "PrincipalName": "b"}, {"PrincipalType": "Group", "PrincipalName": ""}]},
    ][:1 if asked["Owners"] else 2]},
}
# No such token, not a renewer, too late.
REFUSALS = {38: lambda asked: {"ErrorCode": 65}, 39: lambda asked: {"ErrorCode": 62}, 40: lambda asked: {"ErrorCode": 63},
            41: lambda asked: {"ErrorCode": 61}}

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
    shown = str if tool == "kafka-delegation-tokens" else comparable  # tokens to the letter
    check_equal(shown(ours[1]), shown(theirs[1]), f"{line}: the output")
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


def compare_tokens(case, broker):
    for answers in (ANSWERS, REFUSALS):
        with Relay(broker.port, answers) as relay, NativeTools(case.scratch, relay.bootstrap) as both:
            for arguments in TOKENS:
                relay.asked.clear()
                compare(both, "kafka-delegation-tokens", arguments + " --command-config named.properties")
                check_equal(relay.asked[1::2], relay.asked[::2], f"{arguments}: what is asked")
    step(f"kafka-delegation-tokens: {len(TOKENS)} command lines on connections that may have tokens")


def election_results(*codes):
    """What a controller answers when the elections of the partitions of a topic end with these codes."""
    partitions = [{"PartitionId": number, "ErrorCode": code, "ErrorMessage": "nobody is in sync" if code == 83 else None}
                  for number, code in enumerate(codes)]
    return {"ReplicaElectionResults": [{"Topic": "held", "PartitionResult": partitions}]}


def compare_larger_cluster(case, broker):
    """Elections that one node alone does not need: held, not needed, without an eligible leader."""
    for answer in (election_results(0, 0), election_results(84, 0, 80, 83, 0, 84), {"ErrorCode": 31}):
        with Relay(broker.port, {43: lambda asked, answer=answer: answer}) as relay, \
                NativeTools(case.scratch, relay.bootstrap) as both:
            for arguments in ("--all-topic-partitions", "--topic held --partition 1", "--path-to-json-file both.json"):
                for kind in ("preferred", "unclean"):
                    relay.asked.clear()
                    compare(both, "kafka-leader-election", f"--election-type {kind} {arguments}")
                    ours, theirs = (comparable_requests(relay.asked[which::2]) for which in (1, 0))
                    check_equal(ours, theirs, f"{kind} {arguments}: what is asked")
    step("elections of a larger cluster")


def comparable_requests(asked):
    """Partitions in order, and the time, of which Kafka's tool takes off what has passed, in seconds."""
    for _, _, values in asked:
        values["TimeoutMs"] = round(values["TimeoutMs"] / 1000)
        for topic in values["TopicPartitions"] or []:
            topic["Partitions"].sort()
    return asked


def compare_not_numbers(both):
    """Kafka's tool ends with an exception of its own; what ours says of it is its own too."""
    for arguments in ("--create --max-life-time-period x", "--renew --renew-time-period 1.5 --hmac abcd",
                      "--expire --expiry-time-period 99999999999999999999 --hmac abcd"):
        words = ["--bootstrap-server", both.bootstrap, "--command-config", "named.properties", *arguments.split()]
        theirs, ours = both.theirs("kafka-delegation-tokens", words), both.ours("kafka-delegation-tokens", words)
        check_equal(ours[:2], theirs[:2], arguments)
        check_contains(ours[2], "Cannot parse argument", arguments)


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
        for arguments in TOKENS:
            compare(both, "kafka-delegation-tokens", arguments + " --command-config named.properties")
        for arguments in ("--describe", "--describe --command-config nowhere.properties", "--create --describe",
                          "--describe --command-config wrong.properties", "--version", "--create"):
            compare(both, "kafka-delegation-tokens", arguments)
        compare_not_numbers(both)
        step(f"kafka-delegation-tokens: {len(TOKENS)} command lines without security")
    compare_larger_cluster(case, broker)
    compare_tokens(case, broker)
    if not case.is_barnabas:
        compare_forbidden(case)


if __name__ == "__main__":
    case.main(run)
