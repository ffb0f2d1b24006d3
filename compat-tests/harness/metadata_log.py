"""The metadata log of a node, read from its directory while it runs: every record with all its fields, by name."""

import functools
import struct

from . import record_batches, wire
from .wire import schema

CONTROL_BATCH = 0x20


@functools.cache
def record_types():
    """{api key: schema} of the metadata's records."""
    found = {}
    for file in schema.load(str(wire.places.ROOT / "protocol" / "schemas")):
        for message in file.messages:
            if message.where.startswith("metarec-"):
                found[message.key] = message
    return found


def decode(value):
    """(name, version, fields) of one record's value."""
    frame, position = uvarint(value, 0)
    key, position = uvarint(value, position)
    version, position = uvarint(value, position)
    assert frame == 1, f"a metadata record of frame version {frame}"
    message = record_types()[key]
    decoder = wire.Decoder(message, version, value, position)
    fields = decoder.decode()
    assert decoder.position == len(value), f"bytes behind a {message.name}"
    return message.name, version, fields


def uvarint(data, position):
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result, position
        shift += 7


class MetadataLog:
    """Reads on from where it was. Only the first segment: a test's log is small."""

    def __init__(self, broker):
        self.path = broker.data_directory / "__cluster_metadata-0" / f"{0:020}.log"
        self.position = 0

    def read(self):
        """[(offset, name, version, fields)] of what was appended since, control batches left out."""
        found = []
        with open(self.path, "rb") as file:
            file.seek(self.position)
            data = file.read()
        position = 0
        while len(data) - position >= record_batches.HEAD_BYTES:
            base, size = struct.unpack_from(">qi", data, position)
            end = position + 12 + size
            if size == 0 or end > len(data):
                break
            batch = record_batches.decode_one(base, data[position:end])
            if not batch.attributes & CONTROL_BATCH:
                found += [(record.offset, *decode(record.value)) for record in batch.records]
            position = end
        self.position += position
        return found
