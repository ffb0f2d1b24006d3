#!/usr/bin/env python3
"""The image serves each Testcontainers module: what the module sets, starts, injects and waits for, as it does it.

A module starts the container with a command that waits for a script, learns the port that the engine gave, copies the
script in, and waits for a line of the output. Each case does just that, in the root file system that the Dockerfile's
steps make, entered by chroot in namespaces of its own. Then kcat sends to an auto-created topic and reads it back
through the advertised port, at once after the line: modules start their users' tests on it. Sources: the modules'
own code (java 1.21 and 2.0, go 0.40, node 12.2, python 4.15, dotnet, rust, strimzi test-container).
"""

import dataclasses
import typing

from harness import case, container, image
from harness.kcat import Kcat
from harness.outcome import NotRun, check, check_equal, step

RUNNING = r".*Transitioning from RECOVERY to RUNNING.*"
STARTED = r".*Kafka Server started.*"
ZOOKEEPER_STARTED = r".*\[KafkaServer id=\d+\] started.*"
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"


@dataclasses.dataclass
class Module:
    """What one kind of container of one module does."""

    name: str
    flavour: str                           # the stage of the Dockerfile whose image it starts
    environment: dict
    script_path: str
    script: typing.Callable                # (host's port, host's name) -> text
    wait: str = RUNNING
    port: int = 9092                       # the one that is published
    entrypoint: typing.Optional[list] = None
    command: typing.Optional[list] = None  # nothing: a loop of `sh -c` that waits for the script
    mode: int = 0o777
    user: typing.Optional[str] = None
    before: str = ""                       # a line that the module waits for before it brings the script
    files: dict = dataclasses.field(default_factory=dict)
    bring: typing.Optional[typing.Callable] = None  # (container, text): another way than a copy


def waiting_loop(path, then=None):
    return f"while [ ! -f {path} ]; do sleep 0.1; done; {then or path}"


# What the Java module's KafkaHelper sets for its three kinds.
JAVA = {
    "CLUSTER_ID": CLUSTER_ID,
    "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,BROKER://0.0.0.0:9093,CONTROLLER://0.0.0.0:9094",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_NODE_ID": "1",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES": "9223372036854775807",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
}
# What modules for Confluent's image set in common; the published port is 9093 there.
CONFLUENT = {
    "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9093,BROKER://0.0.0.0:9092",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
    "KAFKA_BROKER_ID": "1",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES": "9223372036854775807",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
}
CONFLUENT_KRAFT = {
    **CONFLUENT,
    "CLUSTER_ID": CLUSTER_ID,
    "KAFKA_NODE_ID": "1",
    "KAFKA_LISTENERS": CONFLUENT["KAFKA_LISTENERS"] + ",CONTROLLER://0.0.0.0:9094",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": CONFLUENT["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"] + ",CONTROLLER:PLAINTEXT",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
}
EMPTY_ENSURE = "echo '' > /etc/confluent/docker/ensure \n"
NO_ZOOKEEPER = "sed -i '/KAFKA_ZOOKEEPER_CONNECT/d' /etc/confluent/docker/configure\n"
ZOOKEEPER = ("echo 'clientPort=2181' > zookeeper.properties\n"
             "echo 'dataDir=/var/lib/zookeeper/data' >> zookeeper.properties\n"
             "echo 'dataLogDir=/var/lib/zookeeper/log' >> zookeeper.properties\n"
             "zookeeper-server-start zookeeper.properties &\n")


def append_format(cluster_id, more=""):
    return (f"echo 'kafka-storage format --ignore-formatted -t {cluster_id} -c /etc/kafka/kafka.properties{more}' "
            ">> /etc/confluent/docker/configure\n")


def java_script(last):
    return lambda port, host: (
        f"#!/bin/bash\nexport KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:{port},BROKER://{host}:9093\n{last} \n")


def confluent_script(middle):
    return lambda port, host: (
        f"#!/bin/bash\nexport KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:{port},BROKER://{host}:9092\n"
        f"{middle}/etc/confluent/docker/run \n")


def go_script(port, host):
    return f"""#!/bin/bash
source /etc/confluent/docker/bash-config
export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:{port},BROKER://{host}:9092
echo Starting Kafka KRaft mode
sed -i '/KAFKA_ZOOKEEPER_CONNECT/d' /etc/confluent/docker/configure
echo 'kafka-storage format --ignore-formatted -t "$(kafka-storage random-uuid)" -c /etc/kafka/kafka.properties' >> /etc/confluent/docker/configure
echo '' > /etc/confluent/docker/ensure
/etc/confluent/docker/configure
/etc/confluent/docker/launch"""


def python_script(boot, first_host=False):
    address = "$(hostname -i | cut -d' ' -f1)" if first_host else "$(hostname -i)"
    return lambda port, host: f"""#!/bin/bash
{boot}
export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:{port},BROKER://{address}:9092
. /etc/confluent/docker/bash-config
/etc/confluent/docker/configure
/etc/confluent/docker/launch"""


PYTHON_KRAFT = {name: value for name, value in CONFLUENT_KRAFT.items() if not name.startswith("KAFKA_TRANSACTION")}
PYTHON_KRAFT.update(CLUSTER_ID="MkU3OEVBNTcwNTJENDM2Qk", KAFKA_LOG_FLUSH_INTERVAL_MESSAGES="10000000")
PYTHON_ZOOKEEPER = {name: value for name, value in CONFLUENT.items() if not name.startswith("KAFKA_TRANSACTION")}
PYTHON_ZOOKEEPER.update(KAFKA_LOG_FLUSH_INTERVAL_MESSAGES="10000000")

DOTNET = {
    **JAVA,
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,BROKER://:9093,CONTROLLER://:9094",
    "KAFKA_BROKER_ID": "1",
}


def dotnet_script(port, _host):
    """Without further listeners the list ends with a comma."""
    return (f"#!/bin/bash\nexport KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:{port},"
            f"BROKER://{container.ADDRESS}:9093,\nexec /etc/kafka/docker/run\n")


RUST = {name: value for name, value in JAVA.items() if name != "KAFKA_NODE_ID"}
RUST.update(KAFKA_BROKER_ID="1", CLUSTER_ID="5L6g3nShT-eMCtK--X86sw")


def rust_script(port, _host):
    return ("#!/usr/bin/env bash\n"
            f"export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:{port},BROKER://localhost:9093\n"
            "/etc/kafka/docker/run\n")


def bring_by_echo(made, text):
    """The Rust module runs a shell in the container, as the image's user."""
    done = made.execute("sh", "-c", f"echo '{text}' > /opt/kafka/testcontainers_start.sh && "
                                    "chmod 755 /opt/kafka/testcontainers_start.sh")
    check_equal(done.returncode, 0, f"writing the script as the image's user: {done.stderr}")


STRIMZI_PROPERTIES = """\
listeners=PLAINTEXT://0.0.0.0:9092,BROKER1://0.0.0.0:9091,CONTROLLER://0.0.0.0:9094
advertised.listeners=PLAINTEXT://localhost:{port},BROKER1://{host}:9091
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,BROKER1:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER1
process.roles=broker,controller
node.id=0
controller.quorum.voters=0@localhost:9094
controller.listener.names=CONTROLLER
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/default-log-dir
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.retention.check.interval.ms=300000
"""


def strimzi_script(_port, _host):
    return ("#!/bin/bash\n"
            'bin/kafka-storage.sh format -t="cMGe2Y9JQwa0EbWO-Wd6Ew" -c /opt/kafka/config/kraft/server.properties \n'
            "bin/kafka-server-start.sh /opt/kafka/config/kraft/server.properties\n")


JAVA_PATH = "/tmp/testcontainers_start.sh"
GO_PATH = "/usr/sbin/testcontainers_start.sh"
NODE_WAIT = "Waiting for script..."
NODE_LOOP = f"echo '{NODE_WAIT}'; " + waiting_loop(JAVA_PATH)
KRAFT_OLD = EMPTY_ENSURE + NO_ZOOKEEPER + append_format(f'"{CLUSTER_ID}"')
WITH_ZOOKEEPER = {**CONFLUENT, "KAFKA_ZOOKEEPER_CONNECT": "localhost:2181"}
SCRIPT_OF_SHELL = dict(entrypoint=["sh"], command=["-c", waiting_loop(JAVA_PATH)])

MODULES = [
    Module("java KafkaContainer", "apache", JAVA, JAVA_PATH, java_script("/etc/kafka/docker/run")),
    Module("java ConfluentKafkaContainer", "confluent", JAVA, JAVA_PATH, java_script("/etc/confluent/docker/run")),
    Module("java deprecated KafkaContainer, KRaft", "confluent", CONFLUENT_KRAFT, JAVA_PATH, confluent_script(""),
           port=9093, **SCRIPT_OF_SHELL),
    Module("java deprecated KafkaContainer, KRaft before 7.4", "confluent", CONFLUENT_KRAFT, JAVA_PATH,
           confluent_script(KRAFT_OLD), port=9093, **SCRIPT_OF_SHELL),
    Module("java deprecated KafkaContainer, ZooKeeper", "confluent", WITH_ZOOKEEPER, JAVA_PATH,
           confluent_script(EMPTY_ENSURE + ZOOKEEPER), ZOOKEEPER_STARTED, port=9093, **SCRIPT_OF_SHELL),
    Module("go", "local",
           {**{name: value for name, value in CONFLUENT_KRAFT.items() if name != "CLUSTER_ID"},
            "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9093,BROKER://0.0.0.0:9092,CONTROLLER://0.0.0.0:9094",
            "KAFKA_REST_BOOTSTRAP_SERVERS": "PLAINTEXT://0.0.0.0:9093,BROKER://0.0.0.0:9092,CONTROLLER://0.0.0.0:9094"},
           GO_PATH, go_script, port=9093, mode=0o755, entrypoint=["sh"],
           command=["-c", waiting_loop(GO_PATH, "bash " + GO_PATH)], user="root"),
    Module("node, KRaft", "confluent", CONFLUENT_KRAFT, JAVA_PATH, confluent_script(""), port=9093,
           entrypoint=["sh"], command=["-c", NODE_LOOP], before=NODE_WAIT),
    Module("node, ZooKeeper", "confluent", {**WITH_ZOOKEEPER, "KAFKA_CONFLUENT_SUPPORT_METRICS_ENABLE": "false"},
           JAVA_PATH, confluent_script(EMPTY_ENSURE + ZOOKEEPER), ZOOKEEPER_STARTED, port=9093,
           entrypoint=["sh"], command=["-c", NODE_LOOP], before=NODE_WAIT),
    Module("python, KRaft", "confluent", PYTHON_KRAFT, "/tc-start.sh",
           python_script(NO_ZOOKEEPER + append_format(PYTHON_KRAFT["CLUSTER_ID"])), STARTED, port=9093,
           command=["sh", "-c", waiting_loop("/tc-start.sh", "sh /tc-start.sh")], mode=0o644),
    Module("python, ZooKeeper", "confluent", PYTHON_ZOOKEEPER, "/tc-start.sh",
           python_script(ZOOKEEPER + "export KAFKA_ZOOKEEPER_CONNECT='localhost:2181'\n", first_host=True),
           ZOOKEEPER_STARTED, port=9093,
           command=["sh", "-c", waiting_loop("/tc-start.sh", "sh /tc-start.sh")], mode=0o644),
    Module("dotnet", "apache", DOTNET, "/testcontainers.sh", dotnet_script, mode=0o755, entrypoint=["/bin/sh", "-c"],
           command=[waiting_loop("/testcontainers.sh")]),
    Module("rust apache", "apache", RUST, "/opt/kafka/testcontainers_start.sh", rust_script, STARTED,
           entrypoint=["bash"], command=["-c", "while [ ! -f /opt/kafka/testcontainers_start.sh ]; do sleep 0.1; done; "
                                               "chmod 755 /opt/kafka/testcontainers_start.sh && "
                                               "/opt/kafka/testcontainers_start.sh"], bring=bring_by_echo),
    Module("strimzi", "apache", {"LOG_DIR": "/tmp"}, "/testcontainers_start.sh", strimzi_script, user="1001",
           entrypoint=[], command=["sh", "-c", "while [ ! -x /testcontainers_start.sh ]; do sleep 0.1; done; "
                                               "/testcontainers_start.sh"],
           files={"/opt/kafka/config/kraft/server.properties": STRIMZI_PROPERTIES}),
]


def start(root, module, folder):
    config = image.read_dockerfile()[module.flavour]
    if module.entrypoint is not None:
        config.entrypoint = module.entrypoint
    if module.user:
        config.user = module.user
    made = container.Container(root, folder, config, [module.port])
    try:
        made.start(module.command or ["sh", "-c", waiting_loop(module.script_path)], module.environment)
        if module.before:
            made.wait_for_line(module.before)
        port = made.port(module.port)
        for path, text in module.files.items():
            (made.root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            made.copy_in(path, text.format(port=port, host=made.name))
        text = module.script(port, made.name)
        if module.bring:
            module.bring(made, text)
        else:
            made.copy_in(module.script_path, text, module.mode)
        made.wait_for_line(module.wait)
    except BaseException:
        made.remove()
        raise
    return made


def produce_and_consume(made, port, in_a_group):
    kcat = Kcat(f"127.0.0.1:{port}")
    letters = [f"letter {number}" for number in range(100)]
    kcat("-P", "-t", "made-by-producing", stdin="".join(text + "\n" for text in letters))
    told = kcat("-L")
    check(f" at localhost:{port}" in told or f" at 127.0.0.1:{port}" in told, f"what clients are told:\n{told}")
    check_equal(kcat("-C", "-t", "made-by-producing", "-e", "-q").splitlines(), letters, "what came back")
    if not in_a_group:
        return
    group = kcat("-G", "readers", "-X", "auto.offset.reset=earliest", "-c", "100", "-q", "made-by-producing")
    check_equal(group.splitlines(), letters, "what a group read")


def run(case):
    if not case.is_barnabas:
        raise NotRun("the image is ours")
    root = image.build()
    for number, module in enumerate(MODULES):
        made = start(root, module, case.scratch / str(number))
        try:
            produce_and_consume(made, made.port(module.port), in_a_group=case.full or number == 0)
            warnings = [line for line in made.output().splitlines() if "command not found" in line or "ERROR" in line]
            check_equal(warnings, [], f"{module.name}: complaints")
        except AssertionError as error:
            raise AssertionError(f"{module.name}: {error}\n{made.output()}") from error
        finally:
            made.remove()
        step(f"{module.name}: the script is taken, the line comes, records go through the advertised port")


if __name__ == "__main__":
    case.main(run)
