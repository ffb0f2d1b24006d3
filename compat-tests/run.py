#!/usr/bin/env python3
"""Runs the compatibility tests and prints what became of each.

    compat-tests/run.py                              the quick tier against the program that was built
    compat-tests/run.py --full                       bigger inputs, more repetitions
    compat-tests/run.py --broker kafka               the same scripts against Apache Kafka
    compat-tests/run.py --jobs 2                     two at a time, for a desk: no whole tier has been seen to pass so yet
    compat-tests/run.py console_main_job bad_input   only these

A test is a file <area>_<what>.py beside this one. Each runs in a process and a session of its own, with a limit of
time, and leaves its output in build/compat/logs/. What a test's prepare() fetches and compiles, once, has a limit of its
own. A test that lacks something on this machine is 'not run', and the
reason stands in the table; it does not count as passed. The table has the seconds of each test, and the CPU seconds of its
process and of those that it waited for: what it left running, to be killed with its session, is not in them.
The last line is 'N passed, N failed, N skipped'.
"""

import argparse
import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness.broker import KINDS  # noqa: E402
from harness.outcome import NOT_RUN_EXIT_CODE  # noqa: E402
from harness.places import CACHE  # noqa: E402

LIMIT_SECONDS = {"quick": 420, "full": 3600}
PREPARATION_LIMIT_SECONDS = 900
PREPARING = threading.Lock()  # Tests prepare what they share: one at a time.
RUNNING = set()  # The processes of tests.
# Tests that other folders bring: <folder>/<name>.py, run like those beside this file.
FOLDERS = [HERE, HERE / "messages", HERE / "records"]


def find_tests():
    """{name: path} of every test, in the order of their names."""
    found = {}
    for folder in FOLDERS:
        for path in folder.glob("*_*.py"):
            text = path.read_text()
            # What ends in case.main(run) means to be a test: one that is not found would never fail.
            assert ("case.main(run)" in text) == ("\ndef run(case)" in text), f"{path}: its function is run(case)"
            if not path.stem.endswith("_test") and "\ndef run(case)" in text:
                found[path.stem] = path
    return dict(sorted(found.items()))


def run_test(name, path, arguments):
    """Runs one test; returns its exit code, the seconds and the CPU seconds it took, the line that says why, and its log."""
    log = CACHE / "logs" / f"{arguments.broker}-{name}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    command = [sys.executable, str(path), "--broker", arguments.broker] + (["--full"] if arguments.full else [])
    begun, code, cpu = time.monotonic(), 0, 0.0
    if "\ndef prepare(case)" in path.read_text():
        with PREPARING:
            code, cpu = run_limited([*command, "--prepare"], log, PREPARATION_LIMIT_SECONDS)
    if code == 0:
        begun = time.monotonic()
        code, cpu = run_limited(command, log, LIMIT_SECONDS["full" if arguments.full else "quick"])
    lines = [text for text in log.read_text(errors="replace").splitlines() if text.strip()]
    if code is None:
        return 1, time.monotonic() - begun, cpu, "no end within its limit of time", log
    meaningful = [text for text in lines if text.startswith(("not run: ", "failed: "))]
    return code, time.monotonic() - begun, cpu, (meaningful or lines or ["it said nothing"])[-1], log


def run_limited(command, log, seconds):
    """The exit code of a command whose output is added to a log, nothing when its time ran out; and its CPU seconds."""
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    with open(log, "a") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   env=environment, start_new_session=True)
    RUNNING.add(process)
    deadline = time.monotonic() + seconds
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0] and time.monotonic() < deadline:
        time.sleep(0.02)
    end_session(process)
    in_time = bool(ended[0])
    _, status, usage = ended if in_time else os.wait4(process.pid, 0)
    RUNNING.discard(process)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode if in_time else None, usage.ru_utime + usage.ru_stime


def why(last, log):
    """One line for the end of the output: what failed, and the first of what was different."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    after = lines[lines.index(last) + 1:][:3] if last in lines else []
    return " | ".join(text.strip()[:200] for text in [last.removeprefix("failed: "), *after])


def end_session(process):
    """Ends whatever the test left running, clients and brokers."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def outcomes(names, tests, arguments):
    """(name, what run_test() said) of each test, in the order in which they end."""
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = {pool.submit(run_test, name, tests[name], arguments): name for name in names}
        try:
            for run in concurrent.futures.as_completed(runs):
                yield runs[run], run.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(RUNNING):
                end_session(process)
            raise


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="which tests; default: all")
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument("--quick", action="store_true", help="the quick tier, as in CI (the default)")
    tier.add_argument("--full", action="store_true", help="bigger inputs, more repetitions")
    parser.add_argument("--broker", choices=sorted(KINDS), default="barnabas")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--list", action="store_true", help="print the names of the tests")
    arguments = parser.parse_args()

    tests = find_tests()
    names = [pathlib.Path(name).stem for name in arguments.names] or list(tests)
    unknown = [name for name in names if name not in tests]
    if unknown:
        parser.error("no such test: " + ", ".join(unknown))
    if arguments.list:
        print("\n".join(names))
        return 0

    counts = {"passed": 0, "failed": 0, "not run": 0}
    failures = []
    for name, (code, seconds, cpu, last, log) in outcomes(names, tests, arguments):
        verdict = {0: "passed", NOT_RUN_EXIT_CODE: "not run"}.get(code, "failed")
        counts[verdict] += 1
        print(f"{name:<28}{verdict:<9}{seconds:>7.1f} s{cpu:>7.1f} s CPU" +
              ("" if verdict == "passed" else f"   {last[:200]}"), flush=True)
        if verdict == "failed":
            failures.append((name, log, last))
        if verdict == "not run":
            print(f"NOT RUN {name}: {last.removeprefix('not run: ')}", flush=True)
    for name, log, _ in failures:
        print(f"\n----- {name}: the end of {log}")
        lines = [text for text in log.read_text(errors="replace").splitlines() if "] INFO " not in text]
        print("\n".join(lines[-60:]))
    print()
    for name, log, last in failures:
        print(f"FAILED {name}: {why(last, log)}")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['not run']} skipped", flush=True)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
