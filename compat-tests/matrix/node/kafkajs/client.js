// kafkajs in the client matrix. It has gzip built in; the other codecs are packages, as its users add them.
'use strict';

const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs');
const { version } = require('kafkajs/package.json');
const lz4 = require('lz4-napi');
const zstd = require('@bokuweb/zstd-wasm');
const { main, sample, SOME_CONFIGS, MAX_REQUEST_BYTES, HEARTBEAT_MS, SESSION_MS } = require('../contract');

const CODECS = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD,
};
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (bytes) => lz4.decompressFrame(bytes),
});
const zstdReady = zstd.init();
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => zstdReady.then(() => Buffer.from(zstd.compress(encoder.buffer))),
  decompress: async (bytes) => zstdReady.then(() => Buffer.from(zstd.decompress(bytes))),
});

const AT_ONCE = 100; // records in a batch: what is sent in one call

class Client {
  constructor(bootstrap) {
    this.kafka = new Kafka({
      clientId: 'matrix', brokers: [bootstrap], logLevel: logLevel.ERROR,
      retry: { initialRetryTime: 100, retries: 12 },
    });
  }

  describe() {
    return {
      client: 'kafkajs', version, codecs: Object.keys(CODECS),
      features: ['create', 'produce', 'consume', 'headers', 'timestamps', 'group', 'seek', 'admin', 'idempotence'],
      cannot: ['null_header_values', 'header_order'],
    };
  }

  async withAdmin(work) {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  create(topic, numPartitions) {
    const topics = [{ topic, numPartitions }];
    return this.withAdmin((admin) => admin.createTopics({ topics, waitForLeaders: true }));
  }

  // The idempotent producer of this library has one request in flight.
  async produce(topic, codec, records) {
    const producer = this.kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const positions = [];
    for (let first = 0; first < records.length; first += AT_ONCE) {
      const batch = records.slice(first, first + AT_ONCE);
      const told = await producer.send({ topic, acks: -1, compression: CODECS[codec], messages: batch.map(toSend) });
      const next = new Map(told.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]));
      for (const { partition } of batch) {
        positions.push({ partition, offset: next.get(partition) });
        next.set(partition, next.get(partition) + 1);
      }
    }
    await producer.disconnect();
    return positions;
  }

  consumer(groupId) {
    return this.kafka.consumer({
      groupId, sessionTimeout: SESSION_MS, heartbeatInterval: HEARTBEAT_MS, maxWaitTimeInMs: 100,
      maxBytes: MAX_REQUEST_BYTES, maxBytesPerPartition: MAX_REQUEST_BYTES,
    });
  }

  // The library reads in groups only: in one of its own here.
  async consume(topic, wanted, from, count, printRecord) {
    const consumer = this.consumer(`alone-${process.pid}-${Date.now()}`);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    let left = count;
    await new Promise((resolve, reject) => {
      failOnCrash(consumer, reject);
      consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          if (partition !== wanted || Number(message.offset) < from || left === 0) return;
          printRecord(received(partition, message));
          left -= 1;
          if (left === 0) resolve();
        },
      });
      consumer.seek({ topic, partition: wanted, offset: String(from) });
    });
    await consumer.disconnect();
  }

  // Behind the last record the library gives the end of the partition.
  seek(topic, partition, timestamp) {
    return this.withAdmin(async (admin) => {
      const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
      const ends = await admin.fetchTopicOffsets(topic);
      const offset = found.find((place) => place.partition === partition).offset;
      return offset === ends.find((place) => place.partition === partition).high ? null : Number(offset);
    });
  }

  async group(topic, groupId, member) {
    let consumer;
    let early = Promise.resolve(); // The commit at the last rebalance: its repeats may come behind a later one's.
    const commit = async () => {
      const offsets = member.positions().map(([partition, offset]) => ({ topic, partition, offset: String(offset) }));
      if (offsets.length > 0) await consumer.commitOffsets(offsets);
    };
    // Where the library gives up, as when it finds no coordinator while the broker restarts, begins another consumer.
    const begin = async () => {
      consumer = this.consumer(groupId);
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => member.hold(payload.memberAssignment[topic] || []));
      // The library joins anew meanwhile. What comes too late is read again by another member.
      consumer.on(consumer.events.REBALANCING, () => {
        early = commit().catch((error) => console.error(`not committed: ${error.message}`));
        member.lose();
      });
      failOnCrash(consumer, (error) => { console.error(error); setTimeout(begin, 500); });
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => member.read(received(partition, message)),
      });
    };
    await begin();
    const commitLast = () => early.then(commit);
    await member.commands(commitLast);
    await commitLast();
    await consumer.disconnect();
  }

  async admin(topic, group, calls) {
    await this.withAdmin(async (admin) => {
      await topics(admin, topic, calls);
      await this.produce(topic, 'none', sample());
      await offsets(admin, topic, calls);
      await configs(admin, topic, calls);
      await groups(admin, topic, group, calls);
      await cluster(admin, topic, calls);
      await calls.call('deleteTopics', () => admin.deleteTopics({ topics: [topic] }));
    });
  }
}

// The library begins anew by itself after an error that it takes for a passing one.
function failOnCrash(consumer, fail) {
  consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || fail(payload.error));
}

// Headers with one name are an array.
function toSend({ partition, timestamp, key, value, headers }) {
  const grouped = {};
  for (const [name, bytes] of headers) (grouped[name] = grouped[name] || []).push(bytes);
  const time = timestamp === undefined ? undefined : String(timestamp);
  return { partition, key, value, headers: grouped, timestamp: time };
}

function received(partition, { offset, timestamp, key, value, headers }) {
  return {
    partition, offset, timestamp, key, value,
    headers: Object.entries(headers).flatMap(([name, bytes]) => [].concat(bytes).map((one) => [name, one])),
  };
}

async function topics(admin, topic, calls) {
  const wanted = [{
    topic, numPartitions: 2, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '86400000' }],
  }];
  await calls.call('createTopics to validate', () => (
    admin.createTopics({ topics: wanted, validateOnly: true, waitForLeaders: false })));
  await calls.call('createTopics', () => admin.createTopics({ topics: wanted }));
  await calls.call('createTopics twice', () => admin.createTopics({ topics: wanted }));
  await calls.call('createTopics, replicas', () => (
    admin.createTopics({ topics: [{ topic: `${topic}-nine`, replicationFactor: 9 }] })));
  const grow = (count) => admin.createPartitions({ topicPartitions: [{ topic, count }] });
  await calls.call('createPartitions', () => grow(3));
  await calls.call('createPartitions, fewer', () => grow(1));
  await calls.settle();
  await calls.call('listTopics', async () => (await admin.listTopics()).filter((name) => name.startsWith(topic)));
  await calls.call('fetchTopicMetadata', () => admin.fetchTopicMetadata({ topics: [topic] }));
}

async function offsets(admin, topic, calls) {
  const before = (offset) => admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
  await calls.call('deleteTopicRecords', () => before('3'));
  await calls.call('deleteTopicRecords, too many', () => before('30'));
  await calls.call('fetchTopicOffsets', () => admin.fetchTopicOffsets(topic));
  await calls.call('fetchTopicOffsetsByTimestamp', () => admin.fetchTopicOffsetsByTimestamp(topic, 1700000000005));
}

async function configs(admin, topic, calls) {
  const describe = () => admin.describeConfigs({
    includeSynonyms: true,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic },
      { type: ConfigResourceTypes.BROKER, name: '1', configNames: SOME_CONFIGS }],
  });
  const alter = (name, value) => admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] }],
  });
  await calls.call('describeConfigs', describe);
  await calls.call('alterConfigs', () => alter('cleanup.policy', 'compact'));
  await calls.call('alterConfigs, wrong', () => alter('cleanup.policy', 'much'));
  await calls.settle();
  await calls.call('describeConfigs after', describe);
}

async function groups(admin, topic, groupId, calls) {
  await calls.call('listGroups', async () => (
    (await admin.listGroups()).groups.filter((found) => found.groupId === groupId)));
  await calls.call('describeGroups', () => admin.describeGroups([groupId, `${groupId}-missing`]));
  await calls.call('setOffsets', () => (
    admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '7' }] })));
  await calls.call('fetchOffsets', () => admin.fetchOffsets({ groupId, topics: [topic] }));
  await calls.call('resetOffsets', () => admin.resetOffsets({ groupId, topic, earliest: true }));
  await calls.call('fetchOffsets after', () => (
    admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: true })));
  await calls.call('deleteGroups', () => admin.deleteGroups([groupId]));
}

async function cluster(admin, topic, calls) {
  await calls.call('describeCluster', () => admin.describeCluster());
  await calls.call('describeAcls', () => admin.describeAcls({
    resourceType: 1, resourcePatternType: 1, operation: 1, permissionType: 1,
  }));
  await calls.call('listPartitionReassignments', () => (
    admin.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] })));
}

main((bootstrap) => new Client(bootstrap));
