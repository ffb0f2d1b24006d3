#!/usr/bin/env python3
"""A stream processor in Python, Quix Streams, counts words: exactly, although it is killed in the middle.

The processor makes its topics, keeps its counts in a state with a changelog topic, and commits. It dies by kill -9
while it works and its state folder is lost; the broker is restarted; the next processor restores the state from the
changelog and goes on. In the end every word of every chapter has been counted once, in the output and in the changelog.
"""

import collections
import json
import shutil
import signal
import subprocess
import time

from harness import case, places, record_batches
from harness.lines import line
from harness.outcome import check, check_equal, step
from harness.wire_client import WireClient

CHAPTERS, PARTITIONS = 6, 3
INPUT, OUTPUT, CHANGELOG = "chapters", "counts", "changelog__word-count--chapters--default"


class Processor:
    """The program, running; its own folder of state is empty at its start."""

    def __init__(self, case, broker, name):
        python = places.python_with("quixstreams==3.28.1")
        self.state, self.log_file = case.scratch / f"state-{name}", case.scratch / f"processor-{name}.txt"
        with open(self.log_file, "w") as log:
            self.process = subprocess.Popen(
                [python, places.COMPAT_TESTS / "python_streams" / "word_count.py", broker.bootstrap, self.state],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=case.scratch)

    def wait_for(self, condition, what, seconds=120):
        end = time.monotonic() + seconds
        while not condition():
            check(self.process.poll() is None, f"the processor has ended:\n{self.said()}")
            check(time.monotonic() < end, f"waited {seconds} s for {what}:\n{self.said()}")
            time.sleep(0.1)

    def said(self):
        return self.log_file.read_text()[-3000:]

    def kill(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.state)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check_equal(self.process.wait(60), 0, f"the exit code of the processor, which said\n{self.said()}\n")


def text(number):
    """(chapter, line of words) of the input."""
    return f"chapter {number % CHAPTERS}", " ".join(line(number).split()[2:])


def send(broker, numbers):
    """Puts lines into the input topic, a chapter always into the same partition."""
    now_ms = int(time.time() * 1000)  # What is too old is removed, by the topic's retention.
    by_partition = collections.defaultdict(list)
    for number in numbers:
        chapter, words = text(number)
        by_partition[number % PARTITIONS].append(record_batches.Record(0, now_ms, chapter.encode(), words.encode()))
    with WireClient(broker.port) as wire:
        for partition, records in by_partition.items():
            for first in range(0, len(records), 100):
                wire.produce(INPUT, partition, records[first:first + 100])


def records_of(broker, topic):
    """The records of a topic, those of a partition in their order."""
    with WireClient(broker.port) as wire:
        return [record for partition in range(PARTITIONS) for record in wire.records(topic, partition)]


def counts_written(broker):
    """{(chapter, word): the counts in the output, in their order}."""
    found = collections.defaultdict(list)
    for record in records_of(broker, OUTPUT):
        value = json.loads(record.value)
        check_equal(record.key.decode(), f"{value['chapter']} {value['word']}", "the key of a count")
        found[value["chapter"], value["word"]].append(value["count"])
    return found


def compare(broker, count):
    """The last count of every word is the number of times that it stands in the input, and none before is missing."""
    expected = collections.Counter((chapter, word) for chapter, words in map(text, range(count))
                                   for word in words.split())
    written = counts_written(broker)
    check_equal({word: counts[-1] for word, counts in written.items()}, dict(expected), "the last counts")
    for word, counts in written.items():
        check_equal(sorted(set(counts)), list(range(1, expected[word] + 1)), f"the counts of {word}")
    kept = {tuple(json.loads(part) for part in record.key.split(b"|")): json.loads(record.value)
            for record in records_of(broker, CHANGELOG)}
    check_equal(kept, dict(expected), "the counts in the changelog")
    total, twice = sum(expected.values()), sum(map(len, written.values())) - sum(expected.values())
    step(f"{total} words in {count} lines were counted once each ({twice} counts were written again after the kill)")


def written(broker):
    """How many counts the output has."""
    with WireClient(broker.port) as wire:
        return sum(wire.fetch(OUTPUT, partition, 0)[1]["HighWatermark"] for partition in range(PARTITIONS))


def committed(broker):
    """How many lines the group has committed; a negative number if none."""
    with WireClient(broker.port) as wire:
        return sum(wire.committed("word-count", INPUT, list(range(PARTITIONS))).values())


def killed_in_the_middle(case, broker, first, second):
    """A processor that has committed the lines of one range, and is killed when it has begun with the next."""
    processor = Processor(case, broker, "first")
    try:
        send(broker, first)
        processor.wait_for(lambda: committed(broker) == len(first), "a commit of the first lines")
        done = written(broker)
        check_equal(done, sum(len(text(number)[1].split()) for number in first), "the counts of the first lines")
        send(broker, second)
        processor.wait_for(lambda: written(broker) > done, "the first count of the next lines")
    finally:
        processor.kill()
    check(committed(broker) < len(first) + len(second), "the processor was done before it was killed")
    step("the processor was killed in the middle of its work, and its state lost")


def run(case):
    count = 30_000 if case.full else 6_000
    broker = case.broker().start()
    with WireClient(broker.port) as wire:
        wire.create_topic(INPUT, PARTITIONS)
    killed_in_the_middle(case, broker, range(count // 10), range(count // 10, count // 2))
    broker.stop()
    broker.start()
    send(broker, range(count // 2, count))
    processor = Processor(case, broker, "second")
    try:
        processor.wait_for(lambda: committed(broker) == count, "the end of the input")
        processor.stop()
    finally:
        processor.process.kill()
    compare(broker, count)


if __name__ == "__main__":
    case.main(run)
