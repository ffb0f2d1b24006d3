"""kafka-python's part of kafka_python_main_job.py: argv is BOOTSTRAP STAGE. Ends with exit code 0 only if everything it
saw was as it should be."""

import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
PARTITIONS, COUNT, FIRST_PART = 3, 3000, 1200
START_MS = 1_700_000_000_000


def topic_of(codec):
    return f"python-{codec or 'none'}"


def value_of(number):
    return None if number % 500 == 499 else f"{number} {'snow ' * (number % 13)}".encode()


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def check_record(record, number):
    check(record.value == value_of(number), f"record {number}: value {record.value!r}")
    check(record.key == f"key-{number}".encode(), f"record {number}: key {record.key!r}")
    check(list(record.headers) == [("number", str(number).encode())], f"record {number}: headers {record.headers!r}")
    check(record.timestamp == START_MS + number, f"record {number}: timestamp {record.timestamp}")


def administer(bootstrap):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic_of(codec), PARTITIONS, 1) for codec in CODECS])
    try:
        admin.create_topics([NewTopic(topic_of(None), 1, 1)])
        raise AssertionError("a topic was created twice")
    except TopicAlreadyExistsError:
        pass
    admin.create_topics([NewTopic("python-grows", 1, 1, topic_configs={"retention.ms": "123456"})])
    admin.create_partitions({"python-grows": NewPartitions(4)})
    end = time.monotonic() + 10
    while len(admin.describe_topics(["python-grows"])[0]["partitions"]) != 4:
        check(time.monotonic() < end, "create_partitions did not bring 4 partitions in 10 s")
        time.sleep(0.1)
    configs = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "python-grows")])
    check("123456" in str(configs), f"describe_configs: {configs}")
    admin.delete_topics(["python-grows"])
    check(set(admin.list_topics()) >= {topic_of(codec) for codec in CODECS}, "list_topics")
    admin.close()


def produce(bootstrap):
    for codec in CODECS:
        producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type=codec, linger_ms=5)
        futures = [producer.send(topic_of(codec), value_of(number), f"key-{number}".encode(),
                                 [("number", str(number).encode())], number % PARTITIONS, START_MS + number)
                   for number in range(COUNT)]
        producer.flush(60)
        for number, future in enumerate(futures):
            told = future.get(10)
            check((told.partition, told.offset) == (number % PARTITIONS, number // PARTITIONS),
                  f"record {number} is at {told.partition}:{told.offset}")
        producer.close()


def read_all(bootstrap):
    for codec in CODECS:
        consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", check_crcs=True,
                                 consumer_timeout_ms=30000)
        parts = [TopicPartition(topic_of(codec), partition) for partition in range(PARTITIONS)]
        consumer.assign(parts)
        consumer.seek_to_beginning()
        seen = set()
        while len(seen) < COUNT:
            record = next(consumer)
            number = record.offset * PARTITIONS + record.partition
            check_record(record, number)
            check(number not in seen, f"record {number} came twice")
            seen.add(number)
        ends = consumer.end_offsets(parts)
        check(set(ends.values()) == {COUNT // PARTITIONS}, f"end_offsets: {ends}")
        found = consumer.offsets_for_times({part: START_MS + COUNT // 2 for part in parts})
        check(all(found[part].timestamp >= START_MS + COUNT // 2 and
                  found[part].offset == -(-(COUNT // 2 - part.partition) // PARTITIONS) for part in parts),
              f"offsets_for_times: {found}")
        consumer.close()


def read_in_group(bootstrap, how_many):
    consumer = KafkaConsumer(topic_of("gzip"), bootstrap_servers=bootstrap, group_id="python-readers",
                             auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=30000,
                             max_poll_records=100)
    read = 0
    while read < how_many:
        record = next(consumer)
        number = record.offset * PARTITIONS + record.partition
        check_record(record, number)
        print(number)
        read += 1
    consumer.commit()
    consumer.close()


def main():
    bootstrap, stage = sys.argv[1:]
    if stage == "first":
        administer(bootstrap)
        produce(bootstrap)
        read_all(bootstrap)
        read_in_group(bootstrap, FIRST_PART)
    elif stage == "second":
        read_in_group(bootstrap, COUNT - FIRST_PART)
    else:
        raise SystemExit(f"no such stage: {stage}")


if __name__ == "__main__":
    main()
