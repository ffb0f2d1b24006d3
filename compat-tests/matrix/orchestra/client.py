"""What a client of the matrix is: a row of the table."""

import dataclasses
import re
from collections.abc import Callable

CELLS = ("create", "produce none", "produce gzip", "produce snappy", "produce lz4", "produce zstd", "10 MB", "group",
         "resume", "seek", "admin")
FEATURES = ("create", "produce", "consume", "headers", "timestamps", "group", "seek", "admin", "idempotence")


@dataclasses.dataclass
class Client:
    """`prepare` fetches and builds, and returns the Program; it raises NotRun where the machine lacks something.

    `oracle` is the newest Apache Kafka that speaks to it: clients older than Kafka 0.11 need 3.9.1, and Kafka 4
    refuses at least a part of what they do. `known` are cells that fail against Apache Kafka too, by the library's
    fault: {cell: why}; they are run all the same, and one that passes has to be taken off. `left_out` are cells whose
    outcome would be chance, by the library's fault: {cell: why}. `produce` is the code of its cells of producing, for
    what is no library and cannot be handed records."""
    name: str
    language: str
    prepare: Callable
    quick: bool = True
    oracle: str = "kafka"
    known: dict = dataclasses.field(default_factory=dict)
    left_out: dict = dataclasses.field(default_factory=dict)
    produce: Callable = None

    @property
    def slug(self):
        """The name in files and topics."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name.lower()).strip("-")
