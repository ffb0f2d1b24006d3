#!/usr/bin/env python3
"""The clients of Node.js do the jobs of the client matrix, and every record and answer is compared.

matrix/README.md says what the jobs are; kafkajs is run in the quick tier, @platformatic/kafka and node-rdkafka, which is
compiled as it is installed, in the full one.
"""

from harness import case
from matrix.orchestra.node_clients import CLIENTS
from matrix.orchestra.run import run_matrix


def run(case):
    run_matrix(case, CLIENTS)


if __name__ == "__main__":
    case.main(run)
