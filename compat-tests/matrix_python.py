#!/usr/bin/env python3
"""The Python clients of the client matrix (matrix/README.md): every record compared, in every cell."""

from harness import case
from matrix.orchestra.python_clients import CLIENTS
from matrix.orchestra.run import run_matrix


def run(case):
    run_matrix(case, CLIENTS)


if __name__ == "__main__":
    case.main(run)
