"""The cell of admin calls: what the client is answered is what Apache Kafka answered the same client.

testdata/matrix_admin/<client>.json holds the lines as the oracle gave them; a run with BARNABAS_RECORD=1 against that
oracle writes the file anew.
"""

import json
import os

from harness.outcome import check, clip
from harness.places import COMPAT_TESTS
from harness.recorded import normal


def admin(bench):
    bench.need("admin")
    topic, group = bench.topic("admin"), bench.topic("administered")
    with bench.wire() as wire:
        wire.create_topic(group, 1)
        wire.commit(group, group, {0: 0})
    lines = [normal(line, bench.broker) for line in bench.call("admin", topic, group)]
    check(lines, "admin printed nothing")
    file = COMPAT_TESTS / "testdata" / "matrix_admin" / f"{bench.client.slug}.json"
    if os.environ.get("BARNABAS_RECORD") == "1" and bench.case.kind == bench.client.oracle:
        file.parent.mkdir(exist_ok=True)
        file.write_text("[\n" + ",\n".join(json.dumps(line, sort_keys=True) for line in lines) + "\n]\n")
    check(file.exists(), f"{file.name} was not recorded")
    expected = json.loads(file.read_text())
    different = [f"{clip(json.dumps(got), 600)} instead of {clip(json.dumps(wanted), 600)}"
                 for got, wanted in zip(lines, expected) if got != wanted]
    check(len(lines) == len(expected), f"{len(lines)} lines instead of {len(expected)}: {clip(different, 1500)}")
    check(not different, f"{len(different)} of {len(lines)} lines differ: " + "; ".join(different))
