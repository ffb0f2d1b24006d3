"""librdkafka's part of consumer_groups_librdkafka.py, through confluent-kafka: the arguments are BOOTSTRAP TOPIC COUNT.

Three members share a topic, one leaves, and a group by a pattern reads it all. Ends with exit code 0 only if every
record was read, and every partition owned once.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaException

PARTITIONS = 6


def consumer_of(bootstrap, group, **more):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": "consumer",
                     "auto.offset.reset": "earliest", "enable.auto.commit": False, **more})


def poll_until(consumers, read, what, condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"in vain waited for: {what}; {len(read)} read, {[len(one.assignment()) for one in consumers]}")
        for consumer in consumers:
            message = consumer.poll(0.02)
            while message is not None:
                if message.error():
                    raise KafkaException(message.error())
                read.add(int(message.value()))
                message = consumer.poll(0)


def share(consumers):
    owned = [(part.topic, part.partition) for consumer in consumers for part in consumer.assignment()]
    return len(owned) == len(set(owned)) == PARTITIONS and all(
        len(consumer.assignment()) == PARTITIONS // len(consumers) for consumer in consumers)


def main(bootstrap, topic, count):
    read = set()
    consumers = [consumer_of(bootstrap, "rd-sharing") for _ in range(3)]
    for consumer in consumers:
        consumer.subscribe([topic])
    poll_until(consumers, read, "three members with a third each", lambda: share(consumers))
    poll_until(consumers, read, "every record", lambda: len(read) == count)
    consumers.pop().close()
    consumers.pop().close()
    rest = consumers[0]
    poll_until(consumers, read, "one member with everything", lambda: share(consumers))
    rest.commit(asynchronous=False)
    rest.close()
    print("shared", flush=True)

    by_pattern, read = consumer_of(bootstrap, "rd-pattern"), set()
    by_pattern.subscribe(["^rd-.*"])
    poll_until([by_pattern], read, "every record by a pattern", lambda: len(read) == count)
    by_pattern.close()
    print("by a pattern", flush=True)

    static, read = consumer_of(bootstrap, "rd-static", **{"group.instance.id": "one"}), set()
    static.subscribe([topic])
    poll_until([static], read, "every record as a static member", lambda: len(read) == count)
    static.commit(asynchronous=False)
    static.close()
    print("static", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
