// What a client program of the matrix has to do (see ../README.md), apart from the client: arguments, records as
// lines of JSON, the commands of a group's member. A program makes an object with the jobs and hands it to main.
'use strict';

const fs = require('fs');
const readline = require('readline');

const MAX_REQUEST_BYTES = 12 << 20;
const HEARTBEAT_MS = 300;
const SESSION_MS = 10000;
const LIMIT_MS = 80000;

const pack = (bytes) => (bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64'));
const unpack = (text) => (text === null ? null : Buffer.from(text, 'base64'));

const print = (value) => fs.writeSync(1, `${JSON.stringify(value)}\n`);

// Prints { partition, offset, timestamp, key, value, headers }, where headers are [name, bytes] and numbers may be
// strings or big.
function printRecord({ partition, offset, timestamp, key, value, headers }) {
  print({
    partition, offset: Number(offset), timestamp: Number(timestamp), key: pack(key), value: pack(value),
    headers: headers.map(([name, bytes]) => [name, pack(bytes)]),
  });
}

function readRecords(path) {
  return fs.readFileSync(path, 'utf8').split('\n').filter((line) => line !== '').map((line) => {
    const record = JSON.parse(line);
    return {
      ...record, key: unpack(record.key), value: unpack(record.value),
      headers: record.headers.map(([name, text]) => [name, unpack(text)]),
    };
  });
}

// What a member of a group has to say and to remember: which partitions it holds, and where it stands in each.
class Member {
  constructor() {
    this.next = new Map(); // of each partition held, the offset after the last record printed, or null
  }

  // Calls back for each line 'commit'; resolves with the line 'leave' or the end of the input.
  async commands(commit) {
    for await (const line of readline.createInterface({ input: process.stdin })) {
      if (line === 'leave') return;
      await commit();
      print({ committed: true });
    }
  }

  // The partitions that it holds now, after a rebalance.
  hold(partitions) {
    const before = this.next;
    this.next = new Map(partitions.map((partition) => [partition, before.get(partition) ?? null]));
    print({ assigned: [...partitions].sort((a, b) => a - b) });
  }

  // All partitions are about to go.
  lose() {
    this.next = new Map();
  }

  read(record) {
    if (!this.next.has(record.partition)) return;
    printRecord(record);
    this.next.set(record.partition, Number(record.offset) + 1);
  }

  // [partition, offset] to commit.
  positions() {
    return [...this.next].filter(([, offset]) => offset !== null);
  }
}

// Fields that hold what a broker or a clock made up.
const CHANGING_FIELDS = ['port', 'topicid', 'clusterid', 'memberid', 'clientid', 'clienthost', 'throttletime',
  'throttletimems', 'totalbytes', 'usablebytes'];

// Settings of a broker of every kind and type; describing all of them is what other tests do.
const SOME_CONFIGS = ['message.max.bytes', 'log.retention.hours', 'log.cleaner.threads', 'num.io.threads',
  'ssl.keystore.password', 'inter.broker.listener.name', 'compression.type'];

// Prints what the calls of an admin client give, without what changes from run to run.
class Calls {
  constructor(bootstrap, leftOut = []) {
    this.bootstrap = bootstrap;
    this.leftOut = new Set([...CHANGING_FIELDS, ...leftOut]);
  }

  async call(name, call) {
    try {
      const result = await call();
      print({ call: name, result: this.steady(result === undefined ? null : result) });
    } catch (error) {
      print({ call: name, error: this.steadyText(errorName(error)) });
    }
  }

  // Apache Kafka answers a change when the controller has it; the broker that is asked next may learn of it later.
  settle() {
    return new Promise((resolve) => { setTimeout(resolve, 500); });
  }

  // Lists come in an order of their own, as a broker has none in what it lists.
  steady(value) {
    if (typeof value === 'bigint') return Number(value);
    if (typeof value === 'string') return this.steadyText(value);
    if (value instanceof Error) return this.steadyText(errorName(value));
    if (value === null || typeof value !== 'object') return value;
    if (Buffer.isBuffer(value)) return pack(value);
    if (value instanceof Map) return this.steady(Object.fromEntries(value));
    if (Array.isArray(value)) {
      return value.map((item) => this.steady(item)).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    }
    return Object.fromEntries(Object.entries(value)
      .filter(([key]) => !this.leftOut.has(key.toLowerCase()))
      .map(([key, field]) => [this.steadyText(key), this.steady(field)]).sort());
  }

  steadyText(text) {
    return text.startsWith('/') ? 'FOLDER' : text.replaceAll(this.bootstrap, 'BOOTSTRAP');
  }
}

// Kafka's name for it if the error knows it; of an error that holds others, theirs.
function errorName(error) {
  if (Array.isArray(error.errors) && error.errors.length > 0) return error.errors.map(errorName).sort().join(', ');
  return error.type || error.apiId || error.message;
}

async function run(client, job, bootstrap, words) {
  switch (job) {
    case 'describe': return print(client.describe());
    case 'create': {
      await client.create(words[0], Number(words[1]));
      return print({ created: words[0] });
    }
    case 'produce': return (await client.produce(words[0], words[1], readRecords(words[2]))).forEach(print);
    case 'consume': return client.consume(words[0], ...words.slice(1).map(Number), printRecord);
    case 'seek': {
      const [topic, partition] = [words[0], Number(words[1])];
      const offset = await client.seek(topic, partition, Number(words[2]));
      return offset === null ? print({ none: true }) : client.consume(topic, partition, offset, 1, printRecord);
    }
    case 'group': {
      await client.group(words[0], words[1], new Member());
      return print({ left: true });
    }
    case 'admin': return client.admin(words[0], words[1], new Calls(bootstrap, client.leftOut));
    default: throw new Error(`no such job: ${job}`);
  }
}

// Runs the job that the command line names, with the client that make(bootstrap) makes.
function main(make) {
  const [job, bootstrap, ...words] = process.argv.slice(2);
  if (job !== 'group') {
    setTimeout(() => { console.error(`no end in ${LIMIT_MS} ms`); process.exit(1); }, LIMIT_MS).unref();
  }
  run(make(bootstrap), job, bootstrap, words).then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
  });
}

// Records whose sizes and times are the same in every run; admin jobs write them before they ask for offsets.
const sample = () => Array.from({ length: 10 }, (_, number) => (
  { partition: 0, timestamp: 1700000000000 + number, key: null, value: Buffer.from('snow'), headers: [] }));

module.exports = { main, sample, SOME_CONFIGS, MAX_REQUEST_BYTES, HEARTBEAT_MS, SESSION_MS };
