"""The groups of figures that are of a running, warm server. Each is measured once a round, on each server in turn: a
function of (server, name for its topics, arguments of the run) -> {figure: value}.

The floor is asked for what it can do: it takes one topic, never syncs and knows no waiting consumer.
"""

import re

from driver import BATCHES, ONE_AT_A_TIME, SINGLE_RECORDS, Topic, figures_of, loaded, output_of, wirebench
from servers import CLIENT_CORE, cpu_seconds, pinned, places
from tools import command_of

SMALL_FETCH, FLUSHING_PRODUCERS, CLIENT_RECORD_BYTES = 65536, 50, 1000
REBALANCED_MEMBERS, REBALANCED_PARTITIONS = 500, 1000


def warm_up(server, seconds):
    """Produce load for `seconds`, both kinds, and a little of everything else."""
    with Topic(server, "warm-up") as topic:
        loaded("produce", server, topic, seconds / 2, *BATCHES)
        loaded("fetch", server, topic, max(1, seconds / 10))
    with Topic(server, "warm-up-single") as topic:
        loaded("produce", server, topic, seconds / 2, *SINGLE_RECORDS)
        loaded("latency", server, topic, max(1, seconds / 10), *ONE_AT_A_TIME)
        if server.name != "floor":
            loaded("e2e", server, topic, max(1, seconds / 10), *ONE_AT_A_TIME)


def batches(server, name, arguments):
    with Topic(server, name) as topic:
        produced = loaded("produce", server, topic, arguments.seconds, *BATCHES)
        fetched = loaded("fetch", server, topic, arguments.seconds)
        in_small = loaded("fetch", server, topic, arguments.seconds, "--bytes", SMALL_FETCH)
    return {"batch_cpu": produced["cpu_s_per_gb"], "batch_rate": produced["wire_mb_s"],
            "fetch_cpu": fetched["cpu_s_per_gb"], "fetch_small_cpu": in_small["cpu_s_per_gb"]}


def codecs(server, name, arguments):
    found = {}
    for codec in ("lz4", "zstd"):
        with Topic(server, f"{name}-{codec}") as topic:
            produced = loaded("produce", server, topic, arguments.seconds, *BATCHES, "--codec", codec)
            found[f"{codec}_cpu"] = produced["cpu_s_per_gb"]
    return found


def records(server, name, arguments):
    with Topic(server, name) as topic:
        produced = loaded("produce", server, topic, arguments.seconds, *SINGLE_RECORDS)
    return {"record_cpu": produced["cpu_us_per_request"], "record_rate": produced["requests_s"]}


def contention(server, name, arguments):
    with Topic(server, name, partitions=2) as topic:
        waited = loaded("contended", server, topic, arguments.seconds, *ONE_AT_A_TIME)
    return {"contended_p50": waited["p50_us"], "contended_p999": waited["p999_us"], "contended_load": waited["load_mb_s"]}


def latency(server, name, arguments):
    with Topic(server, name) as topic:
        waited = loaded("latency", server, topic, arguments.seconds, *ONE_AT_A_TIME)
        found = {"latency_p50": waited["p50_us"], "latency_p99": waited["p99_us"]}
        if server.name != "floor":
            waited = loaded("e2e", server, topic, arguments.seconds, *ONE_AT_A_TIME)
            found.update({"e2e_p50": waited["p50_us"], "e2e_p99": waited["p99_us"]})
    return found


def transactions(server, name, arguments):
    if server.name == "floor":
        return {}
    with Topic(server, name, partitions=3) as topic:
        ran = loaded("transactions", server, topic, arguments.seconds, "--partitions", 3, "--records", 10, "--size", 100,
                     "--connections", 4)
    return {"transaction_cpu": ran["cpu_us_per_transaction"], "transaction_rate": ran["transactions_s"]}


def commits(server, name, arguments):
    if server.name == "floor":
        return {}
    with Topic(server, name, partitions=100) as topic:
        ran = loaded("commits", server, topic, arguments.seconds, "--partitions", 100, "--depth", 5)
    return {"commit_cpu": ran["cpu_us_per_commit"], "commit_rate": ran["commits_s"]}


def rebalance(server, name, arguments):
    if server.name == "floor":
        return {}
    with Topic(server, name, partitions=REBALANCED_PARTITIONS) as topic:
        ran = wirebench("rebalance", server, "--topic", topic, "--pid", server.pid, "--partitions", REBALANCED_PARTITIONS,
                        "--count", REBALANCED_MEMBERS)
    return {"rebalance_time": ran["seconds"], "rebalance_cpu": ran["cpu_s"]}


def flush(server, name, arguments):
    if server.name == "floor":
        return {}
    with Topic(server, name, settings="flush.messages=1") as topic:
        produced = loaded("produce", server, topic, arguments.seconds, "--records", 1, "--size", 100, "--depth", 1,
                          "--acks", -1, "--connections", FLUSHING_PRODUCERS)
    return {"flush_rate": produced["requests_s"]}


def cost_of(server, gigabytes, command):
    """The output of a client that moves so much, and the broker's CPU seconds a GB meanwhile."""
    before = cpu_seconds(server.pid)
    output = output_of(command)
    return output, (cpu_seconds(server.pid) - before) / gigabytes


def rdkafka_perf(server, topic, mode, count, *settings):
    gigabytes = count * CLIENT_RECORD_BYTES / 1e9
    command = [places.built_program("rdkafka_perf"), mode, server.bootstrap, topic, count, CLIENT_RECORD_BYTES, *settings]
    output, cpu = cost_of(server, gigabytes, pinned(CLIENT_CORE, command))
    return {f"rdkafka_{mode}_cpu": cpu, f"rdkafka_{mode}_rate": figures_of(output, mode)["value_mb_s"]}


def java_produce(server, topic, count):
    output, cpu = cost_of(server, count * CLIENT_RECORD_BYTES / 1e9, command_of(
        "kafka", "kafka-producer-perf-test",
        ["--topic", topic, "--num-records", str(count), "--record-size", str(CLIENT_RECORD_BYTES), "--throughput", "-1",
         "--bootstrap-server", server.bootstrap, "--command-property", "acks=1"]))
    rates = re.findall(rf"^{count} records sent, ([0-9.]+) records/sec", output, re.MULTILINE)
    if len(rates) != 1:
        raise AssertionError(f"kafka-producer-perf-test did not say its rate:\n{output}")
    return {"java_produce_cpu": cpu, "java_produce_rate": float(rates[0]) * CLIENT_RECORD_BYTES / 1e6}


def java_consume(server, topic, count):
    output, cpu = cost_of(server, count * CLIENT_RECORD_BYTES / 1e9, command_of(
        "kafka", "kafka-consumer-perf-test",
        ["--topic", topic, "--num-records", str(count), "--bootstrap-server", server.bootstrap, "--timeout", "30000"]))
    rows = [line.split(", ") for line in output.splitlines() if ", " in line]
    values = dict(zip(rows[0], rows[-1]))
    if int(values["data.consumed.in.nMsg"]) < count:
        raise AssertionError(f"kafka-consumer-perf-test read too little:\n{output}")
    return {"java_consume_cpu": cpu, "java_consume_rate": float(values["MB.sec"]) * 2**20 / 1e6}


def clients(server, name, arguments):
    """Real clients do the most of the work: it is the broker's CPU that is compared."""
    if server.name == "floor":
        return {}
    found, count = {}, arguments.client_records
    with Topic(server, f"{name}-rdkafka") as topic:
        found.update(rdkafka_perf(server, topic, "produce", count, "acks=1", "linger.ms=5"))
        found.update(rdkafka_perf(server, topic, "consume", count, f"group.id={name}"))
    with Topic(server, f"{name}-java") as topic:
        found.update(java_produce(server, topic, count))
        found.update(java_consume(server, topic, count))
    return found


GROUPS = {group.__name__: group for group in (batches, codecs, records, contention, latency, transactions, commits,
                                               rebalance, flush)}
# Of which one round is enough: they run for long.
ONCE = {"clients": clients}
