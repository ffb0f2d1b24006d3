#!/usr/bin/env python3
"""The part of docs/compatibility.md on software that is built on Kafka, from the logs of full runs:

    compat-tests/run.py --full software_connect ... ; compat-tests/run.py --full --broker kafka software_connect ...
    compat-tests/harness/software_page.py

Every line of it is one that a test printed after it had checked it, on Barnabas; whether the same was shown on Apache
Kafka is told from the log of that run.
"""

import ast
import pathlib
import re
import sys

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import compatibility_page  # noqa: E402
from harness.outcome import check  # noqa: E402
from harness.places import CACHE, COMPAT_TESTS, KAFKA_VERSION  # noqa: E402


def steps_of(kind, test):
    """What a full run printed that it had shown; None if there is none that passed."""
    log = CACHE / "logs" / f"{kind}-{test}.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    passed = any(line.startswith("passed in ") for line in lines)
    return [line[4:] for line in lines if line.startswith("ok: ")] if passed and "the full tier" in lines else None


def without_numbers(steps):
    """Steps of two runs are the same if only numbers differ: how much came again is a matter of chance."""
    return [re.sub(r"\d+", "n", step) for step in steps]


def part_of(path):
    """The paragraphs on one test."""
    mine, theirs = steps_of("barnabas", path.stem), steps_of("kafka", path.stem)
    title = ast.get_docstring(ast.parse(path.read_text())).split("\n")[0]
    if mine is None:
        return [f"**{title}** Not shown: no full run has passed.", ""]
    if theirs is None:
        said = f"No full run has passed on Apache Kafka {KAFKA_VERSION}."
    elif without_numbers(theirs) == without_numbers(mine):
        said = f"The same was shown on Apache Kafka {KAFKA_VERSION}."
    else:
        said = f"On Apache Kafka {KAFKA_VERSION}: " + "; ".join(theirs)
    return [f"**{title}** {said}", "", *(f"- {step}" for step in mine), ""]


def main():
    tests = sorted(COMPAT_TESTS.glob("software_*.py"))
    check(tests, "no tests")
    lines = ["## Software built on Kafka", "", "`compat-tests/software_*.py --full` run it unchanged, as it is on Maven "
             "Central and PyPI. What each of them has shown on Barnabas:", ""]
    for path in tests:
        lines += part_of(path)
    compatibility_page.write_part("software", "\n".join(lines))


if __name__ == "__main__":
    main()
