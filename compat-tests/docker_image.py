#!/usr/bin/env python3
"""The image keeps the contract of both originals: files, users, what the scripts say and how they end; and its size.

The root file system that the Dockerfile's steps make is entered by chroot in namespaces of its own, as process 1 and as
the image's user. What the scripts of apache/kafka and cp-kafka refuse is refused with the same words and exit code;
mounted files, secrets, restarts, signals, levels of the log and variables of a Java machine are tried one by one.
"""

import json
import time

from harness import case, container, image
from harness.kcat import Kcat
from harness.outcome import NotRun, check, check_contains, check_equal, step

RUNNING = r"Transitioning from RECOVERY to RUNNING"
KRAFT = {
    "KAFKA_NODE_ID": "1", "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://localhost:9092",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER", "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1", "CLUSTER_ID": "4L6g3nShT-eMCtK--X86sw",
}
MAX_TRY_SECONDS = 30  # half of what a tool tries by itself
MAX_START_SECONDS = 3  # of a busy machine; some 0.07 s else


class Image:
    """Makes containers of one stage, and removes them."""

    def __init__(self, root, scratch):
        self.root, self.scratch, self.made = root, scratch, []

    def container(self, stage="apache", **options):
        made = container.Container(self.root, self.scratch / f"c{len(self.made)}", image.read_dockerfile()[stage], **options)
        self.made.append(made)
        return made

    def close(self):
        for made in self.made:
            made.remove()


def size(made):
    root = made.root
    rows = image.sizes(root)
    total = sum(amount for amount, _ in rows)
    for amount, what in [*rows[:12], (sum(amount for amount, _ in rows[12:]), "everything else"), (total, "in all")]:
        print(f"{amount:>12,}  {what}", flush=True)
    check(total <= image.LIMIT_BYTES, f"{total:,} bytes are more than {image.LIMIT_BYTES:,}")
    step(f"the image has {total / 1e6:.1f} MB unpacked")


def files_and_users(made):
    made.start(["sleep", "infinity"])
    script = r"""
      for file in /etc/kafka/docker/{run,configure,configureDefaults,bash-config,launch,server.properties,log4j2.yaml,tools-log4j2.yaml} \
          /etc/confluent/docker/{run,configure,ensure,launch,bash-config} /opt/kafka/config/log4j2.yaml /opt/kafka/kafka.Kafka \
          /opt/kafka/bin/kafka-{server-start,server-stop,storage,run-class}.sh /usr/bin/kafka-{server-start,server-stop,storage,run-class}; do
        [ -e "$file" ] || echo "missing: $file"
      done
      for folder in /opt/kafka /opt/kafka/config /usr/logs /mnt/shared/config /var/lib/kafka/data /etc/kafka /etc/kafka/secrets /etc/confluent/docker /home/appuser /tmp; do
        [ -w "$folder" ] || echo "not writable: $folder"
      done
      for program in sh bash sleep sed grep awk hostname chmod id cut tr find ps nc tar wget; do
        command -v $program >/dev/null || echo "no program: $program"
      done
      id -un; id -u; pwd; hostname -i; [ "$(readlink -f /bin/sh)" = "$(readlink -f /bin/bash)" ] && echo sh is bash
    """
    done = made.execute("bash", "-c", script)
    check_equal(done.stdout.split("\n"), ["appuser", "1000", "/opt/kafka", container.ADDRESS, "sh is bash", ""], f"as the image's user {done.stderr}")
    for command, code, part in [
            (["kafka-server-start.sh"], 1, "USAGE: "), (["kafka-server-stop"], 1, "No kafka server to stop"),
            (["kafka-run-class.sh"], 1, "USAGE: "), (["kafka-run-class", "no.such.Class"], 1, "no.such.Class"),
            (["kafka-storage", "random-uuid"], 0, ""), (["ub", "ensure", "NOBODY_SET_THIS"], 1, "NOBODY_SET_THIS is required"),
            (["ub", "path", "/etc/kafka", "writable"], 0, ""), (["ub", "path", "/nowhere", "existence"], 1, "/nowhere"),
            (["ub", "listeners", "A://h:1,B://[::1]:2"], 0, "A://0.0.0.0:1,B://0.0.0.0:2"),
            (["cub", "kafka-ready", "-b", "localhost:1", "1", "2"], 1, "")]:
        began = time.monotonic()
        done = made.execute(*command)
        seconds = time.monotonic() - began
        check_equal(done.returncode, code, f"{command}: the exit code\n{done.stdout}{done.stderr}")
        check_contains(done.stdout + done.stderr, part, f"{command}")
    check(seconds < MAX_TRY_SECONDS, f"kafka-ready was told 2 seconds, and took {seconds:.1f} s")
    made.kill()
    step("files, writable places, programs and users are those that scripts expect")


def apache(images):
    first = images.container(ports=[9092])
    seconds = first.start().wait_for_line(RUNNING)
    said = first.output()
    expected = ["===> User", "uid=1000(appuser)", "===> Setting default values of environment variables if not already set.",
                'CLUSTER_ID not set. Setting it to default value: "5L6g3nShT-eMCtK--X86sw"', "===> Configuring ...",
                "===> Launching ... ", "===> Using provided cluster id 5L6g3nShT-eMCtK--X86sw ...",
                "Formatting metadata directory /tmp/kraft-combined-logs", "Transitioning from RECOVERY to RUNNING",
                ]
    at = 0
    for line in expected:
        found = said.find(line, at)
        check(found >= 0, f"{line!r} does not come in its turn:\n{said}")
        at = found
    first.wait_for_line("Kafka Server started")
    check(said.find("Kafka version: 4.3.1") > at or "Kafka version: 4.3.1" in first.output(), "the version is told")
    check_contains(said, "is not on the volume /var/lib/kafka/data", "where the data is")
    check(seconds < MAX_START_SECONDS, f"a cold start took {seconds:.2f} s")
    stopped = first.stop()
    check_equal(first.wait(), 0, "the exit code after SIGTERM")
    check(stopped < 1, f"docker stop took {stopped:.2f} s")
    first.start().wait_for_line(RUNNING)
    check("Formatting" not in first.output() and "formatted" not in first.output(), f"a second start:\n{first.output()}")
    first.kill()
    step(f"apache/kafka without any environment: ready {seconds:.3f} s after the start, stopped in {stopped:.3f} s, and again")
    return seconds


def refusals(images):
    run, cp = ["/etc/kafka/docker/run"], ["/etc/confluent/docker/run"]
    ssl = {**KRAFT, "KAFKA_ADVERTISED_LISTENERS": "SSL://localhost:9092"}
    for command, environment, words in [
            (run, {"KAFKA_PROCESS_ROLES": "controller", "KAFKA_ADVERTISED_LISTENERS": "A://h:1"},
             "KAFKA_ADVERTISED_LISTENERS is not supported on a KRaft controller."),
            (run, ssl, "KAFKA_SSL_KEYSTORE_FILENAME environment variable not set"),
            (run, {**ssl, "KAFKA_SSL_KEYSTORE_FILENAME": "no.jks"}, "/etc/kafka/secrets/no.jks file does not exist"),
            (run, {**KRAFT, "KAFKA_ADVERTISED_LISTENERS": "SASL_PLAINTEXT://localhost:9092"}, "KAFKA_OPTS environment variable not set"),
            (run, {key: value for key, value in KRAFT.items() if key != "KAFKA_CONTROLLER_QUORUM_VOTERS"},
             "controller.quorum.voters"),
            (cp, {}, "KAFKA_PROCESS_ROLES is required."),
            (cp, {key: value for key, value in KRAFT.items() if key != "CLUSTER_ID"}, "CLUSTER_ID is required."),
            (cp, {key: value for key, value in KRAFT.items() if key != "KAFKA_ADVERTISED_LISTENERS"}, "KAFKA_ADVERTISED_LISTENERS is required."),
            (cp, {**KRAFT, "KAFKA_PROCESS_ROLES": "controller"}, "KAFKA_ADVERTISED_LISTENERS is not supported on a KRaft controller."),
            (cp, {**KRAFT, "KAFKA_PORT": "9092"}, "port is deprecated. Please use KAFKA_ADVERTISED_LISTENERS instead."),
            (cp, {**KRAFT, "KAFKA_ADVERTISED_HOST": "h"}, "advertised.host is deprecated."),
            (cp, {**KRAFT, "KAFKA_DATA_DIRS": "/proc"}, "/proc"),
            (run, {**KRAFT, "BARNABAS_CREATE_USERS": "u"}, "barnabas.create.users: the mechanism")]:
        made = images.container("apache" if command == run else "confluent")
        made.start(command, environment)
        check_equal(made.wait(), 1, f"{environment}: the exit code\n{made.output()}")
        check_contains(made.output(), words, f"{environment}")
        made.remove()
    step("what the originals' scripts refuse is refused with their words and exit code 1")


def settings(images):
    """Mounted files, overridden variables, secrets, levels, and what is meant for a Java machine."""
    made = images.container(ports=[9092])
    (made.root / "mnt/shared/config/server.properties").write_text(
        "".join(f"{name[6:].lower().replace('_', '.')}={value}\n" for name, value in KRAFT.items() if name != "CLUSTER_ID")
        .replace("PLAINTEXT://localhost:9092", f"PLAINTEXT://localhost:{made.port(9092)}") + "num.partitions=2")
    made.start(["/etc/kafka/docker/run", "KAFKA_NUM_PARTITIONS=4"],
               {"KAFKA_NUM_PARTITIONS": "3", "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
                "KAFKA_HEAP_OPTS": "-Xmx1G", "KAFKA_JMX_PORT": "9999", "KAFKA_JMX_HOSTNAME": "here", "JMX_PORT": "9999",
                "KAFKA_OPTS": "-javaagent:/nowhere.jar", "KAFKA_JVM_PERFORMANCE_OPTS": "-server", "KAFKA_GC_LOG_OPTS": "-Xlog",
                "KAFKA_SERVICE_HOST": "10.0.0.1", "KAFKA_PORT": "tcp://10.0.0.1:9092",
                "BARNABAS_CREATE_TOPICS": "orders:3"})
    made.wait_for_line(RUNNING)
    check_contains(made.output(), "===> Overriding env params with args ...", "arguments of run")
    kcat = Kcat(f"localhost:{made.port(9092)}")
    check_equal(kcat.topics(), {"orders": 3}, "topics from the start")
    kcat("-P", "-t", "made", stdin="a letter\n")
    check_equal(kcat.topics()["made"], 4, "the environment goes over the mounted file")
    check((made.root / "var/lib/kafka/data/meta.properties").exists(), "data is on the volume")
    made.remove()

    quiet = images.container()
    quiet.start(None, {**KRAFT, "KAFKA_LOG4J_ROOT_LOGLEVEL": "ERROR", "KAFKA_LOG4J_LOGGERS": "kafka=OFF,org.apache.kafka=ERROR"})
    end = time.monotonic() + 20
    while quiet.execute("nc", "-z", "localhost", "9092").returncode != 0:
        check(time.monotonic() < end, "nobody listens")
        time.sleep(0.02)
    time.sleep(0.2)
    check("INFO" not in quiet.output(), f"levels of the log are not taken:\n{quiet.output()}")
    quiet.remove()

    bitnami = images.container(ports=[9092])
    bitnami.start(None, {name.replace("KAFKA_", "KAFKA_CFG_", 1): value for name, value in KRAFT.items() if name != "CLUSTER_ID"}
                  | {"KAFKA_KRAFT_CLUSTER_ID": "ZkH3pQUFTeivLhGsSW7wLg", "ALLOW_PLAINTEXT_LISTENER": "yes"})
    bitnami.wait_for_line(RUNNING)
    check_contains((bitnami.root / "bitnami/kafka/data/meta.properties").read_text(), "cluster.id=ZkH3pQUFTeivLhGsSW7wLg", "Bitnami's names")
    bitnami.remove()
    step("mounted files, arguments, levels, Bitnami's names; a Java machine's variables do no harm")


def read_compose():
    """The environment and the health check of docker/compose.yaml, which keeps to one value a line."""
    environment, check_command, inside = {}, None, False
    for text in (image.DOCKER / "compose.yaml").read_text().splitlines():
        name, _, value = text.strip().partition(": ")
        if text.startswith("    ") and not text.startswith("     "):
            inside = text.strip() == "environment:"
        elif inside:
            environment[name] = value
        elif name == "test":
            check_command = json.loads(value)[1:]
    return environment, check_command


def compose(images):
    environment, check_command = read_compose()
    made = images.container(ports=[9092])
    environment["KAFKA_ADVERTISED_LISTENERS"] = environment["KAFKA_ADVERTISED_LISTENERS"].replace("localhost:9092", f"localhost:{made.port(9092)}")
    made.start(None, environment).wait_for_line(RUNNING)
    check_equal(made.execute(*check_command).returncode, 0, "the health check")
    check_equal(Kcat(f"localhost:{made.port(9092)}").topics(), {"orders": 3, "events": 1}, "the topics of compose.yaml")
    made.remove()
    step("docker/compose.yaml: it starts, is healthy, and has its topics")


def other_flavours(images):
    local = images.container("local")
    local.start().wait_for_line(RUNNING)
    seconds = local.stop()
    check(local.wait() == 0 and seconds < 1, f"SIGINT: exit code {local.wait()}, {seconds:.2f} s")
    local.remove()

    plain = images.container("confluent")
    plain.start(None, KRAFT).wait_for_line(RUNNING)
    check((plain.root / "var/lib/kafka/data/meta.properties").exists(), "cp-kafka's default folder is the volume")
    done = plain.execute("kafka-server-stop")
    check_equal(done.returncode, 0, f"kafka-server-stop: {done.stderr}")
    check_equal(plain.wait(10), 0, "the exit code of a server that kafka-server-stop ended")
    plain.start(None, KRAFT).wait_for_line(RUNNING)
    plain.remove()

    native = images.container()
    native.start(["sh", "-c", "/opt/kafka/kafka.Kafka setup --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config "
                              "--final-configs-dir /opt/kafka/config && exec /opt/kafka/kafka.Kafka start --config /opt/kafka/config/server.properties"], KRAFT)
    native.wait_for_line(RUNNING)
    native.remove()
    step("confluent-local (SIGINT), cp-kafka (twice on one volume, kafka-server-stop) and kafka-native's program")


def run(case):
    if not case.is_barnabas:
        raise NotRun("the image is ours")
    images = Image(image.build(), case.scratch)
    try:
        size(images.container())
        files_and_users(images.container())
        apache(images)
        settings(images)
        compose(images)
        other_flavours(images)
        refusals(images)
    finally:
        images.close()


if __name__ == "__main__":
    case.main(run)
