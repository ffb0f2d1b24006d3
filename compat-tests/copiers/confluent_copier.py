"""Copies records in transactions with librdkafka (confluent-kafka), as java_client/TransactionalCopier.java does.

Arguments are BOOTSTRAP NAME SEED. Runs until it is killed. What librdkafka calls abortable is aborted and read again,
what it calls retriable is tried again, and after what is fatal a new producer of the same transactional id begins. So
it does after ten seconds of waiting: librdkafka 2.16 may wait for ever for a group's coordinator when a connection ends
while it is being looked up.
"""

import random
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

PATIENCE_SECONDS = 10


class BeginAnew(Exception):
    pass


class Copier:
    def __init__(self, bootstrap, name, seed):
        self.bootstrap, self.name, self.chance = bootstrap, name, random.Random(seed)
        self.committed = self.aborted = 0

    def producer(self):
        made = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": f"copier-{self.name}",
                         "transaction.timeout.ms": 10000, "linger.ms": 2, "reconnect.backoff.max.ms": 200})
        made.init_transactions(PATIENCE_SECONDS)
        return made

    def consumer(self):
        made = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "copiers", "enable.auto.commit": False,
                         "auto.offset.reset": "earliest", "isolation.level": "read_committed", "session.timeout.ms": 6000,
                         "max.poll.interval.ms": 30000, "partition.assignment.strategy": "range", "reconnect.backoff.max.ms": 200})
        made.subscribe(["copier-in"])
        return made

    def retrying(self, call, *arguments):
        """False: the transaction must be aborted."""
        while True:
            try:
                call(*arguments)
                return True
            except KafkaException as problem:
                error = problem.args[0]
                print(f"{call.__name__}: {error}", flush=True)
                if error.txn_requires_abort():
                    return False
                if error.fatal() or not error.retriable() or error.code() == KafkaError._TIMED_OUT:
                    raise BeginAnew(error) from None

    def rewind(self, consumer):
        """Where the group goes on; what was taken away meanwhile is another's."""
        for partition in consumer.committed(consumer.assignment(), PATIENCE_SECONDS):
            if partition.error:
                raise BeginAnew(partition.error)
            if partition.offset < 0:
                partition.offset = 0
            consumer.seek(partition)

    def copy(self, producer, consumer):
        records = consumer.consume(200, 0.2)
        failed = [record.error() for record in records if record.error()]
        if failed:
            print(f"consume: {failed[0]}", flush=True)
            records = [record for record in records if not record.error()]
        if not records:
            return
        producer.begin_transaction()
        offsets = {}
        for record in records:
            producer.produce("copier-out", record.value(), record.key())
            offsets[record.topic(), record.partition()] = record.offset() + 1
        positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        done = self.retrying(producer.send_offsets_to_transaction, positions, consumer.consumer_group_metadata(),
                             PATIENCE_SECONDS)
        if done and self.chance.randrange(5) != 0 and self.retrying(producer.commit_transaction, PATIENCE_SECONDS):
            self.committed += 1
            return
        if not self.retrying(producer.abort_transaction, PATIENCE_SECONDS):
            raise BeginAnew("the abort itself is to be aborted")
        self.aborted += 1
        self.rewind(consumer)

    def run(self):
        while True:
            consumer = None
            try:
                producer = self.producer()
                consumer = self.consumer()
                while True:
                    self.copy(producer, consumer)
                    print(f"committed {self.committed} aborted {self.aborted}", flush=True)
            except (BeginAnew, KafkaException) as problem:
                print(f"begins anew after {problem}", flush=True)
            if consumer is not None:
                consumer.close()


if __name__ == "__main__":
    Copier(sys.argv[1], sys.argv[2], int(sys.argv[3])).run()
