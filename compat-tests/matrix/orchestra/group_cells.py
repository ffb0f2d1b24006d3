"""The cells of groups. Records are sent by our own client, so that what must be read is known without the client."""

import time

from harness.outcome import check, check_equal

from . import records
from .bench import check_none, in_background
from .program import wait_for
from .record_cells import PARTITIONS, to_wire


class Stream:
    """Records that are sent round the partitions of a topic, a few at a time; what was sent is in `sent`."""

    def __init__(self, bench, topic):
        self.bench, self.topic, self.sent = bench, topic, []
        self.ends = dict.fromkeys(range(PARTITIONS), 0)

    def send(self, wire, count):
        """`count` more records in each partition."""
        for partition in range(PARTITIONS):
            first = sum(self.ends.values())
            made = [records.record_of(first + number, partition, self.bench.unreadable) for number in range(count)]
            base = wire.produce(self.topic, partition, [to_wire(record) for record in made])
            check_equal(base, self.ends[partition], f"where records went in {self.topic}-{partition}")
            self.sent += [{**record, "offset": base + number} for number, record in enumerate(made)]
            self.ends[partition] += count

    def keep_sending(self, stopped):
        with self.bench.wire() as wire:
            while not stopped.is_set():
                self.send(wire, 2)
                time.sleep(0.04)


def all_held(members, partitions=PARTITIONS):
    """Every partition has one owner, and no member has two more than another."""
    held = [partition for member in members for partition in member.assigned]
    counts = [len(member.assigned) for member in members]
    return sorted(held) == list(range(partitions)) and max(counts) - min(counts) <= 1


def places(members):
    return {(record["partition"], record["offset"]) for member in members for record in member.records}


def leave_one_by_one(members, partitions=PARTITIONS):
    """A member commits as it leaves, which it cannot while the others are still sharing what the last one left."""
    for number, member in enumerate(members):
        member.leave()
        rest = members[number + 1:]
        if rest:
            wait_for(lambda: all_held(rest, partitions), "those who stay to share the partitions", rest)


def group(bench):
    """Three members share three partitions, one leaves and one joins while records are sent; nothing is lost."""
    bench.need("group")
    topic, name = bench.topic("group"), bench.topic("readers")
    with bench.wire() as wire:
        wire.create_topic(topic, PARTITIONS)
    stream, members = Stream(bench, topic), []
    finish = in_background(stream.keep_sending)
    try:
        for who in "abc":
            members.append(bench.member(topic, name, who))
        wait_for(lambda: all_held(members), "three members to share the partitions", members)
        gone = members[0]
        gone.leave()
        wait_for(lambda: all_held(members[1:]), "two members to share the partitions", members[1:])
        members.append(bench.member(topic, name, "d"))
        wait_for(lambda: all_held(members[1:]), "the new member to have its share", members[1:])
        newest = members[-1]
        wait_for(lambda: len(newest.records) > 3, "the new member to read", members[1:])
        finish()
        wanted = {(record["partition"], record["offset"]) for record in stream.sent}
        wait_for(lambda: wanted <= places(members), f"all of {len(wanted)} records", members[1:])
        leave_one_by_one(members[1:])
    finally:
        finish()
        for member in members:
            member.end()
    bench.compare(stream.sent, [record for member in members for record in member.records], twice_is_fine=True)
    with bench.wire() as wire:
        check_equal(wire.committed(name, topic, list(range(PARTITIONS))), stream.ends, "what the group has committed")


def resume(bench):
    """A member lives through a restart of the broker; after it has left and the broker was started once more, a new
    member goes on exactly where the group was."""
    bench.need("group")
    topic, name, count = bench.topic("resume"), bench.topic("resumers"), 30
    stream = Stream(bench, topic)
    with bench.wire() as wire:
        wire.create_topic(topic, PARTITIONS)
        stream.send(wire, count)
    first = bench.member(topic, name, "first")
    try:
        wait_for(lambda: len(first.records) == len(stream.sent), "the first records", [first])
        bench.compare(stream.sent, first.records)
        check_none(records.in_order(first.records), "of order")
        first.commit()
        restart(bench)
        with bench.wire() as wire:
            check_equal(wire.committed(name, topic, list(range(PARTITIONS))), stream.ends, "committed, after a restart")
            stream.send(wire, count)
        wanted = {(record["partition"], record["offset"]) for record in stream.sent}
        wait_for(lambda: wanted <= places([first]), "the records sent after a restart", [first])
        first.leave()
    finally:
        first.end()
    bench.compare(stream.sent, first.records, twice_is_fine=True)
    goes_on(bench, stream, topic, name, count)


def goes_on(bench, stream, topic, name, count):
    """The second half of resume: only what is sent from now on is read."""
    restart(bench)
    before = len(stream.sent)
    with bench.wire() as wire:
        check_equal(wire.committed(name, topic, list(range(PARTITIONS))), stream.ends, "committed, after leaving")
        stream.send(wire, count)
    second = bench.member(topic, name, "second")
    try:
        wait_for(lambda: len(second.records) >= PARTITIONS * count, "the records after the second start", [second])
        second.leave()
    finally:
        second.end()
    bench.compare(stream.sent[before:], second.records)
    check(second.records, "nothing was read")


def restart(bench):
    bench.broker.stop()
    bench.broker.start()
