"""Two members of a group of the consumer protocol, through confluent-kafka: what java_client/GroupMembers.java is, with the
same lines. The arguments are BOOTSTRAP TOPIC GROUP.
"""

import sys
import threading

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

stopping = threading.Event()
telling = threading.Lock()


def member(name, bootstrap, topic, group):
    def tell(what, *values):
        with telling:
            print(name, what, *values, flush=True)

    def tell_partitions(what):
        def told(_, partitions):
            if partitions:
                tell(what, *sorted(part.partition for part in partitions))
        return told

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": "consumer",
                         "auto.offset.reset": "earliest", "enable.auto.commit": False, "client.id": name})
    consumer.subscribe([topic], on_assign=tell_partitions("assigned"), on_revoke=tell_partitions("revoked"),
                       on_lost=tell_partitions("lost"))
    try:
        while not stopping.is_set():
            read = {}
            for message in consumer.consume(500, 0.2):
                if message.error():
                    if not message.error().retriable() and message.error().code() not in PASSING:
                        raise KafkaException(message.error())
                    continue
                read.setdefault(message.partition(), []).append(message.offset())
            for partition, offsets in read.items():
                if offsets != list(range(offsets[0], offsets[-1] + 1)):
                    tell("failed", "offsets with gaps", partition, offsets)
                tell("read", partition, offsets[0], offsets[-1])
            if read:
                commit(consumer, tell, topic, {partition: offsets[-1] + 1 for partition, offsets in read.items()})
        consumer.close()
    except Exception as error:
        tell("failed", type(error).__name__, error)


# What librdkafka tells of brokers that go, and tries again.
PASSING = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE}


def commit(consumer, tell, topic, offsets):
    try:
        told = consumer.commit(offsets=[TopicPartition(topic, partition, offset) for partition, offset in offsets.items()],
                               asynchronous=False)
    except KafkaException as error:
        tell("refused", error.args[0].name())
        return
    for part in told:
        if part.error:
            tell("refused", part.error.name())
        else:
            tell("committed", part.partition, part.offset)


def main(bootstrap, topic, group):
    threads = [threading.Thread(target=member, args=(f"{group}/{number}", bootstrap, topic, group)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    stopping.set()
    for thread in threads:
        thread.join()


main(*sys.argv[1:])
