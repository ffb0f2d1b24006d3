#!/usr/bin/env python3
"""kcat produces, consumes, lists and queries: every codec, keys, headers, null values, a balanced group.

A good test to copy: one broker, one client, each answer compared with what was sent.
"""

import json

from harness import case
from harness.kcat import Kcat
from harness.lines import line
from harness.outcome import check, check_equal, step

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PER_CODEC = 2000


def every_codec(kcat):
    for codec in CODECS:
        sent = [f"k{number}\t{line(number)}" for number in range(PER_CODEC)]
        topic = f"codec-{codec}"
        # idempotent, so that the producer's sequence numbers are seen too
        kcat("-P", "-t", topic, "-z", codec, "-K", "\t", "-X", "enable.idempotence=true", stdin="\n".join(sent) + "\n")
        got = kcat("-C", "-t", topic, "-e", "-q", "-K", "\t", "-X", "check.crcs=true").splitlines()
        check_equal(got, sent, f"what came back of {codec}")
    step(f"{PER_CODEC} keyed records came back in each of {', '.join(CODECS)}")


def headers_keys_and_nulls(kcat):
    topic = "shapes"
    kcat("-P", "-t", topic, "-p", "0", "-k", "with headers", "-H", "first=1", "-H", "second=", stdin="value\n")
    kcat("-P", "-t", topic, "-p", "0", "-Z", "-K", ":", stdin="gone:\n:\n")
    kcat("-P", "-t", topic, "-p", "0", stdin="no key\n")
    records = [json.loads(row) for row in kcat("-C", "-t", topic, "-e", "-q", "-J").splitlines()]
    shapes = [(record["offset"], record.get("headers"), record["key"], record["payload"]) for record in records]
    check_equal(shapes, [
        (0, ["first", "1", "second", ""], "with headers", "value"),
        (1, None, "gone", None),
        (2, None, None, None),
        (3, None, None, "no key"),
    ], "records with headers, keys and nulls")
    check(all(record["tstype"] == "create" and record["ts"] > 1_600_000_000_000 for record in records),
          f"timestamps are the producer's: {records}")
    step("headers, keys and null values came back as they were")


def list_and_query(kcat, broker):
    listed = json.loads(kcat("-L", "-J"))
    check_equal(listed["brokers"], [{"id": 1, "name": broker.bootstrap}], "kcat -L: brokers")
    check_equal(listed["controllerid"], 1, "kcat -L: controller")
    topics = {topic["topic"]: topic["partitions"] for topic in listed["topics"]}
    check(set(topics) >= {f"codec-{codec}" for codec in CODECS} | {"shapes"}, f"kcat -L: topics {sorted(topics)}")
    check_equal(topics["shapes"], [{"partition": 0, "leader": 1, "replicas": [{"id": 1}], "isrs": [{"id": 1}]}],
                "kcat -L: the partitions of a topic")

    records = [json.loads(row) for row in kcat("-C", "-t", "shapes", "-e", "-q", "-J").splitlines()]
    for wanted in (records[0]["ts"], records[3]["ts"]):
        first = next(record["offset"] for record in records if record["ts"] >= wanted)
        check_equal(kcat("-Q", "-t", f"shapes:0:{wanted}").strip(), f"shapes [0] offset {first}", "kcat -Q")
    check_equal(kcat("-Q", "-t", "shapes:0:-1").strip(), "shapes [0] offset 4", "kcat -Q at the end")
    check_equal(kcat("-Q", "-t", "shapes:0:-2").strip(), "shapes [0] offset 0", "kcat -Q at the beginning")
    tail = kcat("-C", "-t", "codec-zstd", "-o", "-3", "-e", "-q").splitlines()
    check_equal(tail, [line(number) for number in range(PER_CODEC - 3, PER_CODEC)], "the last three records")
    step("kcat listed the cluster and found offsets by time")


def in_a_group(kcat):
    topic, total = "codec-lz4", PER_CODEC
    seen = []
    for count in (700, 800, total - 1500):
        # -G commits what it has read when it leaves.
        seen += kcat("-G", "kcat-readers", "-c", count, "-q", "-X", "auto.offset.reset=earliest", topic).splitlines()
    check_equal(seen, [line(number) for number in range(total)], "three runs in a group")
    step("three runs in one group read each record once")


def run(case):
    broker = case.broker().start()
    kcat = Kcat(broker.bootstrap)
    every_codec(kcat)
    headers_keys_and_nulls(kcat)
    list_and_query(kcat, broker)
    in_a_group(kcat)
    broker.kill()
    broker.start()
    got = kcat("-C", "-t", "codec-gzip", "-e", "-q").splitlines()
    check_equal(got, [line(number) for number in range(PER_CODEC)], "gzip records after kill -9")
    step("the records are there after kill -9")


if __name__ == "__main__":
    case.main(run)
