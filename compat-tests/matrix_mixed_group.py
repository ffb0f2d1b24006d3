#!/usr/bin/env python3
"""The Java client 0.10.2 and the Java client 4.3.1 share one group on one topic, to which both send.

Members of both come and go while both send; message sets go up to batches and batches down to message sets on the way.
Every record is read by the group once, and is the one that was sent.
"""

import threading

from harness import case
from harness.outcome import NotRun, check_equal, step
from matrix.orchestra import records
from matrix.orchestra.bench import Bench, check_none, in_background
from matrix.orchestra.group_cells import all_held, leave_one_by_one, places
from matrix.orchestra.java_clients import CLIENTS
from matrix.orchestra.program import wait_for

OLD, NEW = "kafka-clients 0.10.2.2", "kafka-clients 4.3.1"
TOPIC, GROUP, PARTITIONS = "mixed", "mixed-readers", 4


class Mixed:
    """The broker, both clients, and what they have sent and read."""

    def __init__(self, case):
        self.broker = case.broker().start()
        clients = {client.name: client for client in CLIENTS}
        self.benches = [Bench(case, self.broker, clients[name], clients[name].prepare()) for name in (OLD, NEW)]
        self.members, self.sent, self.rounds = [], [], 0

    def join(self, which):
        self.members.append(self.benches[which].member(TOPIC, GROUP, f"{which}-{len(self.members)}"))
        self.settle()

    def leave(self, number):
        self.members[number].leave()
        self.settle()

    def present(self):
        return [member for member in self.members if not member.left]

    def settle(self):
        wait_for(lambda: all_held(self.present(), PARTITIONS), "the members to share the partitions", self.present())

    def send(self, count):
        """Both clients send at once; where each record went is what its client was told."""
        self.rounds += 1
        outcomes = {}
        threads = [threading.Thread(target=self.send_with, args=(bench, count, outcomes)) for bench in self.benches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for bench in self.benches:
            if isinstance(outcomes[bench], Exception):
                raise outcomes[bench]
            self.sent += outcomes[bench]

    def send_with(self, bench, count, outcomes):
        try:
            made = records.mixed(count, PARTITIONS, bench.cannot)
            for record in made[::2]:  # The others are the same from both clients.
                record["value"] = bench.version.encode() + (record["value"] or b"")
            told = bench.call("produce", TOPIC, "gzip", bench.file_of(made, f"round {self.rounds}"))
            outcomes[bench] = [{"headers": [], **record, **place} for record, place in zip(made, told, strict=True)]
        except Exception as error:  # Raised where the thread is joined.
            outcomes[bench] = error

    def read(self):
        wanted = {(record["partition"], record["offset"]) for record in self.sent}
        wait_for(lambda: wanted <= places(self.members), f"all of {len(wanted)} records", self.present())


def check_records(mixed):
    """Each member's records, and the group's, are those sent; an old client sees no headers."""
    got = [record for member in mixed.members for record in member.records]
    check_none(records.compare(mixed.sent, got, ("key", "value", "timestamp")), f"of {len(mixed.sent)} records")
    with mixed.benches[0].wire() as wire:
        held = [records.from_wire(partition, record) for partition in range(PARTITIONS)
                for record in wire.records(TOPIC, partition)]
        check_none(records.compare(mixed.sent, held), "with what the broker holds")
        ends = {partition: sum(record["partition"] == partition for record in held) for partition in range(PARTITIONS)}
        check_equal(wire.committed(GROUP, TOPIC, list(range(PARTITIONS))), ends, "what the group has committed")


def run(case):
    if case.kind == "kafka":
        raise NotRun("Apache Kafka 4 does not speak to 0.10.2; --broker kafka-3.9.1 does")
    mixed, count = Mixed(case), 2000 if case.full else 200
    with mixed.benches[0].wire() as wire:
        wire.create_topic(TOPIC, PARTITIONS)
    try:
        mixed.join(0)
        mixed.join(1)
        mixed.send(count)
        mixed.read()
        step("an old and a new member share what old and new clients send")
        finish_sending = in_background(lambda _: mixed.send(count))
        mixed.join(0)
        mixed.leave(0)
        mixed.join(1)
        finish_sending()
        mixed.send(count)
        mixed.read()
        step("members of both join and leave while both send")
        leave_one_by_one(mixed.present(), PARTITIONS)
    finally:
        for member in mixed.members:
            member.end()
    check_records(mixed)
    step(f"{len(mixed.sent)} records, each read once by the group and equal to what was sent")


if __name__ == "__main__":
    case.main(run)
