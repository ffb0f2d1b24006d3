#!/usr/bin/env python3
"""The same logs are compacted by Apache Kafka and by the broker under test, and the same is left.

Apache Kafka, its cleaner off, is sent the input: random keys with tombstones in every codec from idempotent producers,
records without keys in a topic that is compacted only later, transactions that commit and abort. Copies of its
directory are given to both. Each cleans all but the active segment; then more is produced to both, the same bytes,
which closes one segment of every topic, and they clean again; then each starts on the directory of the other, serves
the same and cleans a third time. After each round both must have cleaned up to the same offsets, consumers must read
the same records at the same offsets (read_committed and read_uncommitted), and these must hold the last value of every
key that was sent; kafka-dump-log shows the same batches: offsets, sequences, markers, delete horizons set or not, and
the same aborted transactions.
"""

import pathlib
import random
import re
import shutil
import string
import time

from harness import case
from harness.kcat import Kcat
from harness.outcome import check, check_equal, step
from harness.transactions import Transaction, keyed_batch, produce
from harness.wire import Connection, batch
from harness.wire_client import WireClient

SEGMENT_BYTES = 1 << 20
LETTERS = string.ascii_letters + string.digits  # so that no codec gets a segment's worth into one batch
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PLAIN = [f"plain-{codec}" for codec in CODECS]
KEYLESS, TRANSACTIONS, TOMBSTONES = "keyless", "transactions", "tombstones"
TOPICS = [*PLAIN, KEYLESS, TRANSACTIONS, TOMBSTONES]
CLEANING = {"log.cleaner.backoff.ms": "100", "log.cleaner.min.cleanable.ratio": "0", "log.retention.ms": "-1",
            "log.message.timestamp.after.max.ms": "9223372036854775807"}
CLEANED_SECONDS = 240


def random_record(chance):
    """A key and a value; one in twelve is a tombstone."""
    key = f"key-{chance.randrange(400):03}".encode()
    if chance.randrange(12) == 0:
        return key, None
    return key, "".join(chance.choices(LETTERS, k=chance.randint(60, 1300))).encode()


def create_topics(client):
    for topic in TOPICS:
        configs = {"cleanup.policy": "delete" if topic == KEYLESS else "compact", "segment.bytes": SEGMENT_BYTES,
                   "segment.ms": 10 ** 15,
                   "delete.retention.ms": 1 if topic in (TRANSACTIONS, TOMBSTONES) else 86400000}
        client.create_topic(topic, 1, {name: str(value) for name, value in configs.items()})


def send_with_kcat(bootstrap, topic, codec, chance, last, megabytes):
    size, rows = 0, []
    while size < megabytes << 20:
        key, value = random_record(chance)
        last[topic][key.decode()] = value.decode() if value else None
        rows.append(f"{key.decode()}\t{value.decode() if value else ''}\n")
        size += len(rows[-1])
    Kcat(bootstrap)("-P", "-t", topic, "-z", codec, "-K", "\t", "-Z", "-X", "enable.idempotence=true",
                    "-X", "linger.ms=20", "-X", "batch.num.messages=100", stdin="".join(rows))


def send_transactions(port, chance, last, megabytes):
    """Three producers whose transactions overlap; a third of them abort."""
    producers = [Transaction(port, f"txn-{number}") for number in range(3)]
    open_values = [{} for _ in producers]
    size = 0
    while size < megabytes << 20:
        index = chance.randrange(len(producers))
        if producers[index].open and chance.randrange(4) == 0:
            commit = chance.randrange(3) > 0
            producers[index].end(commit)
            if commit:
                last[TRANSACTIONS].update(open_values[index])
            open_values[index] = {}
            continue
        # Each producer has keys of its own: a transaction that is open then hides nobody else's.
        pairs = [(key + b"-%d" % index, value) for key, value in (random_record(chance) for _ in range(8))]
        producers[index].send(TRANSACTIONS, pairs, int(time.time() * 1000))
        open_values[index].update({key.decode(): value.decode() if value else None for key, value in pairs})
        size += sum(len(key) + len(value or b"") for key, value in pairs)
    for producer, values in zip(producers, open_values):
        if producer.open:
            producer.end(True)
            last[TRANSACTIONS].update(values)


def fill(broker, tools, chance, last, megabytes):
    with WireClient(broker.port) as client:
        create_topics(client)
    for codec in CODECS:
        send_with_kcat(broker.bootstrap, f"plain-{codec}", codec, chance, last, megabytes)
    send_with_kcat(broker.bootstrap, TOMBSTONES, "none", chance, last, megabytes)
    with Connection(broker.port) as connection:
        for _ in range(15):
            produce(connection, KEYLESS, batch([b"no key " * 9000, b"nor here"], timestamp=1_700_000_000_000))
            produce(connection, KEYLESS, keyed_batch([(b"a key", b"v" * 60000)], 1_700_000_000_000))
    last[KEYLESS]["a key"] = "v" * 60000
    tools.call("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", KEYLESS, "--add-config",
               "cleanup.policy=compact")
    send_transactions(broker.port, chance, last, megabytes)


def more(broker, seed, last):
    """A little above a segment's bytes for every topic: whatever is active, one segment is closed."""
    for topic in TOPICS:
        chance = random.Random(f"{seed} {topic}")
        size = 0
        with Connection(broker.port) as connection:
            while size <= SEGMENT_BYTES + 1000:
                pairs = [random_record(chance) for _ in range(60)]
                sent = keyed_batch(pairs, 1_800_000_000_000 + seed)
                produce(connection, topic, sent)
                size += len(sent)
                last[topic].update({key.decode(): value.decode() if value else None for key, value in pairs})


def active_base(broker, topic):
    return max(int(path.stem) for path in (broker.data_directory / f"{topic}-0").glob("*.log"))


def cleaned_offsets(broker):
    checkpoint = broker.data_directory / "cleaner-offset-checkpoint"
    rows = checkpoint.read_text().splitlines()[2:] if checkpoint.exists() else []
    return {topic: int(offset) for topic, partition, offset in map(str.split, rows) if partition == "0"}


def wait_until_cleaned(broker):
    """Until all closed segments of all topics are; returns up to where."""
    deadline = time.monotonic() + CLEANED_SECONDS
    while True:
        broker.check_alive()
        wanted = {topic: active_base(broker, topic) for topic in TOPICS}
        cleaned = {topic: cleaned_offsets(broker).get(topic) for topic in TOPICS}
        if cleaned == wanted:
            return cleaned
        check(time.monotonic() < deadline, f"{broker.kind} cleaned up to {cleaned}, not {wanted}")
        time.sleep(0.05)


def what_consumers_see(broker):
    kcat = Kcat(broker.bootstrap)
    seen = {}
    for topic in TOPICS:
        for level in ("read_committed", "read_uncommitted"):
            seen[topic, level] = kcat.everything(topic, "-X", f"isolation.level={level}", "-Z")
    return seen


def check_last_values(seen, last, who):
    for topic in TOPICS:
        got = {row["key"]: row["payload"] for row in seen[topic, "read_committed"] if row["key"] is not None}
        wanted = {key: value for key, value in last[topic].items() if value is not None}
        check_equal({key: value for key, value in got.items() if value is not None}, wanted,
                    f"the last values of {topic} as {who} serves them")


def clean_round(broker, last):
    """Waits for the cleaner; returns up to where it cleaned and what consumers see then, which holds all that counts."""
    ends = wait_until_cleaned(broker)
    seen = what_consumers_see(broker)
    check_last_values(seen, last, broker.kind)
    return ends, seen


def check_same(left, right, when):
    check_equal(right[0], left[0], f"up to where both cleaned {when}")
    for what, rows in left[1].items():
        check_equal(len(right[1][what]), len(rows), f"how many records of {what} are left {when}")
        for row, other in zip(rows, right[1][what]):
            check_equal(other, row, f"a record of {what} {when}")


BATCH = re.compile(r"^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) baseSequence: (-?\d+) lastSequence: (-?\d+) "
                   r"producerId: (-?\d+) producerEpoch: (-?\d+) .*?isTransactional: (\w+) isControl: (\w+) "
                   r"deleteHorizonMs: (\S+) .*?compresscodec: (\w+)", re.MULTILINE)


def dump(tools, data):
    """What kafka-dump-log tells of the topics' files, less what may differ: sizes, epochs and moments."""
    files = [path for topic in TOPICS for path in sorted((data / f"{topic}-0").glob("*"))
             if path.suffix in (".log", ".txnindex")]
    text = tools.call("kafka-dump-log", "--files", ",".join(map(str, files)), "--deep-iteration")
    check(not re.search(r"isvalid: false|[Ee]xception|[Mm]ismatch|corrupt", text), f"kafka-dump-log:\n{text[-2000:]}")
    entries = {(topic, suffix): [] for topic in TOPICS for suffix in (".log", ".txnindex")}
    parts = re.split(r"^Dumping (\S+)\n", text, flags=re.MULTILINE)[1:]
    for path, said in zip(map(pathlib.Path, parts[::2]), parts[1::2]):
        of_file = entries[path.parent.name.rsplit("-", 1)[0], path.suffix]
        if path.suffix == ".txnindex":
            of_file += said.splitlines()
        else:
            of_file += [(*found.groups()[:9], found.group(10) != "OptionalLong.empty", found.group(11))
                        for found in BATCH.finditer(said)]
    return entries


def check_same_batches(left, right, when):
    for what, entries in left.items():
        check_equal(len(right[what]), len(entries), f"how many entries of {what} kafka-dump-log shows {when}")
        for one, other in zip(entries, right[what]):
            check_equal(other, one, f"an entry of {what} {when}")
    check(all(entries for (_, suffix), entries in left.items() if suffix == ".log"), "kafka-dump-log shows nothing")
    return sum(map(len, left.values()))


def clean_in_turn(case, origin, number, kinds, last):
    """Two rounds by the first kind of broker and a third by the second, on a copy of the directory."""
    last = {topic: dict(values) for topic, values in last.items()}
    directory = case.scratch / f"directory-{number}"
    shutil.copytree(origin.data_directory, directory)
    rounds, dumps = [], []
    for turn, kind in enumerate(kinds):
        broker = case.broker(kind=kind, name=f"{number}-{turn}", settings=CLEANING, data_directory=directory)
        broker.port, broker.controller_port = origin.port, origin.controller_port
        broker.start()
        rounds.append(clean_round(broker, last))
        if turn == 1:
            check_same(rounds[-2], rounds[-1], f"when {kind} has what {kinds[0]} cleaned")
        else:
            # Its aborted records are gone, their markers and index entries are not yet.
            dumps.append(dump(case.kafka_tools(), directory))
            check(dumps[0][TRANSACTIONS, ".txnindex"], f"no aborted transaction in what {kind} cleaned once")
        more(broker, turn, last)
        rounds.append(clean_round(broker, last))
        broker.stop()
        dumps.append(dump(case.kafka_tools(), directory))
    return rounds, dumps


def run(case):
    chance = random.Random(20)
    last = {topic: {} for topic in TOPICS}
    origin = case.broker(kind="kafka", name="origin",
                         settings={"log.cleaner.enable": "false", "log.retention.ms": "-1"}).start()
    fill(origin, case.kafka_tools(origin.bootstrap), chance, last, 8 if case.full else 3)
    origin.stop()
    step("Apache Kafka has the input: " + ", ".join(TOPICS))

    left = clean_in_turn(case, origin, 0, ("kafka", case.kind), last)
    step(f"kafka cleaned twice, then {case.kind} went on with its directory")
    right = clean_in_turn(case, origin, 1, (case.kind, "kafka"), last)
    step(f"{case.kind} cleaned twice, then kafka went on with its directory")
    for number, (one, other) in enumerate(zip(left[0], right[0])):
        check_same(one, other, f"after round {number}")
    entries = [check_same_batches(one, other, f"after round {number}")
               for number, (one, other) in enumerate(zip(left[1], right[1]), 1)]
    records = sum(len(rows) for (_, level), rows in left[0][1][1].items() if level == "read_committed")
    step(f"the same {records} records and {entries} batches are left")


if __name__ == "__main__":
    case.main(run)
