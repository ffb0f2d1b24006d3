#!/usr/bin/env python3
"""Our tools that administer do what Apache Kafka's do.

The command lines of testdata/native_admin_commands.txt are run in order on two fresh brokers of one kind: with Apache
Kafka's tools on the one, with ours on the other. Exit code and standard output are compared after ports, ids and folders
were replaced by names; of what a tool says of a mistake, its first line. The order of lines is not compared where Apache
Kafka's is that of a Java hash map.
"""

import re
import shlex

from harness import case
from harness.native_tools import NativeTools, lines_of
from harness.outcome import check, clip, step
from harness.places import COMPAT_TESTS

FILES = {
    "short.properties": "default.api.timeout.ms=1500\nrequest.timeout.ms=1000\n",
    "added.properties": "retention.ms=77000\n",
    "offsets.csv": '"t1",0,0\n"t1",1,1\n',
    "group-offsets.csv": '"g1","t1",0,0\n',
}
# Apache Kafka prints these collections in the order of a hash set, another one with each JVM.
UNORDERED_TAIL = re.compile(r"(Valid states are: |takes one of these options: |takes the following options: |"
                            r"takes at most one of these options: )(.*)")
# What a logger says; a stack trace within leaves the end of its line, the logger's name.
LOGGED = ("[20", " (org.apache.kafka.")


def read_lines():
    text = (COMPAT_TESTS / "testdata/native_admin_commands.txt").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def normal(text, broker):
    for found, name in ((broker.bootstrap, "<broker>"), (f"127.0.0.1:{broker.controller_port}", "<controller>"),
                        (str(broker.data_directory), "<data>")):
        text = text.replace(found, name)
    text = re.sub(rf"(127\.0\.0\.1[ \t]+)({broker.port}|{broker.controller_port})\b", r"\1<port>", text)
    return re.sub(r"(?<![A-Za-z0-9_.-])[A-Za-z0-9_-]{22}(?![A-Za-z0-9_.-])", "<id>", text)


def mistake(text):
    """The first line that a tool says, without log lines and what Java puts in front of it."""
    lines = [line for line in lines_of(text) if not line.startswith(LOGGED)]
    said = " ".join(lines)
    # Tools with subcommands tell their usage first, and wrap what they say.
    error = re.search(r": +error: .*", said)
    if error:
        return re.sub(r"\s+", " ", error.group().split(" `kafka-")[0]).replace("- -", "--")
    first = re.sub(r'^Exception in thread "main" [\w.]+: ', "", lines[0]) if lines else ""
    first = re.sub(r"\[(\[.*?\])\]", lambda found: f"[{', '.join(sorted(found.group(1).split(', ')))}]", first)
    return UNORDERED_TAIL.sub(lambda found: found.group(1) + ", ".join(sorted(found.group(2).split(", "))), first)


class Compared:
    """What both did with one line."""

    def __init__(self, line, theirs, ours, brokers):
        self.line = line
        self.theirs, self.ours = (self.seen(done, broker) for done, broker in zip((theirs, ours), brokers))
        # Ours may say more, such as which option of a file is wrong.
        self.same = self.theirs[:2] == self.ours[:2] and (
            self.theirs[0] == 0 or self.ours[2].startswith(self.theirs[2]))

    @staticmethod
    def seen(done, broker):
        code, out, err = done
        return code, sorted(line.rstrip() for line in normal(out, broker).splitlines()), mistake(normal(err, broker))

    def difference(self):
        return f"{self.line}\n   got      {clip(str(self.ours), 1200)}\n   expected {clip(str(self.theirs), 1200)}"


def run(case):
    brokers = [case.broker(name=name).start() for name in ("theirs", "ours")]
    for name, text in FILES.items():
        (case.scratch / name).write_text(text)
    different, count = [], 0
    with NativeTools(case.scratch, None) as tools:
        for line in read_lines():
            def words(broker):
                places = {"$BS": [broker.bootstrap], "$CTRL": [f"127.0.0.1:{broker.controller_port}"],
                          "$B": ["--bootstrap-server", broker.bootstrap]}
                return [part for word in shlex.split(line) for part in places.get(word, [word])]

            tool, *theirs = words(brokers[0])
            compared = Compared(line, tools.theirs(tool, theirs), tools.ours(tool, words(brokers[1])[1:]), brokers)
            count += 1
            if not compared.same:
                different.append(compared.difference())
    check(not different, f"{len(different)} of {count} differ:\n" + "\n".join(different))
    step(f"{count} command lines do the same with both")


if __name__ == "__main__":
    case.main(run)
