#!/usr/bin/env python3
"""A Java program on kafka-clients 4.3.1 does its main job.

java_client/MainJob.java administers topics and configs, sends in every codec with the default (idempotent) producer and
is told each offset, reads everything back field by field, finds offsets by time, goes on in a group across a kill -9 of
the broker, and administers offsets, records and groups.
"""

from harness import case, jvm, places
from harness.case import two_stages


def run(case):
    libs = places.kafka_libs()
    class_path = places.java_classes(places.COMPAT_TESTS / "java_client" / "MainJob.java", libs)
    two_stages(case.broker().start(),
               [places.command("java"), "-Xmx256m", *jvm.options(libs), jvm.log4j("tools_log4j2.yaml"), "-cp", class_path,
                "MainJob"],
               "administered topics and configs, sent and read in every codec, and read a part in a group",
               "the group went on where it had stopped, across a kill -9; offsets, records and groups administered")


if __name__ == "__main__":
    case.main(run)
