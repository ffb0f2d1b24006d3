// kafkajs's part of kafkajs_main_job.py: arguments are BOOTSTRAP STAGE. Ends with exit code 0 only if everything it saw
// was as it should be.
'use strict';

const assert = require('assert');
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');

const [bootstrap, stage] = process.argv.slice(2);
const PARTITIONS = 3;
const COUNT = 3000;
const FIRST_PART = 1200;
const START_MS = 1700000000000;
const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP };

const kafka = new Kafka({
  clientId: 'compat',
  brokers: [bootstrap],
  logLevel: logLevel.ERROR,
  retry: { initialRetryTime: 100, retries: 10 },
});

const topicOf = (codec) => `node-${codec}`;

function messageOf(number) {
  return {
    key: `key-${number}`,
    value: number % 500 === 499 ? null : `${number} ${'snow '.repeat(number % 13)}`,
    headers: { number: String(number) },
    partition: number % PARTITIONS,
    timestamp: String(START_MS + number),
  };
}

function checkMessage(partition, message) {
  const number = Number(message.offset) * PARTITIONS + partition;
  const expected = messageOf(number);
  assert.strictEqual(message.key.toString(), expected.key);
  assert.strictEqual(message.value === null ? null : message.value.toString(), expected.value);
  assert.strictEqual(message.headers.number.toString(), expected.headers.number);
  assert.strictEqual(message.timestamp, expected.timestamp);
  return number;
}

async function administer() {
  const admin = kafka.admin();
  await admin.connect();
  const topics = Object.keys(CODECS).map((codec) => ({ topic: topicOf(codec), numPartitions: PARTITIONS }));
  assert.strictEqual(await admin.createTopics({ topics, waitForLeaders: true }), true);
  assert.strictEqual(await admin.createTopics({ topics }), false, 'created twice');
  await admin.createTopics({ topics: [{ topic: 'node-grows', numPartitions: 1 }], waitForLeaders: true });
  await admin.createPartitions({ topicPartitions: [{ topic: 'node-grows', count: 4 }] });
  const { topics: described } = await admin.fetchTopicMetadata({ topics: ['node-grows'] });
  assert.strictEqual(described[0].partitions.length, 4);
  await admin.deleteTopics({ topics: ['node-grows'] });
  const cluster = await admin.describeCluster();
  assert.strictEqual(cluster.brokers.length, 1);
  assert.strictEqual(`${cluster.brokers[0].host}:${cluster.brokers[0].port}`, bootstrap);
  await admin.disconnect();
}

async function produce() {
  for (const [codec, compression] of Object.entries(CODECS)) {
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (let first = 0; first < COUNT; first += 300) {
      const messages = Array.from({ length: 300 }, (_, index) => messageOf(first + index));
      const told = await producer.send({ topic: topicOf(codec), acks: -1, compression, messages });
      for (const part of told) {
        assert.strictEqual(part.errorCode, 0);
        assert.strictEqual(Number(part.baseOffset), first / PARTITIONS);
      }
    }
    await producer.disconnect();
  }
}

// Reads `wanted` messages of a topic in a group, commits, leaves.
async function read(groupId, topic, wanted) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10000, heartbeatInterval: 500, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const numbers = [];
  const next = {};
  let finished;
  const done = new Promise((resolve, reject) => {
    finished = resolve;
    setTimeout(() => reject(new Error(`${numbers.length} of ${wanted} messages after 60 s`)), 60000).unref();
    // It restarts itself where its protocol says so, as while a coordinator is loading.
    consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error));
  });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      if (numbers.length >= wanted) return;
      numbers.push(checkMessage(partition, message));
      next[partition] = Number(message.offset) + 1;
      if (numbers.length === wanted) finished();
    },
  });
  await done;
  await consumer.commitOffsets(
    Object.entries(next).map(([partition, offset]) => ({ topic, partition: Number(partition), offset: String(offset) })));
  await consumer.disconnect();
  return numbers;
}

async function lookAround() {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topicOf('gzip'));
  assert.deepStrictEqual(ends.map((end) => Number(end.high)), Array(PARTITIONS).fill(COUNT / PARTITIONS));
  const middle = await admin.fetchTopicOffsetsByTimestamp(topicOf('gzip'), START_MS + COUNT / 2);
  for (const { partition, offset } of middle) {
    assert.strictEqual(Number(offset), Math.ceil((COUNT / 2 - partition) / PARTITIONS));
  }
  const { groups } = await admin.listGroups();
  assert.ok(groups.some((group) => group.groupId === 'node-all'));
  const described = await admin.describeGroups(['node-all']);
  assert.strictEqual(described.groups[0].state, 'Empty');
  await admin.deleteGroups(['node-all']);
  await admin.disconnect();
}

async function main() {
  if (stage === 'first') {
    await administer();
    await produce();
    const all = await read('node-all', topicOf('gzip'), COUNT);
    assert.strictEqual(new Set(all).size, COUNT);
    await lookAround();
    console.log((await read('node-readers', topicOf('none'), FIRST_PART)).join('\n'));
  } else if (stage === 'second') {
    console.log((await read('node-readers', topicOf('none'), COUNT - FIRST_PART)).join('\n'));
  } else {
    throw new Error(`no such stage: ${stage}`);
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
