"""Message sets of magic 0 and 1, as clients older than Kafka 0.11 send and read them."""

import gzip
import struct
import zlib

NONE, GZIP = 0, 1


def message(offset, key, value, *, magic=1, timestamp=1_700_000_000_000, attributes=0, wrong_crc=False):
    """One message with its offset and size in front. A null key or value is None."""
    body = struct.pack(">bb", magic, attributes)
    if magic == 1:
        body += struct.pack(">q", timestamp)
    for field in (key, value):
        body += struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field
    crc = zlib.crc32(body) ^ (1 if wrong_crc else 0)
    return struct.pack(">qiI", offset, len(body) + 4, crc) + body


def gzip_wrapper(inner, offset, *, magic=1, timestamp=1_700_000_000_000):
    """A message whose value is a compressed message set."""
    return message(offset, None, gzip.compress(inner, mtime=0), magic=magic, timestamp=timestamp, attributes=GZIP)


def read(data):
    """[(offset, magic, attributes, timestamp, key, value)] of the messages that are whole; gzip is unpacked and
    relative offsets (magic 1) are made absolute."""
    found, position = [], 0
    while len(data) - position >= 12:
        offset, size = struct.unpack_from(">qi", data, position)
        end = position + 12 + size
        if end > len(data):
            break
        crc, magic, attributes = struct.unpack_from(">Ibb", data, position + 12)
        if zlib.crc32(data[position + 16:end]) != crc:
            raise AssertionError(f"the message at {offset} has a wrong checksum")
        at = position + 18
        timestamp = None
        if magic == 1:
            timestamp = struct.unpack_from(">q", data, at)[0]
            at += 8
        fields = []
        for _ in range(2):
            length = struct.unpack_from(">i", data, at)[0]
            at += 4
            fields.append(None if length < 0 else data[at:at + length])
            at += max(length, 0)
        if attributes & 7 == GZIP:
            inner = read(gzip.decompress(fields[1]))
            shift = offset - inner[-1][0] if magic == 1 else 0
            found += [(item[0] + shift, *item[1:]) for item in inner]
        else:
            found.append((offset, magic, attributes, timestamp, *fields))
        position = end
    return found
