"""The copiers of the client libraries: a group of one or two that share the work, by the library's name."""

from harness import places
from harness.outcome import NotRun
from harness.program import java
from matrix.orchestra.go_clients import go_program

FOLDER = places.COMPAT_TESTS / "copiers"


def python_copier(source, *requirements):
    return lambda: [places.python_with(*requirements), FOLDER / source]


def java_copier():
    source = places.COMPAT_TESTS / "java_client" / "TransactionalCopier.java"
    return java(places.java_classes(source, places.kafka_libs()), "TransactionalCopier")


# The copier's command, and whether a Java copier shares its group: aiokafka cannot (aiokafka_copier.py says why).
CLIENTS = {
    "java": (java_copier, True),
    "confluent": (python_copier("confluent_copier.py", "confluent-kafka==2.16.1"), True),
    "franz": (lambda: go_program("copier")().command, True),
    "aiokafka": (python_copier("aiokafka_copier.py", "aiokafka==0.14.0", "cramjam==2.14.0"), False),
}


def shares_group(name):
    return CLIENTS[name][1]


def commands(name):
    """Raises NotRun when the client is not on this machine."""
    command_of, shares = CLIENTS[name]
    return [command_of(), *([java_copier()] if shares else [])]


def make_copiers(case, name, bootstrap):
    """Not started yet."""
    return [case.program(f"copier-{name}-{seed}", [*command, bootstrap, f"{name}-{seed}", seed])
            for seed, command in enumerate(commands(name), 1)]


def described(name):
    return f"{name}{' beside the Java client' if shares_group(name) else ', alone'}"


def prepare(names):
    for name in names:
        try:
            commands(name)
        except NotRun:
            pass  # The test says so.
