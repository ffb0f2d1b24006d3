#!/usr/bin/env python3
"""The clients of Go do the jobs of the client matrix, and every record and answer is compared.

matrix/README.md says what the jobs are; franz-go is compiled in the quick tier, sarama, kafka-go and
confluent-kafka-go in the full one.
"""

from harness import case
from matrix.orchestra.go_clients import CLIENTS
from matrix.orchestra.run import run_matrix


def run(case):
    run_matrix(case, CLIENTS)


if __name__ == "__main__":
    case.main(run)
