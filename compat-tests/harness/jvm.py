"""How a JVM with Apache Kafka's classes is started: small, and with the classes that Kafka loads at every start read
from an archive of the JVM (class data sharing), which takes a good part of the start away. The order in which a JVM names
the methods of a class is another then, and with it that of the fields in what Jackson writes of an object: who compares
such texts takes SMALL instead.

The archive is made once for each folder of jars, from the classes that a node and some tools load while they are
tried. A JVM takes it only while the jars are the same and its class path begins with them; otherwise it does without.
"""

import functools
import hashlib
import pathlib
import re
import subprocess
import time

from . import places
from .ports import free_ports

SMALL = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
TOOLS = ("org.apache.kafka.tools.TopicCommand --create --topic t",
         "org.apache.kafka.tools.ConsoleProducer --topic t",
         "org.apache.kafka.tools.consumer.ConsoleConsumer --topic t --from-beginning --max-messages 1 --group g",
         "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand --describe --group g",
         "kafka.admin.ConfigCommand --describe --topic t")
NODE = """process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{1}
listeners=PLAINTEXT://127.0.0.1:{0},CONTROLLER://127.0.0.1:{1}
controller.listener.names=CONTROLLER
log.dirs={2}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
"""


def log4j(name):
    return f"-Dlog4j2.configurationFile=file:{places.COMPAT_TESTS / 'harness' / name}"


@functools.cache
def options(libs):
    """For a class path that begins with the jars of this folder."""
    made = places.fetched(f"jvm-{fingerprint(libs)}", functools.partial(make_archive, libs=libs), "the archive of classes")
    archive = made / "classes.jsa"
    return [*SMALL, *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else [])]


def options_for(class_path):
    """The same for a class path; there is an archive only for a broker's jars."""
    libs = class_path.split("/*")[0]
    return options(libs) if next(pathlib.Path(libs).glob("kafka_2.13-*.jar"), None) else SMALL


def fingerprint(libs):
    java = pathlib.Path(places.command("java")).resolve()
    jars = [f"{jar.name} {jar.stat().st_size} {jar.stat().st_mtime_ns}" for jar in sorted(pathlib.Path(libs).glob("*.jar"))]
    return hashlib.sha256("\n".join([str(java), str(libs), *jars]).encode()).hexdigest()[:12]


def make_archive(folder, libs):
    """Where a JVM cannot do it, or a node cannot be tried, nothing is made: starts are slower then."""
    java, lists = [places.command("java"), "-Xmx512m", *SMALL], []

    def command(words):
        lists.append(folder / f"{len(lists)}.classes")
        return [*java, f"-XX:DumpLoadedClassList={lists[-1]}", log4j("server_log4j2.yaml"), "-cp", f"{libs}/*", *words.split()]

    if not try_node_and_tools(folder, command):
        print("no archive of classes: a node of Apache Kafka and its tools could not be tried", flush=True)
        return
    # Classes of other loaders than the usual ones stay out; the numbers are those of each JVM.
    rows = [re.sub(r" id: \d+$", "", row) for name in lists for row in name.read_text().splitlines()
            if " source: " not in row]
    everything = folder / "all.classes"
    everything.write_text("".join(f"{row}\n" for row in dict.fromkeys(rows)))
    made = folder / "classes.jsa"
    if not succeeds([*java, "-Xshare:dump", f"-XX:SharedClassListFile={everything}", "-cp", f"{libs}/*",
                     f"-XX:SharedArchiveFile={made}"]):
        print("no archive of classes: the JVM could not write it", flush=True)
        made.unlink(missing_ok=True)


def succeeds(command, given=b""):
    try:
        return subprocess.run(command, input=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=120).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def try_node_and_tools(folder, command):
    """Whether all went well."""
    ports, properties, said = free_ports(2), folder / "server.properties", folder / "node.txt"
    properties.write_text(NODE.format(*ports, folder / "data"))
    if not succeeds(command(f"kafka.tools.StorageTool format --standalone -t AAAAAAAAAAAAAAAAAAAAAQ -c {properties}")):
        return False
    with open(said, "w") as output:
        node = subprocess.Popen(command(f"kafka.Kafka {properties}"), stdin=subprocess.DEVNULL, stdout=output,
                                stderr=subprocess.STDOUT, cwd=folder)
    try:
        deadline = time.monotonic() + 120
        while "Kafka Server started" not in said.read_text(errors="replace"):
            if node.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        for tool in TOOLS:
            name, _, arguments = tool.partition(" ")
            if not succeeds(command(f"{name} --bootstrap-server 127.0.0.1:{ports[0]} {arguments}"), b"line\n"):
                return False
        node.terminate()  # It writes its list at a clean end.
        return node.wait(60) == 143
    except subprocess.TimeoutExpired:
        return False
    finally:
        node.kill()
        node.wait()
