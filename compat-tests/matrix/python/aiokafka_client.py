"""aiokafka as a client of the matrix."""

import asyncio
import contextlib

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from job_frame import MAX_BYTES, admin_call, main, say, say_record


class Rebalances(ConsumerRebalanceListener):
    """Commits before partitions go, and says which are held."""

    def __init__(self, consumer, processed):
        self.consumer, self.processed = consumer, processed

    async def on_partitions_revoked(self, revoked):
        if self.processed:
            await self.consumer.commit(dict(self.processed))
        self.processed.clear()

    async def on_partitions_assigned(self, assigned):
        say(assigned=sorted(place.partition for place in assigned))


def consumer_of(bootstrap, **settings):
    return AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
                            max_partition_fetch_bytes=MAX_BYTES, **settings)


def say_all(polled):
    for records in polled.values():
        for record in records:
            say_record(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)


async def produce(bootstrap, topic, codec, records):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True,
                                max_request_size=MAX_BYTES, compression_type=None if codec == "none" else codec)
    async with producer:
        futures = [await producer.send(topic, record["value"], record["key"], record["partition"], record["timestamp"],
                                       record["headers"]) for record in records]
        return [(told.partition, told.offset) for told in await asyncio.gather(*futures)]


async def read(consumer, place, begin, count):
    consumer.assign([place])
    consumer.seek(place, begin)
    while count > 0:
        polled = await consumer.getmany(timeout_ms=1000, max_records=count)
        say_all(polled)
        count -= sum(map(len, polled.values()))


async def consume(bootstrap, place, begin, count):
    async with consumer_of(bootstrap) as consumer:
        await read(consumer, place, begin, count)


async def seek(bootstrap, place, timestamp):
    async with consumer_of(bootstrap) as consumer:
        found = (await consumer.offsets_for_times({place: timestamp}))[place]
        if found is not None:
            await read(consumer, place, found.offset, 1)
        return found is not None


async def be_member(bootstrap, topic, group, commands):
    consumer = consumer_of(bootstrap, group_id=group, session_timeout_ms=10000, heartbeat_interval_ms=300)
    processed, command = {}, None
    consumer.subscribe([topic], listener=Rebalances(consumer, processed))
    async with consumer:
        while command != "leave":
            polled = await consumer.getmany(timeout_ms=100)
            say_all(polled)
            processed.update({place: records[-1].offset + 1 for place, records in polled.items()})
            command = commands.next()
            if command and processed:
                await consumer.commit(dict(processed))
            if command == "commit":
                say(committed=True)
        processed.clear()


@contextlib.asynccontextmanager
async def admin_client(bootstrap):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create(bootstrap, topic, partitions):
    async with admin_client(bootstrap) as admin:
        answer = await admin.create_topics([NewTopic(topic, partitions, 1)])
        if answer.topic_errors[0][1] != 0:
            raise RuntimeError(str(answer))


class Administrator:
    """The admin calls. Answers are as the library hands them out: lists of numbers and names."""

    def __init__(self, admin, topic, group):
        self.admin, self.topic, self.group = admin, topic, group

    async def say(self, name, asked, pick=lambda result: result):
        try:
            result = pick(await asked)
        except Exception as error:
            failed = error
            admin_call(name, lambda: raised(failed))
        else:
            admin_call(name, lambda: result)

    async def run(self):
        await self.topics()
        await self.configs()
        await self.records()
        await self.groups()
        await self.say("delete_topics", self.admin.delete_topics([self.topic]), errors)
        await self.say("delete_topics again", self.admin.delete_topics([self.topic]), errors)

    async def topics(self):
        admin, wanted = self.admin, NewTopic(self.topic, 2, 1, topic_configs={"retention.ms": "123456"})
        await self.say("create_topics", admin.create_topics([wanted]), errors)
        await self.say("create_topics again", admin.create_topics([wanted]), errors)
        await self.say("create_topics, to validate",
                       admin.create_topics([NewTopic(self.topic + "-not", 1, 1)], validate_only=True), errors)
        await self.say("create_topics, replicas", admin.create_topics([NewTopic(self.topic + "-not", 1, 3)]), errors)
        await self.say("list_topics", admin.list_topics(),
                       lambda names: sorted(name for name in names if name.startswith(self.topic)))
        await self.say("describe_topics", admin.describe_topics([self.topic]))
        await self.say("describe_cluster", admin.describe_cluster(), lambda found: found["controller_id"])

    async def configs(self):
        def resource(configs=None):
            return ConfigResource(ConfigResourceType.TOPIC, self.topic, configs)
        await self.say("describe_configs", self.admin.describe_configs([resource()]), resources)
        for name, configs in (("alter_configs", {"max.message.bytes": "2000000"}),
                              ("alter_configs, wrong", {"retention.ms": "much"})):
            await self.say(name, self.admin.alter_configs([resource(configs)]), resources)
        await self.say("describe_configs after", self.admin.describe_configs([resource()]), resources)

    async def records(self):
        place = TopicPartition(self.group, 0)
        for count in (4, 3):
            await self.say(f"create_partitions, {count}",
                           self.admin.create_partitions({self.topic: NewPartitions(count)}), errors)
        for offset in (0, 10):
            await self.say(f"delete_records before {offset}",
                           self.admin.delete_records({place: RecordsToDelete(before_offset=offset)}))

    async def groups(self):
        await self.say("list_consumer_groups", self.admin.list_consumer_groups(),
                       lambda found: [group for group in found if group[0] == self.group])
        await self.say("describe_consumer_groups", self.admin.describe_consumer_groups([self.group]),
                       lambda found: [group for answer in found for group in answer.groups])
        await self.say("list_consumer_group_offsets", self.admin.list_consumer_group_offsets(self.group))


def raised(error):
    raise error


def errors(answer):
    return answer.to_object().get("topic_errors") or answer.to_object().get("topic_error_codes")


def resources(answers):
    return [answer.to_object()["resources"] for answer in answers]


class Client:
    def about(self):
        return {"client": "aiokafka", "version": aiokafka.__version__,
                "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
                "features": ["create", "produce", "consume", "headers", "timestamps", "group", "seek", "admin",
                             "idempotence"],
                "cannot": ["null_key_and_value"]}

    def create(self, bootstrap, topic, partitions):
        asyncio.run(create(bootstrap, topic, partitions))

    def produce(self, bootstrap, topic, codec, records):
        return asyncio.run(produce(bootstrap, topic, codec, records))

    def consume(self, bootstrap, topic, partition, begin, count):
        asyncio.run(consume(bootstrap, TopicPartition(topic, partition), begin, count))

    def seek(self, bootstrap, topic, partition, timestamp):
        return asyncio.run(seek(bootstrap, TopicPartition(topic, partition), timestamp))

    def group(self, bootstrap, topic, group, commands):
        asyncio.run(be_member(bootstrap, topic, group, commands))

    def admin(self, bootstrap, topic, group):
        async def run():
            async with admin_client(bootstrap) as admin:
                await Administrator(admin, topic, group).run()
        asyncio.run(run())


if __name__ == "__main__":
    main(Client())
