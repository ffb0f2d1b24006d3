"""Kafka's protocol by hand, over a bare socket: requests as dictionaries, answers as dictionaries, and frames that no
client would send.

The schemas are the repository's (protocol/schemas/, read by the generator's parser); encoding and decoding here are
written apart from the broker's, so that a mistake would have to be made twice.
"""

import functools
import socket
import struct
import sys
import uuid

from . import places

sys.path.append(str(places.ROOT / "protocol"))
from generator import schema  # noqa: E402

FIXED = {"bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q",
         "float64": "d"}
NO_UUID = str(uuid.UUID(int=0))
CLOSED = "closed"
SILENT = "silent"


@functools.cache
def messages():
    """{(api key, 'request' or 'response'): schema}"""
    found = {}
    for file in schema.load(str(places.ROOT / "protocol" / "schemas")):
        for message in file.messages:
            if message.key is not None and message.kind in ("request", "response"):
                found[message.key, message.kind] = message
    return found


def uvarint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def varint(number):
    return uvarint(((number << 1) ^ (number >> 63)) & 0xFFFFFFFFFFFFFFFF)


class Encoder:
    """One message at one version. Fields that a dictionary leaves out have their default."""

    def __init__(self, message, version):
        self.message, self.version = message, version
        self.flexible = message.is_flexible(version)

    def encode(self, values):
        return self.fields(self.message.fields, values)

    def fields(self, fields, values):
        unknown = set(values) - {field.name for field in fields}
        if unknown:
            raise KeyError(f"{self.message.name} has no {sorted(unknown)}")
        out, tagged = b"", {}
        for field in fields:
            value = values.get(field.name, self.default(field))
            if field.tagged.has(self.version):
                if value != self.default(field):
                    tagged[field.tag] = self.value(field, value)
            elif field.versions.has(self.version):
                out += self.value(field, value)
        if self.flexible:
            out += uvarint(len(tagged))
            for tag in sorted(tagged):
                out += uvarint(tag) + uvarint(len(tagged[tag])) + tagged[tag]
        return out

    def default(self, field):
        if field.default == "null":
            return None
        if field.array:
            return []
        if field.is_struct():
            return {}
        if field.type == "string":
            return field.default or ""
        if field.type in ("bytes", "records"):
            return b""
        if field.type == "uuid":
            return NO_UUID
        if field.type == "bool":
            return field.default == "true"
        return int(field.default, 0) if field.default else 0

    def length(self, count, compact, plain):
        if compact:
            return uvarint(0 if count is None else count + 1)
        return struct.pack(plain, -1 if count is None else count)

    def value(self, field, value):
        compact = self.flexible and not field.never_compact
        if field.array:
            if value is None:
                return self.length(None, compact, ">i")
            return self.length(len(value), compact, ">i") + b"".join(self.one(field, item, compact) for item in value)
        return self.one(field, value, compact, field.nullable.has(self.version))

    def one(self, field, value, compact, nullable=False):
        if field.is_struct():
            if nullable and value is None:
                return b"\xff"
            return (b"\x01" if nullable else b"") + self.fields(field.struct.fields, value)
        if field.type in FIXED:
            return struct.pack(">" + FIXED[field.type], value)
        if field.type == "uuid":
            return uuid.UUID(value).bytes
        data = value.encode() if isinstance(value, str) else value
        count = None if data is None else len(data)
        return self.length(count, compact, ">h" if field.type == "string" else ">i") + (data or b"")


class Decoder:
    """One message at one version, every field of it by name."""

    def __init__(self, message, version, data, position=0):
        self.message, self.version, self.data, self.position = message, version, data, position
        self.flexible = message.is_flexible(version)

    def decode(self):
        return self.fields(self.message.fields)

    def take(self, count):
        if count < 0 or self.position + count > len(self.data):
            raise AssertionError(f"{self.message.name} version {self.version}: the answer ends early at "
                                 f"{self.position} of {len(self.data)}")
        self.position += count
        return self.data[self.position - count:self.position]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        result = shift = 0
        while True:
            byte = self.take(1)[0]
            result |= (byte & 127) << shift
            if byte < 128:
                return result
            shift += 7

    def fields(self, fields):
        values, tagged = {}, {}
        for field in fields:
            if field.tagged.has(self.version):
                tagged[field.tag] = field
            elif field.versions.has(self.version):
                values[field.name] = self.value(field)
        if self.flexible:
            for _ in range(self.uvarint()):
                tag, size = self.uvarint(), self.uvarint()
                end = self.position + size
                if tag not in tagged:
                    raise AssertionError(f"{self.message.name} version {self.version}: unknown tag {tag}")
                values[tagged[tag].name] = self.value(tagged[tag])
                if self.position != end:
                    raise AssertionError(f"{self.message.name}: tag {tag} is not {size} bytes")
        return values

    def length(self, compact, plain):
        return self.uvarint() - 1 if compact else self.number(plain)

    def value(self, field):
        compact = self.flexible and not field.never_compact
        if field.array:
            count = self.length(compact, "i")
            return None if count < 0 else [self.one(field, compact) for _ in range(count)]
        return self.one(field, compact, field.nullable.has(self.version))

    def one(self, field, compact, nullable=False):
        if field.is_struct():
            if nullable and self.number("b") < 0:
                return None
            return self.fields(field.struct.fields)
        if field.type in FIXED:
            return self.number(FIXED[field.type])
        if field.type == "uuid":
            return str(uuid.UUID(bytes=self.take(16)))
        count = self.length(compact, "h" if field.type == "string" else "i")
        if count < 0:
            return None
        data = self.take(count)
        return data.decode() if field.type == "string" else data


class Connection:
    """A connection that sends what it is told to. Answers come in the order of the requests."""

    def __init__(self, port, timeout=15, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    @classmethod
    def accepted(cls, accepted_socket):
        """The other end: of who sends requests."""
        made = cls.__new__(cls)
        made.socket, made.correlation = accepted_socket, 0
        return made

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_frame(self, payload):
        self.send(struct.pack(">i", len(payload)) + payload)

    def receive(self):
        """The payload of the next frame; None when the broker has closed the connection."""
        head = self.receive_exactly(4)
        return None if head is None else self.receive_exactly(struct.unpack(">i", head)[0])

    def receive_exactly(self, count):
        data = bytearray()
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return bytes(data)

    def request(self, key, version, values, client="wire"):
        """The bytes of a request's frame payload. The correlation id is the connection's next."""
        message = messages()[key, "request"]
        self.correlation += 1
        name = b"\xff\xff" if client is None else struct.pack(">h", len(client)) + client.encode()
        header = struct.pack(">hhi", key, version, self.correlation) + name
        return header + (b"\0" if message.is_flexible(version) else b"") + Encoder(message, version).encode(values)

    def call(self, key, version, values):
        """Sends a request and returns its decoded answer, or CLOSED."""
        self.send_frame(self.request(key, version, values))
        return self.answer(key, version)

    def answer(self, key, version):
        payload = self.receive()
        if payload is None:
            return CLOSED
        correlation = struct.unpack(">i", payload[:4])[0]
        if correlation != self.correlation:
            raise AssertionError(f"the answer is to request {correlation}, not {self.correlation}")
        return answer_values(key, version, payload)

    def what_comes(self, seconds=3):
        """CLOSED, SILENT, or the payload of the next frame."""
        self.socket.settimeout(seconds)
        try:
            payload = self.receive()
        except TimeoutError:
            return SILENT
        return CLOSED if payload is None else payload


def answer_values(key, version, payload):
    """The values of an answer, of which the frame's payload is given, to its last byte."""
    message = messages()[key, "response"]
    position = 4
    if message.is_flexible(version) and key != 18:  # ApiVersions is answered with the oldest header.
        if payload[4] != 0:
            raise AssertionError("tagged fields in a response header")
        position = 5
    decoder = Decoder(message, version, payload, position)
    values = decoder.decode()
    if decoder.position != len(payload):
        raise AssertionError(f"{len(payload) - decoder.position} bytes behind the answer of {message.name}")
    return values


@functools.cache
def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


def crc32c(data):
    table, crc = crc32c_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def records(values, key=None, first=0):
    """The records of a batch, uncompressed: no headers, offsets from `first`, all at the batch's timestamp."""
    out = b""
    for number, value in enumerate(values, first):
        body = b"\0" + varint(0) + varint(number)
        for field in (key, value):
            body += varint(-1) if field is None else varint(len(field)) + field
        body += varint(0)
        out += varint(len(body)) + body
    return out


def batch(values=(b"value",), *, key=None, attributes=0, producer=(-1, -1, -1), timestamp=1_700_000_000_000,
          payload=None, count=None, last_offset=None, base_offset=0, magic=2, length=None, wrong_crc=False):
    """A record batch; by its arguments one that is wrong in one place. `producer` is id, epoch, first sequence."""
    payload = records(values, key) if payload is None else payload
    count = len(values) if count is None else count
    last_offset = count - 1 if last_offset is None else last_offset
    tail = struct.pack(">hiqqqhii", attributes, last_offset, timestamp, timestamp, *producer, count) + payload
    crc = crc32c(tail) ^ (1 if wrong_crc else 0)
    length = len(tail) + 9 if length is None else length
    return struct.pack(">qiibI", base_offset, length, -1, magic, crc) + tail
