"""kafka-python as a client of the matrix."""

import sys

import kafka
from job_frame import MAX_BYTES, admin_call, main, say, say_record
from kafka import AsyncConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, OffsetSpec
from kafka.errors import KafkaConnectionError
from kafka.structs import MemberState, OffsetAndMetadata


class Rebalances(AsyncConsumerRebalanceListener):
    """Commits before partitions go, and says which are held."""

    def __init__(self, consumer, processed):
        self.consumer, self.processed, self.changed = consumer, processed, False

    async def on_partitions_revoked(self, revoked):
        if self.processed:
            await self.consumer.commit_async(committable(self.processed))
        self.processed.clear()

    async def on_partitions_lost(self, lost):
        self.processed.clear()

    async def on_partitions_assigned(self, assigned):
        self.changed = True


def committable(processed):
    return {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in processed.items()}


def commit(consumer, processed):
    if processed:
        consumer.commit(committable(processed))


def consumer_of(bootstrap, **settings):
    return KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
                         max_partition_fetch_bytes=MAX_BYTES, fetch_max_wait_ms=100, **settings)


def poll(consumer):
    """A poll of a group's member, past two faults of kafka-python 3.0.12 (both measured on Apache Kafka 4.3.1, too).

    A rejoin because a topic's partitions changed is forgotten if the poll ends before it does: making the assignment
    strikes the reason off, so the next poll does not look at the join again, and the member is left without partitions
    and heartbeats, polling without a pause. Told to rejoin, it looks at that join. What was joined between two polls is
    joined anew, so polls are long until the group is stable.

    When connections are refused to a lookup of the coordinator and to the metadata request beside it, poll raises what
    it otherwise waits out. The broker is away then, as in a restart.
    """
    settled = consumer.group_metadata().state is MemberState.STABLE
    polled = {}
    try:
        polled = consumer.poll(100 if settled else 1000)
    except KafkaConnectionError as error:
        print(f"poll: {error!r}", file=sys.stderr)
    if consumer.group_metadata().state is MemberState.REBALANCING:
        consumer._coordinator.request_rejoin()
    return polled


def say_all(polled):
    for records in polled.values():
        for record in records:
            say_record(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)


class Client:
    def about(self):
        return {"client": "kafka-python", "version": kafka.__version__,
                "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
                "features": ["create", "produce", "consume", "headers", "timestamps", "group", "seek", "admin",
                             "idempotence"],
                "cannot": ["null_key_and_value", "null_header_values"]}

    def create(self, bootstrap, topic, partitions):
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
        admin.close()

    def produce(self, bootstrap, topic, codec, records):
        producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=MAX_BYTES,
                                 compression_type=None if codec == "none" else codec)
        futures = [producer.send(topic, record["value"], record["key"], record["headers"], record["partition"],
                                 record["timestamp"]) for record in records]
        producer.flush(60)
        for future in futures:
            told = future.get(10)
            yield told.partition, told.offset
        producer.close()

    def consume(self, bootstrap, topic, partition, begin, count):
        consumer = consumer_of(bootstrap)
        consumer.assign([TopicPartition(topic, partition)])
        consumer.seek(TopicPartition(topic, partition), begin)
        while count > 0:
            polled = consumer.poll(1000, max_records=count)
            say_all(polled)
            count -= sum(map(len, polled.values()))
        consumer.close()

    def seek(self, bootstrap, topic, partition, timestamp):
        consumer, place = consumer_of(bootstrap), TopicPartition(topic, partition)
        found = consumer.offsets_for_times({place: timestamp})[place]
        if found is not None:
            consumer.assign([place])
            consumer.seek(place, found.offset)
            polled = {}
            while not polled:
                polled = consumer.poll(1000, max_records=1)
            say_all(polled)
        consumer.close()
        return found is not None

    def group(self, bootstrap, topic, group, commands):
        consumer = consumer_of(bootstrap, group_id=group, session_timeout_ms=10000, heartbeat_interval_ms=300)
        processed, command = {}, None
        rebalances = Rebalances(consumer, processed)
        consumer.subscribe([topic], listener=rebalances)
        while command != "leave":
            polled = poll(consumer)
            if rebalances.changed:
                rebalances.changed = False
                say(assigned=sorted(place.partition for place in consumer.assignment()))
            say_all(polled)
            processed.update({place: records[-1].offset + 1 for place, records in polled.items()})
            command = commands.next()
            if command:
                commit(consumer, processed)
                if command == "commit":
                    say(committed=True)
        consumer.close(autocommit=False)

    def admin(self, bootstrap, topic, group):
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        topics(admin, topic)
        configs(admin, topic)
        partitions(admin, topic, group)
        groups(admin, group)
        cluster(admin, topic)
        admin_call("delete_topics", lambda: admin.delete_topics([topic]))
        admin_call("delete_topics again", lambda: admin.delete_topics([topic]))
        admin.close()


def topics(admin, topic):
    wanted = {topic: {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "123456"}}}
    admin_call("create_topics", lambda: without(admin.create_topics(wanted, wait_for_metadata=True), "topic_id"))
    admin_call("create_topics again", lambda: admin.create_topics(wanted))
    admin_call("create_topics, to validate", lambda: without(admin.create_topics(
        {topic + "-not": {"num_partitions": 1, "replication_factor": 1}}, validate_only=True), "topic_id"))
    admin_call("create_topics, replicas", lambda: admin.create_topics(
        {topic + "-not": {"num_partitions": 1, "replication_factor": 3}}))
    admin_call("list_topics", lambda: sorted(name for name in admin.list_topics() if name.startswith(topic)))
    admin_call("describe_topics", lambda: without(admin.describe_topics([topic]), "topic_id"))
    admin_call("describe_topic_partitions", lambda: without(admin.describe_topic_partitions([topic]), "topic_id"))


def configs(admin, topic):
    def described():
        return admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
    admin_call("describe_configs", described)
    admin_call("alter_configs", lambda: admin.alter_configs(
        [ConfigResource("TOPIC", topic, {"retention.ms": "234567", "max.message.bytes": "2000000"})]))
    admin_call("alter_configs, a list", lambda: admin.alter_configs(
        [ConfigResource("TOPIC", topic, {"cleanup.policy": (AlterConfigOp.APPEND, "compact")})]))
    admin_call("alter_configs, wrong", lambda: admin.alter_configs(
        [ConfigResource("TOPIC", topic, {"retention.ms": "much"})]))
    admin_call("reset_configs", lambda: admin.reset_configs([ConfigResource("TOPIC", topic, ["max.message.bytes"])]))
    admin_call("describe_configs, modified", lambda: admin.describe_configs([ConfigResource("TOPIC", topic)]))


def partitions(admin, topic, group):
    place = TopicPartition(group, 0)
    admin_call("create_partitions", lambda: [[found.name, found.error_code] for found in
                                             admin.create_partitions({topic: 4}).results])
    admin_call("create_partitions, fewer", lambda: admin.create_partitions({topic: 3}))
    admin_call("list_partition_offsets", lambda: admin.list_partition_offsets({place: OffsetSpec.LATEST}))
    admin_call("delete_records", lambda: admin.delete_records({place: 0}))
    admin_call("delete_records, too many", lambda: admin.delete_records({place: 10}))
    admin_call("list_partition_reassignments", lambda: admin.list_partition_reassignments([place]))


def groups(admin, group):
    place = TopicPartition(group, 0)
    admin_call("list_groups", lambda: [found for found in admin.list_groups() if found["group_id"] == group])
    admin_call("describe_groups", lambda: admin.describe_groups([group]))
    admin_call("list_group_offsets", lambda: admin.list_group_offsets(group))
    admin_call("alter_group_offsets", lambda: admin.alter_group_offsets(
        group, {place: OffsetAndMetadata(0, "by hand", -1)}))
    admin_call("list_group_offsets after", lambda: admin.list_group_offsets(group))
    admin_call("reset_group_offsets", lambda: admin.reset_group_offsets(group, {place: OffsetSpec.EARLIEST}))
    admin_call("delete_group_offsets", lambda: admin.delete_group_offsets(group, [place]))
    admin_call("delete_groups", lambda: admin.delete_groups([group]))
    admin_call("delete_groups again", lambda: admin.delete_groups([group]))


def cluster(admin, topic):
    admin_call("describe_cluster", lambda: {key: value for key, value in admin.describe_cluster().items()
                                            if key in ("controller_id", "error_code")})
    admin_call("describe_log_dirs", lambda: directories(admin.describe_log_dirs([topic])))
    admin_call("describe_features", lambda: without(admin.describe_features(), "finalized_epoch"))
    admin_call("describe_user_scram_credentials", lambda: admin.describe_user_scram_credentials())


def directories(found):
    """What is in the directories of the nodes, without where they are and how much room they have."""
    return [without(node, "log_dir", "total_bytes", "usable_bytes", "topic_id") for node in found]


def without(value, *names):
    """The value without the fields that are never the same twice."""
    if isinstance(value, dict):
        return {key: without(item, *names) for key, item in value.items() if key not in names}
    return [without(item, *names) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main(Client())
