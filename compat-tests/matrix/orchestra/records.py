"""The records that clients send, and comparing them with what came out. Pure functions; records_test.py plants faults.

A record is a dictionary with the fields partition, offset, timestamp, key, value and headers, bytes as bytes. A field
that nobody could see is left out.
"""

import base64
import json
import random

START_MS = 1_700_000_000_000
STEP_MS = 1000
FIELDS = ("partition", "offset", "timestamp", "key", "value", "headers")

# What the API of a library may be unable to express: its input does without, and the results say so.
LIMITS = ("timestamps", "headers", "null_keys", "empty_keys", "null_values", "empty_values", "null_key_and_value",
          "null_header_values", "empty_header_values", "repeated_headers", "header_order", "partitions", "binary",
          "binary_headers", "null_beside_empty", "keys", "offsets")


def packed(data):
    return None if data is None else base64.b64encode(data).decode()


def unpacked(text):
    return None if text is None else base64.b64decode(text, validate=True)


def to_line(record):
    """The line of JSON that a client is handed."""
    line = dict(record)
    for name in ("key", "value"):
        if name in line:
            line[name] = packed(line[name])
    if "headers" in line:
        line["headers"] = [[name, packed(value)] for name, value in line["headers"]]
    return json.dumps(line)


def from_line(line):
    """The record that a client has printed, already parsed from JSON."""
    record = {name: line[name] for name in FIELDS if name in line}
    for name in ("key", "value"):
        if name in record:
            record[name] = unpacked(record[name])
    if "headers" in record:
        record["headers"] = [(name, unpacked(value)) for name, value in record["headers"]]
    return record


def from_wire(partition, record):
    """A record as our own client read it."""
    return {"partition": partition, "offset": record.offset, "timestamp": record.timestamp, "key": record.key,
            "value": record.value, "headers": list(record.headers)}


def mixed(count, partitions=3, cannot=()):
    """`count` records round the partitions, of every kind that a library without the abilities `cannot` can send."""
    partitions = 1 if "partitions" in cannot else partitions
    return [record_of(number, number % partitions, frozenset(cannot)) for number in range(count)]


def record_of(number, partition, cannot=frozenset()):
    """Record `number`: all of it follows from its number."""
    chance = random.Random(number)
    record = {"partition": partition, "key": key_of(number, chance, cannot), "value": value_of(number, chance, cannot)}
    if "null_key_and_value" in cannot and record["key"] is None and record["value"] is None:
        record["key"] = b"tombstone"
    if "null_beside_empty" in cannot and {record["key"], record["value"]} == {None, b""}:
        record["key"] = b"instead"
    if "timestamps" not in cannot:
        record["timestamp"] = START_MS + number * STEP_MS
    if "headers" not in cannot:
        record["headers"] = headers_of(number, chance, cannot)
    if "keys" in cannot:
        del record["key"]
    return record


def key_of(number, chance, cannot):
    if number % 5 == 1 and "null_keys" not in cannot:
        return None
    if number % 5 == 2 and "empty_keys" not in cannot:
        return b""
    if number % 5 == 3 and "binary" not in cannot:
        return chance.randbytes(12)
    return f"key {number}".encode()


def value_of(number, chance, cannot):
    if number % 7 == 1 and "null_values" not in cannot:
        return None
    if number % 7 == 2 and "empty_values" not in cannot:
        return b""
    if number % 7 == 3 and "binary" not in cannot:
        return chance.randbytes(200)
    return f"{number} the messenger of the castle brings a letter ".encode() + b"snow " * (number % 41)


def headers_of(number, chance, cannot):
    kinds = [[], [("name", f"header of {number}".encode())]]
    if "repeated_headers" not in cannot:
        kinds.append([("twice", b"first"), ("between", b"x"), ("twice", b"second")])
    if "empty_header_values" not in cannot:
        text_only = {"binary", "binary_headers"} & cannot
        kinds.append([("empty", b""), ("zebra", b"1"), ("ape", b"text" if text_only else chance.randbytes(20))])
    if "null_header_values" not in cannot:
        kinds.append([("nothing", None), ("something", b"2")])
    headers = kinds[number % len(kinds)]
    # Grouped by name and in the order of names is all that some libraries can say.
    return sorted(headers, key=lambda header: header[0]) if "header_order" in cannot else headers


def placed(records):
    """The records with the offsets they must have in an empty topic."""
    ends, found = {}, []
    for record in records:
        offset = ends.get(record["partition"], 0)
        ends[record["partition"]] = offset + 1
        found.append({**record, "offset": offset})
    return found


def compare(expected, got, must_see=(), twice_is_fine=False, header_order=True):
    """What is wrong with `got`, as sentences; an empty list if nothing is. Records are found by partition and offset.
    A field is compared if both have it; fields of `must_see` have to be there."""
    by_place = {(record["partition"], record["offset"]): record for record in expected}
    seen, problems = {}, []
    for record in got:
        place = record.get("partition"), record.get("offset")
        if place not in by_place:
            problems.append(f"a record nobody sent is at {name_of(place)}: {record}")
            continue
        seen[place] = seen.get(place, 0) + 1
        problems += differences(by_place[place], record, must_see, header_order)
    for place in by_place:
        if place not in seen:
            problems.append(f"the record at {name_of(place)} is lost")
        elif seen[place] > 1 and not twice_is_fine:
            problems.append(f"the record at {name_of(place)} came {seen[place]} times")
    return problems


def differences(expected, got, must_see, header_order):
    place = name_of((expected["partition"], expected["offset"]))
    problems = [f"the record at {place} has no {field}" for field in must_see if field not in got]
    for field in ("timestamp", "key", "value", "headers"):
        if field not in expected or field not in got:
            continue
        wanted, had = expected[field], got[field]
        if field == "headers" and not header_order:
            wanted, had = (sorted(headers, key=lambda header: header[0]) for headers in (wanted, had))
        if wanted != had:
            problems.append(f"the record at {place} has {field} {shortened(had)}, not {shortened(wanted)}")
    return problems


def in_order(got):
    """Sentences on records of a partition that did not come in the order of their offsets."""
    last, problems = {}, []
    for record in got:
        before = last.get(record["partition"], -1)
        if record["offset"] <= before:
            problems.append(f"{record['partition']}:{record['offset']} came after {record['partition']}:{before}")
        last[record["partition"]] = record["offset"]
    return problems


def name_of(place):
    return f"{place[0]}:{place[1]}"


def shortened(value):
    shown = repr(value)
    return shown if len(shown) < 200 else f"{shown[:200]}... ({len(value)} long)"
