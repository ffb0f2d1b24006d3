"""Relays before a broker's listener. The one here answers some APIs itself: what a tool does with answers that the broker
would give to others only, with security for instance."""

import socketserver
import struct
import threading

from . import wire

METADATA = 3


class RelayServer(socketserver.ThreadingTCPServer):
    """Use it in a `with`. Every client's connection is handled by a `handler` in a thread of its own, which finds the
    broker at the server's `broker_port`."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, port, handler, broker_port):
        super().__init__(("127.0.0.1", port), handler)
        self.broker_port = broker_port

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Relay(RelayServer):
    """`answers` has for an API's key a function from the values of a request to those of its answer; everything else
    goes to the broker at `port`. Clients stay with the relay: Metadata names it."""

    def __init__(self, port, answers):
        super().__init__(0, _Client, port)
        self.answers = answers
        self.asked = []  # (key, version, values) of what the relay answered


class _Client(socketserver.BaseRequestHandler):
    def handle(self):
        client = wire.Connection.accepted(self.request)
        with wire.Connection(self.server.broker_port) as broker:
            while (frame := client.receive()) is not None:
                client.send_frame(self.answer(frame, broker))

    def answer(self, frame, broker):
        key, version, correlation = struct.unpack(">hhi", frame[:8])
        if key in self.server.answers:
            message = wire.messages()[key, "request"]
            name_length = max(0, struct.unpack(">h", frame[8:10])[0])
            begin = 10 + name_length + (1 if message.is_flexible(version) else 0)
            values = wire.Decoder(message, version, frame, begin).decode()
            self.server.asked.append((key, version, values))
            return answer_frame(key, version, correlation, self.server.answers[key](values))
        broker.send_frame(frame)
        answered = broker.receive()
        return self.with_own_address(version, answered) if key == METADATA else answered

    def with_own_address(self, version, frame):
        values = wire.answer_values(METADATA, version, frame)
        for node in values["Brokers"]:
            node["Host"], node["Port"] = self.server.server_address
        return answer_frame(METADATA, version, struct.unpack(">i", frame[:4])[0], values)


def answer_frame(key, version, correlation, values):
    message = wire.messages()[key, "response"]
    header = struct.pack(">i", correlation) + (b"\0" if message.is_flexible(version) else b"")
    return header + wire.Encoder(message, version).encode(values)
