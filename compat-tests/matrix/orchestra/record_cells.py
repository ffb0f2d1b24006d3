"""The cells in which records go there and back, each on a topic of its own."""

from harness import record_batches
from harness.outcome import check, check_equal

from . import records
from .bench import check_none

BIG_BYTES = 10_000_000
PARTITIONS = 3


def create(bench):
    """The client makes a topic, and our own client sees its partitions."""
    bench.need("create")
    topic = bench.topic("create")
    check_equal(bench.call("create", topic, 4), [{"created": topic}], "what create printed")
    with bench.wire() as wire:
        check_equal(wire.partitions(topic), [0, 1, 2, 3], "the partitions of the topic")


def produce(bench, codec):
    """Every kind of record in one codec: acknowledged where it must be, held as it was sent, and read back."""
    topic = bench.topic(f"produce {codec}")
    sent = records.mixed(300 if bench.full else 90, PARTITIONS, bench.cannot)
    with bench.wire() as wire:
        wire.create_topic(topic, PARTITIONS)
        send(bench, topic, codec, sent)
        check_held(bench, wire, topic, codec, sent)
    if "consume" in bench.features:
        placed = records.placed(sent)
        for partition in sorted({record["partition"] for record in sent})[-3 if bench.full else -1:]:
            wanted = [record for record in placed if record["partition"] == partition]
            got = bench.consume(topic, partition, 0, len(wanted))
            bench.compare(wanted, got)
            check_none(records.in_order(got), "of order")
        if bench.full:  # From within a batch, too.
            wanted = wanted[len(wanted) // 2:]
            bench.compare(wanted, bench.consume(topic, partition, wanted[0]["offset"], len(wanted)))


def send(bench, topic, codec, sent):
    """The client sends; what it was told of each record must be the place that the record has to have."""
    told = bench.call("produce", topic, codec, bench.file_of(sent, f"produce {codec}"))
    check_equal(len(told), len(sent), "the number of acknowledgements")
    for record, place in zip(records.placed(sent), told):
        if "offsets" not in bench.cannot:
            check_equal((place.get("partition"), place.get("offset")), (record["partition"], record["offset"]),
                        "where a record was acknowledged")


def check_held(bench, wire, topic, codec, sent):
    """What the broker holds, read by our own client."""
    held, batches = [], []
    for partition in range(PARTITIONS):
        for batch in wire.batches(topic, partition):
            batches.append(batch)
            held += [records.from_wire(partition, record) for record in batch.records]
    problems = records.compare(records.placed(sent), held, header_order="header_order" not in bench.cannot)
    check_none(problems, "with what the broker holds")
    check_codecs(batches, codec)
    if "idempotence" in bench.features:
        check(all(batch.producer_id >= 0 for batch in batches), "batches without a producer id")
    if "headers" not in bench.features:
        check(not any(record["headers"] for record in held), "headers that nobody gave")


def check_codecs(batches, codec):
    """A library may leave a small batch as it is where packing would not make it smaller, but not most bytes."""
    check({batch.codec for batch in batches} <= {codec, "none"}, f"batches in {({batch.codec for batch in batches})}")
    sizes = [sum(len(record.value or b"") for batch in batches if batch.codec == name for record in batch.records)
             for name in (codec, "none")]
    check(codec == "none" or sizes[0] > sizes[1], f"values of only {sizes[0]} of {sum(sizes)} bytes are in {codec}")


def big_record(bench):
    """One record of 10 MB, there and back."""
    bench.need("produce")
    topic = bench.topic("10 MB")
    pattern = bytes(range(97, 123)) if "binary" in bench.cannot else bytes(range(256))
    value = (pattern * (BIG_BYTES // len(pattern) + 1))[:BIG_BYTES]
    sent = [{**records.record_of(0, 0, frozenset(bench.cannot)), "value": value}]
    with bench.wire() as wire:
        wire.create_topic(topic, PARTITIONS, {"max.message.bytes": str(12 << 20)})
        send(bench, topic, "none", sent)
        check_held(bench, wire, topic, "none", sent)
    if "consume" in bench.features:
        bench.compare(records.placed(sent), bench.consume(topic, 0, 0, 1))


def seek(bench):
    """A record is found by its time: before all, at one, between two, and behind all there is none."""
    bench.need("seek")
    topic, count = bench.topic("seek"), 20
    sent = records.placed(records.mixed(count, 1, bench.unreadable))
    with bench.wire() as wire:
        wire.create_topic(topic, 1)
        for begin in range(0, count, 5):
            wire.produce(topic, 0, [to_wire(record) for record in sent[begin:begin + 5]])
    first, step = records.START_MS, records.STEP_MS
    wanted = [(first - 5, 0), (first + 7 * step + 1, 8), (first + count * step, None)]
    if bench.full:
        wanted += [(first, 0), (first + 7 * step, 7), (first + (count - 1) * step, count - 1)]
    for timestamp, offset in wanted:
        answer = bench.call("seek", topic, 0, timestamp)
        check_equal(len(answer), 1, f"lines that seek printed for {timestamp}")
        if offset is None:
            check_equal(answer, [{"none": True}], f"what is at {timestamp}, behind the last record")
        else:
            bench.compare([sent[offset]], [records.from_line(answer[0])])


def to_wire(record):
    return record_batches.Record(record.get("offset", 0), record["timestamp"], record["key"], record["value"],
                                 record["headers"])
