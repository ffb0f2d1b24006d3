#!/usr/bin/env python3
"""The setup of a container writes the same properties as Apache Kafka's own for the same environment.

Both are run on the same folders with the same environments - odd underscores, every excluded name, values with
backslashes, equals signs, blanks and line ends, empty values, mounted files - and the lines of the files that they
write are compared; of log4j2.yaml the levels. The order of the lines is that of a hash map in Kafka, so both are
sorted. Bitnami's names are ours alone and are left out here.
"""

import os
import re
import shutil
import subprocess

from harness import case, image, places
from harness.broker import new_cluster_id
from harness.outcome import NotRun, check, check_equal, step

DEFAULTS = image.DOCKER / "apache"
BASE = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "PLAINTEXT://localhost:19092,CONTROLLER://localhost:19093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:19093",
}
EXCLUDED = ["KAFKA_VERSION", "KAFKA_HEAP_OPTS", "KAFKA_LOG4J_OPTS", "KAFKA_OPTS", "KAFKA_JMX_OPTS",
            "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_GC_LOG_OPTS", "KAFKA_LOG4J_ROOT_LOGLEVEL", "KAFKA_LOG4J_LOGGERS",
            "KAFKA_TOOLS_LOG4J_LOGLEVEL", "KAFKA_JMX_HOSTNAME"]
MOUNTED = "# mine\nnode.id=7\nnum.partitions=3\nlistener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"

# (what it is about, environment, mounted files)
CASES = [
    ("a plain node", {}, {}),
    ("odd underscores", {"KAFKA_A__B": "1", "KAFKA_A___B": "2", "KAFKA_A____B": "3", "KAFKA_A_____B": "4",
                         "KAFKA_A______B": "5", "KAFKA__LEADING": "6", "KAFKA_TRAILING_": "7", "KAFKA___X": "8",
                         "KAFKA_LISTENER_NAME_TC___0_SSL_KEY": "9", "KAFKA_aB_c": "10"}, {}),
    ("names that are no properties", {name: "kafka=WARN" if name.endswith("LOGGERS") else "WARN" for name in EXCLUDED}, {}),
    ("names that look like those", {"KAFKA_JMX_PORT": "9999", "KAFKA_OPTS_X": "1", "KAFKA_KAFKA_OPTS": "2",
                                    "XKAFKA_A": "3", "kafka_b": "4", "KAFKAC": "5", "KAFKA_X_KAFKA_Y": "6"}, {}),
    ("values with everything in them", {"KAFKA_A": "c:\\dir\\new", "KAFKA_B": "a=b=c", "KAFKA_C": "  blanks  ",
                                        "KAFKA_D": "", "KAFKA_E": "first\nsecond.line=2", "KAFKA_F": "#x!y",
                                        "KAFKA_G": "\u00fcber", "KAFKA_H": "100%\t|"}, {}),
    ("a mounted file", {"KAFKA_NUM_PARTITIONS": "5"}, {"server.properties": MOUNTED}),
    ("a mounted file that ends a line", {}, {"server.properties": MOUNTED + "\n"}),
    ("levels", {"KAFKA_LOG4J_ROOT_LOGLEVEL": "WARN", "KAFKA_TOOLS_LOG4J_LOGLEVEL": "ERROR",
                "KAFKA_LOG4J_LOGGERS": "kafka=DEBUG,kafka.controller=TRACE,org.example=OFF"}, {}),
]
NO_ENVIRONMENT = ("nothing at all", None, {})


def lines_of(path):
    """The lines that say something, in an order of their own."""
    return sorted(text for text in path.read_text().split("\n") if text and not text.startswith("#"))


def levels_of(path):
    """{logger: level} of a log4j2.yaml as either of the two writes it."""
    found, logger, section, level = {}, None, None, None
    for text in path.read_text().splitlines():
        word, _, value = text.strip().removeprefix("- ").partition(":")
        value = value.strip().strip("'\"")
        if word in ("Root", "Logger", "Appenders"):
            section, logger, level = word, ("root" if word == "Root" else None), None
        elif section in ("Root", "Logger") and word in ("name", "level"):
            if section == "Logger" and text.strip().startswith("- "):
                logger = level = None
            if word == "name":
                logger = value
            else:
                level = value
            if logger and level:
                found[logger] = level
    return found


def run_setup(command, folder, environment, mounted):
    """Returns the exit code, what was said, and the folder of the result."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("mounted", "final"):
        (folder / name).mkdir(parents=True)
    for name, text in mounted.items():
        (folder / "mounted" / name).write_text(text)
    done = subprocess.run([*map(str, command), "--default-configs-dir", DEFAULTS, "--mounted-configs-dir",
                           folder / "mounted", "--final-configs-dir", folder / "final"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment})
    return done.returncode, done.stdout + done.stderr, folder / "final"


def run(case):
    java = places.command("java")
    if not case.is_barnabas:
        raise NotRun("both setups are run by this test already")
    kafka = [java, "-Xmx256m", "-Dfile.encoding=UTF-8", "-cp", f"{places.kafka_libs()}/*", "kafka.docker.KafkaDockerWrapper", "setup"]
    ours = [places.barnabas_program(), "container-setup"]
    cluster = new_cluster_id()
    for number, (what, extra, mounted) in enumerate(CASES + [NO_ENVIRONMENT]):
        results = []
        for name, command in (("kafka", kafka), ("barnabas", ours)):
            environment = {}  # nothing at all writes the files and fails: no cluster id
            if extra is not None:
                environment["CLUSTER_ID"] = cluster
                data = {"KAFKA_LOG_DIRS": str(case.scratch / f"data-{name}-{number}")}
                environment.update({**BASE, **data, **extra})
            if "node.id=7" in mounted.get("server.properties", ""):
                environment.pop("KAFKA_NODE_ID", None)
                environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] = "7@localhost:19093"
            code, said, final = run_setup(command, case.scratch / name, environment, mounted)
            if extra is None:
                check(code == 1 and "CLUSTER_ID" in said, f"{what}, {name}: exit code {code}\n{said}")
            else:
                check(code == 0, f"{what}, {name}: exit code {code}\n{said}")
            results.append((re.sub(rf"data-{name}", "data", "\n".join(lines_of(final / "server.properties"))),
                            levels_of(final / "log4j2.yaml"), levels_of(final / "tools-log4j2.yaml")))
        for part, expected, got in zip(("server.properties", "log4j2.yaml", "tools-log4j2.yaml"), *results):
            check(expected or part.endswith("yaml"), f"{what}: Kafka wrote an empty {part}")
            check_equal(got, expected, f"{what}: {part}")
        step(f"{what}: the same files")
    wrong = {"CLUSTER_ID": cluster, **BASE, "KAFKA_LOG_DIRS": str(case.scratch / "data-barnabas-0")}
    for name, command in (("kafka", kafka), ("barnabas", ours)):
        wrong["KAFKA_LOG_DIRS"] = str(case.scratch / f"data-{name}-0")
        code, said, _ = run_setup(command, case.scratch / name, wrong, {})
        check(code == 1 and "already formatted" in said, f"{name}: a second setup: exit code {code}\n{said}")
    step("a second setup and one without a cluster id fail in both, with the words that the scripts look for")


if __name__ == "__main__":
    case.main(run)
