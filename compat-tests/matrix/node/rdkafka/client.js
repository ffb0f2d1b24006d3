// node-rdkafka, librdkafka as Node.js sees it, in the client matrix. Its admin client has three calls.
'use strict';

const { once } = require('events');
const { promisify } = require('util');
const { AdminClient, KafkaConsumer, Producer, CODES, librdkafkaVersion } = require('node-rdkafka');
const { version } = require('node-rdkafka/package.json');
const { main, MAX_REQUEST_BYTES, HEARTBEAT_MS, SESSION_MS } = require('../contract');

const CALL_MS = 30000;
const POLL_MS = 100;

class Client {
  constructor(bootstrap) {
    this.settings = { 'client.id': 'matrix', 'metadata.broker.list': bootstrap };
  }

  describe() {
    return {
      client: 'node-rdkafka', version: `${version} (librdkafka ${librdkafkaVersion})`,
      codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
      features: ['create', 'produce', 'consume', 'headers', 'timestamps', 'group', 'seek', 'admin', 'idempotence'],
      // It makes text of headers, and null of what is empty.
      cannot: ['empty_keys', 'empty_values', 'null_header_values', 'binary_headers'],
    };
  }

  async withAdmin(work) {
    const admin = AdminClient.create(this.settings);
    try {
      return await work({
        createTopic: promisify(admin.createTopic.bind(admin)), deleteTopic: promisify(admin.deleteTopic.bind(admin)),
        createPartitions: promisify(admin.createPartitions.bind(admin)),
      });
    } finally {
      admin.disconnect();
    }
  }

  create(topic, partitions) {
    return this.withAdmin((admin) => (
      admin.createTopic({ topic, num_partitions: partitions, replication_factor: 1 }, CALL_MS)));
  }

  async produce(topic, codec, records) {
    const producer = new Producer({
      ...this.settings, acks: 'all', 'enable.idempotence': true, 'compression.codec': codec, dr_cb: true,
      'message.max.bytes': MAX_REQUEST_BYTES,
    });
    await promisify(producer.connect.bind(producer))({});
    producer.setPollInterval(POLL_MS);
    const positions = new Array(records.length);
    await new Promise((resolve, reject) => {
      let left = records.length;
      producer.on('delivery-report', (error, { partition, offset, opaque }) => {
        if (error) reject(error);
        positions[opaque] = { partition, offset };
        left -= 1;
        if (left === 0) resolve();
      });
      records.forEach(({ partition, timestamp, key, value, headers }, index) => {
        const named = headers.map(([name, bytes]) => ({ [name]: bytes }));
        producer.produce(topic, partition, value, key, timestamp, index, named);
      });
    });
    await promisify(producer.disconnect.bind(producer))();
    return positions;
  }

  async consumer(settings) {
    const consumer = new KafkaConsumer({
      ...this.settings, 'enable.auto.commit': false, 'fetch.message.max.bytes': MAX_REQUEST_BYTES, ...settings,
    }, { 'auto.offset.reset': 'earliest' });
    await promisify(consumer.connect.bind(consumer))({});
    consumer.setDefaultConsumeTimeout(POLL_MS);
    return consumer;
  }

  // A consumer of partitions that it is told; the library wants the name of a group all the same.
  async consume(topic, partition, from, count, printRecord) {
    const consumer = await this.consumer({ 'group.id': 'none' });
    consumer.assign([{ topic, partition, offset: from }]);
    const read = promisify(consumer.consume.bind(consumer));
    for (let left = count; left > 0;) {
      const messages = await read(left);
      messages.forEach((message) => printRecord(received(message)));
      left -= messages.length;
    }
    await promisify(consumer.disconnect.bind(consumer))();
  }

  async seek(topic, partition, timestamp) {
    const consumer = await this.consumer({ 'group.id': 'none' });
    const find = promisify(consumer.offsetsForTimes.bind(consumer));
    const [{ offset }] = await find([{ topic, partition, offset: timestamp }], CALL_MS);
    await promisify(consumer.disconnect.bind(consumer))();
    return offset < 0 ? null : offset;
  }

  async group(topic, groupId, member) {
    const commit = () => {
      const offsets = member.positions().map(([partition, offset]) => ({ topic, partition, offset }));
      if (offsets.length > 0) consumer.commitSync(offsets);
    };
    let assigned = false;
    const rebalanced = (error, partitions) => {
      if (error.code === CODES.ERRORS.ERR__ASSIGN_PARTITIONS) {
        member.hold(partitions.map(({ partition }) => partition));
        consumer.assign(partitions);
        assigned = true;
      } else {
        try {
          commit();
        } catch (failed) {
          console.error(`not committed: ${failed.message}`);
        }
        member.lose();
        consumer.unassign();
        assigned = false;
      }
    };
    const consumer = await this.consumer({
      'group.id': groupId, 'session.timeout.ms': SESSION_MS, 'heartbeat.interval.ms': HEARTBEAT_MS,
      rebalance_cb: rebalanced,
    });
    consumer.on('event.error', (error) => console.error(error.message)); // As while the broker is away.
    consumer.subscribe([topic]);
    consumer.on('data', (message) => member.read(received(message)));
    consumer.consume();
    await member.commands(commit);
    // A disconnect that meets a rebalance may never end: the one under way ends first, and partitions are given back
    // while the consumer is connected.
    while (!assigned) await once(consumer, 'rebalance');
    consumer.unsubscribe();
    while (assigned) await once(consumer, 'rebalance');
    await promisify(consumer.disconnect.bind(consumer))();
  }

  async admin(topic, group, calls) {
    const named = (name) => ({
      topic: name, num_partitions: 2, replication_factor: 1, config: { 'retention.ms': '86400000' },
    });
    await this.withAdmin(async (admin) => {
      await calls.call('createTopic', () => admin.createTopic(named(topic), CALL_MS));
      await calls.call('createTopic twice', () => admin.createTopic(named(topic), CALL_MS));
      await calls.call('createTopic, its name', () => admin.createTopic(named('a/b'), CALL_MS));
      await calls.call('createTopic, replicas', () => (
        admin.createTopic({ ...named(`${topic}-nine`), replication_factor: 9 }, CALL_MS)));
      await calls.settle();
      await calls.call('createPartitions', () => admin.createPartitions(topic, 3, CALL_MS));
      await calls.call('createPartitions, fewer', () => admin.createPartitions(topic, 1, CALL_MS));
      await calls.settle();
      await calls.call('getMetadata', () => this.metadata(topic));
      await calls.call('deleteTopic', () => admin.deleteTopic(topic, CALL_MS));
      await calls.settle();
      await calls.call('deleteTopic twice', () => admin.deleteTopic(topic, CALL_MS));
    });
  }

  async metadata(topic) {
    const consumer = await this.consumer({ 'group.id': 'none' });
    const { topics } = await promisify(consumer.getMetadata.bind(consumer))({ topic, timeout: CALL_MS });
    await promisify(consumer.disconnect.bind(consumer))();
    return topics.filter(({ name }) => name === topic); // The library asks for all.
  }
}

function received({ partition, offset, timestamp, key, value, headers }) {
  return {
    partition, offset, timestamp, key, value,
    headers: (headers || []).flatMap((header) => Object.entries(header)),
  };
}

main((bootstrap) => new Client(bootstrap));
