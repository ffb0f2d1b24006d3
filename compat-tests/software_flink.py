#!/usr/bin/env python3
"""Flink (2.2.1) with its Kafka connector (5.0.0): a source with checkpointed offsets, keyed state, an at-least-once sink.

flink/FlinkJob.java runs a cluster within one JVM. While visits come in, the broker is stopped and killed (kill -9), the
job is killed and goes on from its last checkpoint, and the topic gets a partition more. The last tally of every place
must be what the visits sent say: Flink's state and offsets agree, so one record lost or read twice would show. The
offsets that it commits to the broker must reach the ends. In the full tier only: it takes 85 MB from Maven Central.
"""

import collections

from harness import case, places
from harness.kcat import Kcat
from harness.lines import WORDS
from harness.outcome import NotRun, check, check_equal, step
from harness.program import java
from harness.state import committed_offsets, end_offsets
from harness.waiting import wait_until

PARTITIONS = 3


class Visits:
    """Sends visits, and knows what they add up to."""

    def __init__(self, broker, burst):
        self.kcat, self.burst, self.partitions = Kcat(broker.bootstrap), burst, PARTITIONS
        self.count, self.sums = collections.Counter(), collections.Counter()

    def send(self):
        first = self.count.total()
        rows = collections.defaultdict(list)
        for number in range(first, first + self.burst):
            place, amount = WORDS[number * number % 17], number % 101
            self.count[place] += 1
            self.sums[place] += amount
            rows[number % self.partitions].append(f"{place} {amount}\n")
        for partition, visits in rows.items():
            self.kcat("-P", "-t", "visits", "-p", partition, "-X", "enable.idempotence=true", stdin="".join(visits))

    def check_results(self, what):
        expected = {place: f"{place} {count} {self.sums[place]}" for place, count in self.count.items()}

        def last_tallies():
            return {row["key"]: row["payload"] for row in self.kcat.everything("tallies")}
        wait_until(lambda: last_tallies() == expected, f"{what}: the tallies of {self.count.total()} visits", 120)
        step(f"{what}: the tallies of {len(expected)} places are those of {self.count.total()} visits")


def job(case, broker, name, *checkpoint):
    libs = places.maven_jars(places.COMPAT_TESTS / "flink")
    class_path = places.java_classes(places.COMPAT_TESTS / "flink" / "FlinkJob.java", libs)
    return case.program(name, java(class_path, "FlinkJob", broker.bootstrap, case.scratch / "checkpoints", *checkpoint,
                                   megabytes=700))


def last_checkpoint(case):
    """The newest that is complete."""
    complete = [path.parent for path in (case.scratch / "checkpoints").glob("*/chk-*/_metadata")]
    check(complete, "no checkpoint is complete")
    return max(complete, key=lambda path: path.stat().st_mtime_ns)


def run(case):
    if not case.full:
        raise NotRun("Flink takes 85 MB; the full tier runs it")
    broker = case.broker({"num.partitions": str(PARTITIONS)}).start()
    visits = Visits(broker, 10_000)
    for topic in ("visits", "tallies"):
        visits.kcat("-L", "-t", topic, "-X", "allow.auto.create.topics=true")
    visits.send()
    first = job(case, broker, "job").start()
    visits.check_results("a new job")

    visits.send()
    broker.stop()
    broker.start()
    visits.send()
    visits.check_results("the broker stopped")
    visits.send()
    broker.kill()
    broker.start()
    visits.send()
    visits.check_results("the broker killed")
    visits.send()
    first.kill()
    visits.send()
    second = job(case, broker, "job-again", last_checkpoint(case)).start()
    visits.check_results("the job killed, and going on from its last checkpoint")

    case.kafka_tools(broker.bootstrap).call("kafka-topics", "--alter", "--topic", "visits", "--partitions", PARTITIONS + 1)
    visits.partitions += 1
    visits.send()
    visits.check_results("with a partition more")
    ends = end_offsets(broker, "visits", PARTITIONS + 1)
    wait_until(lambda: committed_offsets(broker, "flink-readers") ==
               {("visits", partition): end for partition, end in enumerate(ends)}, f"offsets {ends} are committed")
    check_equal(sum(ends), visits.count.total(), "records in the topic")
    step(f"the offsets that it committed are the ends {ends}")
    second.stop()


if __name__ == "__main__":
    case.main(run)
