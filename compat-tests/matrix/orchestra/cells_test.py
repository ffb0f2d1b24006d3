#!/usr/bin/env python3
"""Tests of what the cells decide by: differences between admin answers, and who holds which partitions."""

import pathlib
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from harness.record_batches import Record  # noqa: E402
from matrix.orchestra import admin_cell, group_cells, record_cells, run  # noqa: E402
from matrix.orchestra.client import Client  # noqa: E402


class Answers(unittest.TestCase):
    ANSWER = {"call": "describe", "result": {"name": ["value", 1, None], "parts": [{"id": 1}, {"id": 2}]}}

    def problems(self, got):
        return admin_cell.line_differences(got, [self.ANSWER])

    def test_the_same_is_no_difference(self):
        self.assertEqual(self.problems([self.ANSWER]), [])

    def test_a_changed_value_is_named_by_its_place(self):
        changed = {"call": "describe", "result": {"name": ["value", 1, None], "parts": [{"id": 1}, {"id": 3}]}}
        self.assertEqual(self.problems([changed]), ["describe: .result.parts[1].id is '3' instead of '2'"])

    def test_an_error_instead_of_a_result_is_a_difference(self):
        self.assertTrue(self.problems([{"call": "describe", "error": "UNKNOWN"}]))

    def test_a_list_of_another_length_is_a_difference(self):
        self.assertTrue(self.problems([{"call": "describe", "result": {**self.ANSWER["result"], "parts": []}}]))

    def test_too_few_and_too_many_answers_are_differences(self):
        self.assertTrue(self.problems([]))
        self.assertTrue(self.problems([self.ANSWER, self.ANSWER]))

    def test_calls_are_left_out_by_what_they_need(self):
        self.assertEqual(admin_cell.needs({"call": "list_partition_reassignments"}), {"reassignment"})
        self.assertEqual(admin_cell.needs({"call": "electLeaders"}), {"electleaders"})
        self.assertEqual(admin_cell.needs({"call": "describe_configs"}), set())


class Holding(unittest.TestCase):
    def held(self, *assigned):
        return group_cells.all_held([types.SimpleNamespace(assigned=partitions) for partitions in assigned])

    def test_every_partition_needs_one_owner(self):
        self.assertTrue(self.held([0], [1], [2]))
        self.assertTrue(self.held([0, 1], [2]))
        self.assertFalse(self.held([0], [1], []))
        self.assertFalse(self.held([0, 1], [1, 2]))

    def test_a_newcomer_must_have_its_share(self):
        self.assertFalse(self.held([0, 1], [2], []))
        self.assertFalse(self.held([0, 1, 2], []))


class CodecsOfBatches(unittest.TestCase):
    def batches(self, *codecs_and_counts):
        record = Record(0, 0, value=b"value")
        return [types.SimpleNamespace(codec=codec, records=[record] * count) for codec, count in codecs_and_counts]

    def test_most_records_must_be_packed(self):
        record_cells.check_codecs(self.batches(("gzip", 9), ("none", 1)), "gzip")
        for wrong in ([("none", 9)], [("gzip", 1), ("none", 9)], [("gzip", 9), ("lz4", 1)]):
            self.assertRaises(AssertionError, record_cells.check_codecs, self.batches(*wrong), "gzip")
        self.assertRaises(AssertionError, record_cells.check_codecs, self.batches(("gzip", 9)), "none")


class Verdicts(unittest.TestCase):
    def unexpected(self, outcome, kind="barnabas", **options):
        client = Client("some", "Some", None, **options)
        return run.unexpected(types.SimpleNamespace(kind=kind), client, {"seek": (outcome, "why")})

    def test_a_failure_fails_the_test(self):
        self.assertTrue(self.unexpected("failed"))
        self.assertFalse(self.unexpected("passed"))
        self.assertFalse(self.unexpected("cannot"))

    def test_a_known_failure_that_passes_fails_the_test(self):
        self.assertFalse(self.unexpected("failed", known={"seek": "why"}))
        self.assertTrue(self.unexpected("passed", known={"seek": "why"}))

    def test_a_client_that_is_said_to_be_too_old_must_be_refused(self):
        self.assertTrue(self.unexpected("passed", kind="kafka", oracle="kafka-3.9.1"))
        self.assertFalse(self.unexpected("failed", kind="kafka", oracle="kafka-3.9.1"))
        self.assertTrue(self.unexpected("failed", oracle="kafka-3.9.1"))


if __name__ == "__main__":
    unittest.main()
