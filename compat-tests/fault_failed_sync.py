#!/usr/bin/env python3
"""The n-th sync or write of a node fails: nothing is acknowledged that rests on it, and what was acknowledged stays.

disk_faults/ is put under the broker by LD_PRELOAD and makes the n-th call fail, for n = 1 to 200 (the quick tier: a
sample, by a seed that is printed):
  - syncs of a partition's log with flush.messages=1, EIO and ENOSPC: no batch of which a sync failed is acknowledged,
    and none after it, for the kernel tells a failed sync once and drops the pages. An idempotent client that repeats
    the batch is not told that it is there already;
  - writes to it, EIO and ENOSPC, of which nothing or half is stored;
  - syncs and writes of the metadata log: no topic is acknowledged after it, and the node ends.
Then the node is killed and started on a sound disk: all that was acknowledged is read back, in order, once.
A node whose only log directory fails, or that of its metadata log, ends; a full disk is no failed one. Measured on
Kafka 4.3.1: it halts whichever of these calls fails, ENOSPC or not.
"""

import errno
import random
import shutil
import time

from harness import case
from harness.acknowledged import problems, regressions
from harness.acknowledged_load import Load, read_all
from harness.disk_faults import SYNC, WRITE, DiskFaults
from harness.outcome import check, check_equal, step
from harness.waiting import wait_until
from harness.wire_client import WireClient

KAFKA_STORAGE_ERROR = 56
TOPIC, PARTITIONS = "flushed", 2
METADATA_LOG = "/__cluster_metadata-0/0"
# What fails: the calls, the error, whether half is stored.
SYNCS = [(SYNC, errno.EIO, False), (SYNC, errno.ENOSPC, False)]
WRITES = [(WRITE, errno.EIO, False), (WRITE, errno.EIO, True), (WRITE, errno.ENOSPC, False),
          (WRITE, errno.ENOSPC, True)]


def describe(calls, error, torn):
    return f"{errno.errorcode[error]} of a {'sync' if calls == SYNC else 'write'}{', torn' if torn else ''}"


def listed(numbers):
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 20 else ", ".join(map(str, numbers))


def make_template(case):
    """A data directory with the topic, which every round begins with a copy of."""
    with case.broker(name="template") as broker:
        broker.start()
        with WireClient(broker.port) as client:
            client.create_topic(TOPIC, PARTITIONS, {"flush.messages": "1"})
        broker.stop()
        return broker.data_directory


class Round:
    """One node on a copy of the template, with faults that are not armed yet. Use it in a `with`."""

    def __init__(self, case, template, name):
        self.broker = case.broker(name=name)
        shutil.copytree(template, self.broker.data_directory)
        self.faults = DiskFaults(self.broker.directory)
        self.broker.environment = self.faults.environment

    def __enter__(self):
        self.broker.start()
        return self

    def __exit__(self, kind, *_):
        self.broker.kill()
        if kind is None:
            shutil.rmtree(self.broker.directory)

    def restart_on_a_sound_disk(self):
        self.broker.kill()
        self.faults.disarm()
        self.broker.start()

    def has_ended(self):
        return self.broker.process.poll() is not None


def fail_partition(case, template, number, fault):
    """The n-th sync or write of partition 0's log fails under load."""
    calls, error, torn = fault
    what = f"{describe(*fault)}, call {number}"
    # The only log directory has failed, the metadata log's too. A full disk is not broken: what one of its syncs may
    # have lost is that log's, which alone is offline. Apache Kafka halts all the same.
    ends = error != errno.ENOSPC or not case.is_barnabas
    with Round(case, template, f"log-{calls}-{error}-{torn}-{number}") as now:
        load = Load(now.broker, TOPIC, PARTITIONS)
        with load:
            load.wait_for(4)
            now.faults.arm(calls, error, number, f"/{TOPIC}-0/00000000000000000000.log", torn=torn)
            wait_until(lambda: now.faults.injected or now.has_ended(), f"{what} fails", 60)
            time.sleep(0.15)  # A client repeats the batch some times, which must not help it.
            if ends:
                wait_until(now.has_ended, f"{what}: the node ends", 60)
            else:
                wait_until(lambda: any(batch.partition == 1 and batch.sent > now.faults.seconds
                                       for batch in load.history.acknowledged), f"{what}: partition 1 goes on", 30)
            history = load.stop()
        check(now.faults.injected == 1, f"{what}: failed {now.faults.injected} times")
        late = [batch for batch in history.acknowledged
                if batch.partition == 0 and batch.received > now.faults.seconds]
        # A full disk that refuses a write loses nothing: the node may go on.
        if calls == SYNC or error != errno.ENOSPC:
            check(not late, f"{what}: acknowledged {late[0].received - now.faults.seconds if late else 0:.4f} s "
                  f"after it failed: {late[:2]}")
            told = {code for when, partition, code in history.refusals
                    if partition == 0 and when > now.faults.seconds}
            # NOT_LEADER_OR_FOLLOWER once the directory is offline; a node that ends may tell nothing.
            check(told <= {6, KAFKA_STORAGE_ERROR} and (told or ends),
                  f"{what}: the clients were told {sorted(told)}")
        for partition, seen in history.high_watermarks.items():
            check(not regressions("", seen), f"{what}: high watermark {regressions(f'of {partition}', seen)}")
        check_equal(now.has_ended(), ends, f"{what}: whether the node has ended")
        now.restart_on_a_sound_disk()
        found = problems(history.rows(), read_all(now.broker, TOPIC, PARTITIONS))
        check(not found, f"{what}:\n" + "\n".join(found))
        return len(history.rows())


def fail_metadata(case, template, number, fault):
    """The n-th sync or write of the metadata log fails while topics are made."""
    calls, error, torn = fault
    what = f"{describe(*fault)} of the metadata log, call {number}"
    with Round(case, template, f"metadata-{calls}-{error}-{torn}-{number}") as now:
        now.faults.arm(calls, error, number, METADATA_LOG, torn=torn)
        made = make_topics(now, number * 3 + 20)
        check(now.faults.injected > 0, f"{what}: it was not called that often")
        late = [name for name, sent, _ in made if sent > now.faults.seconds]
        check(not late, f"{what}: {late} acknowledged after it failed")
        wait_until(now.has_ended, f"{what}: the node ends", 30)
        now.restart_on_a_sound_disk()
        with WireClient(now.broker.port) as client:
            for name, _, _ in made:
                check_equal(client.partitions(name), [0], f"{what}: the partitions of {name}, which was acknowledged")
            client.create_topic("after", 1)
        return len(made)


def make_topics(now, most):
    """[(name, sent, received)] of the topics that were acknowledged until the node refused or ended."""
    made = []
    try:
        with WireClient(now.broker.port) as client:
            client.connection.socket.settimeout(10)
            for number in range(most):
                sent = time.monotonic()
                answer = client.call(19, 4, {"Topics": [{"Name": f"made-{number}", "NumPartitions": 1,
                                                         "ReplicationFactor": 1}], "timeoutMs": 3000})
                if answer["Topics"][0]["ErrorCode"] != 0:
                    break
                made.append((f"made-{number}", sent, time.monotonic()))
    except (OSError, AssertionError):
        pass  # The connection went with the node.
    return made


def run(case):
    seed = time.time_ns() % 1_000_000
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    template = make_template(case)
    everything = list(range(1, 201))
    few = 1 if not case.is_barnabas else 3  # Apache Kafka takes seconds to start.

    def some(count):
        return everything if case.full and case.is_barnabas else sorted(chance.sample(everything, count))

    for fault in SYNCS + WRITES:
        numbers = some(few if fault in SYNCS else max(1, few // 2))
        count = sum(fail_partition(case, template, number, fault) for number in numbers)
        step(f"{describe(*fault)} of a log, call {listed(numbers)}: {count} records acknowledged, all there, none that "
             "rests on what failed")
    for fault in SYNCS[:1] + WRITES[1:2]:
        numbers = some(few) if case.full else sorted(chance.sample(range(1, 40), few))
        made = sum(fail_metadata(case, template, number, fault) for number in numbers)
        step(f"{describe(*fault)} of the metadata log, call {listed(numbers)}: {made} topics acknowledged, "
             "all there; the node ended")


if __name__ == "__main__":
    case.main(run)
