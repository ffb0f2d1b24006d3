#!/usr/bin/env python3
"""A Java program on kafka-clients 4.3.1 does its main job.

java_client/MainJob.java administers topics and configs, sends in every codec with the default (idempotent) producer and
is told each offset, reads everything back field by field, finds offsets by time, goes on in a group across a kill -9 of
the broker, and administers offsets, records and groups.
"""

import subprocess

from harness import case, places
from harness.outcome import check, check_equal, step


def run(case):
    libs = places.kafka_libs()
    class_path = places.java_classes(places.COMPAT_TESTS / "java_client" / "MainJob.java", libs)
    log4j = places.COMPAT_TESTS / "harness" / "tools_log4j2.yaml"
    broker = case.broker().start()

    def stage(name):
        done = subprocess.run([places.command("java"), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                               f"-Dlog4j2.configurationFile=file:{log4j}", "-cp", class_path, "MainJob",
                               broker.bootstrap, name],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
        check(done.returncode == 0, f"stage {name}: exit code {done.returncode}\n{done.stderr[-3000:]}")
        return [int(number) for number in done.stdout.split()]

    first = stage("first")
    step("administered topics and configs, sent and read in every codec, and read a part in a group")
    broker.kill()
    broker.start()
    second = stage("second")
    check_equal(sorted(first + second), list(range(3000)), "what the group read before and after kill -9")
    step("the group went on where it had stopped, across a kill -9; offsets, records and groups administered")


if __name__ == "__main__":
    case.main(run)
