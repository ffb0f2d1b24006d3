"""The servers that are measured: the null server of wirebench, Apache Kafka and Barnabas, each pinned to core 0.

All three have the same small interface: name, start(), pid, bootstrap, pause(), resume(), kill(). Brokers come from
compat-tests/harness, so both are given the same properties.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "compat-tests"))

from harness import broker, jvm, places  # noqa: E402

SERVER_CORE, CLIENT_CORE = "0", "1"

# A paused broker must not be taken for dead by its own controller when it goes on, and the topics of a round
# must leave the disk before the next round fills it.
SETTINGS = {
    "broker.session.timeout.ms": "600000",
    "log.segment.delete.delay.ms": "100",
}


# Thousands of partitions take Apache Kafka minutes, on one core.
broker.READY_TIMEOUT_SECONDS = broker.STOP_TIMEOUT_SECONDS = 1800


def cpu_seconds(pid):
    """Of all threads of a process since its start."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pinned(core, command):
    return ["taskset", "-c", core, *map(str, command)]


class Paused:
    """SIGSTOP keeps the servers that are not being measured from using the core."""

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)


class NullServer(Paused):
    """The floor: what no broker can go below."""

    name = "floor"

    def __init__(self, directory):
        directory.mkdir(parents=True)
        self.directory = directory
        self.bootstrap = f"127.0.0.1:{broker.free_ports(1)[0]}"
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        command = [places.built_program("wirebench"), "null", self.bootstrap, "--dir", self.directory]
        self.process = subprocess.Popen(pinned(SERVER_CORE, command))
        host, port = self.bootstrap.split(":")
        for _ in range(500):
            try:
                socket.create_connection((host, int(port))).close()
                return self
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise AssertionError("the null server does not listen")

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def forget(self):
        """Gives the disk back what was produced. The server goes on writing at the end, which is now the start."""
        os.truncate(self.directory / "null", 0)


class PinnedBroker(Paused):
    """What Kafka and Barnabas have in common."""

    def __init__(self, directory, settings=()):
        super().__init__(directory, settings={**SETTINGS, **dict(settings)})

    @property
    def pid(self):
        return self.process.pid

    def start_command(self):
        return pinned(SERVER_CORE, super().start_command())


class ShippedKafka(broker.Kafka):
    """Its JVM is as that of who downloads it."""

    def jvm(self):
        """Memory and garbage collection as kafka-server-start.sh of Kafka 4.3.1 has them."""
        return [self.java, "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
                jvm.log4j("server_log4j2.yaml"), "-cp", f"{self.libs}/*"]


class BenchKafka(PinnedBroker, ShippedKafka):
    name = "kafka"

    def first_start_command(self):
        """For an empty directory: formatting is a command of its own, and its time does not count."""
        self.format()
        return self.start_command()


class BenchBarnabas(PinnedBroker, broker.Barnabas):
    name = "barnabas"

    def first_start_command(self):
        """For an empty directory, which the same process formats."""
        self.write_properties()
        return [*self.start_command(), "--format"]
