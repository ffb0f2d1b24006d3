"""The cell of admin calls: what the client is answered is what Apache Kafka answered the same client.

testdata/matrix_admin/<client>.json holds the lines as Apache Kafka 4.3.1 gave them; a run with BARNABAS_RECORD=1 and
--broker kafka writes the file anew.
"""

import json
import os

from harness.outcome import check, clip
from harness.places import COMPAT_TESTS
from harness.recorded import normal

from .bench import Cannot, check_none


# Calls, by a part of their name in small letters, and the key of the API without which they cannot be answered. Where a
# broker does not advertise it they are left out, and the results say so: that follows from ApiVersions.
NEEDS = {"acl": 29, "delegationtoken": 41, "electleaders": 43, "reassignment": 46, "transaction": 66,
         "fenceproducers": 24, "sharegroup": 77, "streamsgroup": 89, "consumergroupdescribe": 69}


def admin(bench):
    """Returns the calls that were left out."""
    bench.need("admin")
    if bench.case.kind == "kafka-3.9.1":
        raise Cannot("answers are those of Apache Kafka 4.3.1")
    topic, group = bench.topic("admin"), bench.topic("administered")
    with bench.wire() as wire:
        wire.create_topic(group, 1)
        wire.commit(group, group, {0: 0})
        left_out = {part for part, key in NEEDS.items() if key not in wire.advertised()}
    lines = [normal(line, bench.broker) for line in bench.call("admin", topic, group)]
    check(lines, "admin printed nothing")
    file = COMPAT_TESTS / "testdata" / "matrix_admin" / f"{bench.client.slug}.json"
    if os.environ.get("BARNABAS_RECORD") == "1" and bench.case.kind == "kafka":
        file.parent.mkdir(exist_ok=True)
        file.write_text("[\n" + ",\n".join(json.dumps(line, sort_keys=True) for line in lines) + "\n]\n")
    check(file.exists(), f"{file.name} was not recorded")
    expected = json.loads(file.read_text())
    missing = sorted({line["call"] for line in expected if needs(line) & left_out})
    lines, expected = ([line for line in some if line["call"] not in missing] for some in (lines, expected))
    check_none(line_differences(lines, expected), f"in {len(expected)} answers")
    return f"without {', '.join(missing)}" if missing else ""


def needs(line):
    name = line["call"].lower().replace("_", "").replace(" ", "")
    return {part for part in NEEDS if part in name}


def line_differences(lines, expected):
    """Sentences on each answer that is another than it was recorded."""
    problems = [f"{line['call']}: {part}" for line, wanted in zip(lines, expected)
                for part in differences(line, wanted)]
    if len(lines) != len(expected):
        problems.append(f"{len(lines)} answers instead of {len(expected)}")
    return problems


def differences(got, wanted, path=""):
    """The places in two values at which they differ."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        return [part for key in sorted(got.keys() | wanted.keys())
                for part in differences(got.get(key, "nothing"), wanted.get(key, "nothing"), f"{path}.{key}")]
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        return [part for number, pair in enumerate(zip(got, wanted))
                for part in differences(*pair, f"{path}[{number}]")]
    return [] if got == wanted else [f"{path} is {clip(got, 300)!r} instead of {clip(wanted, 300)!r}"]
