#!/usr/bin/env python3
"""The program starts in each way it promises, says where it serves, and stops cleanly in under a second.

Alone: a data directory is formatted on the first start and found again on the second, the bootstrap address is
printed. With Apache Kafka's own server.properties as it is distributed. With --set, port 0 and --ready-file. With
`format` and kafka-storage's options. A directory in use is refused; so are settings that make no sense.
Only Barnabas has this command line, so this test is not run against Apache Kafka.
"""

import json
import os
import re
import signal
import subprocess
import time

from harness import case, places
from harness.broker import free_ports, new_cluster_id
from harness.kcat import Kcat
from harness.lines import line
from harness.outcome import NotRun, check, check_contains, check_equal, step
from harness.waiting import wait_until

# The keys and values of the server.properties that Apache Kafka 4.3.1 comes with.
DISTRIBUTED = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""


class Started:
    """A process of the program, ended with the `with`."""

    def __init__(self, scratch, arguments, **environment):
        self.output_file = scratch / "output.txt"
        self.ready_file = scratch / "ready.json"
        self.ready_file.unlink(missing_ok=True)
        self.began = time.monotonic()
        with open(self.output_file, "wb") as output:
            self.process = subprocess.Popen(
                [places.barnabas_program(), *map(str, arguments), "--ready-file", str(self.ready_file)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=scratch,
                env={**os.environ, **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def output(self):
        return self.output_file.read_text(errors="replace")

    def listeners(self):
        """Where it serves, from the ready file."""
        while not self.ready_file.exists():
            check(self.process.poll() is None, f"it ended with exit code {self.process.returncode}:\n{self.output()}")
            check(time.monotonic() - self.began < 30, f"it is not ready after 30 s:\n{self.output()}")
            time.sleep(0.002)
        for _ in range(100):
            try:
                return json.loads(self.ready_file.read_text())["listeners"]
            except ValueError:
                time.sleep(0.01)
        raise AssertionError(f"the ready file is no JSON: {self.ready_file.read_text()!r}")

    def stop(self):
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        seconds = time.monotonic() - begun
        check_equal(code, 0, f"the exit code after SIGTERM\n{self.output()}")
        check(seconds < 1, f"SIGTERM took {seconds:.2f} s")
        return seconds


def call(*arguments, timeout=20, **environment):
    return subprocess.run([places.barnabas_program(), *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment})


def send_and_read(address, topic, first, count):
    kcat = Kcat(address)
    kcat("-P", "-t", topic, stdin="".join(line(number) + "\n" for number in range(first, first + count)))
    check_equal(kcat("-C", "-t", topic, "-e", "-q").splitlines(), [line(number) for number in range(first + count)],
                "what came back")


def version_and_help():
    done = call("--version")
    check(done.returncode == 0 and re.match(r"barnabas \d+\.\d+", done.stdout), f"--version: {done.stdout!r}")
    done = call("--help")
    check_equal(done.returncode, 0, "the exit code of --help")
    for option in ("--set", "--ready-file", "--data", "format", "--version"):
        check_contains(done.stdout, option, "--help")
    done = call("--no-such-option")
    check(done.returncode != 0 and "no-such-option" in done.stderr + done.stdout, "an unknown option is refused")
    done = call("/no/such/file.properties")
    check(done.returncode != 0 and "/no/such/file.properties" in done.stderr + done.stdout,
          "a file that is not there is named")
    step("--version, --help, and refusals")


def alone(case):
    """`barnabas` with nothing but a home directory."""
    port, controller = free_ports(2)
    home = case.scratch / "home"
    home.mkdir()
    environment = {"HOME": str(home), "XDG_DATA_HOME": str(home / "share")}
    listeners = f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
    quorum = f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}"
    arguments = ["--set", listeners, "--set", quorum, "--set", f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}"]
    for first in (0, 100):
        with Started(case.scratch, arguments, **environment) as started:
            check_equal(started.listeners()["PLAINTEXT"], f"127.0.0.1:{port}", "the ready file")
            wait_until(lambda: f":{port}" in started.output(), "the bootstrap address is printed")
            send_and_read(f"127.0.0.1:{port}", "alone", first, 100)
            started.stop()
    check((home / "share" / "barnabas" / "meta.properties").exists(), "the data is in $XDG_DATA_HOME/barnabas")
    data = case.scratch / "elsewhere"
    with Started(case.scratch, [*arguments, "--data", data], **environment) as started:
        started.listeners()
        check((data / "meta.properties").exists(), "--data names the data directory")
        started.stop()
    step("alone: formatted on the first start, found again on the second")


def distributed_properties(case):
    """Apache Kafka's own file; only where it listens and where the data is are set from outside."""
    file = case.scratch / "server.properties"
    file.write_text("# a comment\n" + DISTRIBUTED)
    data, (port, controller) = case.scratch / "kraft-combined-logs", free_ports(2)
    cluster = new_cluster_id()
    mine = case.scratch / "mine.properties"
    mine.write_text(DISTRIBUTED.replace("/tmp/kraft-combined-logs", str(data)))
    done = call("format", "--standalone", "-t", cluster, "-c", mine)
    check_equal(done.returncode, 0, f"format\n{done.stdout}{done.stderr}")
    check_contains((data / "meta.properties").read_text(), f"cluster.id={cluster}", "meta.properties")
    again = call("format", "--standalone", "-t", cluster, "-c", mine)
    check(again.returncode != 0, "formatting a second time is refused")
    ignored = call("format", "--standalone", "-t", cluster, "-c", mine, "--ignore-formatted")
    check_equal(ignored.returncode, 0, f"format --ignore-formatted\n{ignored.stdout}{ignored.stderr}")

    settings = {"log.dirs": data, "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
                "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}"}
    arguments = [file]
    for key, value in settings.items():
        arguments += ["--set", f"{key}={value}"]
    with Started(case.scratch, arguments) as started:
        started.listeners()
        send_and_read(f"127.0.0.1:{port}", "distributed", 0, 50)
        other = call(*arguments)
        check(other.returncode != 0 and str(data) in other.stderr + other.stdout,
              f"a second node on the same directory is refused, naming it: {other.stderr + other.stdout}")
        send_and_read(f"127.0.0.1:{port}", "distributed", 50, 50)
        seconds = started.stop()
    check((data / ".kafka_cleanshutdown").exists(), "the clean stop is marked")
    step(f"Apache Kafka's server.properties as it is; stopped in {seconds:.3f} s")


def port_zero(case):
    """Port 0: the system chooses, the ready file says what, and metadata advertises it."""
    arguments = ["--data", case.scratch / "zero", "--set", "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"]
    with Started(case.scratch, arguments) as started:
        listeners = started.listeners()
        address = listeners["PLAINTEXT"]
        check(re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", address), f"the ready file says {listeners}")
        send_and_read(address, "zero", 0, 50)
        # A consumer that waits for records does not hold up the stop.
        waiting = subprocess.Popen([places.command("kcat"), "-b", address, "-C", "-t", "zero", "-o", "end", "-q"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            started.stop()
        finally:
            waiting.kill()
            waiting.wait()
    step("port 0, and a stop while a consumer waits")


def refused_settings(case):
    for setting, named in (("num.partitions=many", "num.partitions"), ("node.id=-3", "node.id"),
                           ("listeners=NOWHERE", "listeners"), ("no-equals-sign", "no-equals-sign")):
        done = call("--data", case.scratch / "refused", "--set", setting)
        check(done.returncode != 0, f"--set {setting} is refused")
        check_contains(done.stderr + done.stdout, named, f"what is said of --set {setting}")
    step("settings that make no sense are refused by name")


def run(case):
    if not case.is_barnabas:
        raise NotRun("the command line is Barnabas's own")
    version_and_help()
    alone(case)
    distributed_properties(case)
    port_zero(case)
    refused_settings(case)


if __name__ == "__main__":
    case.main(run)
