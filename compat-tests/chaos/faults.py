"""What is done to a cluster. A fault is a generator: it does something, says what (session.tell), and yields how many
seconds the cluster is left with it, as often as it likes; behind the last one it has undone what does not undo itself.
Then everything heals, and the cluster must be whole again. `session` has the cluster, the chance and the topics.
"""

import errno
import os
import struct

from harness.disk_faults import SYNC, WRITE
from harness.outcome import check
from harness.waiting import wait_until
from harness.wire_client import WireClient

from .nodes import CLIENTS

INCREMENTAL_ALTER_CONFIGS = 44
BATCH_HEAD = struct.Struct(">qi")  # base offset, length of what follows
CHECKED_FROM = 16                  # Of a batch: magic, checksum, and what it covers.


def some_partition(session):
    topic = session.chance.choice(sorted(session.topics))
    return topic, session.chance.randrange(session.topics[topic])


def leader_of_some(session):
    topic, partition = some_partition(session)
    return session.nodes.leaders(topic)[partition], f"the leader of {topic}-{partition}"


def some_node(session):
    """Whom it hits: leaders and the active controller more often than by chance."""
    kind = session.chance.randrange(3)
    if kind == 0:
        return leader_of_some(session)
    if kind == 1:
        return session.nodes.active_controller(), "the active controller"
    return session.chance.choice(session.nodes.ids), "any"


def some_broker(session):
    return leader_of_some(session) if session.chance.random() < 0.5 else (session.chance.choice(session.nodes.brokers),
                                                                           "any broker")


# Processes.
def kill_leader(session):
    victim, which = leader_of_some(session)
    yield from kill(session, victim, which)


def kill_follower(session):
    topic, partition = some_partition(session)
    leader = session.nodes.leaders(topic)[partition]
    victim = session.chance.choice([node for node in session.nodes.brokers if node != leader])
    yield from kill(session, victim, f"a follower of {topic}-{partition}")


def kill_controller(session):
    yield from kill(session, session.nodes.active_controller(), "the active controller")


def kill(session, victim, which):
    session.tell(f"kill -9 of node {victim}, {which}")
    session.nodes.kill(victim)
    yield session.chance.choice([0, session.chance.uniform(0, 1), session.chance.uniform(1, 6)])
    session.nodes.start_again(victim)


def kill_all(session):
    session.tell("kill -9 of all nodes")
    session.nodes.kill(*session.nodes.ids)
    yield session.chance.uniform(0, 1)
    session.nodes.start_again(*session.nodes.ids)


def pause(session):
    victim, which = some_node(session)
    seconds = session.chance.choice([session.chance.uniform(0.5, 3), session.chance.uniform(8, 14)])
    session.tell(f"SIGSTOP of node {victim}, {which}, for {seconds:.1f} s")
    session.nodes.pause(victim)
    yield seconds
    session.nodes.resume(victim)


def stop_one(session):
    victim, which = some_node(session)
    session.tell(f"SIGTERM of node {victim}, {which}")
    session.nodes[victim].stop()
    yield session.chance.uniform(0, 3)
    session.nodes.start_again(victim)


def rolling_restart(session):
    session.tell("SIGTERM and start of each node in turn")
    for node in session.nodes.ids:
        session.nodes[node].stop()
        session.nodes.start_again(node)
        session.wait_until_whole()
        yield 0.5


# The network.
def symmetric_partition(session):
    victim, which = some_node(session)
    session.tell(f"node {victim}, {which}, is cut off from the other nodes, not from clients")
    session.nodes.network.separate([victim], session.nodes.others(victim))
    yield session.chance.uniform(2, 14)


def isolated(session):
    victim, which = some_node(session)
    session.tell(f"node {victim}, {which}, is cut off from everybody")
    session.nodes.network.separate([victim], [CLIENTS, *session.nodes.others(victim)])
    yield session.chance.uniform(2, 14)


def one_way_partition(session):
    victim, which = some_node(session)
    others = session.nodes.others(victim)
    if session.chance.random() < 0.5:
        session.tell(f"node {victim}, {which}, hears nothing from the other nodes, and is heard")
        session.nodes.network.block(others, [victim])
    else:
        session.tell(f"node {victim}, {which}, is not heard by the other nodes, and hears them")
        session.nodes.network.block([victim], others)
    yield session.chance.uniform(2, 14)


def one_link(session):
    one, other = session.chance.sample(session.nodes.ids, 2)
    session.tell(f"nodes {one} and {other} do not reach each other; the rest does")
    session.nodes.network.separate([one], [other])
    yield session.chance.uniform(2, 14)


def half_open(session):
    """The others' connections to a node that is gone stay open: nobody tells them."""
    victim, which = some_node(session)
    session.tell(f"node {victim}, {which}, is cut off, killed and started: nobody hears that its connections ended")
    session.nodes.network.separate([victim], [CLIENTS, *session.nodes.others(victim)])
    session.nodes.kill(victim)
    yield session.chance.uniform(0.2, 3)
    session.nodes.launch(victim)
    yield 0.3
    session.nodes.network.heal()
    session.nodes[victim].wait_until_ready()


def loss(session):
    share = session.chance.uniform(0.01, 0.15)
    session.tell(f"{share:.0%} of all frames are lost")
    session.nodes.network.shape(session.all_links(), lost=share)
    yield session.chance.uniform(4, 12)


def delay(session):
    base, jitter = session.chance.uniform(5, 80), session.chance.uniform(1, 60)
    session.tell(f"all frames come {base:.0f} to {base + jitter:.0f} ms late, out of order, some twice")
    session.nodes.network.shape(session.all_links(), delay_ms=base, jitter_ms=jitter, doubled=0.05)
    yield session.chance.uniform(4, 12)


# The machine.
def clock_jump(session):
    victim, which = some_node(session)
    seconds = session.chance.choice([-1, 1]) * session.chance.uniform(1, 7200)
    session.tell(f"the wall clock of node {victim}, {which}, jumps by {seconds:+.0f} s, and back")
    session.nodes.faults[victim].shift_clock(seconds)
    yield session.chance.uniform(3, 8)
    session.nodes.faults[victim].shift_clock(0)
    yield 1


def power_loss(session):
    victim, which = some_node(session)
    session.tell(f"power loss of node {victim}, {which}: what was not synced is gone")
    session.nodes.lose_power(victim)
    yield session.chance.choice([0, session.chance.uniform(0, 4)])
    session.nodes.start_again(victim)


def power_loss_of_all(session):
    """Nothing is promised then of what is not flushed, so everything is from now on, until it is over."""
    set_flush(session, "1")
    for disks in session.nodes.disks.values():
        for disk in disks.values():
            disk.write_back()
    yield 1.5
    session.tell("power loss of all nodes, with log.flush.interval.messages=1")
    session.nodes.lose_power(*session.nodes.ids)
    yield session.chance.uniform(0, 1)
    session.nodes.start_again(*session.nodes.ids)
    session.wait_until_whole()
    set_flush(session, None)


def set_flush(session, value):
    """Of every topic, by the brokers' default."""
    def altered(node):
        with WireClient(node.port, node.host) as client:
            answer = client.call(INCREMENTAL_ALTER_CONFIGS, 1, {"Resources": [
                {"ResourceType": 4, "ResourceName": "", "Configs": [
                    {"Name": "log.flush.interval.messages", "ConfigOperation": 1 if value is None else 0,
                     "Value": value}]}], "ValidateOnly": False})
        return answer["Responses"][0]["ErrorCode"] == 0
    session.nodes.ask(altered)


# Disks.
def torn_tail(session):
    """The last batch of a replica is half there, or ends in zeros, as after a crash of the machine."""
    topic, partition = some_partition(session)
    victim = session.chance.choice(session.nodes.brokers)
    session.nodes.kill(victim)
    path = session.nodes.segments(victim, topic, partition)[-1]
    begins = batch_positions(path)
    size = begins[-1]
    at = session.chance.randrange(begins[-2] + 1, size) if len(begins) > 1 else 0
    zeros = session.chance.random() < 0.5
    with open(path, "r+b") as file:
        file.truncate(at)
        if zeros:
            file.truncate(size)
    session.tell(f"kill -9 of node {victim}; its log of {topic}-{partition} " +
                 (f"has zeros for its last {size - at} bytes" if zeros else f"lost its last {size - at} bytes"))
    yield session.chance.uniform(0, 1)
    session.nodes.start_again(victim)


def batch_positions(path):
    """Where each whole batch of a segment begins, and where the last one ends."""
    data, begins, position = path.read_bytes(), [0], 0
    while position + BATCH_HEAD.size <= len(data):
        _, length = BATCH_HEAD.unpack_from(data, position)
        if length <= 0 or position + BATCH_HEAD.size + length > len(data):
            break
        position += BATCH_HEAD.size + length
        begins.append(position)
    return begins


def failing_call(session, calls, code, path_part, what):
    victim, which = some_broker(session)
    at = session.chance.randrange(1, 30)
    session.tell(f"{what} number {at} of node {victim}, {which}, fails with {errno.errorcode[code]}")
    faults = session.nodes.faults[victim]
    faults.arm(calls, code, at, path_part=path_part, torn=session.chance.random() < 0.5)
    for _ in range(80):
        yield 0.1
        if faults.injected:
            break
    happened = faults.injected > 0
    faults.disarm()
    if not happened:
        session.tell(", or would have: it did not come to that call")
    yield 1
    # Whether it can go on without that log directory is its own decision; one that is not what it was is started anew.
    session.nodes.kill(victim)
    yield session.chance.uniform(0, 2)
    session.nodes.start_again(victim)


def failed_sync(session):
    yield from failing_call(session, SYNC, errno.EIO, "__cluster_metadata", "sync of the metadata log")


def failed_write(session):
    topic, _ = some_partition(session)
    yield from failing_call(session, WRITE, errno.EIO, f"/{topic}-", f"write to {topic}")


def full_disk(session):
    victim, which = some_broker(session)
    session.tell(f"the data disk of node {victim}, {which}, is full")
    session.nodes.disks[victim]["data"].fill()
    yield session.chance.uniform(3, 8)
    session.nodes.disks[victim]["data"].free()
    if session.is_barnabas:
        session.nodes[victim].check_alive()
    elif session.nodes[victim].process.poll() is not None:
        session.nodes.kill(victim)
        session.nodes.start_again(victim)


def dead_disk(session):
    victim, which = some_broker(session)
    session.tell(f"the data disk of node {victim}, {which}, dies: every call on it fails")
    disk = session.nodes.disks[victim]["data"]
    disk.lose_power()
    yield 2
    ended = session.nodes.wait_for_end(victim, 30)
    check(ended or not session.is_barnabas, f"node {victim} goes on without its only log directory")
    disk.power_up()
    session.nodes.start_again(victim)


def hung_disk(session):
    victim, which = some_broker(session)
    disk = session.nodes.disks[victim][session.chance.choice(["data", "metadata"])]
    session.tell(f"the {disk.path.parent.name} disk of node {victim}, {which}, hangs")
    disk.freeze()
    try:
        yield session.chance.uniform(1, 6)
    finally:
        disk.thaw()


def lost_disk(session):
    victim, which = some_broker(session)
    session.tell(f"node {victim}, {which}, is killed and its data disk replaced by an empty one")
    session.nodes.kill(victim)
    yield session.chance.uniform(0, 2)
    session.nodes.replace_data_disk(victim)
    session.nodes.start_again(victim)


def bit_rot(session):
    """A bit of a closed segment of a node that is down. What is damaged is not served, and written anew from another
    replica; with Apache Kafka an operator drops the replica instead."""
    topic, partition = some_partition(session)
    victim = session.chance.choice(session.nodes.brokers)
    session.nodes.kill(victim)
    closed = session.nodes.segments(victim, topic, partition)[:-1]
    if not closed:
        session.tell(f"kill -9 of node {victim}; {topic}-{partition} has no closed segment for a bit to flip in")
        session.nodes.start_again(victim)
        return
    path = session.chance.choice(closed)
    begins, bit = batch_positions(path), session.chance.randrange(8)
    batch = session.chance.randrange(len(begins) - 1)
    # Where the batch's checksum, or its own length, tells: docs/reliability.md says what nothing tells of.
    at = session.chance.randrange(begins[batch] + CHECKED_FROM, begins[batch + 1])
    right = path.read_bytes()
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes([right[at] ^ 1 << bit]))
    session.tell(f"kill -9 of node {victim}; bit {bit} of byte {at} flips in {path.name} of {topic}-{partition}")
    session.nodes.start_again(victim)
    yield session.chance.uniform(2, 5)
    if session.is_barnabas:
        wait_until(lambda: path.read_bytes() == right, f"the repair of {path}", 40)
        return
    session.nodes.kill(victim)
    for file in session.nodes.replica(victim, topic, partition).iterdir():
        os.unlink(file)
    session.nodes.replica(victim, topic, partition).rmdir()
    session.nodes.start_again(victim)


# Name: what it is, in the order of the summary.
ALL = {fault.__name__: fault for fault in (
    kill_leader, kill_follower, kill_controller, kill_all, pause, stop_one, rolling_restart, symmetric_partition, isolated,
    one_way_partition, one_link, half_open, loss, delay, clock_jump, power_loss, power_loss_of_all, torn_tail, failed_sync,
    failed_write, full_disk, dead_disk, hung_disk, lost_disk, bit_rot)}
# For a minute and a half: what takes little time and is of each kind.
SHORT = ("kill_leader", "kill_controller", "one_way_partition", "half_open", "power_loss", "torn_tail", "loss", "kill_all")
