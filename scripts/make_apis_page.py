#!/usr/bin/env python3
"""Writes docs/apis.md: what is served, from the table in broker/api/api_table.cpp and the head comments of the
numbered files beside it, and what is not, from protocol/schemas.

    scripts/make_apis_page.py           writes the page
    scripts/make_apis_page.py --check   fails when the page is out of date, or when table and files disagree
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
API = ROOT / "broker" / "api"
PAGE = ROOT / "docs" / "apis.md"
ROW = re.compile(r'\{(\d+), "(\w+)", (\d+), (\d+), (true|false), serve_(\w+)\}')
VERSION_NOTE = re.compile(r"(?=\bv\d+(?:(?:, v|-)\d+)? )")
REQUEST = re.compile(r"^message (\w+)Request request key=(\d+) valid=(\S+)(.*)$", re.M)


def rows():
    return [(int(key), name, int(low), int(high), handler)
            for key, name, low, high, _, handler in ROW.findall((API / "api_table.cpp").read_text())]


def head_of(file):
    """The paragraphs of a file's opening comment, each one line."""
    paragraphs, current = [], []
    for line in file.read_text().splitlines():
        if not line.startswith("//"):
            break
        text = line[2:].strip()
        if text:
            current.append(text)
        elif current:
            paragraphs.append(" ".join(current))
            current = []
    return paragraphs + ([" ".join(current)] if current else [])


def versions(low, high):
    return str(low) if low == high else f"{low}-{high}"


def section(row, problems):
    key, name, low, high, handler = row
    file = API / f"{key:02}_{handler}.cpp"
    if not file.exists():
        problems.append(f"{file.relative_to(ROOT)} is missing: the table has {name}")
        return []
    paragraphs = head_of(file)
    title = paragraphs[0] if paragraphs else ""
    announced = re.match(rf"{name} (\d+(?:-\d+)?)", title)
    if not announced or announced.group(1) != versions(low, high):
        problems.append(f"{file.relative_to(ROOT)} does not open with '{name} {versions(low, high)}'")
    lines = [f"## {key} {name}", "", title, ""]
    for text in paragraphs[1:]:
        notes = [note.strip() for note in VERSION_NOTE.split(text) if note.strip()]
        if re.match(r"v\d", text) and notes:
            lines += [f"- {note}" for note in notes] + [""]
        else:
            lines += [text, ""]
    return lines


def not_served(served):
    """(key, name, versions, listeners) of the other APIs in the schemas."""
    found = []
    for file in sorted((ROOT / "protocol" / "schemas").glob("api-*.kp")):
        for name, key, valid, rest in REQUEST.findall(file.read_text()):
            listeners = re.search(r"listeners=(\S+)", rest)
            if int(key) not in served:
                found.append((int(key), name, valid, listeners.group(1) if listeners else "-"))
    return sorted(found)


def make_page():
    table, problems = rows(), []
    if not table:
        problems.append("no rows found in broker/api/api_table.cpp")
    handlers = {f"{row[0]:02}_{row[4]}.cpp" for row in table}
    for file in sorted(API.glob("[0-9]*_*.cpp")):
        if file.name not in handlers and not file.name.endswith("_test.cpp"):
            problems.append(f"{file.relative_to(ROOT)} has no row in the table")
    lines = ["# APIs", "",
             "<!-- Written by scripts/make_apis_page.py; change the files in broker/api instead. -->", "",
             f"{len(table)} of Kafka's APIs are served and advertised, each from Kafka 3.9.1's lowest version to 4.3.1's "
             "highest.", "",
             "| key | API | versions |", "| --- | --- | --- |"]
    lines += [f"| {key} | [{name}](#{key}-{name.lower()}) | {versions(low, high)} |"
              for key, name, low, high, _ in table]
    lines += [""]
    for row in table:
        lines += section(row, problems)
    lines += ["## Not served", "",
              "Not advertised. A request closes the connection, as Apache Kafka's does for an API that a listener "
              "does not have. [gaps.md](gaps.md) says what a user sees.", "",
              "| key | API | Kafka's versions | Kafka's listeners |", "| --- | --- | --- | --- |"]
    lines += [f"| {key} | {name} | {valid} | {listeners} |"
              for key, name, valid, listeners in not_served({row[0] for row in table})]
    return "\n".join(lines) + "\n", problems


def main():
    page, problems = make_page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        problems.append("docs/apis.md is out of date: run scripts/make_apis_page.py")
    for problem in problems:
        print(f"FAILED {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
