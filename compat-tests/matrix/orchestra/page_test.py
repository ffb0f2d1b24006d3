#!/usr/bin/env python3
"""Tests of what the page of the matrix says of a cell."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from matrix.orchestra import page  # noqa: E402
from matrix.orchestra.client import Client  # noqa: E402


def result(**outcomes):
    cells = {name.replace("_", " "): {"outcome": outcome, "why": why} for name, (outcome, why) in outcomes.items()}
    return {"version": "1.0", "cannot": ["null_keys"], "cells": cells}


class Page(unittest.TestCase):
    def test_a_cell_is_yes_only_if_it_passed_on_both(self):
        self.assertEqual(page.joined({"barnabas": "passed", "kafka": "passed"}), "yes")
        self.assertEqual(page.joined({"barnabas": "passed", "kafka": "failed"}), "yes (here)")
        self.assertEqual(page.joined({"barnabas": "passed", "kafka": "failed", "kafka-3.9.1": "passed"}), "yes (3.9)")
        self.assertNotEqual(page.joined({"barnabas": "passed"}), "yes")

    def test_a_failure_is_told_apart_from_one_that_apache_kafka_shares(self):
        self.assertEqual(page.joined({"barnabas": "failed", "kafka": "failed"}), "both fail")
        self.assertEqual(page.joined({"barnabas": "failed", "kafka": "passed"}), "FAILS")
        self.assertEqual(page.joined({"barnabas": "failed"}), "FAILS")

    def test_what_was_not_run_is_not_passed(self):
        self.assertEqual(page.joined({}), "not run")
        self.assertEqual(page.joined({"kafka": "passed"}), "not run")
        row = page.row(Client("none", "None", None), {})
        self.assertEqual(set(row[3:]), {"not run"})

    def test_the_notes_have_what_a_library_cannot_say_and_why_cells_fail(self):
        told = page.notes(Client("some", "Some", None),
                          {"barnabas": result(seek=("failed", "it went\nelsewhere"), admin=("passed", "without x"))})
        for part in ("null keys", "seek: it went", "admin: without x"):
            self.assertIn(part, told)
        self.assertNotIn("elsewhere", told)


if __name__ == "__main__":
    unittest.main()
