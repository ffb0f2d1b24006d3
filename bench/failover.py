#!/usr/bin/env python3
"""How long clients wait when a node of three goes: Barnabas beside Apache Kafka 4.3.1, in one run on this machine.

    bench/failover.py                 30 kills, 9 clean stops and 9 controller failovers each; about half an hour
    bench/failover.py --quick         6, 3 and 3
    bench/failover.py --no-kafka      only Barnabas

Three nodes, each broker and controller, a topic of six partitions with three replicas (min.insync.replicas=2), and one
idempotent librdkafka producer with acks=all. Measured is the longest time in which no record of a partition is
acknowledged:
  - kill -9 of each node in turn, of partitions that it led and of those that it followed;
  - SIGTERM of each node in turn, of all partitions;
and, without a load, the time from kill -9 of the active controller until a topic can be created through another node.
Prints a table and writes it to bench/results/<date>-failover.md. A bad figure is not an error; a node that does not come
back is.
"""

import argparse
import datetime
import os
import pathlib
import platform
import shutil
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "compat-tests"))

from crash_produce_kill9 import finish_load, start_load, wait_for_acknowledgements  # noqa: E402
from harness import case as cases  # noqa: E402
from harness.cluster import Cluster, Node  # noqa: E402
from harness.failover import Progress, create_topic, state_of, unfenced, wait_in_sync, wait_whole  # noqa: E402
from harness.outcome import check  # noqa: E402
from harness.waiting import wait_until  # noqa: E402
from harness.wire_client import WireClient  # noqa: E402

NODES, PARTITIONS, REPLICAS, TOPIC = (1, 2, 3), 6, 3, "load"
CREATE_TOPICS = 19
SETTINGS = {"offsets.topic.replication.factor": "3", "min.insync.replicas": "2"}
# key, title, and what is to be reached: seconds at most, or a part of Apache Kafka's.
FIGURES = [("led", "kill -9, partitions that the node led", "at most 3 s", lambda ours, _: ours <= 3),
           ("followed", "kill -9, partitions that it followed", "at most 3 s", lambda ours, _: ours <= 3),
           ("stopped", "SIGTERM, any partition", "at most 0.5 s", lambda ours, _: ours <= 0.5),
           ("controller", "active controller killed until a topic is created", "0.3 x Kafka",
            lambda ours, kafka: kafka is not None and ours <= 0.3 * kafka)]


def start_cluster(case):
    cluster = Cluster(case, [Node(node) for node in NODES], settings=SETTINGS).start()
    wait_until(lambda: unfenced(cluster[1]) == set(NODES), "all brokers", 60)
    create_topic(cluster[1], TOPIC, PARTITIONS, REPLICAS, {"retention.ms": "-1"})
    wait_in_sync(cluster[1], TOPIC, PARTITIONS, REPLICAS)
    return cluster


def prefer_leaders(cluster):
    """Every node leads again what it should: restarted nodes come back as followers."""
    with WireClient(cluster[NODES[0]].port) as client:
        client.call(43, 2, {"ElectionType": 0, "TopicPartitions": None, "TimeoutMs": 10000})
    wait_until(lambda: {leader for leader, _ in state_of(cluster[NODES[0]], TOPIC).values()} == set(NODES),
               "every node to lead", 60)


def measure_gaps(cluster, progress, victim, end):
    """{partition: gap}, and which of them the node led."""
    asked = next(node for node in NODES if node != victim)
    prefer_leaders(cluster)
    time.sleep(1)
    led = {partition for partition, (leader, _) in state_of(cluster[asked], TOPIC).items() if leader == victim}
    progress.reset()
    begun = time.monotonic()
    end(cluster[victim])
    progress.wait_for_each(begun)
    gaps = progress.gaps()
    cluster[victim].start()
    wait_whole(cluster, asked, TOPIC, PARTITIONS, REPLICAS, 120)
    return gaps, led


def under_load(case, kills, stops):
    """{figure: [seconds]} of kills and clean stops."""
    cluster = start_cluster(case)
    path = case.scratch / "acknowledged"
    process = start_load(case, cluster, TOPIC, path, PARTITIONS, rate=1000)
    found = {"led": [], "followed": [], "stopped": []}
    try:
        with Progress(path, PARTITIONS) as progress:
            wait_for_acknowledgements(process, path, 500)
            for number in range(kills):
                gaps, led = measure_gaps(cluster, progress, NODES[number % 3], lambda node: node.kill())
                for partition, gap in gaps.items():
                    found["led" if partition in led else "followed"].append(gap)
                print(f"  kill -9 of node {NODES[number % 3]}: " + told(gaps, led), flush=True)
            for number in range(stops):
                gaps, led = measure_gaps(cluster, progress, NODES[number % 3], lambda node: node.stop())
                found["stopped"] += gaps.values()
                print(f"  SIGTERM of node {NODES[number % 3]}: " + told(gaps, led), flush=True)
        finish_load(process)
    finally:
        process.kill()
    return cluster, found


def told(gaps, led):
    return ", ".join(f"{gap:.2f}{' (led)' if partition in led else ''}" for partition, gap in gaps.items()) + " s"


def controller_failovers(cluster, count):
    """Seconds from the kill until CreateTopics succeeds, asked again and again at a survivor."""
    found = []
    for number in range(count):
        active = cluster.wait_for_leader()
        asked = next(node for node in NODES if node != active)
        begun = time.monotonic()
        cluster[active].kill()
        while not topic_is_created(cluster[asked], f"after-{number}"):
            check(time.monotonic() < begun + 60, "no topic could be created for 60 s")
            time.sleep(0.02)
        found.append(time.monotonic() - begun)
        print(f"  the active controller, node {active}, killed: a topic after {found[-1]:.2f} s", flush=True)
        cluster[active].start()
        wait_whole(cluster, asked, TOPIC, PARTITIONS, REPLICAS, 120)
        time.sleep(1)
    return found


def topic_is_created(node, name):
    with WireClient(node.port) as client:
        told, = client.call(CREATE_TOPICS, 7, {"Topics": [
            {"Name": name, "NumPartitions": 1, "ReplicationFactor": 2, "Assignments": [], "Configs": []}],
            "timeoutMs": 1000, "validateOnly": False})["Topics"]
    return told["ErrorCode"] in (0, 36)  # Created, or by an attempt whose answer was lost.


def measure(kind, directory, given):
    print(kind, flush=True)
    case = cases.Case(kind, True, directory / kind)
    case.scratch.mkdir()
    try:
        cluster, found = under_load(case, given.kills, given.stops)
        found["controller"] = controller_failovers(cluster, given.controllers)
        cluster.end()
    finally:
        case.close()
    return found


def summary(seconds):
    return (statistics.median(seconds), max(seconds)) if seconds else (None, None)


def table(found):
    lines = ["| figure | Barnabas median / max | Apache Kafka median / max | ratio of medians | to reach | reached |",
             "| --- | --- | --- | --- | --- | --- |"]
    for key, title, aim, is_reached in FIGURES:
        (ours, our_max), (kafka, kafka_max) = (summary(found.get(kind, {}).get(key)) for kind in ("barnabas", "kafka"))
        if ours is None:
            continue
        theirs = "-" if kafka is None else f"{kafka:.2f} / {kafka_max:.2f} s"
        ratio = "-" if kafka is None else f"{ours / kafka:.2f}"
        reached = is_reached(our_max if key != "controller" else ours, kafka)
        lines.append(f"| {title} | {ours:.2f} / {our_max:.2f} s | {theirs} | {ratio} | {aim} | "
                     f"{'yes' if reached else 'no'} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-kafka", action="store_true")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--stops", type=int)
    parser.add_argument("--controllers", type=int)
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench" / "results")
    given = parser.parse_args()
    for name, usual, quick in (("kills", 30, 6), ("stops", 9, 3), ("controllers", 9, 3)):
        if getattr(given, name) is None:
            setattr(given, name, quick if given.quick else usual)
    found = {}
    directory = pathlib.Path(tempfile.mkdtemp(prefix="barnabas-failover-"))  # It stays when something goes wrong.
    for kind in ("barnabas",) if given.no_kafka else ("kafka", "barnabas"):
        found[kind] = measure(kind, directory, given)
    shutil.rmtree(directory)
    lines = [f"{datetime.datetime.now():%Y-%m-%d %H:%M}, {os.cpu_count()} cores, Linux {platform.release()}; "
             f"{given.kills} kills, {given.stops} clean stops, {given.controllers} controller failovers", "",
             *table(found)]
    print("\n" + "\n".join(lines))
    given.results.mkdir(exist_ok=True)
    path = given.results / f"{datetime.date.today()}-failover.md"
    path.write_text("# A node of three goes\n\n" + "\n".join(lines) + "\n")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
