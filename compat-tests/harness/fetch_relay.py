"""A relay before one broker's listener, which notes what the broker answers to fetches: who was given how many bytes of
records of which partition, and whom it was sent to instead (KIP-392).

The broker advertises the relay's address, so that clients which know the cluster by its metadata come by here.
"""

import collections
import socketserver
import struct
import threading

from . import wire
from .relay import RelayServer

FETCH = 1


class FetchRelay(RelayServer):
    """Thread-safe. Whoever comes while the broker is down is turned away."""

    def __init__(self, port, broker_port):
        super().__init__(port, _Client, broker_port)
        self.lock = threading.Lock()
        self.forget()

    def forget(self):
        """What was noted until now."""
        with self.lock:
            self._bytes, self._sent_to = collections.Counter(), collections.defaultdict(set)

    def served(self, client):
        """{partition: bytes of records} that a client was given."""
        with self.lock:
            return {partition: size for (who, partition), size in self._bytes.items() if who == client}

    def sent_to(self, client):
        """{partition: ids of the brokers} that a client was sent to."""
        with self.lock:
            return {partition: set(nodes) for (who, partition), nodes in self._sent_to.items() if who == client}

    def note(self, client, version, frame):
        answer = wire.answer_values(FETCH, version, frame)
        with self.lock:
            for topic in answer["Responses"]:
                for partition in topic["Partitions"]:
                    key = (client, partition["PartitionIndex"])
                    if partition["Records"]:
                        self._bytes[key] += len(partition["Records"])
                    if partition.get("PreferredReadReplica", -1) >= 0:
                        self._sent_to[key].add(partition["PreferredReadReplica"])


class _Client(socketserver.BaseRequestHandler):
    """Requests go on as they come, however many are unanswered; answers come in their order."""

    def handle(self):
        try:
            broker = wire.Connection(self.server.broker_port, None)
        except OSError:
            return
        client, asked = wire.Connection.accepted(self.request), collections.deque()
        with broker:
            answers = threading.Thread(target=self.pass_answers, args=(broker, client, asked), daemon=True)
            answers.start()
            try:
                while (frame := client.receive()) is not None:
                    key, version, _, length = struct.unpack(">hhih", frame[:10])
                    asked.append((key, version, frame[10:10 + max(0, length)].decode()))
                    broker.send_frame(frame)
            except OSError:
                pass
            shut(broker)
            answers.join()

    def pass_answers(self, broker, client, asked):
        try:
            while (frame := broker.receive()) is not None:
                key, version, who = asked.popleft()
                if key == FETCH:
                    self.server.note(who, version, frame)
                client.send_frame(frame)
        except OSError:
            pass
        shut(client)


def shut(connection):
    """Whoever reads from it reads its end."""
    try:
        connection.socket.shutdown(2)
    except OSError:
        pass
