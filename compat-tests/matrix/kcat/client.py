#!/usr/bin/env python3
"""kcat as a client of compat-tests/matrix/README.md: each job is a call of kcat, or a few.

kcat has no admin API and sets no timestamps. Of the records it cannot send two shapes: an empty value without a key
(it skips such a message) and a null value with an empty key (its option for nulls means both).
"""

import base64
import itertools
import json
import re
import signal
import subprocess
import sys
import threading
import uuid

KCAT = "kcat"
LARGEST_REQUEST = 12 * 1024 * 1024
CONSUMER = ["-J", "-q", "-X", "check.crcs=true", "-X", f"fetch.message.max.bytes={LARGEST_REQUEST}",
            "-X", f"receive.message.max.bytes={8 * LARGEST_REQUEST}"]


PRINTING = threading.Lock()


def show(line):
    with PRINTING:
        print(json.dumps(line), flush=True)


def encoded(data):
    return None if data is None else base64.b64encode(data).decode()


def decoded(text):
    return None if text is None else base64.b64decode(text)


def raw(text):
    """The bytes of a string of kcat's JSON: it writes them as they are, UTF-8 or not."""
    return None if text is None else text.encode("utf-8", "surrogateescape")


def record_of(line):
    """A record of the matrix from a line of `kcat -J`."""
    seen = json.loads(line.decode("utf-8", "surrogateescape"))
    names_and_values = [raw(text) for text in seen.get("headers", [])]
    headers = [[name.decode(), encoded(value)] for name, value in zip(*[iter(names_and_values)] * 2)]
    return {"partition": seen["partition"], "offset": seen["offset"], "timestamp": seen["ts"],
            "key": encoded(raw(seen["key"])), "value": encoded(raw(seen["payload"])), "headers": headers}


def describe():
    said = subprocess.run([KCAT, "-V"], capture_output=True, text=True, check=True).stdout
    version, librdkafka = re.search(r"Version (\S+) .*librdkafka (\S+)", said).groups()
    built_in = re.search(r"builtin.features=(\S+?)\)", said).group(1).split(",")
    codecs = [codec for codec in ("gzip", "snappy", "lz4", "zstd") if codec in built_in]
    show({"client": "kcat", "version": f"{version} (librdkafka {librdkafka})", "codecs": ["none", *codecs],
          "features": ["produce", "consume", "headers", "idempotence", "seek", "group"],
          "cannot": ["binary_headers", "null_beside_empty"]})


def shape(record):
    """What records must have in common to be sent by one call, and how that call is told: kcat's options."""
    key, value = decoded(record["key"]), decoded(record["value"])
    if (key is None and value == b"") or (key == b"" and value is None):
        raise SystemExit(f"kcat cannot send a record with key {key} and value {value}")
    options = ["-p", str(record["partition"])]
    if value is None:
        options += ["-Z"]  # All that is empty is null, and a key has at least one byte or is null here.
    if value is None or key is not None:
        options += ["-K"]  # Keys stand before the values.
    for name, header in record.get("headers", []):
        # An argument of a program has no zero byte.
        options += ["-H", name.encode() if header is None else name.encode() + b"=" + decoded(header)]
    return options


def send(bootstrap, topic, codec, options, records):
    """Sends records of one shape; returns their offsets."""
    key_end, end = uuid.uuid4().hex, uuid.uuid4().hex  # They stand in no record.
    message = bytearray()
    if "-K" in options:
        options = [*options, "-D", end]
        options.insert(options.index("-K") + 1, key_end)
        for record in records:
            message += (decoded(record["key"]) or b"") + key_end.encode() + (decoded(record["value"]) or b"")
            message += end.encode()
    else:
        options = [*options, "-D", end]
        for record in records:
            message += decoded(record["value"]) + end.encode()
    command = [KCAT, "-P", "-b", bootstrap, "-t", topic, "-z", codec, "-vvv", "-X", "enable.idempotence=true",
               "-X", f"message.max.bytes={LARGEST_REQUEST}", *options]
    done = subprocess.run(command, input=bytes(message), capture_output=True, check=False)
    said = done.stderr.decode(errors="replace")
    offsets = [int(offset) for offset in re.findall(r"delivered to partition \d+ \(offset (\d+)\)", said)]
    if done.returncode != 0 or len(offsets) != len(records):
        raise SystemExit(f"kcat: exit code {done.returncode}, {len(offsets)} of {len(records)} delivered\n{said}")
    return offsets


def produce(bootstrap, topic, codec, path):
    with open(path) as file:
        records = [json.loads(line) for line in file]
    places = [None] * len(records)
    order = sorted(range(len(records)), key=lambda number: records[number]["partition"])  # Stable.
    for options, numbers in itertools.groupby(order, key=lambda number: shape(records[number])):
        numbers = list(numbers)
        offsets = send(bootstrap, topic, codec, options, [records[number] for number in numbers])
        for number, offset in zip(numbers, offsets):
            places[number] = {"partition": records[number]["partition"], "offset": offset}
    for place in places:
        show(place)


def read(bootstrap, topic, partition, *options):
    done = subprocess.run([KCAT, "-C", "-b", bootstrap, "-t", topic, "-p", partition, *CONSUMER, *options],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return [record_of(line) for line in done.stdout.splitlines()]


def consume(bootstrap, topic, partition, first, count):
    for record in read(bootstrap, topic, partition, "-o", first, "-c", count):
        show(record)


def seek(bootstrap, topic, partition, timestamp):
    found = read(bootstrap, topic, partition, "-o", f"s@{timestamp}", "-c", "1", "-e")
    show(found[0] if found else {"none": True})


class Member:
    """A kcat in a group. What it has printed it commits when it is asked to end."""

    def __init__(self, bootstrap, topic, group):
        options = [option for option in CONSUMER if option != "-q"]  # It tells of rebalances.
        self.process = subprocess.Popen(
            [KCAT, "-G", group, "-b", bootstrap, "-E", "-u", *options, "-X", "auto.offset.reset=earliest",
             "-X", "heartbeat.interval.ms=300", "-X", "session.timeout.ms=10000", topic],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.readers = [threading.Thread(target=target, daemon=True) for target in (self.records, self.messages)]
        self.reads = threading.Event()  # It has its partitions and has found where to begin.
        for reader in self.readers:
            reader.start()

    def records(self):
        for line in self.process.stdout:
            show(record_of(line))
            self.reads.set()

    def messages(self):
        for line in self.process.stderr:
            text = line.decode(errors="replace")
            print(text, end="", file=sys.stderr, flush=True)
            if ": assigned: " in text:
                partitions = sorted(int(partition) for partition in re.findall(r" \[(\d+)\]", text))
                show({"assigned": partitions})
            if "% Reached end of topic" in text or (": assigned: " in text and not partitions):
                self.reads.set()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        for reader in self.readers:
            reader.join()
        if self.process.wait() != 0:
            raise SystemExit(f"kcat in a group: exit code {self.process.returncode}")


def group(bootstrap, topic, name):
    """kcat commits at its end only: a commit ends one and starts the next, and is answered when that one reads. Until
    then it would end at the first error that it is given, as a broker that stops has one for it."""
    member = Member(bootstrap, topic, name)
    try:
        for order in sys.stdin:
            if order.strip() == "leave":
                break
            member.end()
            member = Member(bootstrap, topic, name)
            if not member.reads.wait(60):
                raise SystemExit("the next kcat did not come to read")
            show({"committed": True})
        member.end()
        show({"left": True})
    finally:
        member.process.kill()


JOBS = {"produce": produce, "consume": consume, "seek": seek, "group": group}

if __name__ == "__main__":
    job, *arguments = sys.argv[1:]
    if job == "describe":
        describe()
    else:
        JOBS[job](*arguments)
