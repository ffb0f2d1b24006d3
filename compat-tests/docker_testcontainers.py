#!/usr/bin/env python3
"""The Testcontainers modules themselves start the image: those of Python, Node, Java and Go, unchanged.

They talk to a stand-in for a container engine (harness/engine.py) as they talk to Docker, and believe the names of the
images that they start by default. Each starts, tells its bootstrap address, and stops; in between kcat sends to an
auto-created topic and reads it back. A language that is missing is named and left out; with none the test is not run.
The quick tier runs Python's and Node's, the full one all.
"""

import os
import pathlib
import subprocess

from harness import case, engine, image, places
from harness.kcat import Kcat
from harness.outcome import NotRun, check, check_equal, step

HERE = pathlib.Path(__file__).resolve().parent
PYTHON_PACKAGES = ("testcontainers==4.15.0", "packaging==25.0")


def python_modules():
    python = places.python_with(*PYTHON_PACKAGES)
    for mode in ("kraft", "zookeeper"):
        yield f"python, {mode}", [python, HERE / "testcontainers_python/module.py", mode], {}


def node_modules():
    folder = places.node_modules(HERE / "testcontainers_node")
    for tag, mode in (("7.8.0", "kraft"), ("7.2.0", "kraft"), ("7.5.0", "zookeeper")):
        yield (f"node, cp-kafka:{tag}, {mode}",
               [places.command("node"), HERE / "testcontainers_node/module.js", f"confluentinc/cp-kafka:{tag}", mode],
               {"MODULE_FOLDER": str(folder)})


def java_modules():
    maven, source = places.command("mvn"), HERE / "testcontainers_java"
    libs = places.fetched("testcontainers-java-2.0.5", lambda path: places.call_quietly(
        [maven, "-q", "-B", "-f", source / "pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime",
         f"-DoutputDirectory={path}"]), "testcontainers-java")
    classes = places.java_classes(source / "Module.java", libs)
    command = [places.command("java"), "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classes, "Module"]
    yield "java, KafkaContainer", [*command, "KafkaContainer", "apache/kafka:4.1.0"], {}
    yield "java, KafkaContainer of apache/kafka-native", [*command, "KafkaContainer", "apache/kafka-native:4.1.0"], {}
    yield "java, ConfluentKafkaContainer", [*command, "ConfluentKafkaContainer", "confluentinc/cp-kafka:7.8.0"], {}


def go_modules():
    go, source = places.command("go"), HERE / "testcontainers_go"
    program = places.CACHE / "testcontainers-go"
    with places.alone("testcontainers-go"):
        done = subprocess.run([go, "build", "-o", program, "."], cwd=source, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
    if done.returncode != 0 and "requires go >=" in done.stderr:
        raise NotRun(done.stderr.strip().splitlines()[-1])
    check(done.returncode == 0, f"go build: {done.stderr}")
    yield "go", [program], {}


def try_module(test, stand_in, name, command, environment):
    log = test.scratch / "module.txt"
    with open(log, "wb") as errors:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                   text=True, cwd=test.scratch,
                                   env={**os.environ, **stand_in.environment, "TESTCONTAINERS_HOST_OVERRIDE": "localhost",
                                        "TESTCONTAINERS_CONNECTION_MODE": "docker_host", **environment})
    try:
        said = process.stdout.readline()
        if not said.startswith("bootstrap "):
            more, _ = process.communicate(timeout=30)
            logs = "\n".join(made.made.output() for made in stand_in.containers.values())
            check(False, f"{name}: {said}{more}{log.read_text()[-3000:]}\n{stand_in.unanswered}\n{logs[-3000:]}")
        kcat = Kcat(said.split()[1].split("://")[-1])
        letters = [f"letter {number}" for number in range(100)]
        kcat("-P", "-t", "made-by-producing", stdin="".join(text + "\n" for text in letters))
        check_equal(kcat("-C", "-t", "made-by-producing", "-e", "-q").splitlines(), letters, f"{name}: what came back")
        check_equal(len(stand_in.containers), 1, f"{name}: containers that it started")
        process.stdin.close()
        check_equal(process.wait(60), 0, f"{name}: the exit code\n{log.read_text()[-3000:]}")
        running = [made.name for made in stand_in.containers.values() if made.status() == "running"]
        check_equal(running, [], f"{name}: containers that run on")
    finally:
        process.kill()
        process.wait()
        for made in list(stand_in.containers.values()):
            made.made.remove()
        stand_in.containers.clear()
    check_equal(stand_in.unanswered, [], f"{name}: calls that the stand-in does not have")
    step(f"{name}: it starts the image, and records go through the address that it tells")


def run(case):
    if not case.is_barnabas:
        raise NotRun("the image is ours")
    root = image.build()
    places.command("kcat")
    stand_in = engine.Engine(root, case.scratch / "engine")
    ran, missing = 0, []
    try:
        for modules in (python_modules, node_modules, *((java_modules, go_modules) if case.full else ())):
            try:
                for name, command, environment in modules():
                    try_module(case, stand_in, name, command, environment)
                    ran += 1
            except NotRun as reason:
                missing.append(f"{modules.__name__}: {reason}")
                print(f"left out: {missing[-1]}", flush=True)
    finally:
        stand_in.close()
    if not ran:
        raise NotRun("; ".join(missing))


if __name__ == "__main__":
    case.main(run)
