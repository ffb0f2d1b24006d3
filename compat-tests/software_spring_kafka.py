#!/usr/bin/env python3
"""An application of spring-kafka (4.1.2): listener containers, retries, a dead-letter topic, replies, KafkaTemplate.

spring_kafka/SpringJob.java is a plain Spring context, without Boot. It makes its topics, sends letters and listens. Of
what stands still, every letter is taken once, those that are refused at first at the third attempt; those refused
always and those that cannot be read are in the dead-letter topic, with headers that say where they were; each answer
is in the topic of replies. Then the broker is stopped and killed (kill -9) while letters come in, and the application
is killed: now a letter may come again, but none is missing. An application that ended well and starts again goes on
exactly where it was.
"""

import collections
import re

from harness import case, places
from harness.kcat import Kcat
from harness.outcome import check_equal, step
from harness.program import java
from harness.state import topic_configs
from harness.waiting import wait_until

REFUSED = "org.springframework.kafka.listener.ListenerExecutionFailedException"
UNREADABLE = "org.springframework.kafka.support.serializer.DeserializationException"


class Application:
    def __init__(self, case, broker, count):
        self.kcat, self.count, self.next = Kcat(broker.bootstrap), count, 0
        libs = places.maven_jars(places.COMPAT_TESTS / "spring_kafka")
        class_path = places.java_classes(places.COMPAT_TESTS / "spring_kafka" / "SpringJob.java", libs)
        self.program = case.program("spring", java(class_path, "SpringJob", broker.bootstrap, count), input_pipe=True)

    def send(self):
        """Has it send the next letters; does not wait."""
        self.program.process.stdin.write(f"{self.next}\n".encode())
        self.program.process.stdin.flush()
        self.next += self.count
        return self.next - self.count

    def wait_until_sent(self, first):
        self.program.wait_for(f"sent {first} {self.count}\n", 120)

    def taken(self):
        """[(number, attempt)] since the last start."""
        return [(int(number), int(attempt))
                for number, attempt in re.findall(r"^taken (\d+) (\d+)$", self.program.output(), flags=re.MULTILINE)]

    def dead(self):
        """[(key, topic, partition, offset, exception)] since the last start."""
        return re.findall(r"^dead (\S+) (\S+) (\d+) (\d+) (\S+)$", self.program.output(), flags=re.MULTILINE)

    def expected_dead(self, first, end):
        """What must be dead of the letters from `first` on, sorted."""
        rows = self.kcat("-C", "-t", "letters", "-e", "-q", "-f", "%k %p %o\n").split("\n")[:-1]
        found = []
        for key, partition, offset in map(str.split, rows):
            number = int(key.rsplit("-", 1)[1])
            if first <= number < end and (key.startswith("key-none") or number % 250 == 0):
                found.append((key, "letters", partition, offset, UNREADABLE if "none" in key else REFUSED))
        return sorted(found)

    def check_quiet(self, first, what):
        """Of the letters from `first` on: each once."""
        end = first + self.count
        wanted = sorted((number, 3 if number % 100 == 0 else 1) for number in range(first, end) if number % 250)
        wait_until(lambda: len(self.taken()) >= len(wanted), f"{what}: {len(wanted)} letters are taken")
        wait_until(lambda: len(self.dead()) >= len(self.expected_dead(first, end)), f"{what}: the dead are told")
        check_equal(sorted(self.taken()), wanted, f"{what}: letters taken, with the attempt")
        check_equal(sorted(self.dead()), self.expected_dead(first, end), f"{what}: dead letters and where they were")
        return len(wanted)

    def check_disturbed(self, taken, dead, what):
        """Each at least once, since the first letter."""
        wanted = {number for number in range(self.next) if number % 250}

        def complete():
            return wanted <= taken | {number for number, _ in self.taken()} and set(
                self.expected_dead(0, self.next)) <= dead | set(self.dead())
        wait_until(complete, f"{what}: every letter is taken or dead", 120)

    def replies(self):
        rows = self.kcat("-C", "-t", "replies", "-e", "-q", "-s", "value=>i", "-f", "%s\n").split()
        return collections.Counter(map(int, rows))

    def end(self):
        """The end of its input: it closes its context."""
        self.program.process.stdin.close()
        self.program.wait(60)


def run(case):
    broker = case.broker().start()
    application = Application(case, broker, 10_000 if case.full else 2000)
    application.program.start()
    application.wait_until_sent(application.send())
    count = application.check_quiet(0, "quiet")
    replies = wait_until(lambda: sum((found := application.replies()).values()) >= count and found, "replies")
    check_equal(replies, collections.Counter(number for number in range(application.count) if number % 250), "replies")
    check_equal(topic_configs(broker, "letters"), {"retention.ms": "86400000"}, "the topic that it made")
    step(f"{count} letters taken once, {len(application.dead())} dead with their origin, {len(replies)} replies")

    application.end()
    application.program.start()
    application.wait_until_sent(application.send())
    application.check_quiet(application.count, "after its end")
    step("started again it goes on where it was")

    first = application.send()
    broker.stop()
    broker.start()
    application.wait_until_sent(first)
    first = application.send()
    broker.kill()
    broker.start()
    application.wait_until_sent(first)
    before = set(range(application.count)), set(application.expected_dead(0, application.count))
    application.check_disturbed(*before, "the broker stopped and killed")
    first = application.send()
    application.wait_until_sent(first)
    application.program.kill()
    taken = before[0] | {number for number, _ in application.taken()}
    dead = before[1] | set(application.dead())
    application.program.start()
    application.check_disturbed(taken, dead, "the application killed")
    again = sum(application.replies().values()) - len(application.replies())
    step(f"broker stopped, broker and application killed: none of {application.next} letters is missing, {again} were "
         "answered again")
    application.end()


if __name__ == "__main__":
    case.main(run)
