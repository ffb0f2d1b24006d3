#!/usr/bin/env python3
"""Debian's librdkafka in the client matrix (matrix/README.md): every record compared, in every cell."""

from harness import case
from matrix.orchestra.librdkafka_clients import CLIENTS
from matrix.orchestra.run import run_matrix


def run(case):
    run_matrix(case, CLIENTS)


if __name__ == "__main__":
    case.main(run)
