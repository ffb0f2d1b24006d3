"""Record batches (magic 2) by hand, every field of every record: what the broker holds, without a client's help."""

import dataclasses
import struct

from . import codecs, wire
from .outcome import check

HEAD_BYTES = 61


@dataclasses.dataclass
class Record:
    """Bytes are bytes, null is None; headers are [(name, value)]."""
    offset: int
    timestamp: int
    key: bytes = None
    value: bytes = None
    headers: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Batch:
    base_offset: int
    codec: str
    attributes: int
    producer_id: int
    records: list


class Reader:
    """Takes varints and bytes off the front of records."""

    def __init__(self, data):
        self.data, self.position = data, 0

    def varint(self):
        result = shift = 0
        while True:
            byte = self.take(1)[0]
            result |= (byte & 127) << shift
            if byte < 128:
                return (result >> 1) ^ -(result & 1)
            shift += 7

    def take(self, count):
        check(0 <= count <= len(self.data) - self.position, "a record ends early")
        self.position += count
        return self.data[self.position - count:self.position]

    def field(self):
        size = self.varint()
        return None if size < 0 else self.take(size)


def decode(data):
    """The whole batches of a fetch; what is cut at its end is left out. Checksums and counts must be right."""
    found, position = [], 0
    while len(data) - position >= HEAD_BYTES:
        base, size = struct.unpack_from(">qi", data, position)
        end = position + 12 + size
        if end > len(data):
            break
        found.append(decode_one(base, data[position:end]))
        position = end
    return found


def decode_one(base, data):
    magic, crc, attributes, last, first_time, _, producer_id = struct.unpack_from(">xxxxbIhiqqq", data, 12)
    count = struct.unpack_from(">i", data, 57)[0]
    check(magic == 2, f"the batch at {base} has magic {magic}")
    check(wire.crc32c(data[21:]) == crc, f"the batch at {base} has a wrong checksum")
    check(attributes & 7 < len(codecs.NAMES), f"the batch at {base} has codec {attributes & 7}")
    codec = codecs.NAMES[attributes & 7]
    reader = Reader(codecs.unpack(codec, data[HEAD_BYTES:]))
    records = [decode_record(reader, base, first_time) for _ in range(count)]
    check(reader.position == len(reader.data), f"the batch at {base} has bytes behind its records")
    check(not records or records[-1].offset == base + last,
          f"the batch at {base}: its last record is not its last offset")
    return Batch(base, codec, attributes, producer_id, records)


def decode_record(reader, base, first_time):
    size = reader.varint()
    end = reader.position + size
    reader.take(1)
    timestamp, offset = first_time + reader.varint(), base + reader.varint()
    key, value = reader.field(), reader.field()
    headers = [(reader.take(reader.varint()).decode(), reader.field()) for _ in range(reader.varint())]
    check(reader.position == end, f"the record at {offset} has another length than it says")
    return Record(offset, timestamp, key, value, headers)


def encode(records):
    """One uncompressed batch of records; their offsets are not used, the broker gives them."""
    first_time, out = records[0].timestamp, b""
    for number, record in enumerate(records):
        body = b"\0" + wire.varint(record.timestamp - first_time) + wire.varint(number)
        for field in (record.key, record.value):
            body += wire.varint(-1) if field is None else wire.varint(len(field)) + field
        body += wire.varint(len(record.headers))
        for name, value in record.headers:
            body += wire.varint(len(name.encode())) + name.encode()
            body += wire.varint(-1) if value is None else wire.varint(len(value)) + value
        out += wire.varint(len(body)) + body
    last_time = max(record.timestamp for record in records)
    tail = struct.pack(">hiqqqhii", 0, len(records) - 1, first_time, last_time, -1, -1, -1, len(records)) + out
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, wire.crc32c(tail)) + tail
