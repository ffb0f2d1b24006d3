#!/usr/bin/env python3
"""The arithmetic of the benchmark's report, on made-up results: medians, ratios, targets, and what it says of them."""

import sys
import unittest
import xml.etree.ElementTree

sys.dont_write_bytecode = True

import report  # noqa: E402
from figures import FIGURES, GROUPS, groups_named  # noqa: E402

SIZES = {"connections": 10, "partitions": 20, "compaction_mb": 30, "keys": 40}
BY_KEY = {figure.key: figure for figure in FIGURES}


def result_of(key, barnabas, kafka=None, floor=None):
    values = {"barnabas": barnabas, "kafka": kafka, "floor": floor}
    return {server: {key: value} for server, value in values.items() if value is not None}


class Report(unittest.TestCase):
    def test_a_median_is_of_the_rounds_that_have_the_figure(self):
        rounds = [{"kafka": {"a": 5, "b": 1}}, {"kafka": {"a": 1}}, {"kafka": {"a": 2}}]
        self.assertEqual(report.medians(rounds), {"kafka": {"a": 2, "b": 1}})

    def test_every_target_must_hold(self):
        figure = BY_KEY["batch_cpu"]  # <= 1.25 x floor, <= 0.45 x Kafka
        self.assertEqual(report.reached(result_of("batch_cpu", 1.25, 3, 1), figure), "yes")
        self.assertEqual(report.reached(result_of("batch_cpu", 1.26, 3, 1), figure), "no")
        self.assertEqual(report.reached(result_of("batch_cpu", 1.25, 2, 1), figure), "no")

    def test_a_throughput_must_be_above_its_target(self):
        figure = BY_KEY["flush_rate"]  # >= 5 x Kafka
        self.assertEqual(report.reached(result_of("flush_rate", 500, 100), figure), "yes")
        self.assertEqual(report.reached(result_of("flush_rate", 499, 100), figure), "no")

    def test_an_absolute_target_needs_no_other_server(self):
        figure = BY_KEY["connection_memory"]  # <= 8 KiB
        self.assertEqual(report.reached(result_of("connection_memory", 8.01), figure), "no")
        self.assertEqual(report.reached(result_of("connection_memory", 7.9), figure), "yes")

    def test_nothing_is_said_without_a_comparison(self):
        self.assertEqual(report.reached(result_of("lz4_cpu", 1.0), BY_KEY["lz4_cpu"]), "")

    def test_the_table_has_what_was_measured_and_names_what_was_missed(self):
        result = result_of("flush_rate", 300, 100)
        result["barnabas"]["connection_memory"] = 6.5
        text = report.table(result, ["a machine"], SIZES)
        self.assertIn("| 1/s |  | 100 | 300 |  | 3.00 x | >= 5 x Kafka | no |", text)
        self.assertIn("memory per idle connection, 10 of them", text)
        self.assertNotIn("zstd", text)
        self.assertIn("1 of 2 targets are reached; not flush_rate.", text)

    def test_the_chart_is_well_formed_and_a_bar_is_as_long_as_its_share(self):
        chart = xml.etree.ElementTree.fromstring(report.chart(result_of("lz4_cpu", 1.0, 4.0), SIZES))
        bars = [float(one.get("width")) for one in chart.iter("{http://www.w3.org/2000/svg}rect") if one.get("x") == "390"]
        self.assertEqual(sorted(bars[1:])[-1], 4 * sorted(bars[1:])[0])

    def test_a_figure_is_measured_by_its_group(self):
        self.assertEqual(groups_named(["zstd_cpu", "batches"]), ["batches", "codecs"])
        self.assertEqual(groups_named([]), GROUPS)
        self.assertRaises(ValueError, groups_named, ["no_such_figure"])


if __name__ == "__main__":
    unittest.main()
