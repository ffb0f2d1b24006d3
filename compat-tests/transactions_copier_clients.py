#!/usr/bin/env python3
"""Copiers of other client libraries beside the Java one, killed as the broker is: each record once.

As in transactions_copier.py, with librdkafka's Python client and with franz-go, each in one group with a Java copier, and
with aiokafka alone, which cannot share a group in transactions (copiers/aiokafka_copier.py says why).
"""

from harness import case, copiers, places
from harness.outcome import NotRun, step
from harness.program import java
from matrix.orchestra.go_clients import go_program

FOLDER = places.COMPAT_TESTS / "copiers"


def python_copier(source, *requirements):
    return lambda: [places.python_with(*requirements), FOLDER / source]


def franz_copier():
    return go_program("copier")().command


# The copier's command, and whether a Java copier shares its group.
CLIENTS = {
    "confluent": (python_copier("confluent_copier.py", "confluent-kafka==2.16.1"), True),
    "franz": (franz_copier, True),
    "aiokafka": (python_copier("aiokafka_copier.py", "aiokafka==0.14.0", "cramjam==2.14.0"), False),
}


def run(case):
    places.command("kcat")
    count, kills = (100_000, 20) if case.full else (8000, 3)
    java_copier = java(places.java_classes(places.COMPAT_TESTS / "java_client" / "TransactionalCopier.java",
                                           places.kafka_libs()), "TransactionalCopier")
    missing = []
    for name, (command_of, shares) in CLIENTS.items():
        try:
            command = command_of()
        except NotRun as reason:
            missing.append(f"{name}: {reason}")
            continue
        broker = copiers.start_broker(case, f"broker-{name}", count)
        programs = [case.program(f"copier-{name}", [*command, broker.bootstrap, name, 1])]
        if shares:
            programs.append(case.program(f"copier-beside-{name}", [*java_copier, broker.bootstrap, "java", "2"]))
        copiers.copy_through_kills(broker, programs, count, kills)
        broker.stop()
        step(f"{name}{' beside the Java client' if shares else ', alone'}")
    if missing:
        raise NotRun("; ".join(missing))


if __name__ == "__main__":
    case.main(run)
