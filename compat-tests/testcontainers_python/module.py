"""Starts the Kafka container of testcontainers-python (argument: kraft or zookeeper), prints its bootstrap address,
and stops it at the end of its input."""

import sys

from testcontainers.community.kafka import KafkaContainer

made = KafkaContainer()
if sys.argv[1] == "kraft":
    made = made.with_kraft()
with made as kafka:
    print("bootstrap", kafka.get_bootstrap_server(), flush=True)
    sys.stdin.read()
