"""confluent-kafka, librdkafka in Python, as a client of the matrix."""

import confluent_kafka
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType, ScramCredentialInfo, ScramMechanism,
                                   UserScramCredentialUpsertion)
from job_frame import MAX_BYTES, admin_call, main, say, say_record


def settings(bootstrap, **more):
    return {"bootstrap.servers": bootstrap, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500,
            **{name.replace("_", "."): value for name, value in more.items()}}


def consumer_of(bootstrap, group):
    return confluent_kafka.Consumer(settings(
        bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest", check_crcs=True,
        fetch_message_max_bytes=MAX_BYTES, receive_message_max_bytes=100_000_000, heartbeat_interval_ms=300,
        session_timeout_ms=10000))


def say_message(message):
    if message.error():
        raise confluent_kafka.KafkaException(message.error())
    say_record(message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value(),
               message.headers())


class Client:
    def about(self):
        return {"client": "confluent-kafka", "version": f"{confluent_kafka.version()} (librdkafka "
                                                        f"{confluent_kafka.libversion()[0]})",
                "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
                "features": ["create", "produce", "consume", "headers", "timestamps", "group", "seek", "admin",
                             "idempotence"],
                "cannot": []}

    def create(self, bootstrap, topic, partitions):
        admin = AdminClient(settings(bootstrap))
        admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)

    def produce(self, bootstrap, topic, codec, records):
        producer = confluent_kafka.Producer(settings(bootstrap, enable_idempotence=True, compression_codec=codec,
                                                     message_max_bytes=MAX_BYTES))
        told = {}

        def delivered(number):
            def take(error, message):
                told[number] = error or (message.partition(), message.offset())
            return take
        for number, record in enumerate(records):
            producer.produce(topic, record["value"], record["key"], record["partition"], on_delivery=delivered(number),
                             timestamp=record["timestamp"], headers=record["headers"])
        producer.flush(60)
        for number in range(len(told)):
            if not isinstance(told[number], tuple):
                raise confluent_kafka.KafkaException(told[number])
            yield told[number]

    def consume(self, bootstrap, topic, partition, begin, count):
        consumer = consumer_of(bootstrap, "unused")
        consumer.assign([TopicPartition(topic, partition, begin)])
        while count > 0:
            for message in consumer.consume(count, 0.5):
                say_message(message)
                count -= 1
        consumer.close()

    def seek(self, bootstrap, topic, partition, timestamp):
        consumer = consumer_of(bootstrap, "unused")
        found = consumer.offsets_for_times([TopicPartition(topic, partition, timestamp)], 30)[0]
        consumer.close()
        if found.offset < 0:  # OFFSET_END
            return False
        self.consume(bootstrap, topic, partition, found.offset, 1)
        return True

    def group(self, bootstrap, topic, group, commands):
        consumer, processed, command = consumer_of(bootstrap, group), {}, None

        def commit():
            offsets = [TopicPartition(topic, partition, offset) for partition, offset in processed.items()]
            if offsets:
                consumer.commit(offsets=offsets, asynchronous=False)

        def revoked(consumer, places):
            commit()
            processed.clear()

        def assigned(consumer, places):
            say(assigned=sorted(place.partition for place in places))
        consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked, on_lost=lambda *_: processed.clear())
        while command != "leave":
            for message in consumer.consume(200, 0.05):
                say_message(message)
                processed[message.partition()] = message.offset() + 1
            command = commands.next()
            if command:
                commit()
            if command == "commit":
                say(committed=True)
        consumer.close()

    def admin(self, bootstrap, topic, group):
        Administrator(AdminClient(settings(bootstrap)), topic, group).run()


class Administrator:
    """The admin calls. A future of each is awaited, and its result said by hand: the library's have no dictionaries."""

    def __init__(self, admin, topic, group):
        self.admin, self.topic, self.group = admin, topic, group
        self.place = TopicPartition(group, 0)

    def say(self, name, ask, pick=lambda result: result):
        """ask() returns futures by name or one future; what the only one holds is said."""
        def wait():
            asked = ask()
            future = next(iter(asked.values())) if isinstance(asked, dict) else asked
            try:
                return pick(future.result(30))
            except confluent_kafka.KafkaException as failed:
                return {"error": failed.args[0].name()}
        admin_call(name, wait)

    def run(self):
        self.topics()
        self.configs()
        self.records()
        self.groups()
        self.cluster()
        self.say("delete_topics", lambda: self.admin.delete_topics([self.topic]))
        self.say("delete_topics again", lambda: self.admin.delete_topics([self.topic]))

    def topics(self):
        def create(name, replicas, **options):
            wanted = NewTopic(name, 2, replicas, config={"retention.ms": "123456"})
            return lambda: self.admin.create_topics([wanted], **options)
        self.say("create_topics", create(self.topic, 1))
        self.say("create_topics again", create(self.topic, 1))
        self.say("create_topics, to validate", create(self.topic + "-not", 1, validate_only=True))
        self.say("create_topics, replicas", create(self.topic + "-not", 3))
        admin_call("list_topics", lambda: sorted(
            [name, len(found.partitions)] for name, found in self.admin.list_topics().topics.items()
            if name.startswith(self.topic)))
        self.say("describe_topics",
                 lambda: self.admin.describe_topics(confluent_kafka.TopicCollection([self.topic])),
                 lambda found: [found.name, found.is_internal,
                                [[part.id, part.leader.id, [node.id for node in part.isr]] for part in found.partitions]])

    def configs(self):
        def resource(entries=None):
            return [ConfigResource(ResourceType.TOPIC, self.topic, incremental_configs=entries)]

        def alter(name, value, operation=AlterConfigOpType.SET):
            return lambda: self.admin.incremental_alter_configs(
                resource([ConfigEntry(name, value, incremental_operation=operation)]))

        def entries(found):
            return {name: [entry.value, entry.source, entry.is_read_only, entry.is_default, entry.is_sensitive]
                    for name, entry in sorted(found.items())}
        self.say("describe_configs", lambda: self.admin.describe_configs(resource()), entries)
        self.say("incremental_alter_configs", alter("max.message.bytes", "2000000"))
        self.say("incremental_alter_configs, a list", alter("cleanup.policy", "compact", AlterConfigOpType.APPEND))
        self.say("incremental_alter_configs, wrong", alter("retention.ms", "much"))
        self.say("incremental_alter_configs, back", alter("max.message.bytes", None, AlterConfigOpType.DELETE))
        self.say("alter_configs", lambda: self.admin.alter_configs(
            [ConfigResource(ResourceType.TOPIC, self.topic, set_config={"retention.ms": "345678"})]))
        self.say("describe_configs after", lambda: self.admin.describe_configs(resource()), entries)

    def records(self):
        for count in (4, 3):
            self.say(f"create_partitions, {count}",
                     lambda: self.admin.create_partitions([NewPartitions(self.topic, count)]))
        for name, spec in (("earliest", OffsetSpec.earliest()), ("latest", OffsetSpec.latest()),
                           ("at a time", OffsetSpec.for_timestamp(0))):
            self.say(f"list_offsets, {name}", lambda: self.admin.list_offsets({self.place: spec}),
                     lambda found: [found.offset, found.timestamp, found.leader_epoch])
        for offset in (0, 10):
            self.say(f"delete_records before {offset}",
                     lambda: self.admin.delete_records([TopicPartition(self.group, 0, offset)]),
                     lambda found: found.low_watermark)

    def groups(self):
        def offsets(found):
            return [[place.topic, place.partition, place.offset, place.metadata] for place in found.topic_partitions]

        def asked(offset=None):
            place = self.place if offset is None else TopicPartition(self.group, 0, offset)
            return [ConsumerGroupTopicPartitions(self.group, [place])]
        self.say("list_consumer_groups", lambda: self.admin.list_consumer_groups(),
                 lambda found: [[group.group_id, group.is_simple_consumer_group, group.state]
                                for group in found.valid if group.group_id == self.group])
        self.say("describe_consumer_groups", lambda: self.admin.describe_consumer_groups([self.group]),
                 lambda found: [found.group_id, found.is_simple_consumer_group, found.partition_assignor, found.state,
                                len(found.members), found.coordinator.id])
        self.say("list_consumer_group_offsets", lambda: self.admin.list_consumer_group_offsets(asked()), offsets)
        self.say("alter_consumer_group_offsets", lambda: self.admin.alter_consumer_group_offsets(asked(0)), offsets)
        self.say("delete_consumer_groups", lambda: self.admin.delete_consumer_groups([self.group]))
        self.say("delete_consumer_groups again", lambda: self.admin.delete_consumer_groups([self.group]))

    def cluster(self):
        self.say("describe_cluster", lambda: self.admin.describe_cluster(),
                 lambda found: [found.controller.id, [node.id for node in found.nodes]])
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        self.say("alter_user_scram_credentials", lambda: self.admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(self.topic, credential, b"secret")]))
        self.say("describe_user_scram_credentials",
                 lambda: self.admin.describe_user_scram_credentials([self.topic]),
                 lambda found: [[one.mechanism, one.iterations] for one in found.scram_credential_infos])
        preferred = confluent_kafka.ElectionType.PREFERRED
        self.say("elect_leaders", lambda: self.admin.elect_leaders(preferred, [self.place]),
                 lambda found: [error.name() if error else None for error in found.values()])


if __name__ == "__main__":
    main(Client())
