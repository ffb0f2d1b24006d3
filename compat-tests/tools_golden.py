#!/usr/bin/env python3
"""Apache Kafka's tools print the same, and end with the same exit code, on Barnabas as on Apache Kafka.

The command lines of testdata/tool_commands.txt are run in order against a fresh node of each kind, and what they printed
is compared after ids, times and ports were replaced by names. Lines whose function a node does not advertise are left
out on both and listed with the reason: that list follows from ApiVersions, so it cannot go stale.
"""

import dataclasses
import json
import re
import shlex
import subprocess
import time

from harness import case, compatibility_page
from harness.outcome import check, clip, step
from harness.places import COMPAT_TESTS
from harness.tool_runner import ToolRunner
from harness.wire import Connection

# What a command line can need, by the key of the API without which the function is not there.
NEEDS = {"update-features": 57, "quorum": 55, "quotas": 48, "scram": 50, "transactions": 24, "consumer-groups": 68,
         "share-groups": 76, "streams-groups": 88}
# Tools whose command lines need more than one plain node, and why they are not in the list.
ELSEWHERE = {
    "kafka-storage, kafka-dump-log": "work on directories: storage_tools, data_directory_exchange",
    "kafka-server-start, kafka-server-stop": "start and stop the node itself: cli_start_stop, docker_module_scripts",
    "kafka-run-class": "starts any class of a JVM",
    "kafka-jmx": "asks a JVM",
    "connect-*, kafka-mirror-maker, trogdor, kafka-metadata-shell": "are no part of the broker",
}


@dataclasses.dataclass
class Command:
    """One line of the list."""
    line: str
    words: list
    standard_input: str = None
    notes: dict = dataclasses.field(default_factory=dict)

    @property
    def needs(self):
        return [name for name in self.notes.get("needs", "").split(",") if name]


def read_commands():
    commands = []
    for line in (COMPAT_TESTS / "testdata/tool_commands.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        text, *notes = re.split(r" @(?=sorted|rows|needs|limit|waits|meant|fails)", line)
        text, _, given = text.partition(" < ")
        parted = (note.partition(" ") for note in notes)
        words = text.split(" ", 2) if text.startswith("file ") else shlex.split(text)
        commands.append(Command(text, words, json.loads(given) if given else None,
                                {name: value for name, _, value in parted}))
    return commands


def advertised(broker):
    with Connection(broker.port) as connection:
        return {api["ApiKey"] for api in connection.call(18, 3, {"ClientSoftwareName": "t", "ClientSoftwareVersion": "1"})["ApiKeys"]}


REPLACED = [
    (r"(console-(share-)?consumer-|perf-consumer-)\d+", r"\1<n>"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d([:,.]\d{3})?)?", "<time>"),
    (r"\b1\d{12}\b", "<ms>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
    (r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])", "<id>"),
    (r"((Epoch|HighWatermark|LeaderEpoch|MaxFollowerLagTimeMs|MaxFollowerLag): +)\d+", r"\1<n>"),
    (r"\b(Prepare|Complete)(Commit|Abort)\b", r"<ending with \2>"),  # markers are written in the background
    (r"(<ms>[ \t]+)\d+", r"\1<n>"),
    (r" in [\d.]+ ms| \d+ ms ago", " <n> ms"),
    (r'"size":\d+', '"size":<n>'),
    (r'"avg_throughput":[\d.E-]+', '"avg_throughput":<n>'),
    (r"^(\d+[ \t]+<id>).*(Leader|Follower|Observer)", r"\1 <numbers> \2"),
    # Whether a consumer first hears of an empty assignment depends on when the group's is made.
    (r'^.*"name":"partitions_assigned","partitions":\[\]\}\n', ""),
    (r" +", " "),
    (r" $", ""),
]


def normal(text, broker, directory, notes):
    """The text without what cannot be the same twice."""
    for found, name in ((f"127.0.0.1:{broker.port}", "<broker>"), (f"127.0.0.1:{broker.controller_port}", "<controller>"),
                        (str(broker.data_directory), "<data>"), (str(directory), "<here>")):
        text = text.replace(found, name)
    text = re.sub(rf"(127\.0\.0\.1[ \t]+)({broker.port}|{broker.controller_port})\b", r"\1<port>", text)
    for pattern, name in REPLACED:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    if "rows" in notes:
        text = re.sub(r"\d+(\.\d+)?(E-?\d+)?", "<n>", text)
        text = "\n".join(dict.fromkeys(text.splitlines()))
    if "sorted" in notes:
        text = "\n".join(sorted(", ".join(sorted(re.split(r", ?| are ", line))) for line in text.splitlines()))
    return text.strip()


def without_logs(text):
    """Standard error without the lines that a logger wrote, whose order and number are of the moment."""
    kept, in_log = [], False
    for line in text.splitlines():
        in_log = line.startswith("[20") or in_log and line.startswith(("\tat ", "Caused by", "org.apache", "java."))
        if not in_log:
            kept.append(line)
    return "\n".join(kept)


class Session:
    """The list of command lines on one node."""

    def __init__(self, case, kind, skipped):
        self.case, self.skipped = case, skipped
        self.broker = case.broker(name=kind, kind=kind).start()
        self.directory = case.scratch / f"{kind}-work"
        self.directory.mkdir()
        self.left_running = []

    def arguments(self, words):
        values = {"$CTRL": f"127.0.0.1:{self.broker.controller_port}", "$BS": self.broker.bootstrap}
        made = []
        for word in words:
            made += ["--bootstrap-server", self.broker.bootstrap] if word == "$B" else [values.get(word, word)]
        return made

    def run(self, commands):
        """What each command printed: (exit code, standard output, standard error), by its place in the list."""
        printed = {}
        with ToolRunner(self.directory) as runner:
            for place, command in enumerate(commands):
                if any(need in self.skipped for need in command.needs):
                    continue
                match command.words[0]:
                    case "file":
                        (self.directory / command.words[1]).write_text(command.words[2])
                    case "start":
                        self.start(command)
                    case "stop":
                        self.stop()
                    case _:
                        printed[place] = self.call(runner, command)
        self.stop()
        self.broker.stop()
        return printed

    def call(self, runner, command):
        deadline = time.monotonic() + 40
        while True:
            done = runner.call(command.words[0], self.arguments(command.words[1:]), command.standard_input,
                               int(command.notes.get("limit", 60)))
            waited_for = command.notes.get("waits")
            if waited_for is None or waited_for in done.out or time.monotonic() > deadline:
                break
        return done.code, *(normal(text, self.broker, self.directory, command.notes)
                            for text in (done.out, without_logs(done.err)))

    def start(self, command):
        tools = self.case.kafka_tools()
        self.left_running.append(tools.start(command.words[1], *self.arguments(command.words[2:]), stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def stop(self):
        for process in self.left_running:
            process.terminate()
            process.wait(30)
        self.left_running.clear()


def missing_functions(case):
    """The functions that a node of the kind under test does not advertise."""
    broker = case.broker(name="asked").start()
    there = advertised(broker)
    broker.stop()
    return {need for need, key in NEEDS.items() if key not in there}


def run(case):
    commands = read_commands()
    skipped = missing_functions(case)
    expected = Session(case, "kafka", skipped).run(commands)
    got = Session(case, case.kind, skipped).run(commands) if case.is_barnabas else expected
    different, same, meant = [], 0, 0
    for place, wanted in expected.items():
        command = commands[place]
        check((wanted[0] == 0) != ("fails" in command.notes),
              f"{command.line}: ended with exit code {wanted[0]} on Apache Kafka\n{wanted[1]}\n{wanted[2]}")
        if "meant" in command.notes and case.is_barnabas:
            check(got[place] != wanted, f"{command.line}: was meant to differ ({command.notes['meant']}), and does not")
            meant += 1
        elif got[place] == wanted:
            same += 1
        else:
            different.append(f"{command.line}\n" + "".join(
                f"   {name}: got\n{clip(mine, 1500)}\n   expected\n{clip(theirs, 1500)}\n"
                for name, mine, theirs in zip(("exit code", "standard output", "standard error"),
                                              map(str, got[place]), map(str, wanted)) if mine != theirs))
    check(not different, f"{len(different)} of {len(expected)} differ:\n" + "\n".join(different))
    step(f"{same} command lines give the same on both, {meant} differ on purpose")
    for need in sorted(skipped):
        count = sum(need in command.needs for command in commands)
        step(f"left out: {count} command lines that need {need} (API {NEEDS[need]} is not advertised)")
    if case.is_barnabas and case.full:
        compatibility_page.write_part("tools", page_part(commands, skipped, same))


def page_part(commands, skipped, same):
    """The tools' part of docs/compatibility.md."""
    lines = ["## Apache Kafka's tools", "", f"`compat-tests/tools_golden.py --full` ran {same} command lines with the tools "
             "of Apache Kafka 4.3.1 on Barnabas and on Apache Kafka: output and exit code are the same.", "",
             "| tool | command lines | left out | because |", "| --- | --- | --- | --- |"]
    tools = {}
    for command in commands:
        if command.words[0].startswith("kafka-"):
            tools.setdefault(command.words[0], []).append(command)
    for tool, of_tool in sorted(tools.items()):
        missing = [command for command in of_tool if any(need in skipped for need in command.needs)]
        reasons = sorted({f"not there yet: {need}" for command in missing for need in command.needs if need in skipped})
        meant = [f"differs on purpose: {command.notes['meant']}" for command in of_tool if "meant" in command.notes]
        lines.append(f"| {tool} | {len(of_tool) - len(missing)} | {len(missing) or ''} | {'; '.join(reasons + meant)} |")
    lines += [f"| {tools} | elsewhere | | {reason} |" for tools, reason in ELSEWHERE.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    case.main(run)
