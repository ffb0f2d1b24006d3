#!/usr/bin/env python3
"""The checker of acknowledged records finds each anomaly that is planted, and nothing in a sound log."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.acknowledged import (DISORDERED, DUPLICATED, HOLE, LOST, anomalies, consumer_problems, prefix_problems,  # noqa: E402
                                  problems, read_acknowledged, regressions, regressions_by_epoch, replica_problems)


def sound_log():
    """Two partitions, records alternating between them as a producer sends them."""
    return [(number % 2, number // 2, f"{number} text of {number}") for number in range(200)]


def in_order(rows):
    return sorted(rows, key=lambda row: row[:2])


class Checker(unittest.TestCase):
    def setUp(self):
        self.read = in_order(sound_log())

    def assert_found(self, acknowledged, read, part):
        found = problems(acknowledged, read)
        self.assertTrue(any(part in sentence for sentence in found), found)

    def test_a_sound_log_has_no_problem(self):
        self.assertEqual(problems(sound_log(), self.read), [])

    def test_records_that_were_never_acknowledged_may_be_there(self):
        self.assertEqual(problems(sound_log()[:50], self.read), [])

    def test_an_acknowledged_record_missing_at_the_end_is_lost(self):
        self.assert_found(sound_log(), self.read[:-1], "record 199, acknowledged at partition 1 offset 99, is lost")

    def test_an_acknowledged_record_missing_in_the_middle_is_lost_and_leaves_a_hole(self):
        read = self.read[:30] + self.read[31:]
        self.assert_found(sound_log(), read, "is lost")
        self.assert_found(sound_log(), read, "offset 31 follows 29")

    def test_a_log_that_lost_everything_is_noticed(self):
        self.assert_found(sound_log(), [], "is lost")

    def test_a_record_written_twice_is_a_duplicate(self):
        read = in_order(self.read + [(0, 100, self.read[5][2])])
        self.assert_found(sound_log(), read, "record 10 is there 2 times")

    def test_a_duplicate_that_was_never_acknowledged_is_noticed_too(self):
        read = in_order(self.read + [(1, 100, "201 x"), (1, 101, "201 x")])
        self.assert_found(sound_log(), read, "record 201 is there 2 times")

    def test_two_records_in_each_others_place_are_out_of_order(self):
        read = list(self.read)
        read[10], read[11] = (0, 10, read[11][2]), (0, 11, read[10][2])
        self.assert_found(sound_log(), read, "record 20 follows 22")
        self.assert_found([], read, "record 20 follows 22")
        self.assert_found(sound_log(), read, "is not there")

    def test_a_changed_value_is_noticed(self):
        read = list(self.read)
        read[7] = (0, 7, "14 text of somebody else")
        self.assert_found(sound_log(), read, "is not there")

    def test_a_log_whose_beginning_is_gone_is_noticed(self):
        self.assert_found([], self.read[3:], "begins at offset 3")

    def test_what_was_deleted_is_not_missed_and_what_was_not_is(self):
        read = [row for row in self.read if row[0] == 1 or row[1] >= 30]
        self.assertEqual(problems(sound_log(), read, starts={0: 30, 1: 0}), [])
        self.assert_found_with(read[1:], {0: 30}, "record 60, acknowledged at partition 0 offset 30, is lost")
        self.assert_found_with(read[1:], {0: 30}, "partition 0 begins at offset 31")

    def assert_found_with(self, read, starts, part):
        found = problems(sound_log(), read, starts=starts)
        self.assertTrue(any(part in sentence for sentence in found), found)

    def test_a_record_acknowledged_without_an_offset_must_be_somewhere(self):
        self.assertEqual(problems([(0, -1, "10 text of 10")], self.read), [])
        self.assert_found([(1, -1, "10 text of 10")], self.read, "is lost")
        self.assert_found([(0, -1, "998 text of 998")], self.read, "is lost")

    def test_a_last_line_that_was_cut_off_is_left_out(self):
        self.assertEqual(read_acknowledged(["0 0 0 a\n", "1 0 1 b c\n", "0 1"]), [(0, 0, "0 a"), (1, 0, "1 b c")])

    def test_an_offset_that_falls_is_noticed_and_one_that_stays_is_not(self):
        self.assertEqual(regressions("it", [0, 3, 3, 8]), [])
        self.assertEqual(regressions("it", []), [])
        self.assertEqual(regressions("it", [0, 5, 4, 9, 8]), ["it went back from 5 to 4", "it went back from 9 to 8"])


    def test_each_anomaly_is_counted_as_what_it_is(self):
        def kinds(acknowledged, read):
            return {kind for kind, _ in anomalies(acknowledged, read)}
        read = list(self.read)
        self.assertEqual(kinds(sound_log(), read), set())
        self.assertEqual(kinds(sound_log(), read[:-1]), {LOST})
        self.assertEqual(kinds(sound_log(), read[:30] + read[31:]), {LOST, HOLE})
        self.assertEqual(kinds([], in_order(read + [(1, 100, "201 x"), (1, 101, "203 x"), (1, 101, "203 x")])),
                         {DUPLICATED, HOLE, DISORDERED})
        read[10], read[11] = (0, 10, read[11][2]), (0, 11, read[10][2])
        self.assertEqual(kinds([], read), {DISORDERED})

    def test_a_high_watermark_is_followed_over_the_epochs_of_its_leaders(self):
        self.assertEqual(regressions_by_epoch("it", [(1, 5), (2, 7), (1, 6), (2, 8)]), [])
        self.assertEqual(regressions_by_epoch("it", [(1, 5), (2, 7), (1, 4)]), ["it went back from 5 to 4"])
        self.assertEqual(regressions_by_epoch("it", [(2, 7), (1, 8)]), ["it went back from 8 to 7"])


class Consumer(unittest.TestCase):
    def setUp(self):
        self.read = in_order(sound_log())

    def test_records_in_any_order_and_some_of_them_twice_are_sound(self):
        self.assertEqual(consumer_problems(self.read[50:] + self.read[:60], self.read), [])

    def test_a_record_that_was_skipped_is_noticed(self):
        found = consumer_problems(self.read[:7] + self.read[8:], self.read)
        self.assertEqual(found, ["1 records were never consumed, the first is (0, 7)"])

    def test_a_record_that_was_served_and_is_gone_or_another_is_noticed(self):
        gone = consumer_problems(self.read + [(0, 100, "200 x")], self.read)
        self.assertEqual(gone, ["partition 0 offset 100: '200 x' was consumed and is not there"])
        another = consumer_problems(self.read + [(0, 5, "11 x")], self.read)
        self.assertEqual(another, ["partition 0 offset 5: '11 x' was consumed and is not there"])


class Replicas(unittest.TestCase):
    def test_the_first_byte_that_differs_is_told(self):
        self.assertEqual(replica_problems("t-0", {1: b"abc", 2: b"abc", 3: b"abc"}), [])
        self.assertEqual(replica_problems("t-0", {1: b"abc", 2: b"abc", 3: b"aXc"}),
                         ["t-0: the logs of nodes 1 and 3 differ at byte 1 (of 3 and 3)"])
        self.assertEqual(replica_problems("t-0", {1: b"abc", 2: b"ab"}),
                         ["t-0: the logs of nodes 1 and 2 differ at byte 2 (of 3 and 2)"])


class Prefix(unittest.TestCase):
    def setUp(self):
        self.sent = {0: ["0 a", "1 b", "2 c"], 1: ["0 x"]}

    def test_every_beginning_of_what_was_sent_is_sound(self):
        for count in range(4):
            read = [(0, offset, value) for offset, value in enumerate(self.sent[0][:count])]
            self.assertEqual(prefix_problems(self.sent, read), [])
        self.assertEqual(prefix_problems(self.sent, [(0, 0, "0 a"), (1, 0, "0 x")]), [])

    def assert_found(self, read, part):
        found = prefix_problems(self.sent, read)
        self.assertTrue(any(part in sentence for sentence in found), found)

    def test_a_hole_a_changed_value_a_stranger_and_a_repeat_are_noticed(self):
        self.assert_found([(0, 0, "0 a"), (0, 2, "2 c")], "offset 2 is read where 1 is expected")
        self.assert_found([(0, 1, "1 b")], "offset 1 is read where 0 is expected")
        self.assert_found([(0, 0, "0 A")], "'0 A' is not '0 a'")
        self.assert_found([(0, 0, "0 a"), (0, 1, "0 a")], "'0 a' is not '1 b'")
        self.assert_found([(1, 0, "0 x"), (1, 1, "1 y")], "'1 y' was never sent")
        self.assert_found([(2, 0, "0 x")], "was never sent")


if __name__ == "__main__":
    unittest.main()
