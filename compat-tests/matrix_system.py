#!/usr/bin/env python3
"""kcat, rsyslog and syslog-ng in the client matrix (matrix/README.md): every record, and every line, compared."""

from harness import case
from matrix.orchestra.run import run_matrix
from matrix.orchestra.system_clients import CLIENTS


def run(case):
    run_matrix(case, CLIENTS)


if __name__ == "__main__":
    case.main(run)
