#!/usr/bin/env python3
"""Every name of Kafka's configuration takes and refuses values as Apache Kafka does, at the start and while it runs.

For each name of brokers, topics, groups and client metrics: its default, the edges of what is allowed, and values of the
wrong type, once in a properties file and once through IncrementalAlterConfigs; and combinations of values that are
right one by one. What is refused, with which error code and in which words, must be the same. Then updates are made
for good: they take effect, and DescribeConfigs of every resource answers the same on both.
"""

import base64
import functools
import json
import re
import subprocess
import time

from harness import case, config_values, jvm, places
from harness.outcome import check, check_contains, check_equal, clip, step
from harness.wire import CLOSED, Connection, batch

RESOURCES = {"topic": (2, "configured"), "broker": (4, "1"), "cluster": (4, ""), "client-metrics": (16, "metrics"),
             "group": (32, "configured")}
# Where Kafka tells what went wrong inside of Java, it is only compared that both refuse.
JAVA = ("begin 0, end -1", "For input string", "/ by zero", "port out of range", "DynamicMetricsReporters",
        "configuration broker.id: Not a number")
# What Kafka takes and Barnabas says is not there yet.
NOT_YET = ("is served yet", "not served yet")
# Refused by Barnabas with the rest of the configuration, by Kafka a moment later when it binds or joins its quorum.
EARLIER = ("PLAINTEXT://127.0.0.1:99999", "is not routeable")
# An item of these may be empty while Kafka runs, and not when it starts.
UNEVEN = ("config.providers",)


def in_our_words(message):
    """Kafka's message without what Scala and its own wrapping put around it."""
    wrapped = re.fullmatch(r"Invalid value org\.apache\.kafka\.common\.config\.ConfigException: (.*) for configuration "
                           "Invalid dynamic configuration", message or "", re.DOTALL)
    return (wrapped[1] if wrapped else message or "").removeprefix("requirement failed: ")


# --- the start

class KafkaStart:
    """What Apache Kafka says to a properties file."""

    def __init__(self):
        libs = places.kafka_libs()
        class_path = places.java_classes(places.COMPAT_TESTS / "config_runner" / "ConfigRunner.java", libs)
        self.process = subprocess.Popen(
            [places.command("java"), "-Xmx256m", *jvm.options(libs), jvm.log4j("tools_log4j2.yaml"), "-cp", class_path,
             "ConfigRunner"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def verdict(self, text):
        self.process.stdin.write(base64.b64encode(text.encode()).decode() + "\n")
        self.process.stdin.flush()
        return in_our_words(base64.b64decode(self.process.stdout.readline()).decode())

    def close(self):
        self.process.kill()
        self.process.wait()


class BarnabasStart:
    """The same of Barnabas: where nothing is formatted, a start whose configuration is right says just that."""

    def __init__(self, directory):
        self.file = directory / "tried.properties"

    def verdict(self, text):
        self.file.write_text(text)
        done = subprocess.run([places.barnabas_program(), self.file], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=20)
        check_equal(done.returncode, 1, f"the exit code with\n{text}")
        said = [line for line in done.stderr.splitlines() if line.startswith("barnabas: ")]
        check(len(said) == 1, f"one refusal, not {done.stderr!r}, with\n{text}")
        return "valid" if "run `barnabas format` first" in said[0] else said[0].removeprefix("barnabas: ")


def escaped(value):
    """A value as a properties file must have it to keep blanks at its ends."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def tried_at_start(usual, everything):
    """(what is special, the text of the file)"""
    special = [{row["name"]: value} for row in config_values.table("broker") for value in
               config_values.values(row, everything)]
    for changed in special + config_values.COMBINATIONS:
        both = {**usual, **changed}
        yield changed, "".join(f"{key}={escaped(value)}\n" for key, value in both.items() if value is not None)


def same_verdict(got, expected):
    if got == expected or any(part in expected for part in JAVA) and got != "valid":
        return True
    return expected == "valid" and any(part in got for part in NOT_YET + EARLIER)


def compare_starts(case):
    usual = case.broker(name="never-started").properties()
    kafka, barnabas = KafkaStart(), BarnabasStart(case.scratch)
    different, count, refused = [], 0, 0
    try:
        for changed, text in tried_at_start(usual, case.full):
            expected = kafka.verdict(text)
            got = barnabas.verdict(text) if case.is_barnabas else expected
            count, refused = count + 1, refused + (expected != "valid")
            if not same_verdict(got, expected):
                different.append(f"{changed}\n   got      {clip(got, 500)}\n   expected {clip(expected, 500)}")
    finally:
        kafka.close()
    check(not different, f"{len(different)} of {count} starts differ:\n" + "\n".join(different[:60]))
    step(f"{count} starts, {refused} of them refused, say the same")


def check_real_starts(case):
    """The exit code and the words of some refusals, with the whole node started."""
    for name, value, words in (("num.partitions", "many", "Invalid value many for configuration num.partitions: Not a "
                                "number of type INT"), ("log.roll.ms", "0", "log.roll.ms must be greater than")):
        broker = case.broker({name: value}, name=f"refused-{name}")
        broker.write_properties()
        done = subprocess.run(broker.start_command(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        check_equal(done.returncode, 1, f"the exit code of a start with {name}={value}")
        check_contains(done.stdout + done.stderr, words, f"what a start with {name}={value} says")
    step("a wrong value ends the start with exit code 1 and says what is allowed")


def check_unserved_line(case):
    """What is not known is told, and what has no effect yet is told in one line."""
    broker = case.broker({"no.such.setting": "1", "super.users": "User:a", "remote.log.reader.threads": "9",
                          "listener.name.plaintext.ssl.keystore.type": "PKCS12", "sasl.enabled.mechanisms": "PLAIN"},
                         name="warned").start()
    if case.is_barnabas:
        lines = [line for line in broker.output().splitlines() if "not there yet" in line]
        check_equal(len(lines), 1, "how many lines tell what has no effect yet")
        for name in ("remote.log.reader.threads", "sasl.enabled.mechanisms",
                     "listener.name.plaintext.ssl.keystore.type"):
            check_contains(lines[0], name, "the line of what has no effect yet")
        check_contains(broker.output(), "no.such.setting is not known", "the warning of an unknown name")
    broker.stop()
    step("a node starts with settings that it does not know or serve, and names them")


# --- updates of a running broker

def call(broker, key, version, values):
    with Connection(broker.port) as connection:
        return connection.call(key, version, values)


def alter(broker, kind, changes, validate=False, connection=None):
    """Sets values, None deletes. (error code, message)"""
    number, name = RESOURCES[kind]
    answer = (connection.call if connection else functools.partial(call, broker))(44, 1, {"ValidateOnly": validate, "Resources": [{
        "ResourceType": number, "ResourceName": name, "Configs": [
            {"Name": key, "ConfigOperation": int(value is None), "Value": value} for key, value in changes.items()]}]})
    return answer["Responses"][0]["ErrorCode"], in_our_words(answer["Responses"][0]["ErrorMessage"])


def tried_updates(everything):
    for kind in RESOURCES:
        for name in {"broker": ("broker", "broker-quota"), "cluster": ("broker", "broker-quota")}.get(kind, (kind,)):
            for row in config_values.table(name):
                for value in config_values.values(row, everything):
                    yield kind, {row["name"]: value}
    yield from config_values.UPDATES


def compare_updates(case, kafka, tested):
    different, count, refused = [], 0, 0
    for kind, changes in tried_updates(case.full):
        if changes.keys() & set(UNEVEN):
            continue
        expected, got = (alter(broker, kind, changes, validate=True) for broker in (kafka, tested))
        count, refused = count + 1, refused + (expected[0] != 0)
        got = (got[0], got[1].replace(str(tested.port), str(kafka.port)).replace(
            str(tested.controller_port), str(kafka.controller_port)))
        if got != expected and not (got[0] == expected[0] and any(part in expected[1] for part in JAVA)):
            different.append(f"{kind} {changes}\n   got      {got}\n   expected {expected}")
    check(not different, f"{len(different)} of {count} updates differ:\n" + "\n".join(different[:60]))
    step(f"{count} updates, {refused} of them refused, are answered the same")


def describe(broker, kind, names=None):
    """{name: all that DescribeConfigs tells of it} without what differs from node to node."""
    number, resource = (8, "1") if kind == "loggers" else RESOURCES[kind]
    answer = call(broker, 32, 4, {"IncludeSynonyms": True, "Resources": [
        {"ResourceType": number, "ResourceName": resource, "ConfigurationKeys": names}]})["Results"][0]
    check_equal((answer["ErrorCode"], answer["ErrorMessage"]), (0, ""), f"DescribeConfigs of {kind}")
    text = json.dumps({one["Name"]: one for one in answer["Configs"]})
    for found, name in ((str(broker.directory), "$HERE"), (str(broker.port), "$PORT"),
                        (str(broker.controller_port), "$CONTROLLER_PORT")):
        text = text.replace(found, name)
    return json.loads(text)


def differences(kafka, tested):
    """{(kind, name): (got, expected)}; of loggers Kafka has more."""
    found = {}
    for kind in (*RESOURCES, "loggers"):
        expected, got = describe(kafka, kind), describe(tested, kind)
        names = got.keys() if kind == "loggers" else got.keys() | expected.keys()
        found |= {(kind, name): (got.get(name), expected.get(name)) for name in names
                  if got.get(name) != expected.get(name)}
    return found


def compare_descriptions(kafka, tested, when):
    """Both brokers apply an update a moment after its answer, so they are asked until they agree."""
    end = time.monotonic() + 5
    while different := differences(kafka, tested):
        check(time.monotonic() < end, f"{when}, got and expected of what is described: {clip(different)}")
        time.sleep(0.05)


# Made for good, one after the other. The password must not be seen again.
MADE = [
    ("cluster", {"log.retention.ms": "700000000"}), ("broker", {"log.retention.ms": "500000000"}),
    ("broker", {"log.retention.ms": None}), ("cluster", {"log.cleaner.threads": " 2 "}),
    ("cluster", {"compression.type": "gzip"}), ("cluster", {"compression.type": None}),
    ("broker", {"listener.name.plaintext.max.connections": "500"}),
    ("broker", {"listener.name.plaintext.ssl.keystore.password": "not-to-be-seen"}),
    ("broker", {"listener.name.plaintext.ssl.keystore.type": "PKCS12"}), ("broker", {"nobody.knows": "not-to-be-seen"}),
    ("cluster", {"nobody.knows.either": "5"}), ("cluster", {"leader.replication.throttled.rate": "5"}),
    ("broker", {"leader.replication.throttled.rate": "6"}),
    ("topic", {"retention.ms": " 55000 ", "cleanup.policy": "compact, delete"}), ("topic", {"cleanup.policy": None}),
    ("group", {"consumer.session.timeout.ms": "46000"}),
    ("client-metrics", {"interval.ms": "5000", "match": "client_id=a", "metrics": "b,c"}),
]



def compare_made(kafka, tested):
    compare_descriptions(kafka, tested, "at first")
    for kind, changes in MADE:
        check_equal([alter(broker, kind, changes) for broker in (kafka, tested)], [(0, "")] * 2, f"{kind} {changes}")
        compare_descriptions(kafka, tested, f"after {kind} {changes}")
    check("not-to-be-seen" not in tested.output(), "a password is in the log")
    step(f"every configuration is described the same, before and after each of {len(MADE)} updates")


def produce(broker, size):
    answer = call(broker, 0, 9, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 5000, "TopicData": [
        {"Name": "effects", "PartitionData": [{"Index": 0, "Records": batch([b"x" * size])}]}]})
    part = answer["Responses"][0]["PartitionResponses"][0]
    return part["ErrorCode"], part["LogAppendTimeMs"] > 0


def until(question, wanted, what):
    """An update takes effect within moments, not at once."""
    end = time.monotonic() + 10
    while (got := question()) != wanted:
        check(time.monotonic() < end, f"{what}: {got} after 10 s, not {wanted}")
        time.sleep(0.05)


def connections_served(broker, count):
    """How many of `count` connections at once are served."""
    opened = [Connection(broker.port) for _ in range(count)]
    try:
        served = 0
        for connection in opened:
            try:
                served += connection.call(18, 0, {}) != CLOSED
            except OSError:
                pass
        return served
    finally:
        for connection in opened:
            connection.socket.close()


def check_effects(broker):
    """What is set is done, by the cluster's default and by the broker's own value above it."""
    check_equal(produce(broker, 5000), (0, False), "a record of 5 kB at first")
    alter(broker, "cluster", {"message.max.bytes": "2000"})
    until(lambda: produce(broker, 5000), (10, False), "a record above the cluster's message.max.bytes")
    alter(broker, "broker", {"message.max.bytes": "9000"})
    until(lambda: produce(broker, 5000), (0, False), "a record below the broker's own message.max.bytes")
    alter(broker, "broker", {"log.message.timestamp.type": "LogAppendTime"})
    until(lambda: produce(broker, 10), (0, True), "a record with log.message.timestamp.type=LogAppendTime")
    alter(broker, "broker", {"message.max.bytes": None, "log.message.timestamp.type": None})
    until(lambda: produce(broker, 5000), (10, False), "a record once the broker's own value is gone")
    alter(broker, "cluster", {"message.max.bytes": None})
    until(lambda: produce(broker, 5000), (0, False), "a record once the cluster's value is gone")
    with Connection(broker.port) as held:  # Counts too, and is there when no other connection is let in.
        alter(broker, "cluster", {"max.connections.per.ip": "3"}, connection=held)
        until(lambda: connections_served(broker, 6), 2, "connections served with max.connections.per.ip=3")
        alter(broker, "cluster", {"max.connections.per.ip.overrides": "127.0.0.1:5"}, connection=held)
        until(lambda: connections_served(broker, 7), 4, "connections served with an override of 5")
        alter(broker, "cluster", {"max.connections.per.ip": None, "max.connections.per.ip.overrides": None},
              connection=held)
        until(lambda: connections_served(broker, 7), 7, "connections served without a limit")


# --- the levels of loggers

LOGGER = "kafka.server.ReplicaManager"
LEVELS = [[(LOGGER, 0, "DEBUG")], [(LOGGER, 0, "debug")], [(LOGGER, 0, "OFF")], [(LOGGER, 0, "")], [(LOGGER, 0, None)],
          [(LOGGER, 2, "DEBUG")], [(LOGGER, 3, "DEBUG")], [(LOGGER, 9, "DEBUG")], [("nosuch", 0, "DEBUG")],
          [("nosuch", 1, None)], [("nosuch", 2, "x")], [("root", 1, None)], [("root", 0, "WARN")],
          [(LOGGER, 0, "TRACE"), ("nosuch", 0, "INFO")], [(LOGGER, 0, "TRACE"), (LOGGER, 0, "INFO")], [],
          [(LOGGER, 0, "ERROR"), ("kafka.log.LogManager", 0, "FATAL")], [(LOGGER, 1, None)], [(LOGGER, 1, "x")],
          [("root", 0, "INFO")], [("kafka.log.LogManager", 1, None)]]


def compare_loggers(kafka, tested):
    for validate in (True, False):
        for changes in LEVELS:
            values = {"ValidateOnly": validate, "Resources": [{"ResourceType": 8, "ResourceName": "1", "Configs": [
                {"Name": name, "ConfigOperation": operation, "Value": level} for name, operation, level in changes]}]}
            expected, got = (call(broker, 44, 1, values) for broker in (kafka, tested))
            check_equal(got, expected, f"levels {changes}, only validated: {validate}")
            compare_descriptions(kafka, tested, f"after the levels {changes}")
    step(f"{2 * len(LEVELS)} changes of log levels are answered and described the same")


def make_topics(broker):
    answer = call(broker, 19, 7, {"timeoutMs": 10000, "Topics": [
        {"Name": name, "NumPartitions": 1, "ReplicationFactor": 1, "Assignments": [], "Configs": configs}
        for name, configs in (("configured", []), ("effects", [{"Name": "retention.ms", "Value": "-1"}]))]})
    check_equal([topic["ErrorCode"] for topic in answer["Topics"]], [0, 0], "creating the topics")


def run(case):
    compare_starts(case)
    check_real_starts(case)
    check_unserved_line(case)
    kafka = case.broker(name="kafka", kind="kafka").start()
    tested = case.broker(name="tested").start() if case.is_barnabas else kafka
    for broker in {kafka, tested}:
        make_topics(broker)
    compare_updates(case, kafka, tested)
    check_effects(tested)
    step("updates take effect, for the cluster and for one broker")
    compare_made(kafka, tested)
    compare_loggers(kafka, tested)
    for broker in {kafka, tested}:
        broker.stop()


if __name__ == "__main__":
    case.main(run)
