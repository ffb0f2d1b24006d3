"""A broker to test against: Barnabas or Apache Kafka, started from the same settings on a directory of its own.

Both are handed the same properties file and the same `format` options, so that a test cannot treat one of them
better. A broker keeps its ports over a restart, as clients expect of one.
"""

import base64
import json
import os
import pathlib
import resource
import signal
import subprocess
import time
import uuid

from . import jvm, places, wire
from .outcome import check
from .ports import free_ports

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 60


def new_cluster_id():
    """A random id as kafka-storage makes it: never one that a command line would take for an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


class Broker:
    """One node, broker and controller in one. Not thread-safe. Close it, or use it in a `with`."""

    kind = ""

    def __init__(self, directory, settings=None, data_directory=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data_directory = pathlib.Path(data_directory or self.directory / "data")
        self.log_file = self.directory / "output.txt"
        self.properties_file = self.directory / "server.properties"
        self.host = "127.0.0.1"
        self.port, self.controller_port = free_ports(2)
        self.command_prefix = []  # How its program is run, for instance in a network of its own.
        self.settings = dict(settings or {})
        self.environment = {}  # Added to its own when it starts.
        self.format_options = ["--standalone"]  # Who votes in its cluster.
        self.process = None

    # What differs between the two.
    def format_command(self, cluster_id):
        raise NotImplementedError

    def start_command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    # What does not.
    @property
    def bootstrap(self):
        return f"{self.host}:{self.port}"

    def properties(self):
        """The settings as Kafka's server.properties would have them, small enough for a test machine. A test's own come
        on top; one that is None is left out."""
        mine = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"{self.host}:{self.controller_port}",
            "listeners": f"PLAINTEXT://{self.host}:{self.port},CONTROLLER://{self.host}:{self.controller_port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data_directory),
            "num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "5",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "5",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }
        both = {**mine, **self.settings}
        return {key: value for key, value in both.items() if value is not None}

    def write_properties(self):
        lines = [f"{key}={value}" for key, value in self.properties().items()]
        self.properties_file.write_text("\n".join(lines) + "\n")

    def format(self, cluster_id=None):
        """Formats the data directory, as Kafka's quick start does."""
        self.write_properties()
        done = subprocess.run(self.format_command(cluster_id or new_cluster_id()), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        check(done.returncode == 0, f"format: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        """Starts the node and waits until it serves. Formats the directory if nobody has."""
        self.launch()
        return self.wait_until_ready()

    def launch(self):
        """Starts the node and does not wait: the nodes of a cluster need each other to be ready."""
        check(self.process is None, "the broker is already running")
        if not (self.data_directory / "meta.properties").exists():
            self.format()
        self.write_properties()
        self.before_start()
        self.log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as output:
            self.process = subprocess.Popen([*self.command_prefix, *self.start_command()], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, cwd=self.directory,
                                            env={**os.environ, **self.environment})

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not self.is_ready():
            if self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                raise AssertionError(f"{self.kind} ended with exit code {code} at its start:\n{self.output_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{self.kind} did not serve in {READY_TIMEOUT_SECONDS} s:\n{self.output_tail()}")
            time.sleep(0.005)
        return self

    def before_start(self):
        pass

    def stop(self):
        """SIGTERM; returns how many seconds the node took to end. It must end well."""
        process, begun = self.process, time.monotonic()
        check(process is not None, "the broker is not running")
        check(process.poll() is None, f"the broker had ended by itself, exit code {process.returncode}:\n"
              f"{self.output_tail()}")
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.kind} did not stop in {STOP_TIMEOUT_SECONDS} s") from None
        self.process = None
        # A JVM ends with 128 + SIGTERM after a clean stop.
        check(code in (0, 143, -signal.SIGTERM) if self.kind != "barnabas" else code == 0,
              f"{self.kind} stopped with exit code {code}:\n{self.output_tail()}")
        return time.monotonic() - begun

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def check_alive(self):
        check(self.process is not None and self.process.poll() is None,
              f"{self.kind} is no longer running:\n{self.output_tail()}")

    def output(self):
        """What it has printed since its last start."""
        with open(self.log_file, "rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")

    def output_tail(self, lines=30):
        return "\n".join(self.output().splitlines()[-lines:])

    def resident_bytes(self):
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Barnabas(Broker):
    kind = "barnabas"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.program = places.barnabas_program()
        self.ready_file = self.directory / "ready.json"

    def format_command(self, cluster_id):
        return [self.program, "format", *self.format_options, "-t", cluster_id, "-c", self.properties_file]

    def start_command(self):
        return [self.program, self.properties_file, "--ready-file", self.ready_file]

    def before_start(self):
        self.ready_file.unlink(missing_ok=True)

    def is_ready(self):
        if not self.ready_file.exists():
            return False
        try:
            listeners = json.loads(self.ready_file.read_text())["listeners"]
        except ValueError:
            return False  # Read while it was being written.
        check(listeners.get("PLAINTEXT", self.bootstrap) == self.bootstrap,
              f"the ready file says {listeners}, not {self.bootstrap}")
        return True


class Kafka(Broker):
    """Apache Kafka, the oracle."""

    kind = "kafka"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.libs = places.kafka_libs()
        self.java = places.command("java")

    def java_options(self):
        return jvm.options(self.libs)

    def jvm(self):
        return [self.java, "-Xmx512m", *self.java_options(), jvm.log4j("server_log4j2.yaml"), "-cp", f"{self.libs}/*"]

    def format_command(self, cluster_id):
        return [*self.jvm(), "kafka.tools.StorageTool", "format", *self.format_options, "-t", cluster_id,
                "-c", self.properties_file]

    def start_command(self):
        return [*self.jvm(), "kafka.Kafka", self.properties_file]

    def is_ready(self):
        time.sleep(0.1)
        return "Kafka Server started" in self.output()


class OldKafka(Kafka):
    """Apache Kafka 3.9.1, the last that speaks the versions of old clients."""

    kind = "kafka-3.9.1"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.libs = places.kafka_libs("3.9.1")

    def java_options(self):
        return jvm.SMALL

    def is_ready(self):
        """It has no logger here that would tell; it registers before it serves topics."""
        time.sleep(0.2)
        try:
            with wire.Connection(self.port, 5) as connection:
                answer = connection.call(3, 9, {"Topics": None})
                return answer != wire.CLOSED and len(answer["Brokers"]) == 1
        except OSError:
            return False


KINDS = {"barnabas": Barnabas, "kafka": Kafka, "kafka-3.9.1": OldKafka}
