#!/usr/bin/env python3
"""Random record batches of every magic and codec, from Apache Kafka's own classes, against ours, both ways.

records/run.sh does the work (see records/README.md): what kafka-clients 4.3.1 and 3.9.1 write is read, compared and
rewritten by record_compare, and what that wrote is read by Kafka's classes.
No broker takes part, so --broker makes no difference.
"""

import os
import subprocess

from harness import case, places
from harness.outcome import check, check_contains, step


def run(case):
    for name in ("java", "javac", "mvn", "unzip"):
        places.command(name)
    compare = places.built_program("record_compare")
    runs = 3000 if case.full else 300
    done = subprocess.run(["bash", places.COMPAT_TESTS / "records" / "run.sh", str(runs), "1"], cwd=case.scratch,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "RECORD_COMPARE": str(compare)})
    check(done.returncode == 0, f"run.sh: exit code {done.returncode}\n{done.stdout[-3000:]}")
    for version in ("4.3.1", "3.9.1"):
        check_contains(done.stdout, f"record batches agree with Apache Kafka {version}", "run.sh")
    step(f"{runs} runs of record batches agree with Apache Kafka 4.3.1 and 3.9.1")


if __name__ == "__main__":
    case.main(run)
