"""What is measured, in groups that are measured together, and what is to be reached."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Figure:
    """`of_floor`, `of_kafka`, `at_least_of_kafka` and `at_most` are the targets: ratios, and an absolute figure. Titles
    may name the run's sizes in braces."""

    group: str
    key: str
    title: str
    unit: str
    digits: int = 1
    of_floor: float = None
    of_kafka: float = None
    at_least_of_kafka: float = None
    at_most: float = None


FIGURES = [
    Figure("batches", "batch_cpu", "broker CPU per GB produced, 100 x 1 kB, acks=1", "s", 3, of_floor=1.25, of_kafka=0.45),
    Figure("batches", "batch_rate", "batches of 100 x 1 kB, one connection", "MB/s", 0),
    Figure("batches", "fetch_cpu", "broker CPU per GB fetched, 1 MiB a request", "s", 3, of_kafka=0.5),
    Figure("batches", "fetch_small_cpu", "broker CPU per GB fetched, 64 KiB a request", "s", 3, of_kafka=0.3),
    Figure("codecs", "lz4_cpu", "broker CPU per GB produced, the same as lz4", "s", 3, of_kafka=0.3),
    Figure("codecs", "zstd_cpu", "broker CPU per GB produced, the same as zstd", "s", 3, of_kafka=0.3),
    Figure("records", "record_cpu", "broker CPU per one-record produce request, 100 B", "us", 2, of_floor=1.8, of_kafka=0.3),
    Figure("records", "record_rate", "one-record requests, one connection", "1/s", 0),
    Figure("contention", "contended_p50", "produce latency beside a saturating connection, median", "us", of_kafka=0.3),
    Figure("contention", "contended_p999", "produce latency beside a saturating connection, 99.9 %", "us", of_kafka=0.3),
    Figure("contention", "contended_load", "what that connection produces", "MB/s", 0),
    Figure("latency", "latency_p50", "produce latency, acks=all, median", "us"),
    Figure("latency", "latency_p99", "produce latency, acks=all, 99 %", "us"),
    Figure("latency", "e2e_p50", "producer to waiting consumer, median", "us"),
    Figure("latency", "e2e_p99", "producer to waiting consumer, 99 %", "us"),
    Figure("transactions", "transaction_cpu", "broker CPU per transaction of 10 records on 3 partitions", "us", 1,
           of_kafka=0.33),
    Figure("transactions", "transaction_rate", "such transactions, 4 producers", "1/s", 0),
    Figure("commits", "commit_cpu", "broker CPU per commit of one group's 100 partitions", "us", 1, of_kafka=0.33),
    Figure("commits", "commit_rate", "such commits, one connection", "1/s", 0),
    Figure("rebalance", "rebalance_time", "500 members join for 1000 partitions, until settled", "s", 3, of_kafka=0.5),
    Figure("rebalance", "rebalance_cpu", "broker CPU of that", "s", 2),
    Figure("flush", "flush_rate", "50 producers, acks=all, flush.messages=1, requests", "1/s", 0, at_least_of_kafka=5),
    Figure("start", "first_ack", "start to first acknowledged record, empty directory", "ms", at_most=50),
    Figure("start", "idle_memory", "resident memory idle, one topic", "MiB", at_most=20),
    Figure("connections", "connection_memory", "memory per idle connection, {connections} of them", "KiB", 2, at_most=8),
    Figure("partitions", "partitions_memory", "memory, {partitions} partitions of two segments, just written", "MiB", 0,
           of_kafka=0.1),
    Figure("partitions", "restarted_memory", "the same after a restart", "MiB", 0, of_kafka=0.1),
    Figure("partitions", "partitions_descriptors", "open files per partition then", "", 2),
    Figure("partitions", "killed_start", "start with {partitions} partitions after kill -9", "s", 2, of_kafka=0.2),
    Figure("partitions", "clean_start", "start with {partitions} partitions after a clean stop", "s", 2, of_kafka=0.1),
    Figure("partitions", "clean_stop", "that stop, after one record to a partition of each topic", "s", 2),
    Figure("loading", "load_time", "start until {loaded_offsets} records of offsets are loaded, less one without them", "s", 2,
           of_kafka=0.3),
    Figure("compaction", "compaction_time", "compaction, {compaction_mb} MB log, {keys} keys", "s", 2, of_kafka=0.5),
    Figure("compaction", "compaction_cpu", "CPU of that", "s", 2),
    Figure("compaction", "compaction_kept", "size of the log after it", "MB", 1),
    Figure("backfill", "backfill_before", "of a topic just written and read, in the page cache", "%"),
    Figure("backfill", "backfill_kept", "after a consumer of {backlog_mb} MB of another topic, with room for an eighth", "%"),
    Figure("backfill", "backfill_rate", "how fast it read them", "MB/s", 0),
    Figure("clients", "rdkafka_produce_cpu", "librdkafka producing 1 kB records: broker CPU per GB", "s", 3),
    Figure("clients", "rdkafka_produce_rate", "the same: rate", "MB/s", 0),
    Figure("clients", "rdkafka_consume_cpu", "librdkafka consuming them: broker CPU per GB", "s", 3),
    Figure("clients", "rdkafka_consume_rate", "the same: rate", "MB/s", 0),
    Figure("clients", "java_produce_cpu", "kafka-producer-perf-test, 1 kB records: broker CPU per GB", "s", 3),
    Figure("clients", "java_produce_rate", "the same: rate", "MB/s", 0),
    Figure("clients", "java_consume_cpu", "kafka-consumer-perf-test: broker CPU per GB", "s", 3),
    Figure("clients", "java_consume_rate", "the same: rate", "MB/s", 0),
]
GROUPS = list(dict.fromkeys(figure.group for figure in FIGURES))


def groups_named(names):
    """The groups to measure for names of groups and of figures, in the order of GROUPS; all of them for none."""
    of_figure = {figure.key: figure.group for figure in FIGURES}
    unknown = [name for name in names if name not in GROUPS and name not in of_figure]
    if unknown:
        raise ValueError(f"neither a group nor a figure: {', '.join(unknown)}")
    wanted = {of_figure.get(name, name) for name in names}
    return [group for group in GROUPS if not names or group in wanted]
