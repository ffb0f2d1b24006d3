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


LOST, DUPLICATED, DISORDERED, HOLE = "lost", "duplicated", "out of order", "with a hole"


def problems(acknowledged, read, limit=20, starts=None):
    """What is wrong, as sentences; empty when all is well. Arguments as of anomalies()."""
    found = [sentence for _, sentence in anomalies(acknowledged, read, starts)]
    if len(found) > limit:
        found = found[:limit] + [f"... and {len(found) - limit} more"]
    return found


def anomalies(acknowledged, read, starts=None):
    """[(kind, sentence)] of all that is wrong. Both are lists of (partition, offset, value); `read` in the order it was
    read. `starts` are the log start offsets of the partitions; what was below has been deleted."""
    starts = starts or {}
    found = []
    by_place, places_of = {}, {}
    last = {}
    for partition, offset, value in read:
        if (partition, offset) in by_place:
            found.append((DUPLICATED, f"partition {partition} offset {offset} was read twice"))
        by_place[partition, offset] = value
        places_of.setdefault(value, []).append((partition, offset))
        number = int(value.split(" ", 1)[0])
        if partition in last:
            last_offset, last_number = last[partition]
            if offset != last_offset + 1:
                found.append((HOLE, f"partition {partition}: offset {offset} follows {last_offset}"))
            if number <= last_number:
                found.append((DISORDERED, f"partition {partition} offset {offset}: record {number} follows {last_number}"))
        elif offset != starts.get(partition, 0):
            found.append((HOLE, f"partition {partition} begins at offset {offset}"))
        last[partition] = (offset, number)
    for value, where in places_of.items():
        if len(where) > 1:
            found.append((DUPLICATED, f"record {value.split(' ', 1)[0]} is there {len(where)} times: {where[:4]}"))
    for partition, offset, value in acknowledged:
        if 0 <= offset < starts.get(partition, 0):
            continue
        name = f"record {value.split(' ', 1)[0]}, acknowledged at partition {partition} offset {offset},"
        if offset < 0:
            if not any(place[0] == partition for place in places_of.get(value, [])):
                found.append((LOST, f"{name} is lost"))
        elif by_place.get((partition, offset)) != value:
            there = by_place.get((partition, offset))
            found.append((LOST, f"{name} is " + ("lost" if there is None else f"not there: {there[:40]!r} is")))
    return found


def consumer_problems(consumed, read, limit=20):
    """What is wrong with what a consumer got while nodes failed, held against what is read in the end: it gets every
    record at least once, and none that is not there afterwards (it would have been served before it was safe). Both are
    lists of (partition, offset, value)."""
    there = {(partition, offset): value for partition, offset, value in read}
    seen, found = set(), []
    for partition, offset, value in consumed:
        seen.add((partition, offset))
        if there.get((partition, offset)) != value:
            found.append(f"partition {partition} offset {offset}: {value[:40]!r} was consumed and is not there")
    missed = [place for place in there if place not in seen]
    if missed:
        found.append(f"{len(missed)} records were never consumed, the first is {min(missed)}")
    return found[:limit]


def replica_problems(name, replicas):
    """`replicas` are {node: the bytes of its log}: all the same."""
    found, (first, *others) = [], sorted(replicas)
    for other in others:
        ours, theirs = replicas[first], replicas[other]
        if ours != theirs:
            at = next((index for index, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            found.append(f"{name}: the logs of nodes {first} and {other} differ at byte {at} (of {len(ours)} and "
                         f"{len(theirs)})")
    return found


def regressions(what, observed):
    """Sentences about each time that an offset which may only rise (a high watermark, a committed offset) fell."""
    return [f"{what} went back from {before} to {after}"
            for before, after in zip(observed, observed[1:]) if after < before]


def regressions_by_epoch(what, observed):
    """The same of a high watermark in a cluster: `observed` are (leader epoch, offset) in the order they came. A leader
    that was deposed and does not know it yet may tell what is old, but within an epoch nothing falls, and no epoch
    begins below what one before had."""
    in_order = sorted(observed, key=lambda told: told[0])  # stable
    return regressions(what, [offset for _, offset in in_order])


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
