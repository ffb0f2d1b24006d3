"""Transactional producers by hand, over wire.py. A broker's transaction coordinator is on it itself."""

import time

from .outcome import check
from .wire import Connection, batch, records

PRODUCE, FIND_COORDINATOR, INIT_PRODUCER_ID, ADD_PARTITIONS, END_TXN = 0, 10, 22, 24, 26


def keyed_batch(pairs, timestamp, **options):
    """A batch of keys and values, uncompressed."""
    payload = b"".join(records([value], key, number) for number, (key, value) in enumerate(pairs))
    return batch(payload=payload, count=len(pairs), timestamp=timestamp, **options)


def produce(connection, topic, sent, transactional_id=None):
    answer = connection.call(PRODUCE, 9, {
        "TransactionalId": transactional_id, "Acks": -1, "TimeoutMs": 30000,
        "TopicData": [{"Name": topic, "PartitionData": [{"Index": 0, "Records": sent}]}]})
    told = answer["Responses"][0]["PartitionResponses"][0]
    check(told["ErrorCode"] == 0, f"produce to {topic}: {told}")


class Transaction:
    """A transactional producer, by hand."""

    def __init__(self, port, name):
        self.name, self.sequence, self.open = name, 0, False
        with Connection(port) as connection:
            for _ in range(100):
                found = connection.call(FIND_COORDINATOR, 4, {"KeyType": 1, "CoordinatorKeys": [name]})
                if found["Coordinators"][0]["ErrorCode"] == 0:
                    break
                time.sleep(0.1)
        self.connection = Connection(port)
        for _ in range(100):
            begun = self.connection.call(INIT_PRODUCER_ID, 4, {"TransactionalId": name,
                                                               "TransactionTimeoutMs": 600000})
            if begun["ErrorCode"] == 0:
                break
            time.sleep(0.1)
        check(begun["ErrorCode"] == 0, f"InitProducerId of {name}: {begun}")
        self.id, self.epoch = begun["ProducerId"], begun["ProducerEpoch"]

    def send(self, topic, pairs, timestamp):
        while not self.open:
            answer = self.connection.call(ADD_PARTITIONS, 3, {
                "V3AndBelowTransactionalId": self.name, "V3AndBelowProducerId": self.id,
                "V3AndBelowProducerEpoch": self.epoch,
                "V3AndBelowTopics": [{"Name": topic, "Partitions": [0]}]})
            code = answer["ResultsByTopicV3AndBelow"][0]["ResultsByPartition"][0]["PartitionErrorCode"]
            check(code in (0, 51), f"AddPartitionsToTxn of {self.name}: {answer}")
            self.open = code == 0  # 51: the last one is still being ended
        produce(self.connection, topic, keyed_batch(pairs, timestamp, attributes=0x10,
                                                    producer=(self.id, self.epoch, self.sequence)), self.name)
        self.sequence += len(pairs)

    def end(self, commit):
        answer = self.connection.call(END_TXN, 3, {"TransactionalId": self.name, "ProducerId": self.id,
                                                   "ProducerEpoch": self.epoch, "Committed": commit})
        check(answer["ErrorCode"] == 0, f"EndTxn of {self.name}: {answer}")
        self.open = False
