#!/usr/bin/env python3
"""Plants each violation in a small tree and asserts that structure_test.py sees it, and nothing in a clean one."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import structure_test  # noqa: E402

EDGE = '[[edge]]\nfrom = "log"\nto = "base"\n'
USE = {"log/a.hpp": '#include "base/b.hpp"\n', "base/b.hpp": "int b();\n"}


class StructureTest(unittest.TestCase):
    def run_on(self, files, layers=EDGE):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in ({"scripts/layers.toml": layers} | USE | files).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return structure_test.run(root)

    def assert_caught(self, words, files, layers=EDGE):
        failures = self.run_on(files, layers).failures
        self.assertTrue(any(words in failure for failure in failures), failures)

    def test_a_clean_tree_passes(self):
        self.assertEqual(self.run_on({}).failures, [])

    def test_an_edge_upwards_fails(self):
        self.assert_caught("base -> log is not", {"base/c.hpp": '#include "log/a.hpp"\n'})

    def test_an_edge_inside_the_broker_fails(self):
        self.assert_caught("broker/drivers -> broker/api is not",
                           {"broker/drivers/c.hpp": '#include "broker/api/a.hpp"\n'})

    def test_an_unused_edge_fails_unless_pending(self):
        unused = EDGE + '[[edge]]\nfrom = "kraft"\nto = "log"\n'
        self.assert_caught("kraft -> log is listed and nobody uses it", {}, unused)
        report = self.run_on({}, unused + "pending = true\n")
        self.assertEqual(report.failures, [])
        self.assertTrue(any("pending edge nobody uses yet: kraft -> log" in note for note in report.notes))

    def test_a_cycle_of_allowed_edges_fails(self):
        both = EDGE + '[[edge]]\nfrom = "base"\nto = "log"\n'
        self.assert_caught("base reaches itself", {"base/c.hpp": '#include "log/a.hpp"\n'}, both)

    def test_long_files_fail_at_800_and_off_the_ratchet(self):
        self.assert_caught("has 801 lines", {"log/long.cpp": "\n" * 801})
        self.assertTrue(any("on no ratchet" in note for note in self.run_on({"log/l.cpp": "\n" * 501}).notes))
        ratchet = EDGE + '[file_lines]\n"log/long.cpp" = 600\n'
        self.assert_caught("the limit is 600", {"log/long.cpp": "\n" * 601}, ratchet)
        self.assert_caught("take it off", {"log/long.cpp": "\n" * 400}, ratchet)

    def test_a_long_function_fails_and_a_long_namespace_or_class_does_not(self):
        body = "  f();\n" * 70
        self.assert_caught("a.cpp:run has 72 lines", {"log/a.cpp": f"namespace n {{\nvoid A::run(int x) {{\n{body}}}\n}}\n"
                                                      .replace("A::run", "run")})
        self.assert_caught("TEST_CASE", {"log/a_test.cpp": f'TEST_CASE("x {{") {{\n{body}}}\n'})
        wide = "namespace n {\nclass A {\n" + "  void f() { g(); }\n" * 90 + "};\n}\n"
        self.assertEqual(self.run_on({"log/a.cpp": wide}).failures, [])

    def test_a_long_line_fails(self):
        self.assert_caught("a.cpp:1 has 111 columns", {"log/a.cpp": "/" * 111 + "\n"})

    def test_a_loop_over_a_member_of_a_temporary_fails(self):
        self.assert_caught("loops over temporaries: log/a.cpp:1", {"log/a.cpp": "for (int x : a(b)->c) {}\n"})
        self.assertEqual(self.run_on({"log/a.cpp": "for (int x : (*a)->b) for (int y : c()) {}\n"}).failures, [])

    def test_the_coroutine_trap_is_caught_in_each_form(self):
        for line in ("co_await f({.x = p});", "co_await f(Agg{p});", "co_await run([p] { g(); });",
                     "co_await f(a,\n  {1, 2});", "auto [a, b] = co_await f();"):
            self.assert_caught("coroutine trap: log/a.cpp:2", {"log/a.cpp": f"void f() {{\n{line}\n}}\n"})
        for line in ("co_await f(p);", "// co_await f({1});", 'log("co_await f({1})");', "auto x = co_await f(p);"):
            self.assertEqual(self.run_on({"log/a.cpp": f"void f() {{\n{line}\n}}\n"}).failures, [])

    def test_empty_names_fail(self):
        self.assert_caught("'util'", {"log/file_util.cpp": ""})
        self.assert_caught("'common'", {"log/common/x.cpp": ""})

    def walks(self, produce):
        return "# Produce\n" + produce + "# Fetch\n- base/b.hpp: b\n# Group join\n- `base/b.hpp`: `b()`\n"

    def test_the_path_budget_counts_units_lines_and_names(self):
        document = "docs/architecture.md"
        self.assertEqual(self.run_on({document: self.walks("- base/b.hpp: b\n")}).failures, [])
        self.assert_caught("base/b.hpp has no function c", {document: self.walks("- base/b.hpp: c\n")})
        self.assert_caught("base/z.hpp does not exist", {document: self.walks("- base/z.hpp: c\n")})
        self.assert_caught("no walk for a produce", {document: self.walks("")})
        units = {f"base/u{i}.cpp": "int f();\n" for i in range(13)}
        lines = "".join(f"- {name}: f\n" for name in units)
        self.assert_caught("crosses 13 units", units | {document: self.walks(lines)})
        large = {f"base/u{i}.cpp": "int f();\n" + "\n" * 730 for i in range(5)}
        lines = "".join(f"- {name}: f\n" for name in large)
        self.assert_caught("crosses 3655 lines", large | {document: self.walks(lines)})


if __name__ == "__main__":
    unittest.main()
