"""Syslog daemons that write what they are sent to a topic: rsyslog (omkafka) and syslog-ng (kafka-c).

Each runs as a process of the test with a configuration, a port and a state folder of its own; neither is installed, so
no service of the machine is touched. The cells of a daemon are those of producing: 10,000 lines over TCP while the
broker is stopped and started again, and every line must be in the topic. Without a codec a daemon has its defaults,
with which a line may come twice after a lost connection (it does with Apache Kafka); with a codec it is idempotent.
"""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import time

from harness import debian
from harness.broker import free_ports
from harness.lines import line
from harness.outcome import check, check_equal, step

from .bench import Cannot
from .client import Client

LINES = 10_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 3

RSYSLOG = """\
global(workDirectory="{folder}")
module(load="imptcp")
module(load="omkafka")
template(name="text" type="string" string="%msg:2:$%")
input(type="imptcp" address="127.0.0.1" port="{port}" ruleset="to_kafka")
ruleset(name="to_kafka" queue.type="LinkedList" queue.size="20000") {{
  action(type="omkafka" broker=["{bootstrap}"] topic="{topic}" template="text"
         confParam=["compression.codec={codec}", "enable.idempotence={idempotent}"]
         resubmitOnFailure="on" keepFailedMessages="on" failedMsgFile="{folder}/failed" closeTimeout="20000"
         action.resumeRetryCount="-1" action.resumeInterval="1")
}}
"""

SYSLOG_NG = """\
@version: 3.38
options {{ stats-freq(0); keep-hostname(yes); use-dns(no); dns-cache(no); }};
source lines {{ network(ip("127.0.0.1") port({port}) transport("tcp")); }};
destination topic {{
  kafka-c(bootstrap-servers("{bootstrap}") topic("{topic}") message("$MSG")
          config(compression.codec("{codec}") enable.idempotence("{idempotent}")));
}};
log {{ source(lines); destination(topic); flags(flow-control); }};
"""


@dataclasses.dataclass
class Daemon:
    """How a daemon is started. {folder} in the arguments is its own folder."""
    root: object
    program: str
    library_folders: tuple
    configuration: str
    arguments: tuple
    version: str = ""

    def call(self, job, *_):
        """What the orchestra asks of a client's program."""
        if job != "describe":
            raise Cannot("a syslog daemon takes lines of text")
        return [{"version": self.version, "codecs": list(CODECS), "features": ["produce"],
                 "cannot": ["keys", "null_values", "empty_values", "binary", "offsets"]}]

    def command(self, *arguments):
        return [str(self.root / self.program), *arguments]

    def environment(self):
        folders = [str(self.root / folder) for folder in self.library_folders]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def rsyslog():
    made = Daemon(debian.unpacked("rsyslog", "rsyslog-kafka"), "usr/sbin/rsyslogd", ("usr/lib/x86_64-linux-gnu",),
                  RSYSLOG, ("-n", "-f", "{folder}/configuration", "-i", "{folder}/process-id", "-M",
                            "{root}/usr/lib/x86_64-linux-gnu/rsyslog"))
    return with_version(made, "-v")


def syslog_ng():
    made = Daemon(debian.unpacked("syslog-ng-core", "syslog-ng-mod-rdkafka"), "usr/sbin/syslog-ng",
                  ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/syslog-ng"),
                  SYSLOG_NG, ("--foreground", "--no-caps", "--cfgfile={folder}/configuration",
                              "--persist-file={folder}/state", "--control={folder}/control",
                              "--pidfile={folder}/process-id", "--module-path={root}/usr/lib/syslog-ng/3.38"))
    return with_version(made, "--version")


def with_version(daemon, option):
    said = subprocess.run(daemon.command(option), env=daemon.environment(), capture_output=True, text=True).stdout
    return dataclasses.replace(daemon, version=re.search(r"\d+\.\d+\.\d+", said).group())


def is_idempotent(codec):
    return codec != "none"


class Running:
    """A daemon that runs until the end of a `with`."""

    def __init__(self, daemon, folder, bootstrap, topic, codec):
        folder.mkdir(parents=True)
        self.log_file, self.port = folder / "output.txt", free_ports(1)[0]
        values = {"folder": folder, "root": daemon.root, "port": self.port, "bootstrap": bootstrap, "topic": topic,
                  "codec": codec, "idempotent": str(is_idempotent(codec)).lower()}
        (folder / "configuration").write_text(daemon.configuration.format(**values))
        arguments = [argument.format(**values) for argument in daemon.arguments]
        with open(self.log_file, "w") as log:
            self.process = subprocess.Popen(daemon.command(*arguments), env=daemon.environment(), cwd=folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.connection = self.connected()

    def connected(self):
        end = time.monotonic() + 20
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 20)
            except ConnectionRefusedError:
                check(self.process.poll() is None and time.monotonic() < end,
                      f"the daemon does not listen: {self.log_file.read_text()[-2000:]}")
                time.sleep(0.02)

    def feed(self, lines):
        self.connection.sendall("".join(f"<13>Nov 28 20:00:00 castle matrix: {text}\n" for text in lines).encode())

    def wait_for(self, condition, what, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            check(self.process.poll() is None, f"the daemon has ended: {self.log_file.read_text()[-2000:]}")
            check(time.monotonic() < end, f"waited {seconds} s for {what}: {self.log_file.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self):
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        check_equal(self.process.wait(60), 0, "the exit code of the daemon")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.kill()
        self.process.wait()


class Watched:
    """What has come into a topic so far."""

    def __init__(self, wire_client, topic):
        self.wire_client, self.topic = wire_client, topic
        self.ends, self.texts, self.codecs = dict.fromkeys(range(PARTITIONS), 0), [], set()

    def distinct(self):
        with self.wire_client() as wire:
            for partition in self.ends:
                for batch in wire.batches(self.topic, partition, self.ends[partition]):
                    self.codecs.add(batch.codec)
                    self.texts += [record.value.decode() for record in batch.records]
                    self.ends[partition] = batch.records[-1].offset + 1
        return len(set(self.texts))


def produce(bench, codec):
    """Lines go in while the broker is stopped and started; all are in the topic in the end."""
    topic = bench.topic(f"produce {codec}")
    with bench.wire() as wire:
        wire.create_topic(topic, PARTITIONS)
    lines = [line(number) for number in range(LINES)]
    watched = Watched(bench.wire, topic)
    with Running(bench.program, bench.case.scratch / topic, bench.broker.bootstrap, topic, codec) as running:
        running.feed(lines[:4000])
        running.wait_for(lambda: watched.distinct() > 0, "the first lines")
        running.feed(lines[4000:5000])
        bench.broker.stop()
        running.feed(lines[5000:7000])
        bench.broker.start()
        running.feed(lines[7000:])
        running.wait_for(lambda: watched.distinct() >= LINES, f"{LINES} lines")
        running.stop()
    watched.distinct()
    check_equal(sorted(set(watched.texts)), sorted(lines), "the lines in the topic")
    # librdkafka leaves a batch as it is where a codec would make it longer.
    check(codec in watched.codecs and watched.codecs <= {codec, "none"}, f"the codecs are {watched.codecs}")
    twice = len(watched.texts) - LINES
    check(twice == 0 or not is_idempotent(codec), f"{twice} lines are in the topic twice")
    step(f"{topic}: {LINES} lines, {twice} of them twice")


CLIENTS = [
    Client("rsyslog", "system", rsyslog, produce=produce),
    Client("syslog-ng", "system", syslog_ng, produce=produce),
]
