"""The checker of acknowledged records.

A load writes what it was told was acknowledged; a reader afterwards reads every partition from its start. Then:
  1. every acknowledged (partition, offset, value) is read at that offset; one acknowledged without an offset (-1, a
     repeat whose first place the broker no longer knew) is read somewhere in that partition;
  2. no value is read twice: the producer was idempotent;
  3. in each partition the values are in the order they were sent: the number that opens them rises;
  4. offsets have no hole.
What was sent but never acknowledged may be there or not.
"""


def read_acknowledged(lines):
    """[(partition, offset, value)] of the lines 'partition offset value'. A last line without its end is left out:
    its writer was cut off."""
    rows = []
    for line in lines:
        if not line.endswith("\n"):
            continue
        partition, offset, value = line.rstrip("\n").split(" ", 2)
        rows.append((int(partition), int(offset), value))
    return rows


def problems(acknowledged, read, limit=20, starts=None):
    """What is wrong, as sentences; empty when all is well. Both are lists of (partition, offset, value); `read` in the
    order it was read. `starts` are the log start offsets of the partitions; what was below has been deleted."""
    starts = starts or {}
    found = []
    by_place, places_of = {}, {}
    last = {}
    for partition, offset, value in read:
        if (partition, offset) in by_place:
            found.append(f"partition {partition} offset {offset} was read twice")
        by_place[partition, offset] = value
        places_of.setdefault(value, []).append((partition, offset))
        number = int(value.split(" ", 1)[0])
        if partition in last:
            last_offset, last_number = last[partition]
            if offset != last_offset + 1:
                found.append(f"partition {partition}: offset {offset} follows {last_offset}")
            if number <= last_number:
                found.append(f"partition {partition} offset {offset}: record {number} follows {last_number}")
        elif offset != starts.get(partition, 0):
            found.append(f"partition {partition} begins at offset {offset}")
        last[partition] = (offset, number)
    for value, where in places_of.items():
        if len(where) > 1:
            found.append(f"record {value.split(' ', 1)[0]} is there {len(where)} times: {where[:4]}")
    for partition, offset, value in acknowledged:
        if 0 <= offset < starts.get(partition, 0):
            continue
        name = f"record {value.split(' ', 1)[0]}, acknowledged at partition {partition} offset {offset},"
        if offset < 0:
            if not any(place[0] == partition for place in places_of.get(value, [])):
                found.append(f"{name} is lost")
        elif by_place.get((partition, offset)) != value:
            there = by_place.get((partition, offset))
            found.append(f"{name} is " + ("lost" if there is None else f"not there: {there[:40]!r} is"))
    if len(found) > limit:
        found = found[:limit] + [f"... and {len(found) - limit} more"]
    return found


def regressions(what, observed):
    """Sentences about each time that an offset which may only rise (a high watermark, a committed offset) fell."""
    return [f"{what} went back from {before} to {after}"
            for before, after in zip(observed, observed[1:]) if after < before]


def prefix_problems(sent, read):
    """What is wrong with what a power cut left, when nothing was promised: each partition holds the beginning of what
    was sent to it, in order, and nothing else. `sent` is {partition: [value]}; `read` [(partition, offset, value)]."""
    found, counts = [], {}
    for partition, offset, value in read:
        place = counts.get(partition, 0)
        values = sent.get(partition, [])
        if offset != place:
            found.append(f"partition {partition}: offset {offset} is read where {place} is expected")
        elif place >= len(values):
            found.append(f"partition {partition} offset {offset}: {value[:40]!r} was never sent")
        elif values[place] != value:
            found.append(f"partition {partition} offset {offset}: {value[:40]!r} is not {values[place][:40]!r}")
        counts[partition] = place + 1
    return found[:20]
