"""A load over our own wire client: who acknowledged what, and when. Its history is what acknowledged.py checks.

One idempotent producer a partition (acks=all, one small batch at a time), which repeats a batch until it is
acknowledged; one that commits rising offsets for a group; one that watches the high watermarks. All of them go on
over a broker that refuses, hangs, dies and comes back on the same port.
"""

import dataclasses
import threading
import time

from . import state, wire
from .outcome import check
from .wire_client import WireClient

ANSWER_SECONDS = 5   # After that long without an answer a client tries again over a new connection.
PAUSE_SECONDS = 0.02
OUT_OF_ORDER_SEQUENCE, UNKNOWN_PRODUCER_ID = 45, 59


@dataclasses.dataclass
class Acknowledgement:
    partition: int
    offset: int
    values: list      # of the batch, from that offset on
    sent: float       # time.monotonic() before the request that was acknowledged
    received: float


@dataclasses.dataclass
class History:
    """Threads append to its lists; read them when the load has stopped, or the lengths at any time."""
    acknowledged: list = dataclasses.field(default_factory=list)     # of Acknowledgement
    sent: dict = dataclasses.field(default_factory=dict)             # {partition: every value, in order}
    refusals: list = dataclasses.field(default_factory=list)         # (time, partition, error code)
    committed: list = dataclasses.field(default_factory=list)        # offsets of the group, as acknowledged
    tried_commit: int = 0                                            # the highest that was sent
    high_watermarks: dict = dataclasses.field(default_factory=dict)  # {partition: as seen, in order}

    def rows(self):
        """[(partition, offset, value)] that were acknowledged."""
        return [(batch.partition, batch.offset + number if batch.offset >= 0 else -1, value)
                for batch in self.acknowledged for number, value in enumerate(batch.values)]


class Link:
    """One connection after the other to one port."""

    def __init__(self, port, stopping):
        self.port, self.stopping, self.connection = port, stopping, None

    def connect(self):
        return wire.Connection(self.port, ANSWER_SECONDS)

    def refused(self):
        """The last answer was no: whoever is asked next may be another."""

    def ask(self, request):
        """request(connection) again and again until it gives something else than None; None once the load stops."""
        while not self.stopping.is_set():
            try:
                self.connection = self.connection or self.connect()
                answer = request(self.connection)
                if answer is not None:
                    return answer
                self.refused()
            except OSError:
                self.close()
            self.stopping.wait(PAUSE_SECONDS)
        return None

    def close(self):
        if self.connection is not None:
            self.connection.socket.close()
        self.connection = None


class Load:
    """`padding` is how many bytes each value has beside its text. A group is given offsets when it is named. `pause` is
    the seconds between an acknowledgement and the next batch."""

    def __init__(self, broker, topic, partitions, records=5, padding=0, group=None, first_number=0, pause=0):
        self.broker, self.port, self.topic, self.pause = broker, broker.port, topic, pause
        self.records, self.padding = records, padding
        self.history = History()
        self.stopping = threading.Event()
        self.numbers = dict.fromkeys(range(partitions), first_number)
        jobs = [(self.produce, partition) for partition in range(partitions)] + [(self.watch, partitions)]
        if group:
            jobs.append((self.commit, group))
        self.failures = []
        self.threads = [threading.Thread(target=self.guard, args=job, daemon=True) for job in jobs]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        """What is under way is given up; returns the history."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(ANSWER_SECONDS * 4)
            check(not thread.is_alive(), "a thread of the load does not end")
        check(not self.failures, "\n".join(self.failures))
        return self.history

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stopping.set()

    def wait_for(self, batches, commits=0, seconds=30):
        """Waits until that many batches, and commits of the group, more are acknowledged."""
        history, deadline = self.history, time.monotonic() + seconds
        batches, commits = batches + len(history.acknowledged), commits + len(history.committed)
        while len(history.acknowledged) < batches or len(history.committed) < commits:
            check(not self.failures, "\n".join(self.failures))
            check(time.monotonic() < deadline, f"not acknowledged within {seconds} s; the last refusals are "
                  f"{history.refusals[-3:]}")
            time.sleep(0.005)

    def link_to_leader(self, _partition):
        return Link(self.port, self.stopping)

    def link_to_coordinator(self, _group):
        return Link(self.port, self.stopping)

    def guard(self, job, argument):
        try:
            job(argument)
        except BaseException as error:  # Told by whoever waits.
            self.failures.append(f"{job.__name__} {argument}: {type(error).__name__}: {error}")

    def produce(self, partition):
        """One idempotent producer; its session outlives its connections."""
        link = self.link_to_leader(partition)
        sent = self.history.sent.setdefault(partition, [])
        producer, sequence = link.ask(self.new_producer), 0
        while not self.stopping.is_set():
            values = self.next_values(partition)
            sent.extend(values)
            batch = wire.batch([value.encode() for value in values], producer=(*producer, sequence),
                               timestamp=int(time.time() * 1000))
            link.ask(lambda connection: self.send(connection, partition, values, batch))
            sequence += len(values)
            self.stopping.wait(self.pause)
        link.close()

    def new_producer(self, connection):
        told = answered(connection.call(22, 1, {"TransactionalId": None, "TransactionTimeoutMs": 60000}))
        return (told["ProducerId"], told["ProducerEpoch"]) if told["ErrorCode"] == 0 else None

    def next_values(self, partition):
        first = self.numbers[partition]
        self.numbers[partition] = first + self.records
        filling = "." * self.padding
        return [f"{number} of partition {partition}{filling}" for number in range(first, first + self.records)]

    def send(self, connection, partition, values, batch):
        """Whether the batch was acknowledged."""
        sent = time.monotonic()
        answer = answered(connection.call(0, 7, {
            "TransactionalId": None, "Acks": -1, "TimeoutMs": 4000, "TopicData": [
                {"Name": self.topic, "PartitionData": [{"Index": partition, "Records": batch}]}]}))
        told, received = answer["Responses"][0]["PartitionResponses"][0], time.monotonic()
        code = told["ErrorCode"]
        if code == 0:
            self.history.acknowledged.append(Acknowledgement(partition, told["BaseOffset"], values, sent, received))
            return True
        self.history.refusals.append((received, partition, code))
        check(code not in (OUT_OF_ORDER_SEQUENCE, UNKNOWN_PRODUCER_ID),
              f"partition {partition}: error {code} for {values[0]!r}: the broker forgot what it had acknowledged: "
              f"{[batch for batch in self.history.acknowledged if batch.partition == partition][-1:]}")
        return None

    def commit(self, group):
        """Offsets that rise by one, for partition 0."""
        link = self.link_to_coordinator(group)
        while not self.stopping.wait(PAUSE_SECONDS):
            self.history.tried_commit += 1
            if link.ask(lambda connection: self.send_commit(connection, group, self.history.tried_commit)):
                self.history.committed.append(self.history.tried_commit)
        link.close()

    def send_commit(self, connection, group, offset):
        answer = answered(connection.call(8, 5, {
            "GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [
                {"Name": self.topic, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": offset}]}]}))
        return answer["Topics"][0]["Partitions"][0]["ErrorCode"] == 0 or None

    def watch(self, partitions):
        """The high watermarks, as ListOffsets tells them."""
        while not self.stopping.wait(PAUSE_SECONDS):
            try:
                ends = state.end_offsets(self.broker, self.topic, partitions)
            except (OSError, TypeError):  # Closed, or gone.
                continue
            for partition, end in enumerate(ends):
                if end >= 0:
                    self.history.high_watermarks.setdefault(partition, []).append(end)


def answered(answer):
    if answer == wire.CLOSED:
        raise ConnectionResetError("the broker closed the connection")
    return answer


def read_all(broker, topic, partitions, starts=None):
    """[(partition, offset, value)] of a fresh reader from offset 0, or where the logs start; all checksums are right."""
    with WireClient(broker.port) as client:
        client.partitions(topic)
        return [(partition, record.offset, record.value.decode())
                for partition in range(partitions)
                for record in client.records(topic, partition, (starts or {}).get(partition, 0))]
