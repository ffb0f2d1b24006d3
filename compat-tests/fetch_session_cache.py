#!/usr/bin/env python3
"""Which fetch sessions a full cache gives up for new ones (KIP-227), seen from outside.

max.incremental.fetch.session.cache.slots=8 makes one slot in each of the eight shards, which get new sessions in turn:
the n-th new session competes with the one eight before it. Asked for are sessions of consumers and, by a broker's id in
the request, of followers. With --full the two minutes pass after which a session gives way that was not used, or is used
and smaller than the new one.
"""

import time

from harness import case
from harness.outcome import check_equal, step
from harness.wire import Connection
from harness.wire_client import WireClient

SHARDS, PARTITIONS, TOPIC = 8, 12, "fetched"
FETCH, VERSION = 1, 12
FOLLOWER = 77
SESSION_NOT_FOUND, INVALID_EPOCH = 70, 71
AGE_SECONDS = 120


class Sessions:
    """Of one broker, in the order of the shards."""

    def __init__(self, connection):
        self.connection, self.ids, self.epochs, self.turn = connection, [0] * SHARDS, [0] * SHARDS, 0

    def fetch(self, session, epoch, partitions=(), forgotten=(), replica=-1):
        return self.connection.call(FETCH, VERSION, {
            "ReplicaId": replica, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, "SessionId": session,
            "SessionEpoch": epoch,
            "Topics": [{"Topic": TOPIC, "Partitions": [
                {"Partition": index, "CurrentLeaderEpoch": -1, "FetchOffset": 0, "LogStartOffset": -1,
                 "PartitionMaxBytes": 1024} for index in partitions]}] if partitions else [],
            "ForgottenTopicsData": [{"Topic": TOPIC, "Partitions": list(forgotten)}] if forgotten else []})

    def begin(self, partitions, replica=-1):
        """Asks for a session of so many partitions; whether there is one, in the place of the one that was there."""
        told = self.fetch(0, 0, range(partitions), replica=replica)
        check_equal(told["ErrorCode"], 0, "a first fetch")
        shard, self.turn = self.turn, (self.turn + 1) % SHARDS
        if told["SessionId"]:
            self.ids[shard], self.epochs[shard] = told["SessionId"], 0
        return bool(told["SessionId"])

    def begin_in_all(self, partitions, replica=-1):
        return [self.begin(partitions, replica) for _ in range(SHARDS)]

    def use(self, shard, **more):
        self.epochs[shard] += 1
        return self.fetch(self.ids[shard], self.epochs[shard], **more)

    def use_all(self):
        check_equal([self.use(shard)["ErrorCode"] for shard in range(SHARDS)], [0] * SHARDS, "sessions that are there")

    def close(self, shard):
        check_equal(self.fetch(self.ids[shard], -1)["SessionId"], 0, "the session of a last fetch")


NOBODY, EVERYBODY = [False] * SHARDS, [True] * SHARDS


def turns(sessions):
    check_equal(sessions.begin_in_all(3), EVERYBODY, "eight sessions")
    check_equal(sessions.begin_in_all(PARTITIONS), NOBODY, "larger ones, of which none has two minutes to show")
    sessions.use_all()
    sessions.close(5)
    check_equal([sessions.begin(1) for _ in range(SHARDS)], [shard == 5 for shard in range(SHARDS)],
                "sessions after one was closed")
    step("new sessions go to the shards in turn; a young one does not give way to another consumer's")


def followers(sessions):
    before = list(sessions.ids)
    check_equal(sessions.begin_in_all(1, FOLLOWER), EVERYBODY, "a follower's sessions")
    check_equal([sessions.fetch(session, 1)["ErrorCode"] for session in before], [SESSION_NOT_FOUND] * SHARDS,
                "the consumers' sessions")
    check_equal(sessions.begin_in_all(PARTITIONS, FOLLOWER), NOBODY, "larger ones of a follower")
    check_equal(sessions.begin_in_all(PARTITIONS), NOBODY, "larger ones of a consumer")
    sessions.use_all()
    step("a follower's session takes the place of a consumer's, not of another follower's")


def of_nothing(sessions):
    told = sessions.fetch(0, 0)
    check_equal((told["ErrorCode"], told["SessionId"] != 0, told["Responses"]), (0, True, []), "a first fetch of nothing")
    session = told["SessionId"]
    told = sessions.fetch(session, 1)
    check_equal((told["ErrorCode"], told["SessionId"], told["Responses"]), (0, 0, []), "the fetch after it")
    check_equal(sessions.fetch(session, 2)["ErrorCode"], SESSION_NOT_FOUND, "the one after that")
    step("a session begins with nothing, and ends when it still has nothing")


def emptied(sessions):
    """A session that has no partition any more is over."""
    told = sessions.use(3, forgotten=[0])
    check_equal((told["ErrorCode"], told["SessionId"], told["Responses"]), (0, 0, []), "a fetch that forgets everything")
    check_equal(sessions.use(3)["ErrorCode"], SESSION_NOT_FOUND, "the fetch after it")
    check_equal([sessions.begin(1) for _ in range(SHARDS)], [shard == 3 for shard in range(SHARDS)],
                "sessions after one was emptied")
    step("a session that forgot its last partition is over")


def grow_old(sessions):
    """New sessions come to the age from which they may give way; of them the first four were used meanwhile."""
    for shard in range(SHARDS):
        sessions.close(shard)
    check_equal(sessions.begin_in_all(3), EVERYBODY, "eight sessions")
    begun = time.monotonic()
    time.sleep(AGE_SECONDS / 2)
    for shard in range(4):
        sessions.use(shard)
    time.sleep(begun + AGE_SECONDS + 2 - time.monotonic())


def two_minutes(sessions):
    grow_old(sessions)
    # Nobody's age counts that was not used since: the first four are smaller, the last four are idle.
    check_equal(sessions.begin_in_all(4)[:4], [False] * 4, "larger sessions beside those that were used")
    for shard in range(4):
        sessions.use(shard)
    check_equal(sessions.begin_in_all(3)[:4], [False] * 4, "sessions as large as those that are old and in use")
    check_equal(sessions.begin_in_all(4)[:4], [True] * 4, "larger sessions beside those that are old and in use")
    check_equal(sessions.begin_in_all(PARTITIONS)[:4], [False] * 4, "still larger ones beside those")
    step("an old session gives way to a larger one")


def idle(sessions):
    grow_old(sessions)
    check_equal(sessions.begin_in_all(1), [False] * 4 + [True] * 4, "smaller sessions beside four that were not used")
    step("a session that was not used for two minutes gives way to any other")


def run(case):
    with case.broker({"max.incremental.fetch.session.cache.slots": str(SHARDS)}) as broker:
        broker.start()
        with WireClient(broker.port) as client:
            client.create_topic(TOPIC, PARTITIONS)
        with Connection(broker.port) as connection:
            sessions = Sessions(connection)
            of_nothing(sessions)
            turns(sessions)
            followers(sessions)
            emptied(sessions)
            if case.full:
                two_minutes(sessions)
                idle(sessions)
    few = case.broker({"max.incremental.fetch.session.cache.slots": str(SHARDS - 1)}, name="few")
    few.start()
    with WireClient(few.port) as client:
        client.create_topic(TOPIC, PARTITIONS)
    with Connection(few.port) as connection:
        check_equal(Sessions(connection).begin_in_all(3), NOBODY, "sessions with fewer slots than shards")
    step("with fewer slots than shards there is none")


if __name__ == "__main__":
    case.main(run)
