"""Our own client: topics, records and committed offsets straight from the broker, over wire.py.

It is what the clients under test are measured with, so it uses none of them. Not thread-safe: a connection each.
"""

import time

from . import record_batches, wire
from .outcome import check, check_equal

RETRIED = {3, 5, 6, 14, 15, 16}  # Not there yet: topics, leaders, coordinators.
PATIENCE_SECONDS = 30


class WireClient:
    def __init__(self, port, host="127.0.0.1", timeout=30):
        self.connection = wire.Connection(port, timeout, host)

    def close(self):
        self.connection.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, key, version, values):
        answer = self.connection.call(key, version, values)
        check(answer != wire.CLOSED, f"the broker closed the connection on API {key} version {version}")
        return answer

    def advertised(self):
        """The keys of the APIs that the broker says it has."""
        answer = self.call(18, 3, {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1"})
        return {api["ApiKey"] for api in answer["ApiKeys"]}

    def patiently(self, what, ask):
        """Asks until the error code is none of those that pass by themselves; ask() returns (code, result)."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            code, result = ask()
            if code == 0:
                return result
            check(code in RETRIED and time.monotonic() < end, f"{what}: error {code}")
            time.sleep(0.05)

    def create_topic(self, name, partitions, configs=None):
        """Makes a topic that keeps records however old their timestamps are: tests give them fixed ones."""
        configs = {"retention.ms": "-1", **(configs or {})}
        self.call(19, 4, {"Topics": [{"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Configs": [
            {"Name": key, "Value": value} for key, value in configs.items()]}], "timeoutMs": 10000})
        check_equal(self.partitions(name), list(range(partitions)), f"the partitions of {name}")

    def topics(self):
        """The names of all topics."""
        return {topic["Name"] for topic in self.call(3, 5, {"Topics": None})["Topics"]}

    def create_topic_unless_there(self, name, partitions, configs=None):
        if name not in self.topics():
            self.create_topic(name, partitions, configs)

    def partitions(self, name):
        """The numbers of a topic's partitions, once all of them have a leader."""
        def ask():
            topic = self.call(3, 5, {"Topics": [{"Name": name}], "AllowAutoTopicCreation": False})["Topics"][0]
            codes = [topic["ErrorCode"], *(partition["ErrorCode"] for partition in topic["Partitions"])]
            return max(codes), sorted(partition["PartitionIndex"] for partition in topic["Partitions"])
        return self.patiently(f"the topic {name}", ask)

    def produce(self, name, partition, records):
        """Sends records as one batch, acks=all; returns the offset of the first."""
        batch = record_batches.encode(records)

        def ask():
            answer = self.call(0, 7, {"TransactionalId": None, "Acks": -1, "TimeoutMs": 10000, "TopicData": [
                {"Name": name, "PartitionData": [{"Index": partition, "Records": batch}]}]})
            told = answer["Responses"][0]["PartitionResponses"][0]
            return told["ErrorCode"], told["BaseOffset"]
        return self.patiently(f"produce to {name}-{partition}", ask)

    def batches(self, name, partition, begin=0):
        """Every batch of a partition from an offset to its end."""
        found, offset = [], begin
        while True:
            part = self.patiently(f"fetch {name}-{partition}", lambda: self.fetch(name, partition, offset))
            got = record_batches.decode(part["Records"] or b"")
            if not got:
                check_equal(offset, part["HighWatermark"], f"the end of {name}-{partition}")
                return found
            found += got
            offset = got[-1].records[-1].offset + 1

    def fetch(self, name, partition, offset):
        answer = self.call(1, 11, {"MaxWaitMs": 0, "MinBytes": 0, "Topics": [{"Topic": name, "Partitions": [
            {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 32 << 20}]}]})
        part = answer["Responses"][0]["Partitions"][0]
        return part["ErrorCode"], part

    def records(self, name, partition, begin=0):
        return [record for batch in self.batches(name, partition, begin) for record in batch.records]

    def find_coordinator(self, group):
        """Waits until the group has a coordinator."""
        self.patiently(f"the coordinator of {group}",
                       lambda: (self.call(10, 2, {"Key": group, "KeyType": 0})["ErrorCode"], None))

    def committed(self, group, name, partitions):
        """{partition: committed offset} of a group, -1 where there is none."""
        self.find_coordinator(group)

        def ask():
            answer = self.call(9, 5, {"GroupId": group, "Topics": [{"Name": name, "PartitionIndexes": partitions}]})
            # While the coordinator is loading there is no topic in the answer.
            return answer["ErrorCode"], [found for topic in answer["Topics"] for found in topic["Partitions"]]
        told = self.patiently(f"the offsets of {group}", ask)
        return {partition["PartitionIndex"]: partition["CommittedOffset"] for partition in told}

    def commit(self, group, name, offsets):
        """Commits {partition: offset} for a group that has no members."""
        self.find_coordinator(group)

        def ask():
            answer = self.call(8, 5, {"GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [
                {"Name": name, "Partitions": [{"PartitionIndex": partition, "CommittedOffset": offset}
                                              for partition, offset in offsets.items()]}]})
            return max(partition["ErrorCode"] for partition in answer["Topics"][0]["Partitions"]), None
        self.patiently(f"a commit of {group}", ask)
