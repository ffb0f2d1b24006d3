"""What is measured and what is to be reached, and how one round of measurements is made.

A round asks each server for every figure it can give; wirebench does the measuring and prints key=value lines.
"""

import dataclasses
import subprocess

from servers import CLIENT_CORE, pinned, places


@dataclasses.dataclass(frozen=True)
class Figure:
    """`of_floor`, `of_kafka` and `at_most` are the targets: ratios, and an absolute figure."""

    key: str
    title: str
    unit: str
    digits: int = 1
    of_floor: float = None
    of_kafka: float = None
    at_most: float = None


FIGURES = [
    Figure("batch_cpu", "broker CPU per GB produced, 100 x 1 kB, acks=1", "s", 3, of_floor=1.6, of_kafka=0.6),
    Figure("record_cpu", "broker CPU per one-record produce request, 100 B", "us", 2, of_floor=2.5, of_kafka=0.4),
    Figure("first_ack", "start to first acknowledged record, empty directory", "ms", at_most=50),
    Figure("idle_memory", "resident memory idle, one topic", "MiB", at_most=20),
    Figure("fetch_cpu", "broker CPU per GB fetched, 1 MiB a request", "s", 3),
    Figure("latency_p50", "produce latency, acks=all, median", "us"),
    Figure("latency_p99", "produce latency, acks=all, 99 %", "us"),
    Figure("e2e_p50", "producer to waiting consumer, median", "us"),
    Figure("e2e_p99", "producer to waiting consumer, 99 %", "us"),
    Figure("batch_rate", "batches of 100 x 1 kB, one connection", "MB/s", 0),
    Figure("record_rate", "one-record requests, one connection", "1/s", 0),
]

BATCHES = ["--records", "100", "--size", "1000", "--depth", "5", "--acks", "1"]
SINGLE_RECORDS = ["--records", "1", "--size", "100", "--depth", "5", "--acks", "1"]
ONE_AT_A_TIME = ["--size", "100", "--acks", "-1"]


def wirebench(mode, server, *options):
    """Runs one mode against a server; returns its figures as {key: number}."""
    command = [places.built_program("wirebench"), mode, server.bootstrap, *options]
    done = subprocess.run(pinned(CLIENT_CORE, command), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(f"mode={mode} ")]
    if done.returncode != 0 or len(lines) != 1:
        raise AssertionError(f"wirebench {mode} on {server.name}: exit code {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    found = {}
    for pair in lines[0].split():
        key, value = pair.split("=", 1)
        try:
            found[key] = float(value)
        except ValueError:
            pass  # mode and codec
    return found


def loaded(mode, server, topic, seconds, *options):
    return wirebench(mode, server, "--topic", topic, "--pid", str(server.pid), "--seconds", str(seconds), *options)


class Topic:
    """A topic for one measurement; what was produced leaves the disk when it goes."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def __enter__(self):
        if self.server.name != "floor":
            wirebench("create", self.server, "--topic", self.name)
        return self.name

    def __exit__(self, *_):
        if self.server.name == "floor":
            self.server.forget()
        else:
            wirebench("delete", self.server, "--topic", self.name)


def warm_up(server, seconds):
    """Produce load for `seconds`, both kinds, and a little of everything else."""
    with Topic(server, "warm-up") as topic:
        loaded("produce", server, topic, seconds / 2, *BATCHES)
        loaded("fetch", server, topic, max(1, seconds / 10))
    with Topic(server, "warm-up-single") as topic:
        loaded("produce", server, topic, seconds / 2, *SINGLE_RECORDS)
        loaded("latency", server, topic, max(1, seconds / 10), *ONE_AT_A_TIME)
        if server.name != "floor":
            loaded("e2e", server, topic, max(1, seconds / 10), *ONE_AT_A_TIME)


def measure_load(server, number, seconds):
    """The figures of a server under load, in round `number`."""
    found = {}
    with Topic(server, f"batches-{number}") as topic:
        produced = loaded("produce", server, topic, seconds, *BATCHES)
        found["batch_cpu"], found["batch_rate"] = produced["cpu_s_per_gb"], produced["wire_mb_s"]
        found["fetch_cpu"] = loaded("fetch", server, topic, seconds)["cpu_s_per_gb"]
    with Topic(server, f"records-{number}") as topic:
        produced = loaded("produce", server, topic, seconds, *SINGLE_RECORDS)
        found["record_cpu"], found["record_rate"] = produced["cpu_us_per_request"], produced["requests_s"]
    with Topic(server, f"latency-{number}") as topic:
        waited = loaded("latency", server, topic, seconds, *ONE_AT_A_TIME)
        found["latency_p50"], found["latency_p99"] = waited["p50_us"], waited["p99_us"]
        if server.name != "floor":
            waited = loaded("e2e", server, topic, seconds, *ONE_AT_A_TIME)
            found["e2e_p50"], found["e2e_p99"] = waited["p50_us"], waited["p99_us"]
    return found


def measure_start(server, idle_seconds):
    """A start of `server`, which must be new and not started."""
    found = wirebench("first-ack", server, "--topic", "first", "--size", "100", "--idle", str(idle_seconds), "--",
                      *server.first_start_command())
    return {"first_ack": found["acknowledged_ms"], "idle_memory": found["rss_mb"]}
