"""The groups of figures that need a server of their own: a function of (kind of server, its directory, arguments of the
run) -> {figure: value}. A directory is deleted when its figures are there.
"""

import os
import time

from driver import output_of, wirebench
from page_cache import cached_share, memory_group, sync_and_drop
from servers import cpu_seconds
from tools import command_of

from harness.wire_client import WireClient  # noqa: E402: servers.py says where it is

PATIENCE_SECONDS = 1800
# Nobody is paused here: after kill -9 Apache Kafka waits as long as it does by default.
STANDARD_SESSION = {"broker.session.timeout.ms": None}
SEGMENT_SETTINGS = "segment.ms=600000"
# Room for the offsets of 12 million keys, so that one pass is enough; and no waiting for work.
CLEANER_SETTINGS = {"log.cleaner.dedupe.buffer.size": 320 << 20, "log.cleaner.backoff.ms": 100}
KEYED_RECORDS, KEYED_VALUE_BYTES, KEYED_BATCH_BYTES = 500, 100, 61_900
LARGEST_SEGMENT_BYTES = 1 << 30
TAIL_MB = 100
OFFSET_FETCH, LOADED_PARTITIONS, LOADED_GROUPS = 9, 100, 100


def start(kind, directory, arguments):
    """Until the first record is acknowledged, and the memory a while later."""
    new = kind(directory)
    found = wirebench("first-ack", new, "--topic", "first", "--size", "100", "--idle", arguments.idle_seconds, "--",
                      *new.first_start_command())
    return {"first_ack": found["acknowledged_ms"], "idle_memory": found["rss_mb"]}


def connections(kind, directory, arguments):
    """What the resident memory grows by, after a few connections have come and gone."""
    with kind(directory).start() as server:
        wirebench("connect", server, "--count", 100)
        held = wirebench("connect", server, "--count", arguments.connections, "--hold", 1, "--idle",
                         arguments.idle_seconds, "--pid", server.pid)
    return {"connection_memory": held["kb_per_connection"]}


def partitions(kind, directory, arguments):
    """Two records to each partition, an hour apart by their timestamps, so that each has two segments. Then kill -9, a
    start, a clean stop, a start. It has started when a partition of every topic has acknowledged a record."""
    each = min(1000, arguments.partitions // 2)
    count = arguments.partitions // each
    topics = ["--topic", "many", "--count", count, "--partitions", each]
    found = {}
    with kind(directory, STANDARD_SESSION).start() as server:
        wirebench("create", server, *topics, "--settings", SEGMENT_SETTINGS)
        wirebench("segments", server, *topics, "--size", 100)
        time.sleep(arguments.idle_seconds)
        found["partitions_memory"] = server.resident_bytes() / 2**20
        found["partitions_descriptors"] = len(os.listdir(f"/proc/{server.pid}/fd")) / arguments.partitions
        command = server.start_command()
        server.kill()
        for figure in ("killed_start", "clean_start"):
            started = wirebench("first-ack", server, *topics, "--size", 100, "--idle", arguments.idle_seconds,
                                "--patience", PATIENCE_SECONDS, "--", *command)
            found[figure] = started["acknowledged_ms"] / 1000
            found.setdefault("clean_stop", started["stopped_ms"] / 1000)
        found["restarted_memory"] = started["rss_mb"]
    return found


def cleaned_to(server, topic):
    """The offset that the cleaner's checkpoint has for partition 0 of a topic, -1 for none."""
    path = server.data_directory / "cleaner-offset-checkpoint"
    lines = path.read_text().splitlines()[2:] if path.exists() else []
    return max((int(line.split()[2]) for line in lines if line.split()[:2] == [topic, "0"]), default=-1)


def segments_of(server, topic):
    """Base offset and size of each, in order."""
    files = sorted((server.data_directory / f"{topic}-0").glob("*.log"))
    return [(int(file.stem), file.stat().st_size) for file in files]


def write_keyed_log(server, topic, arguments):
    """A log of `compaction_mb` in about ten segments, or in segments of 1 GiB, all of it on the disk."""
    segment_bytes = min(LARGEST_SEGMENT_BYTES, max(1 << 20, arguments.compaction_mb * 100_000))
    wirebench("create", server, "--topic", topic, "--settings",
              f"cleanup.policy=delete,segment.bytes={segment_bytes},retention.ms=-1")
    wirebench("keyed", server, "--topic", topic, "--batches", arguments.compaction_mb * 1_000_000 // KEYED_BATCH_BYTES,
              "--records", KEYED_RECORDS, "--size", KEYED_VALUE_BYTES, "--keys", arguments.keys)
    for file in (server.data_directory / f"{topic}-0").glob("*.log"):
        with open(file, "rb") as written:
            os.fsync(written.fileno())


def compaction(kind, directory, arguments):
    """The same batches to both, then cleanup.policy=compact: from there until the checkpoint has all but the active
    segment, which no cleaner touches."""
    topic = "compacted"
    with kind(directory, CLEANER_SETTINGS).start() as server:
        write_keyed_log(server, topic, arguments)
        active = segments_of(server, topic)[-1][0]
        cpu, begun = cpu_seconds(server.pid), time.monotonic()
        output_of(command_of("barnabas", "kafka-configs", [
            "--bootstrap-server", server.bootstrap, "--alter", "--entity-type", "topics", "--entity-name", topic,
            "--add-config", "cleanup.policy=compact"]))
        while cleaned_to(server, topic) < active:
            server.check_alive()
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise AssertionError(f"{server.name} did not compact in {PATIENCE_SECONDS} s:\n{server.output_tail()}")
            time.sleep(0.01)
        seconds, used = time.monotonic() - begun, cpu_seconds(server.pid) - cpu
        kept = sum(size for base, size in segments_of(server, topic) if base < active)
    return {"compaction_time": seconds, "compaction_cpu": used, "compaction_kept": kept / 1e6}


def seconds_until_served(server, group, topic):
    """A clean stop and a start: until the group's coordinator tells its offsets."""
    server.stop()
    begun = time.monotonic()
    server.start()
    while time.monotonic() - begun < PATIENCE_SECONDS:
        with WireClient(server.port) as client:
            answer = client.call(OFFSET_FETCH, 7, {"GroupId": group, "RequireStable": True, "Topics": [
                {"Name": topic, "PartitionIndexes": [0]}]})
        if answer["ErrorCode"] == 0:
            return time.monotonic() - begun
        time.sleep(0.005)
    raise AssertionError(f"{server.name} did not load its groups in {PATIENCE_SECONDS} s:\n{server.output_tail()}")


def loading(kind, directory, arguments):
    """Commits of 100 partitions of each of 100 groups, again and again, in one partition of __consumer_offsets."""
    topic, commits = "loaded", ["--partitions", LOADED_PARTITIONS, "--count", LOADED_GROUPS]
    settings = {"offsets.topic.num.partitions": 1, "log.cleaner.enable": "false"}
    with kind(directory, settings).start() as server:
        wirebench("create", server, "--topic", topic, "--partitions", LOADED_PARTITIONS)
        wirebench("commits", server, "--topic", topic, *commits, "--batches", 1)
        without = seconds_until_served(server, f"{topic}-0", topic)
        wirebench("commits", server, "--topic", topic, *commits, "--batches",
                  arguments.loaded_offsets // LOADED_PARTITIONS)
        return {"load_time": seconds_until_served(server, f"{topic}-0", topic) - without}


def write_filler(server, topic, megabytes):
    wirebench("create", server, "--topic", topic)
    wirebench("keyed", server, "--topic", topic, "--batches", megabytes * 1_000_000 // KEYED_BATCH_BYTES, "--records",
              KEYED_RECORDS, "--size", KEYED_VALUE_BYTES, "--keys", 1000)


def backfill(kind, directory, arguments):
    """A topic that was just written and read, as it is while its consumers keep up; then a consumer of another topic
    reads that one from the disk, eight times what there is room for."""
    with kind(directory).start() as server:
        write_filler(server, "backlog", arguments.backlog_mb)
        sync_and_drop()
        with memory_group(server.pid) as group:
            write_filler(server, "tail", TAIL_MB)
            os.sync()
            wirebench("fetch", server, "--topic", "tail", "--seconds", 2)
            tail = sorted((server.data_directory / "tail-0").glob("*.log"))
            before = cached_share(tail)
            group.leave_room_for(arguments.backlog_mb * 1_000_000 // 8)
            read = wirebench("fetch", server, "--topic", "backlog", "--seconds", arguments.backlog_mb // 100)
            kept = cached_share(tail)
    return {"backfill_before": 100 * before, "backfill_kept": 100 * kept, "backfill_rate": read["wire_mb_s"]}


# Started anew in each round.
EACH_ROUND = {"start": start}
ONCE = {group.__name__: group for group in (connections, partitions, loading, compaction, backfill)}
