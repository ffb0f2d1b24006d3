"""Answers recorded from Apache Kafka, and comparing a broker's answers with them.

testdata/<name>.json holds, for each probe, what Apache Kafka 4.3.1 answered. A run against either broker compares; a
run with BARNABAS_RECORD=1 --broker kafka (or kafka-3.9.1) writes the file anew, and its difference in git is what changed.
Values that cannot be the same twice (ports, ids, cluster ids) are replaced by names before.
"""

import json
import os
import re
import time

from . import wire
from .outcome import check, clip
from .places import COMPAT_TESTS

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Probes:
    """Named questions to a broker, asked in the order in which they were written down."""

    def __init__(self, name, recorded_from="kafka"):
        self.file = COMPAT_TESTS / "testdata" / f"{name}.json"
        self.recorded_from = recorded_from  # the kind of broker whose answers are expected
        self.questions = []

    def probe(self, name):
        """Decorator: question(broker) returns the answer, a value that JSON can hold."""
        def add(question):
            self.questions.append((name, question))
            return question
        return add

    def compare(self, broker, after_each=None, meant_to_differ=None):
        """Asks everything; fails with all differences but those of which meant_to_differ(name, got, expected) is true."""
        recording = os.environ.get("BARNABAS_RECORD") == "1" and broker.kind == self.recorded_from
        expected = json.loads(self.file.read_text()) if self.file.exists() else {}
        got, different = {}, []
        for name, question in self.questions:
            check(name not in got, f"two probes are called {name!r}")
            try:
                answer = question(broker)
            except Exception as error:  # An answer that a question cannot make sense of is a difference like any.
                answer = f"no answer: {type(error).__name__}: {error}"
            broker.check_alive()
            got[name] = json.loads(json.dumps(normal(answer, broker)))
            if after_each:
                after_each(name)
            if recording or got[name] == expected.get(name):
                continue
            if not (meant_to_differ and name in expected and meant_to_differ(name, got[name], expected[name])):
                different.append(f"{name}\n   got      {clip(json.dumps(got[name]), 800)}\n"
                                 f"   expected {clip(json.dumps(expected.get(name)), 800)}")
        if recording:
            rows = (f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in got.items())
            self.file.write_text("{\n" + ",\n".join(rows) + "\n}\n")
        check(not different, f"{len(different)} of {len(got)} answers are not those of Apache Kafka:\n" +
              "\n".join(different))
        return len(got)


def until(ask, good, seconds=20):
    """The first answer that is good, or the last one."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if good(answer) or time.monotonic() > end:
            return answer
        time.sleep(0.05)


def normal(value, broker):
    """The value without what cannot be the same twice. Lists inside an answer are sorted: Apache Kafka keeps many of
    them in hash maps, so their order says nothing."""
    if isinstance(value, dict):
        named = {key: "$CLUSTER" if key == "ClusterId" and item else normal(item, broker)
                 for key, item in value.items()}
        return {key: in_order(item) for key, item in named.items()}
    if isinstance(value, (list, tuple)):
        return [normal(item, broker) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not isinstance(value, bool):
        return {broker.port: "$PORT", broker.controller_port: "$CONTROLLER_PORT"}.get(value, value)
    if isinstance(value, str) and value != wire.NO_UUID:
        return UUID.sub("$UUID", value)
    return value


def in_order(value):
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return sorted(value, key=lambda item: json.dumps(item, sort_keys=True))
    return value
