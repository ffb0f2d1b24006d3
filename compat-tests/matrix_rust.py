#!/usr/bin/env python3
"""The Rust clients of the client matrix (matrix/README.md): every record compared, in every cell.

They take minutes to compile (librdkafka is among their sources), so the quick tier has none of them.
"""

from harness import case
from harness.outcome import NotRun
from matrix.orchestra.run import run_matrix
from matrix.orchestra.rust_clients import CLIENTS


def run(case):
    if not case.full:
        raise NotRun("compiling takes minutes: full tier only")
    run_matrix(case, CLIENTS)


if __name__ == "__main__":
    case.main(run)
