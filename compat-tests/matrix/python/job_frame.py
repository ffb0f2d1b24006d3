"""The frame of the matrix' Python clients: arguments, lines of JSON, standard input. ../README.md is the contract.

A client is an object with `about` (what describe prints) and a method a job; this file knows no library.
"""

import base64
import enum
import json
import queue
import sys
import threading

MAX_BYTES = 12 << 20


def say(**line):
    print(json.dumps(line), flush=True)


def packed(data):
    return None if data is None else base64.b64encode(data).decode()


def unpacked(text):
    return None if text is None else base64.b64decode(text)


def say_record(partition, offset, timestamp, key, value, headers):
    say(partition=partition, offset=offset, timestamp=timestamp, key=packed(key), value=packed(value),
        headers=[[name, packed(data)] for name, data in headers or []])


def read_records(path):
    """The records of a file, bytes as bytes and headers as tuples."""
    with open(path) as file:
        for line in file:
            record = json.loads(line)
            record["key"], record["value"] = unpacked(record["key"]), unpacked(record["value"])
            record["headers"] = [(name, unpacked(data)) for name, data in record["headers"]]
            yield record


class Commands:
    """Lines of standard input, read in the background; its end is the command leave."""

    def __init__(self):
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in sys.stdin:
            self.lines.put(line.strip())
        self.lines.put("leave")

    def next(self):
        """The next command, or None if nothing was said."""
        try:
            return self.lines.get_nowait()
        except queue.Empty:
            return None


def plain(value):
    """Any result as something that JSON can hold, the same every time."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, BaseException):
        return error_name(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return packed(value)
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name_of(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value)


def name_of(key):
    """A key of a dictionary as text; a topic and a partition are joined by a hyphen."""
    key = plain(key)
    return "-".join(map(str, key.values())) if isinstance(key, dict) else str(key)


def error_name(error):
    return type(error).__name__


def admin_call(name, ask):
    """One line of the admin job: what ask() returns, or the error it ends with."""
    try:
        result = ask()
    except Exception as error:
        print(f"{name}: {error!r}", file=sys.stderr)
        say(call=name, error=error_name(error))
        return None
    say(call=name, result=plain(result))
    return result


def main(client):
    job, bootstrap, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    match job, arguments:
        case "describe", []:
            say(**client.about())
        case "create", [topic, partitions]:
            client.create(bootstrap, topic, int(partitions))
            say(created=topic)
        case "produce", [topic, codec, file]:
            for partition, offset in client.produce(bootstrap, topic, codec, read_records(file)):
                say(partition=partition, offset=offset)
        case "consume", [topic, partition, begin, count]:
            client.consume(bootstrap, topic, int(partition), int(begin), int(count))
        case "seek", [topic, partition, timestamp]:
            if not client.seek(bootstrap, topic, int(partition), int(timestamp)):
                say(none=True)
        case "group", [topic, group]:
            client.group(bootstrap, topic, group, Commands())
            say(left=True)
        case "admin", [topic, group]:
            client.admin(bootstrap, topic, group)
        case _:
            sys.exit(f"what is {sys.argv[1:]}?")
