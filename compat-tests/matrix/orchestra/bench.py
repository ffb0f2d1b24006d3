"""What a cell of the matrix works with: one client on one broker."""

import threading

from harness.outcome import check
from harness.wire_client import WireClient

from . import records
from .client import FEATURES


class Cannot(Exception):
    """The library has no way to do it; the message says what."""


class Bench:
    """One client on one broker: what a cell works with."""

    def __init__(self, case, broker, client, program):
        self.case, self.broker, self.client, self.program = case, broker, client, program
        about = program.call("describe", "-")
        check(len(about) == 1, f"describe printed {len(about)} lines")
        self.about = about[0]
        self.version = self.about["version"]
        self.features, self.codecs = set(self.about["features"]), self.about["codecs"]
        unknown = (self.features - set(FEATURES)) | (set(self.about.get("cannot", [])) - set(records.LIMITS))
        check(not unknown, f"describe names {sorted(unknown)}, which the contract does not have")
        self.cannot = set(self.about.get("cannot", [])) | ({"timestamps", "headers"} - self.features)
        # What a library cannot tell from something else when it reads; records of our own client do without it.
        self.unreadable = frozenset(self.cannot & {"empty_keys", "empty_values", "empty_header_values",
                                                   "null_header_values"})
        self.must_see = ["key", "value", *sorted({"timestamps", "headers"} & self.features)]
        self.must_see = [field.removesuffix("s") if field == "timestamps" else field for field in self.must_see]

    @property
    def full(self):
        return self.case.full

    def need(self, *features):
        for feature in features:
            if feature not in self.features:
                raise Cannot(f"no {feature}")

    def topic(self, what):
        return f"{self.client.slug}-{what.replace(' ', '-')}"

    def call(self, job, *arguments):
        return self.program.call(job, self.broker.bootstrap, *arguments)

    def consume(self, topic, partition, begin, count):
        return [records.from_line(line) for line in self.call("consume", topic, partition, begin, count)]

    def wire(self):
        return WireClient(self.broker.port)

    def file_of(self, sent, what):
        path = self.case.scratch / f"{self.client.slug}-{what.replace(' ', '-')}.jsonl"
        path.write_text("".join(records.to_line(record) + "\n" for record in sent))
        return path

    def member(self, topic, group, name):
        return self.program.member(self.broker.bootstrap, topic, group,
                                   self.case.scratch / f"{topic}-{name}.err")

    def compare(self, expected, got, **options):
        """Fails unless a client's records are those sent."""
        problems = records.compare(expected, got, self.must_see, header_order="header_order" not in self.cannot,
                                   **options)
        check_none(problems, f"of {len(expected)} records")


def check_none(problems, what):
    check(not problems, f"{len(problems)} problems {what}: " + "; ".join(problems[:5]))


def in_background(work):
    """Runs work(stopped) in a thread; returns a function that ends it and returns its result or raises its error."""
    stopped, outcome = threading.Event(), {}

    def body():
        try:
            outcome["result"] = work(stopped)
        except BaseException as error:
            outcome["error"] = error
    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    def finish():
        stopped.set()
        thread.join(60)
        check(outcome, "what ran in the background had no end")
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]
    return finish
