#!/usr/bin/env python3
"""Tests of the comparer of the client matrix: each kind of fault is planted, and must be found."""

import copy
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from matrix.orchestra import records  # noqa: E402

SEEN = ("timestamp", "key", "value", "headers")


class Comparer(unittest.TestCase):
    def setUp(self):
        self.sent = records.placed(records.mixed(60))
        self.got = copy.deepcopy(self.sent)

    def problems(self, **options):
        return records.compare(self.sent, self.got, SEEN, **options)

    def one_problem(self, part, **options):
        found = self.problems(**options)
        self.assertEqual(len(found), 1, found)
        self.assertIn(part, found[0])

    def test_what_is_equal_has_no_problem(self):
        self.assertEqual(self.problems(), [])
        self.assertEqual(records.in_order(self.got), [])

    def test_a_lost_record_is_found(self):
        del self.got[17]
        self.one_problem("is lost")

    def test_a_record_that_came_twice_is_found(self):
        self.got.append(self.got[5])
        self.one_problem("came 2 times")
        self.assertEqual(self.problems(twice_is_fine=True), [])

    def test_a_record_that_came_twice_and_changed_is_found_even_where_twice_is_fine(self):
        self.got.append({**self.got[5], "value": b"another"})
        self.one_problem("has value", twice_is_fine=True)

    def test_a_record_nobody_sent_is_found(self):
        self.got.append({**self.got[0], "offset": 20})
        self.one_problem("nobody sent")

    def test_a_record_in_another_partition_is_found(self):
        self.got[0]["partition"] = 7
        self.assertEqual(len(self.problems()), 2)

    def test_two_records_that_changed_places_are_found(self):
        self.got[0]["offset"], self.got[3]["offset"] = self.got[3]["offset"], self.got[0]["offset"]
        self.assertTrue(self.problems())

    def test_a_changed_field_is_found(self):
        for field, value in (("timestamp", 1), ("key", b"another"), ("value", b"another"), ("headers", [("x", b"y")])):
            self.got = copy.deepcopy(self.sent)
            self.got[8][field] = value
            self.one_problem(f"has {field}")

    def test_null_and_empty_are_not_the_same(self):
        for field in ("key", "value"):
            place = next(number for number, record in enumerate(self.sent) if record[field] is None)
            self.got = copy.deepcopy(self.sent)
            self.got[place][field] = b""
            self.one_problem(f"has {field}")
        place = next(number for number, record in enumerate(self.sent) if ("nothing", None) in record["headers"])
        self.got = copy.deepcopy(self.sent)
        self.got[place]["headers"][0] = ("nothing", b"")
        self.one_problem("has headers")

    def test_the_order_of_headers_counts_unless_the_library_has_none(self):
        place = next(number for number, record in enumerate(self.sent) if len(record["headers"]) == 3)
        self.got[place]["headers"] = sorted(self.got[place]["headers"], key=lambda header: header[0])
        self.one_problem("has headers")
        self.assertEqual(self.problems(header_order=False), [])

    def test_headers_with_one_name_keep_their_order_whatever_the_library(self):
        place = next(number for number, record in enumerate(self.sent) if len(record["headers"]) == 3)
        self.got[place]["headers"] = self.got[place]["headers"][::-1]
        self.one_problem("has headers", header_order=False)

    def test_a_field_that_must_be_seen_is_missed(self):
        del self.got[2]["headers"]
        self.one_problem("has no headers")

    def test_disorder_in_a_partition_is_found(self):
        self.got[0], self.got[3] = self.got[3], self.got[0]
        self.assertEqual(len(records.in_order(self.got)), 1)


class Input(unittest.TestCase):
    def test_it_has_every_kind_of_record(self):
        made = records.mixed(300)
        for field in ("key", "value"):
            self.assertTrue({None, b""} <= {record[field] for record in made})
        names = [name for record in made for name, _ in record["headers"]]
        self.assertTrue({"nothing", "empty", "twice", "name"} <= set(names))
        self.assertIn([], [record["headers"] for record in made])
        self.assertTrue(any(record["key"] is None and record["value"] is None for record in made))

    def test_it_does_without_what_a_library_cannot(self):
        made = records.mixed(300, cannot=set(records.LIMITS))
        for record in made:
            self.assertEqual(set(record), {"partition", "value"})
            self.assertEqual(record["partition"], 0)
            self.assertTrue(record["value"].decode().isprintable())

    def test_lines_keep_everything(self):
        for record in records.placed(records.mixed(60)):
            self.assertEqual(records.from_line(json.loads(records.to_line(record))), record)

    def test_offsets_count_for_each_partition(self):
        self.assertEqual([(record["partition"], record["offset"]) for record in records.placed(records.mixed(5))],
                         [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)])


if __name__ == "__main__":
    unittest.main()
