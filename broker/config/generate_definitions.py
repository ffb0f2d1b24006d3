#!/usr/bin/env python3
"""Turns definitions/*.tsv into constant C++ tables: generate_definitions.py OUTPUT.cpp FOLDER."""

import csv
import re
import sys
from pathlib import Path

TABLES = {"broker": "broker", "topic": "topic", "group": "group", "client-metrics": "client_metrics",
          "broker-quota": "broker_quota"}
TYPES = {"boolean", "string", "int", "short", "long", "double", "list", "class", "password"}
MODES = {"read-only": "kReadOnly", "per-broker": "kPerBroker", "cluster-wide": "kClusterWide", "-": "kClusterWide"}
RANGE = re.compile(r"^\[(-?[0-9.]+),\.\.\.(?:,(-?[0-9.]+))?\]( or -1)?$")
CHOICES = re.compile(r"^(\(case insensitive\) )?\[(.*)\]$")


def literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def allowed(kind, valid):
    """(AllowedValues, low, high, choices) of the column `valid`."""
    # A non-empty list is read by a parser of its own, which says more than that an item is empty.
    if valid in ("-", "non-null string", "non-empty list"):
        return "kAny", None, None, ""
    found = RANGE.match(valid)
    if found:
        return "kRangeOrMinus" if found[3] else "kRange", found[1], found[2], ""
    if valid == '""':
        return "kList", None, None, ""
    if valid == "non-empty string":
        return "kNonEmpty", None, None, ""
    if valid.startswith("[partitionId]"):
        return "kThrottledList", None, None, ""
    if "by_duration:" in valid:
        return "kOffsetReset", None, None, ""
    found = CHOICES.match(valid)
    if not found:
        sys.exit(f"generate_definitions.py: cannot read the allowed values {valid!r}")
    if kind == "list":
        return "kListOf", None, None, found[2]
    return "kOneOfNoCase" if found[1] else "kOneOf", None, None, found[2]


def synonyms(column):
    if column == "-":
        return []
    parts = (item.split("*") for item in column.split(","))
    return [(part[0], part[1] if len(part) > 1 else "1") for part in parts]


def table(name, path, out):
    rows = list(csv.DictReader(path.open(), delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        names = synonyms(row["synonyms"])
        if names:
            items = ", ".join(f"{{{literal(n)}, {f}}}" for n, f in names)
            out.append(f"constexpr ConfigSynonym k_{name}_{row['name'].replace('.', '_')}[] = {{{items}}};")
    out.append(f"constexpr ConfigDefinition k_{name}[] = {{")
    for row in sorted(rows, key=lambda r: r["name"]):
        if row["type"] not in TYPES:
            sys.exit(f"generate_definitions.py: {path}: unknown type {row['type']!r}")
        kind, low, high, choices = allowed(row["type"], row["valid"])
        required = row["default"] == "<required>"
        has_default = not required and row["default"] != "null"
        default = "" if not has_default or row["default"] == '""' else row["default"]
        fields = [
            literal(row["name"]),
            f"ConfigType::k{row['type'].capitalize()}",
            str(required).lower(),
            "true" if row["internal"] == "yes" else "false",
            str(has_default).lower(),
            literal(default),
            f"AllowedValues::{kind}",
            literal("" if row["valid"] in ("-", '""') else row["valid"]),
            low or "std::nullopt",
            high or "std::nullopt",
            literal(choices),
            f"UpdateMode::{MODES[row['update_mode']]}",
            f"k_{name}_{row['name'].replace('.', '_')}" if row["synonyms"] != "-" else "{}",
        ]
        out.append("    {" + ", ".join(fields) + "},")
    out.append("};")


def main():
    folder = Path(sys.argv[2])
    out = ['#include "broker/config/config_definition.hpp"', "", "namespace barnabas::broker {", "namespace {"]
    for file_name, name in TABLES.items():
        table(name, folder / f"{file_name}.tsv", out)
    out.append("}  // namespace")
    for name in TABLES.values():
        out.append(f"std::span<const ConfigDefinition> {name}_config_definitions() {{ return k_{name}; }}")
    out.append("}  // namespace barnabas::broker")
    Path(sys.argv[1]).write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
