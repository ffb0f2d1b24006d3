#!/usr/bin/env python3
"""Runs the project's tests step by step and says what each step took.

    scripts/run_tests.py              every step of CI
    scripts/run_tests.py STEP...      only these
    scripts/run_tests.py --list       what there is

A step that fails does not keep the later ones from running, unless they need what it should have made. The last
line counts tests, not steps: 'N passed, N failed, N skipped'. The exit code is 0 only if nothing failed. What
could not be run (a toolchain that is missing) is counted as skipped and named, never as passed.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUZZ_SECONDS = int(os.environ.get("BARNABAS_FUZZ_SECONDS", "3"))
JOBS = str(os.cpu_count() or 2)
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
}


class Outcome:
    """What a step counted. `failures` are lines for the reader."""

    def __init__(self, passed=0, failed=0, skipped=0, failures=()):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.failures = list(failures)


def call(command, **environment):
    """Runs a command with its output shown, returns its exit code."""
    print("+ " + " ".join(map(str, command)), flush=True)
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL,
                          env={**os.environ, **environment}).returncode


def one(name, command):
    """A step that is a single test."""
    code = call(command)
    return Outcome(passed=1) if code == 0 else Outcome(failed=1, failures=[f"{name}: exit code {code}"])


def format_step():
    return one("format", ["scripts/format.sh", "--check"])


def structure_step():
    """The structure test, the page of the APIs, and the tests of our scripts: structure test, bench, compat harness."""
    outcome = one("structure", [sys.executable, "scripts/structure_test.py"])
    merge(outcome, one("docs/apis.md", [sys.executable, "scripts/make_apis_page.py", "--check"]))
    tests = ("scripts/*_selftest.py", "bench/*_selftest.py", "compat-tests/harness/*_test.py",
             "compat-tests/matrix/orchestra/*_test.py")
    for test in sorted(test for pattern in tests for test in ROOT.glob(pattern)):
        name = str(test.relative_to(ROOT))
        merge(outcome, one(name, [sys.executable, name]))
    return outcome


def lint_step():
    return one("lint", ["scripts/lint.sh"])


def merge(total, part):
    total.passed += part.passed
    total.failed += part.failed
    total.skipped += part.skipped
    total.failures += part.failures


def build(preset, *targets):
    """True if the preset configures and builds."""
    if not (ROOT / "build" / preset / "build.ninja").exists():
        if call(["cmake", "--preset", preset]) != 0:
            return False
    command = ["cmake", "--build", "--preset", preset, "--parallel", JOBS]
    return call(command + (["--target", *targets] if targets else [])) == 0


def build_step():
    if build("release"):
        return Outcome(passed=1)
    return Outcome(failed=1, failures=["build: the release build failed"])


CATCH_ALL_PASSED = re.compile(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)")
CATCH_FAILURE = re.compile(r"^(\S+:\d+): FAILED:\n\s*(.*)", re.MULTILINE)
CATCH_SOME_FAILED = re.compile(r"test cases:\s*(\d+)(?:\s*\|\s*(\d+) passed)?(?:\s*\|\s*(\d+) failed)?")


def count_ctest(report):
    """Counts the Catch2 test cases in ctest's report; a program that said nothing readable counts as one."""
    outcome = Outcome()
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        status = case.get("status")
        if status in ("disabled", "notrun"):
            # ctest says 'notrun' of a program that could not be started: that is a failure, not a choice.
            outcome.failed += 1
            outcome.failures.append(f"{case.get('name')}: not run")
            continue
        if status == "run" and case.find("failure") is None:
            found = CATCH_ALL_PASSED.findall(output)
            outcome.passed += sum(map(int, found)) if found else 1
            continue
        found = CATCH_SOME_FAILED.findall(output)
        outcome.passed += sum(int(passed or 0) for _, passed, _ in found)
        outcome.failed += max(1, sum(int(failed or 0) for _, _, failed in found))
        first = CATCH_FAILURE.search(output)
        reason = " ".join(first.groups()) if first else (case.find("failure").get("message") or "failed")
        outcome.failures.append(f"{case.get('name')}: {reason[:300]}")
    return outcome


def unit_tests(preset, **environment):
    report = ROOT / "build" / preset / "unit-tests.xml"
    report.unlink(missing_ok=True)
    code = call(["ctest", "--test-dir", f"build/{preset}", "--output-on-failure", "--no-tests=error",
                 "--timeout", "300", "-j", JOBS,
                 "--test-output-size-passed", "100000000", "--test-output-size-failed", "100000000", "--output-junit", str(report)], **environment)
    if not report.exists():
        return Outcome(failed=1, failures=[f"unit tests ({preset}): ctest exit code {code}, no report"])
    outcome = count_ctest(report)
    if code != 0 and outcome.failed == 0:
        outcome.failed, outcome.failures = 1, [f"unit tests ({preset}): ctest exit code {code}"]
    return outcome


def unit_step():
    if not build("release"):
        return Outcome(failed=1, failures=["unit: the release build failed"])
    return unit_tests("release")


def sanitized_step():
    """The unit tests under the address and undefined behaviour sanitizers (in the tree of the fuzz targets)."""
    if not build("fuzz"):
        return Outcome(failed=1, failures=["sanitized: the build with sanitizers failed"])
    return unit_tests("fuzz", **SANITIZER_OPTIONS)


def fuzz_step():
    """Each fuzz target for a few seconds, from its seeds in <folder>/fuzz_seeds/<target>/ where there are some."""
    if not build("fuzz"):
        return Outcome(failed=1, failures=["fuzz: the build with sanitizers failed"])
    sources = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*_fuzz.cpp"],
                             cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    if not sources:
        return Outcome(skipped=1, failures=["fuzz: there is no fuzz target"])
    outcome = Outcome()
    for source in sources:
        target = pathlib.Path(source).stem
        corpus = ROOT / "build" / "fuzz" / "corpus" / target
        corpus.mkdir(parents=True, exist_ok=True)
        seeds = ROOT / pathlib.Path(source).parent / "fuzz_seeds" / target
        command = [f"build/fuzz/bin/{target}", f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=2048", "-timeout=10",
                   f"-artifact_prefix=build/fuzz/{target}-", "-print_final_stats=0", "-verbosity=0", str(corpus)]
        merge(outcome, one(target, command + ([str(seeds)] if seeds.is_dir() else [])))
    return outcome


def compat_step():
    """The quick tier of compat-tests/, against the program that was just built."""
    if not build("release"):
        return Outcome(failed=1, failures=["compat: the release build failed"])
    process = subprocess.Popen([sys.executable, "compat-tests/run.py", "--quick"], cwd=ROOT, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    last, failures = "", []
    for line in process.stdout:
        print(line, end="", flush=True)
        if line.startswith("FAILED ") or line.startswith("NOT RUN "):
            failures.append("compat: " + line.strip())
        last = line.strip() or last
    code = process.wait()
    counted = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", last)
    if not counted:
        return Outcome(failed=1, failures=[f"compat: exit code {code}, and no count at the end"])
    outcome = Outcome(*map(int, counted.groups()), failures)
    if code != 0 and outcome.failed == 0:
        outcome.failed, outcome.failures = 1, failures + [f"compat: exit code {code}"]
    return outcome


STEPS = {
    "format": format_step,
    "structure": structure_step,
    "build": build_step,
    "unit": unit_step,
    "compat": compat_step,
    "sanitized": sanitized_step,
    "fuzz": fuzz_step,
    "lint": lint_step,
}
BY_DEFAULT = [name for name in STEPS if name != "lint"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help="default: " + " ".join(BY_DEFAULT))
    parser.add_argument("--list", action="store_true", help="print the names of the steps")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(STEPS))
        return 0
    unknown = [name for name in arguments.steps if name not in STEPS]
    if unknown:
        parser.error("no such step: " + ", ".join(unknown))

    rows, total = [], Outcome()
    for name in arguments.steps or BY_DEFAULT:
        print(f"\n===== {name}", flush=True)
        begun = time.monotonic()
        outcome = STEPS[name]()
        rows.append((name, outcome, time.monotonic() - begun))
        merge(total, outcome)

    print(f"\n{'step':<12}{'seconds':>8}{'passed':>8}{'failed':>8}{'skipped':>9}")
    for name, outcome, seconds in rows:
        print(f"{name:<12}{seconds:>8.1f}{outcome.passed:>8}{outcome.failed:>8}{outcome.skipped:>9}")
    for line in total.failures:
        print(line)
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
