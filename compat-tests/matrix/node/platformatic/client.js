// @platformatic/kafka in the client matrix.
'use strict';

const path = require('path');
const {
  Admin, Consumer, Producer, ConfigResourceTypes, ClientQuotaMatchTypes, FindCoordinatorKeyTypes,
  IncrementalAlterConfigOperationTypes, ListOffsetTimestamps,
} = require('@platformatic/kafka');
const { main, sample, SOME_CONFIGS, MAX_REQUEST_BYTES, HEARTBEAT_MS, SESSION_MS } = require('../contract');

// The package lets nobody require its package.json.
const { version } = require(path.join(require.resolve('@platformatic/kafka'), '../../package.json'));
const AT_ONCE = 100; // records in a batch: what is sent in one call

class Client {
  constructor(bootstrap) {
    this.settings = { clientId: 'matrix', bootstrapBrokers: [bootstrap], retries: 20, retryDelay: 200 };
    this.leftOut = ['id'];
  }

  describe() {
    return {
      client: '@platformatic/kafka', version, codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
      features: ['create', 'produce', 'consume', 'headers', 'timestamps', 'group', 'seek', 'admin', 'idempotence'],
    };
  }

  async withAdmin(work) {
    const admin = new Admin(this.settings);
    try {
      return await work(admin);
    } finally {
      await admin.close();
    }
  }

  create(topic, partitions) {
    return this.withAdmin((admin) => admin.createTopics({ topics: [topic], partitions, replicas: 1 }));
  }

  async produce(topic, codec, records) {
    const producer = new Producer({ ...this.settings, idempotent: true });
    const positions = [];
    for (let first = 0; first < records.length; first += AT_ONCE) {
      const batch = records.slice(first, first + AT_ONCE);
      const messages = batch.map((record) => toSend(topic, record));
      const { offsets } = await producer.send({ messages, acks: -1, compression: codec });
      const next = new Map(offsets.map(({ partition, offset }) => [partition, Number(offset)]));
      for (const { partition } of batch) {
        positions.push({ partition, offset: next.get(partition) });
        next.set(partition, next.get(partition) + 1);
      }
    }
    await producer.close();
    return positions;
  }

  consumer(groupId) {
    return new Consumer({
      ...this.settings, groupId, sessionTimeout: SESSION_MS, heartbeatInterval: HEARTBEAT_MS,
      rebalanceTimeout: SESSION_MS, autocommit: false, maxWaitTime: 100, maxBytes: MAX_REQUEST_BYTES,
    });
  }

  // The library reads in groups only: in one of its own here, from offsets that are given by hand.
  async consume(topic, wanted, from, count, printRecord) {
    const consumer = this.consumer(`alone-${process.pid}-${Date.now()}`);
    const offsets = [{ topic, partition: wanted, offset: BigInt(from) }];
    const stream = await consumer.consume({ topics: [topic], mode: 'manual', offsets });
    let left = count;
    for await (const message of stream) {
      if (message.partition !== wanted) continue;
      printRecord(received(message));
      left -= 1;
      if (left === 0) break;
    }
    await consumer.close(true);
  }

  seek(topic, partition, timestamp) {
    return this.withAdmin(async (admin) => {
      const found = await admin.listOffsets({
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: BigInt(timestamp) }] }],
      });
      const { offset } = found[0].partitions[0];
      return offset < 0n ? null : Number(offset);
    });
  }

  async group(topic, groupId, member) {
    const consumer = this.consumer(groupId);
    const commit = async () => {
      const offsets = member.positions().map(([partition, offset]) => (
        { topic, partition, offset: BigInt(offset), leaderEpoch: -1 }));
      if (offsets.length > 0) await consumer.commit({ offsets });
    };
    consumer.on('consumer:group:join', ({ assignments }) => {
      const ours = (assignments || []).filter((held) => held.topic === topic);
      member.hold(ours.flatMap(({ partitions }) => partitions));
    });
    // Nobody waits for this: the library joins anew meanwhile. What comes too late is read again by another member.
    consumer.on('consumer:group:rebalance', () => (
      commit().catch((error) => console.error(`not committed: ${error.message}`))));
    consumer.on('error', (error) => console.error(error));
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' });
    stream.on('error', (error) => { console.error(error); process.exit(1); });
    stream.on('data', (message) => member.read(received(message)));
    await member.commands(commit);
    await commit();
    await consumer.close(true);
  }

  async admin(topic, group, calls) {
    await this.withAdmin(async (admin) => {
      await topics(admin, topic, calls);
      await this.produce(topic, 'none', sample());
      await offsets(admin, topic, calls);
      await configs(admin, topic, calls);
      await groups(admin, topic, group, calls);
      await users(admin, calls);
      await calls.call('deleteTopics', () => admin.deleteTopics({ topics: [topic] }));
    });
  }
}

// A map has the keys as buffers, so that a name may come twice.
function toSend(topic, { partition, timestamp, key, value, headers }) {
  return {
    topic, partition, key, value, timestamp: timestamp === undefined ? undefined : BigInt(timestamp),
    headers: new Map(headers.map(([name, bytes]) => [Buffer.from(name), bytes])),
  };
}

function received({ partition, offset, timestamp, key, value, headers }) {
  return {
    partition, offset, timestamp, key, value, headers: [...headers].map(([name, bytes]) => [name.toString(), bytes]),
  };
}

async function topics(admin, topic, calls) {
  const configs = [{ name: 'retention.ms', value: '86400000' }];
  const wanted = { topics: [topic], partitions: 2, replicas: 1, configs };
  await calls.call('createTopics', () => admin.createTopics(wanted));
  await calls.call('createTopics twice', () => admin.createTopics(wanted));
  await calls.call('createTopics, replicas', () => (
    admin.createTopics({ topics: [`${topic}-nine`], partitions: 1, replicas: 9 })));
  await calls.call('createPartitions', () => admin.createPartitions({ topics: [{ name: topic, count: 3 }] }));
  await calls.call('createPartitions, fewer', () => admin.createPartitions({ topics: [{ name: topic, count: 1 }] }));
  await calls.settle();
  await calls.call('listTopics', async () => (await admin.listTopics()).filter((name) => name.startsWith(topic)));
  await calls.call('metadata', async () => (await admin.metadata({ topics: [topic] })).topics.get(topic).partitions);
}

async function offsets(admin, topic, calls) {
  const before = (offset) => (
    admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset }] }] }));
  await calls.call('deleteRecords', () => before(3n));
  await calls.call('deleteRecords, too many', () => before(30n));
  for (const name of ['EARLIEST', 'LATEST', 'MAX', 'EARLIEST_LOCAL', 'LATEST_TIERED']) {
    const partitions = [{ partitionIndex: 0, timestamp: ListOffsetTimestamps[name] }];
    await calls.call(`listOffsets ${name}`, () => admin.listOffsets({ topics: [{ name: topic, partitions }] }));
  }
  await calls.call('describeLogDirs', async () => {
    const described = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0, 1] }] });
    return described.flatMap(({ results }) => results);
  });
}

async function configs(admin, topic, calls) {
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic };
  const broker = { resourceType: ConfigResourceTypes.BROKER, resourceName: '1', configurationKeys: SOME_CONFIGS };
  const alter = (name, value, kind) => {
    const configOperation = IncrementalAlterConfigOperationTypes[kind];
    return admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [{ name, value, configOperation }] }] });
  };
  const describe = () => admin.describeConfigs({ resources: [resource, broker], includeSynonyms: true });
  await calls.call('incrementalAlterConfigs', () => alter('segment.ms', '3600000', 'SET'));
  await calls.call('incrementalAlterConfigs, append', () => alter('cleanup.policy', 'compact', 'APPEND'));
  await calls.call('incrementalAlterConfigs, wrong', () => alter('segment.ms', 'long', 'SET'));
  await calls.settle();
  await calls.call('describeConfigs', describe);
  const replacing = [{ name: 'max.message.bytes', value: '2000000' }];
  await calls.call('alterConfigs', () => admin.alterConfigs({ resources: [{ ...resource, configs: replacing }] }));
  await calls.settle();
  await calls.call('describeConfigs after', describe);
}

async function groups(admin, topic, groupId, calls) {
  await calls.call('listGroups', async () => (await admin.listGroups()).get(groupId));
  await calls.call('findCoordinator', () => (
    admin.findCoordinator({ keyType: FindCoordinatorKeyTypes.GROUP, keys: [groupId] })));
  await calls.call('describeGroups', () => admin.describeGroups({ groups: [groupId] }));
  await calls.call('alterConsumerGroupOffsets', () => admin.alterConsumerGroupOffsets({
    groupId, topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 7n }] }],
  }));
  await calls.call('listConsumerGroupOffsets', () => admin.listConsumerGroupOffsets({ groups: [groupId] }));
  await calls.call('deleteConsumerGroupOffsets', () => (
    admin.deleteConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionIndexes: [0] }] })));
  await calls.call('deleteGroups', () => admin.deleteGroups({ groups: [groupId] }));
  await calls.call('deleteGroups twice', () => admin.deleteGroups({ groups: [groupId] }));
}

async function users(admin, calls) {
  const entities = [{ entityType: 'user', entityName: 'josef' }];
  const alter = (op) => (
    admin.alterClientQuotas({ entries: [{ entities, ops: [{ key: 'producer_byte_rate', ...op }] }] }));
  await calls.call('alterClientQuotas', () => alter({ value: 1048576, remove: false }));
  await calls.settle();
  await calls.call('describeClientQuotas', () => admin.describeClientQuotas({
    strict: true, components: [{ entityType: 'user', matchType: ClientQuotaMatchTypes.EXACT, match: 'josef' }],
  }));
  await calls.call('alterClientQuotas back', () => alter({ value: 0, remove: true }));
  await calls.call('describeAcls', () => admin.describeAcls({
    filter: { resourceType: 1, resourcePatternType: 1, operation: 1, permissionType: 1 },
  }));
}

main((bootstrap) => new Client(bootstrap));
