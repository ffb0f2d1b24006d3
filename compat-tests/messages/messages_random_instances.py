#!/usr/bin/env python3
"""Random instances of every message at every version, from Apache Kafka's own classes, against our codecs.

MessageInstances.java fills the generated classes of Kafka 4.3.1 (clients, metadata records, coordinator records) and
of 3.9.1's clients (for the versions that 4.x dropped) from a seed. message_compare holds each against ours: the bytes
decode, encode to the same bytes, give the same JSON field by field, and the JSON gives the same bytes.
No broker takes part, so --broker makes no difference.
"""

import re
import subprocess

from harness import case, places
from harness.outcome import check, step

HERE = places.COMPAT_TESTS / "messages"
# Classes in the jars, and message versions that are compared; that a run saw them all is checked.
EXPECTED = {"4.3.1": (272, 728), "3.9.1": (186, 655)}
# What 3.9.1 has and we do not: version 0 of the share group APIs, which it called unstable, never served by default,
# and 4.x laid out anew; and an API that 4.x renamed without a change on the wire (ListConfigResources v0).
LEFT_OUT_OF_3_9 = re.compile(rb"(ShareFetch|ShareAcknowledge|ShareGroupDescribe|ShareGroupHeartbeat|"
                             rb"ReadShareGroupStateSummaryResponse|ListClientMetricsResources)\w*\t0\t")
# Fields of VoteRequest that 4.x renamed.
RENAMED_SINCE_3_9 = [(b'"candidateEpoch":', b'"replicaEpoch":'), (b'"candidateId":', b'"replicaId":'),
                     (b'"candidateDirectoryId":', b'"replicaDirectoryId":')]
SEEDS = {"quick": 1, "full": 50}
INSTANCES = 6


def jars_of_clients(version):
    maven = places.command("mvn")

    def fetch(path):
        places.call_quietly([maven, "-q", "-B", "-f", HERE / "pom.xml", f"-Dkafka.version={version}",
                             "dependency:copy-dependencies", f"-DoutputDirectory={path}"])

    return places.fetched(f"message-classes-{version}", fetch, f"the clients of Apache Kafka {version}")


def adapted(lines):
    """Lines of 3.9.1 without what is left out, and in today's names."""
    kept = []
    for line in lines.splitlines(keepends=True):
        if LEFT_OUT_OF_3_9.match(line):
            continue
        if line.startswith(b"VoteRequest"):
            for old, new in RENAMED_SINCE_3_9:
                line = line.replace(old, new)
        kept.append(line)
    return b"".join(kept)


def compare(case, version, path, seed):
    lines = case.scratch / f"instances-{version}.tsv"
    made = subprocess.run(["java", "-Xmx512m", "-cp", path, "MessageInstances", str(seed), str(INSTANCES)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    lines.write_bytes(made.stdout if version == places.KAFKA_VERSION else adapted(made.stdout))
    said = made.stderr.decode(errors="replace")
    check(made.returncode == 0, f"MessageInstances with seed {seed} failed:\n{said[-3000:]}")
    classes = int(re.search(r"^(\d+) message classes", said, re.M)[1])
    done = subprocess.run([str(places.built_program("message_compare")), str(lines)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300)
    check(done.returncode == 0, f"Kafka {version}, seed {seed}: message_compare says\n{done.stdout[-20000:]}{done.stderr}")
    instances, versions = map(int, re.search(r"(\d+) instances of (\d+) message versions", done.stdout).groups())
    check((classes, versions) == EXPECTED[version],
          f"{classes} classes with {versions} versions in Kafka {version}, expected {EXPECTED[version]}")
    return instances


def run(case):
    for version in EXPECTED:
        libs = places.kafka_libs() if version == places.KAFKA_VERSION else jars_of_clients(version)
        path = places.java_classes(HERE / "MessageInstances.java", libs)
        seeds = range(1, SEEDS["full" if case.full else "quick"] + 1)
        total = sum(compare(case, version, path, seed) for seed in seeds)
        step(f"{total} messages of Kafka {version} are the same here, bytes and JSON")


if __name__ == "__main__":
    case.main(run)
