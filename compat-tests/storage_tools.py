#!/usr/bin/env python3
"""`barnabas format`, `info`, `version-mapping`, `feature-dependencies` and `random-uuid` print what Apache Kafka's
kafka-storage prints and end with the same exit code, and kafka-dump-log reads our files as it reads Kafka's.

Both formats are made in directories of their own; ids and directories are replaced by names before they are compared.
Where kafka-storage ends in an exception of Java, only the exit code and the sentence of the exception count.
"""

import re
import subprocess
import time

from harness import case, places
from harness.outcome import check, check_equal, clip, step
from harness.tool_runner import ToolRunner
from harness.wire import Connection, batch

CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
SCRAM = ('SCRAM-SHA-256=[name=alice,iterations=5000,salt="MWx2NHBkbnc0ZndxN25vdGN4bTB5eTFrN3E=",'
         'saltedpassword="mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE="]')
STATIC = "controller.quorum.voters=9@127.0.0.1:2\n"
# $NAME is a properties file with log.dirs NAME (several joined by +). A third element is more of the file.
COMMANDS = [
    ["version-mapping"], *(["version-mapping", "--release-version", release] for release in
                           ("4.3", "4.2", "4.1", "4.0", "3.9-IV0", "3.8", "3.7-IV2", "3.6", "3.5", "3.4", "3.3", "3.3-IV3")),
    ["version-mapping", "-r", "3.2"], ["version-mapping", "-r", "x"],
    *(["feature-dependencies", "-f", feature] for feature in (
        "metadata.version=22", "metadata.version=1", "transaction.version=2", "transaction.version=3", "x=1",
        "kraft.version=1", "kraft.version=0", "eligible.leader.replicas.version=1", "eligible.leader.replicas.version=0",
        "streams.version=1", "group.version=0", "transaction.version=-1", "group.version", "group.version=x")),
    ["feature-dependencies", "-f", "share.version=1", "-f", "group.version=1"],
    ["feature-dependencies", "-f", "share.version=1", "-f", "nobodys=1"],
    ["info", "-c", "$a"], ["info", "-c", "$a+b"],
    ["format", "-t", CLUSTER, "-c", "$a"], ["format", "-t", CLUSTER, "-c", "$a", "--standalone"],
    ["info", "-c", "$a"], ["info", "-c", "$a+b"],
    ["format", "-t", CLUSTER, "-c", "$a+b", "--standalone"],
    ["format", "-t", CLUSTER, "-c", "$a+b", "--standalone", "--ignore-formatted"],
    ["format", "-t", CLUSTER, "-c", "$a+b", "--standalone", "-g"], ["info", "-c", "$a+b"],
    ["format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", "$e", "--standalone"], ["info", "-c", "$a+e"],
    ["format", "-t", CLUSTER, "-c", "$f", "--standalone", "-r", "4.0-IV3"],
    ["format", "-t", CLUSTER, "-c", "$g", "--standalone", "-r", "3.9", "-f", "transaction.version=1"],
    ["format", "-t", CLUSTER, "-c", "$h", "--standalone", "-f", "group.version=0", "-f", "kraft.version=1"],
    ["format", "-t", CLUSTER, "-c", "$i", "--no-initial-controllers", "-f", "share.version=0"],
    ["format", "-t", CLUSTER, "-c", "$j", "--initial-controllers", "9@127.0.0.1:2:brgll3uFTVCcjfUw8Z95lQ"],
    ["info", "-c", "$j"], ["format", "-t", CLUSTER, "-c", "$k", "--standalone", "--add-scram", SCRAM],
    ["format", "-t", CLUSTER, "-c", "$l", "--standalone", "-f", "nobodys=1"],
    ["format", "-t", CLUSTER, "-c", "$l", "--standalone", "-f", "group.version=7"],
    ["format", "-t", CLUSTER, "-c", "$l", "--standalone", "-r", "9.9"],
    ["format", "-t", CLUSTER, "-c", "$static"], ["format", "-t", CLUSTER, "-c", "$static2", "--standalone"],
    ["random-uuid"],
]


class Place:
    """A folder with properties files and directories of one of the two, which look the same to both."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def argument(self, word):
        if not word.startswith("$"):
            return word
        name = word[1:]
        file = self.folder / f"{name}.properties"
        file.write_text(
            "process.roles=broker,controller\nnode.id=9\ncontroller.listener.names=CONTROLLER\n"
            "listeners=PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2\n"
            f"log.dirs={','.join(str(self.folder / part) for part in name.split('+'))}\n" +
            (STATIC if name.startswith("static") else "controller.quorum.bootstrap.servers=127.0.0.1:2\n"))
        return str(file)

    def normal(self, code, out, err):
        text = out + err
        if exception := re.search(r"^Exception in thread .*?Exception: (.*)$", text, re.MULTILINE):
            text = exception[1]
        text = text.replace(str(self.folder), "$HERE").replace(", 4.4-IV0", "")
        text = re.sub(r"directory\.id=[A-Za-z0-9_-]{22}", "directory.id=$ID", text)
        return code, re.sub(r"^[A-Za-z0-9_-]{22}$", "$UUID", text.strip(), flags=re.MULTILINE)


def compare_storage_commands(case):
    kafka, barnabas = Place(case.scratch / "kafka-storage"), Place(case.scratch / "barnabas-storage")
    different = []
    with ToolRunner(case.scratch) as runner:
        for command in COMMANDS:
            done = runner.call("kafka-storage", [kafka.argument(word) for word in command])
            expected = kafka.normal(done.code, done.out, done.err)
            if case.is_barnabas:
                mine = subprocess.run([places.barnabas_program(), *(barnabas.argument(word) for word in command)],
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
                got = barnabas.normal(mine.returncode, mine.stdout, mine.stderr)
                if got != expected:
                    different.append(f"{' '.join(command)}\n   got      {clip(repr(got), 1200)}\n"
                                     f"   expected {clip(repr(expected), 1200)}")
    check(not different, f"{len(different)} of {len(COMMANDS)} differ:\n" + "\n".join(different))
    step(f"{len(COMMANDS)} command lines of kafka-storage say the same")


# --- kafka-dump-log

def fill(broker):
    def call(key, version, values):
        with Connection(broker.port) as connection:
            return connection.call(key, version, values)
    answer = call(19, 7, {"timeoutMs": 10000, "Topics": [{"Name": "dumped", "NumPartitions": 1, "ReplicationFactor": 1,
                                                          "Assignments": [], "Configs": [{"Name": "retention.ms", "Value": "-1"}]}]})
    check_equal(answer["Topics"][0]["ErrorCode"], 0, "creating the topic")
    # Apache Kafka leads a new partition a moment after it has answered.
    end, error = time.monotonic() + 15, None
    while error != 0 and time.monotonic() < end:
        listed = call(2, 7, {"ReplicaId": -1, "Topics": [{"Name": "dumped", "Partitions": [
            {"PartitionIndex": 0, "Timestamp": -1}]}]})
        error = listed["Topics"][0]["Partitions"][0]["ErrorCode"]
        time.sleep(0.02)
    for number in range(100):
        records = batch([b"value %d" % number] * 3, key=b"key", producer=(7, 0, 3 * number), timestamp=1_700_000_000_000 + number)
        answer = call(0, 9, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 5000, "TopicData": [
            {"Name": "dumped", "PartitionData": [{"Index": 0, "Records": records}]}]})
        check_equal(answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"], 0, "producing")
    broker.stop()


DUMPED = [["dumped-0/00000000000000000000.log", "--print-data-log"], ["dumped-0/00000000000000000000.log", "--deep-iteration"],
          ["dumped-0/00000000000000000000.log"], ["dumped-0/00000000000000000000.log", "--skip-record-metadata"],
          ["dumped-0/00000000000000000000.index"], ["dumped-0/00000000000000000000.index", "--index-sanity-check"],
          ["dumped-0/00000000000000000000.timeindex"], ["dumped-0/00000000000000000300.snapshot"],
          ["dumped-0/00000000000000000000.index", "--verify-index-only"]]


def compare_dumps(case):
    brokers = {kind: case.broker(name=f"dumped-{kind}", kind=kind) for kind in {"kafka", case.kind}}
    for broker in brokers.values():
        fill(broker.start())
    with ToolRunner(case.scratch) as runner:
        def dump(broker, file, options):
            done = runner.call("kafka-dump-log", ["--files", str(broker.data_directory / file), *options])
            text = (done.out + done.err).replace(str(broker.data_directory), "$DATA")
            # The figures of the moment: when the producer was last heard.
            return done.code, re.sub(r"lastTimestamp: \d+", "lastTimestamp: <ms>", text)
        for file, *options in DUMPED:
            expected = dump(brokers["kafka"], file, options)
            check_equal(expected[0], 0, f"kafka-dump-log {file} {options} on Kafka's files")
            check_equal(dump(brokers[case.kind], file, options), expected, f"kafka-dump-log {file} {' '.join(options)}")
        for cluster_file in ("__cluster_metadata-0/00000000000000000000.log",):
            done = runner.call("kafka-dump-log", ["--cluster-metadata-decoder", "--files",
                                                  str(brokers[case.kind].data_directory / cluster_file)])
            check_equal(done.code, 0, f"kafka-dump-log --cluster-metadata-decoder\n{done.err}")
            for record in ("REGISTER_BROKER_RECORD", "TOPIC_RECORD", "PARTITION_RECORD", "FEATURE_LEVEL_RECORD"):
                check(record in done.out, f"{record} is in what kafka-dump-log shows of the metadata")
    step(f"kafka-dump-log shows {len(DUMPED)} views of our files as it shows those of Kafka's")


def run(case):
    compare_storage_commands(case)
    compare_dumps(case)


if __name__ == "__main__":
    case.main(run)
