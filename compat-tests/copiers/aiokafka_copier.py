"""Copies records in transactions with aiokafka, as java_client/TransactionalCopier.java does, but alone.

Arguments are BOOTSTRAP NAME SEED. aiokafka commits a group's offsets in a transaction without the group's generation
(it does not have KIP-447), so two of them in one group would copy some records twice after a rebalance, on any broker:
this one takes all partitions itself. Nor does it look at the error of a whole OffsetFetch: while the group's coordinator
moves it says that nothing is committed. The test commits 0 before it starts, so that nothing is never the answer; and
where it is in a life, this copier knows itself. Runs until it is killed.
"""

import asyncio
import random
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError


class Copier:
    def __init__(self, bootstrap, name, seed):
        self.bootstrap, self.name, self.chance = bootstrap, name, random.Random(seed)
        self.committed = self.aborted = 0

    async def go_on(self, consumer):
        """Where the life before ended."""
        for partition in consumer.assignment():
            while (offset := await consumer.committed(partition)) is None:
                await asyncio.sleep(0.1)
            consumer.seek(partition, offset)

    async def copy(self, producer, consumer):
        taken = await consumer.getmany(timeout_ms=200, max_records=200)
        records = [record for some in taken.values() for record in some]
        if not records:
            return
        abort = self.chance.randrange(5) == 0
        await producer.begin_transaction()
        try:
            sent = [await producer.send("copier-out", record.value, record.key) for record in records]
            offsets = {partition: some[-1].offset + 1 for partition, some in taken.items() if some}
            await producer.send_offsets_to_transaction(offsets, "copiers")
            await asyncio.gather(*sent)
            if not abort:
                await producer.commit_transaction()
                self.committed += 1
                return
        except KafkaError as problem:
            print(f"aborts after {problem!r}", flush=True)
        await producer.abort_transaction()
        self.aborted += 1
        for partition, some in taken.items():
            if some:
                consumer.seek(partition, some[0].offset)

    async def live(self):
        # First the producer: once it has its id no transaction of an earlier life is open, and the offsets are final.
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=f"copier-{self.name}",
                                    transaction_timeout_ms=10000, linger_ms=2)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id="copiers", enable_auto_commit=False,
                                    auto_offset_reset="earliest", isolation_level="read_committed")
        try:
            await producer.start()
            await consumer.start()
            partitions = None
            while not partitions:
                await consumer._client.force_metadata_update()  # noqa: SLF001: the topic is not subscribed to
                partitions = consumer._client.cluster.partitions_for_topic("copier-in")  # noqa: SLF001
                if not partitions:
                    consumer._client.add_topic("copier-in")  # noqa: SLF001
            consumer.assign([TopicPartition("copier-in", partition) for partition in partitions])
            await self.go_on(consumer)
            while True:
                await self.copy(producer, consumer)
                print(f"committed {self.committed} aborted {self.aborted}", flush=True)
        finally:
            for client in (consumer, producer):
                try:
                    await asyncio.wait_for(client.stop(), 10)
                except (KafkaError, asyncio.TimeoutError) as problem:
                    print(f"stop: {problem!r}", flush=True)

    async def run(self):
        while True:
            try:
                await self.live()
            except KafkaError as problem:
                print(f"begins anew after {problem!r}", flush=True)
                await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(Copier(sys.argv[1], sys.argv[2], int(sys.argv[3])).run())
