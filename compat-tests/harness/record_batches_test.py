#!/usr/bin/env python3
"""Tests of the decoder of record batches and of the codecs: each kind of damage is planted, and must be found."""

import gzip
import pathlib
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import codecs, record_batches, wire  # noqa: E402
from harness.record_batches import Record  # noqa: E402

SENT = [Record(0, 1_700_000_000_000, b"key", b"value", [("a", b"1"), ("a", None), ("b", b"")]),
        Record(1, 1_699_999_999_000, None, b""), Record(2, 1_700_000_000_500, b"", None)]
TEXT = b"the messenger of the castle " * 10


def with_payload(payload, attributes=0, count=3, last_offset=2):
    """The batch of SENT with other bytes behind its head, and a checksum that is right."""
    batch = record_batches.encode(SENT)
    tail = struct.pack(">hi", attributes, last_offset) + batch[27:57] + struct.pack(">i", count) + payload
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, wire.crc32c(tail)) + tail


class Batches(unittest.TestCase):
    def setUp(self):
        self.batch = record_batches.encode(SENT)
        self.payload = self.batch[record_batches.HEAD_BYTES:]

    def test_every_field_comes_back(self):
        found = record_batches.decode(self.batch)
        self.assertEqual([batch.records for batch in found], [SENT])
        self.assertEqual((found[0].codec, found[0].producer_id), ("none", -1))

    def test_offsets_count_from_the_base(self):
        second = struct.pack(">q", 3) + self.batch[8:]
        offsets = [record.offset for batch in record_batches.decode(self.batch + second) for record in batch.records]
        self.assertEqual(offsets, [0, 1, 2, 3, 4, 5])

    def test_a_batch_that_is_cut_is_left_out(self):
        self.assertEqual(len(record_batches.decode(self.batch + self.batch[:-1])), 1)

    def test_a_packed_batch_is_unpacked(self):
        found = record_batches.decode(with_payload(gzip.compress(self.payload), attributes=1))
        self.assertEqual((found[0].codec, found[0].records), ("gzip", SENT))

    def test_damage_is_found(self):
        broken = bytearray(self.batch)
        broken[-3] ^= 1
        damaged = {
            "a changed byte": bytes(broken),
            "another magic": self.batch[:16] + b"\x01" + self.batch[17:],
            "a record too few": with_payload(self.payload, count=4),
            "a record too many": with_payload(self.payload, count=2),
            "bytes behind the records": with_payload(self.payload + b"x"),
            "a last offset that is not the last": with_payload(self.payload, last_offset=7),
            "a codec nobody knows": with_payload(self.payload, attributes=5),
            "no gzip where gzip is said": with_payload(b"\x1f\x8b no", attributes=1),
        }
        for what, batch in damaged.items():
            with self.subTest(what), self.assertRaises((AssertionError, codecs.zlib.error)):
                record_batches.decode(batch)


class Codecs(unittest.TestCase):
    """Packed by other implementations: frames made by hand that hold their bytes as they are."""

    def test_snappy_bare_and_in_frames(self):
        block = bytes([len(b"snow"), (len(b"snow") - 1) << 2]) + b"snow"
        self.assertEqual(codecs.unpack("snappy", block), b"snow")
        framed = codecs.SNAPPY_FRAME + bytes(8) + (struct.pack(">i", len(block)) + block) * 2
        self.assertEqual(codecs.unpack("snappy", framed), b"snowsnow")
        for wrong in (block[:-1], framed[:-1], b"\x05"):
            self.assertRaises(AssertionError, codecs.unpack, "snappy", wrong)

    def test_zstd(self):
        frame = b"\x28\xb5\x2f\xfd\x20\x04" + (1 | 4 << 3).to_bytes(3, "little") + b"snow"
        self.assertEqual(codecs.unpack("zstd", frame), b"snow")
        for wrong in (frame[:-1], frame + b"x", b"snow"):
            self.assertRaises(AssertionError, codecs.unpack, "zstd", wrong)

    def test_lz4(self):
        head = b"\x04\x22\x4d\x18\x60\x40\x82"  # Independent blocks of 64 KiB, and the checksum of that.
        frame = head + struct.pack("<I", 1 << 31 | 4) + b"snow" + bytes(4)
        self.assertEqual(codecs.unpack("lz4", frame), b"snow")
        for wrong in (frame[:-1], frame + b"x", b"snow" * 4):
            self.assertRaises(AssertionError, codecs.unpack, "lz4", wrong)

    def test_gzip(self):
        packed = gzip.compress(TEXT)
        self.assertEqual(codecs.unpack("gzip", packed), TEXT)
        for wrong in (packed[:-1], packed + b"x"):
            self.assertRaises(AssertionError, codecs.unpack, "gzip", wrong)


if __name__ == "__main__":
    unittest.main()
