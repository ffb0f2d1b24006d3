#!/usr/bin/env python3
"""An application of Kafka Streams (4.3.1) tallies what its input says, across kill -9 of an instance and of the broker.

streams/StreamsJob.java runs twice, at-least-once and with the classic group protocol. It has a repartition topic, two
stores with changelogs, one of them windowed, and a standby of each. While visits come in, one instance is killed (kill
-9) and starts again, the broker is stopped, and the broker is killed. Then an instance loses its folder, and what it
restores from the changelogs is continued. At the end the last tally of every place and of every place and minute must
be what the visits sent say. The topics that Streams made must have the configuration that it asked for, and what has
been read of the repartition topic must be deleted.
"""

import collections
import re
import shutil
import time

from harness import case, places
from harness.kcat import Kcat
from harness.lines import WORDS
from harness.outcome import check, check_equal, step
from harness.program import java
from harness.state import end_offsets, start_offsets, topic_configs
from harness.waiting import wait_until

PARTITIONS = 3
VISIT_EVERY_MS, MINUTE_MS = 50, 60_000
# Of today, so that no retention by time takes anything.
START_MS = (int(time.time()) // 60 - 200) * MINUTE_MS
REPARTITION, CHANGELOGS = "visits-app-by-place-repartition", ("visits-app-places-changelog",
                                                             "visits-app-minutes-changelog")


def visit(number):
    return WORDS[number * number % 17], number % 101


class Visits:
    """Sends visits, and knows what they add up to."""

    def __init__(self, broker, burst):
        self.kcat, self.count, self.burst = Kcat(broker.bootstrap), 0, burst

    def send(self):
        numbers = range(self.count, self.count + self.burst)
        for partition in range(PARTITIONS):
            rows = "".join("visitor-{}|{} {} {}\n".format(number % 1000, number, *visit(number))
                           for number in numbers if number % PARTITIONS == partition)
            self.kcat("-P", "-t", "visits", "-p", partition, "-K", "|", "-X", "enable.idempotence=true", stdin=rows)
        self.count += self.burst

    def tallies(self):
        """{place: 'count sum'} and {place@minute: 'count sum'}"""
        tallies = collections.defaultdict(lambda: [0, 0]), collections.defaultdict(lambda: [0, 0])
        for number in range(self.count):
            place, amount = visit(number)
            when = START_MS + number * VISIT_EVERY_MS
            for tally in tallies[0][place], tallies[1][f"{place}@{when - when % MINUTE_MS}"]:
                tally[0] += 1
                tally[1] += amount
        return tuple({key: f"{count} {total}" for key, (count, total) in each.items()} for each in tallies)

    def results(self):
        """What the application says: the last tally of each key."""
        return tuple({row["key"]: row["payload"] for row in self.kcat.everything(topic)}
                     for topic in ("places-out", "minutes-out"))

    def check_results(self, what):
        expected = self.tallies()
        wait_until(lambda: self.results() == expected, f"{what}: {len(expected[0])} and {len(expected[1])} tallies", 120)
        step(f"{what}: the tallies of {len(expected[0])} places and {len(expected[1])} minutes are those of "
             f"{self.count} visits")


def instance(case, broker, name):
    libs = places.maven_jars(places.COMPAT_TESTS / "streams")
    class_path = places.java_classes(places.COMPAT_TESTS / "streams" / "StreamsJob.java", libs)
    return case.program(name, java(class_path, "StreamsJob", broker.bootstrap, case.scratch / f"state-{name}",
                                   START_MS))


def tasks(program):
    """Which tasks an instance has, {task: 'active' or 'standby'}, by the last that it said."""
    said = re.findall(r"^tasks (.*)$", program.output(), flags=re.MULTILINE)
    return {task: role for role, task in re.findall(r"(active|standby) (\w+)", said[-1])} if said else {}


def check_standbys(instances):
    """Both instances have every task of the stores, one as a standby."""
    stores = {f"1_{partition}" for partition in range(PARTITIONS)}
    def shared():
        found = [tasks(program) for program in instances]
        return all(stores <= set(each) for each in found) and all(
            {each[task] for each in found} == {"active", "standby"} for task in stores)
    wait_until(shared, "each store is active in one instance and a standby in the other", 90)
    step("two instances share the tasks; each store has a standby in the other")


def check_topics(broker):
    check_equal(topic_configs(broker, REPARTITION).get("cleanup.policy"), "delete", "cleanup.policy of the repartition")
    check_equal(topic_configs(broker, REPARTITION).get("retention.ms"), "-1", "retention.ms of the repartition topic")
    for name, policy in zip(CHANGELOGS, ({"compact"}, {"compact", "delete"})):
        check_equal(set(topic_configs(broker, name)["cleanup.policy"].split(",")), policy, f"cleanup.policy of {name}")
    topics = Kcat(broker.bootstrap).topics()
    for name in (REPARTITION, *CHANGELOGS):
        check_equal(topics[name], PARTITIONS, f"partitions of {name}")
    ends = end_offsets(broker, REPARTITION, PARTITIONS)
    wait_until(lambda: start_offsets(broker, REPARTITION, PARTITIONS) == ends, "the repartition topic is purged")
    step(f"its topics are configured as it asked; the repartition topic is purged up to its ends {ends}")


def run(case):
    broker = case.broker({"num.partitions": str(PARTITIONS)}).start()
    visits = Visits(broker, 30_000 if case.full else 6000)
    for topic in ("visits", "places-out", "minutes-out"):
        Kcat(broker.bootstrap)("-L", "-t", topic, "-X", "allow.auto.create.topics=true")
    visits.send()
    instances = [instance(case, broker, name) for name in ("first", "second")]
    for program in instances:
        program.start()
    check_standbys(instances)
    visits.check_results("two instances")

    visits.send()
    instances[0].kill()
    visits.send()
    instances[0].start()
    visits.send()
    broker.stop()
    broker.start()
    visits.send()
    broker.kill()
    broker.start()
    visits.send()
    visits.check_results("kill -9 of an instance, stop and kill -9 of the broker")
    check_standbys(instances)
    check_topics(broker)

    for program in instances:
        program.stop()
    shutil.rmtree(case.scratch / "state-second")
    visits.send()
    instances[1].start()
    visits.check_results("an instance that had lost its folder")
    instances[1].stop()
    check(broker.stop() < 30, "the broker stops")


if __name__ == "__main__":
    case.main(run)
