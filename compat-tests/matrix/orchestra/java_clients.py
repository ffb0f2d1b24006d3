"""The Java clients of the matrix: org.apache.kafka:kafka-clients in six generations."""

from harness import places

from .client import Client
from .program import Program

FOLDER = places.COMPAT_TESTS / "matrix" / "java"
OPTIONS = ("-Xmx256m", "-Xms32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
           "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
# The folders of sources for each version: what Generation and Admin are, and what they stand on.
SINCE_2_8 = ("base", "headers", "since_2_0", "admin", "groups", "recent")
SOURCES = {
    "0.10.2.2": ("base", "since_0_10"),
    "1.1.1": ("base", "headers", "since_1_1", "admin", "old_configs", "admin_1_1"),
    "2.0.1": ("base", "headers", "since_2_0", "admin", "old_configs", "groups", "admin_2_0"),
    "2.8.2": (*SINCE_2_8, "admin_2_8"),
    "3.9.1": (*SINCE_2_8, "newer", "admin_3_9"),
    "4.3.1": (*SINCE_2_8, "newer", "admin_4_3"),
}
TOO_OLD_FOR_KAFKA_4 = ("0.10.2.2",)  # It sends message sets, and fetches them; 1.1 is new enough.
QUICK = ("0.10.2.2", "4.3.1")


def program(version):
    def prepare():
        maven, java = places.command("mvn"), places.command("java")

        def fetch(path):
            places.call_quietly([maven, "-q", "-B", "-f", FOLDER / "pom.xml", f"-Dclients.version={version}",
                                 "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={path}"])
        libs = places.fetched(f"kafka-clients-{version}", fetch, f"kafka-clients {version}")
        sources = [source for folder in SOURCES[version] for source in sorted((FOLDER / folder).glob("*.java"))]
        class_path = places.java_program(f"matrix-{version}", sources, libs, "-nowarn", "-Xlint:-options")
        return Program([java, *OPTIONS, "-cp", class_path, "Client"])
    return prepare


CLIENTS = [Client(f"kafka-clients {version}", "Java", program(version), quick=version in QUICK,
                  oracle="kafka-3.9.1" if version in TOO_OLD_FOR_KAFKA_4 else "kafka") for version in SOURCES]
