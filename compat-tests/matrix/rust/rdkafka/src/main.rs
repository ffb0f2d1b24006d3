//! The `rdkafka` crate, which is librdkafka in Rust, as a client of compat-tests/matrix/README.md.

mod admin;
mod group;

use futures_executor::block_on;
use matrix_lines::{LARGEST_REQUEST, Record, Result, locked_version, print, read_records};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::json;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["describe", _] => describe(),
        ["create", bootstrap, topic, partitions] => create(bootstrap, topic, partitions.parse()?),
        ["produce", bootstrap, topic, codec, file] => produce(bootstrap, topic, codec, file),
        ["consume", bootstrap, topic, partition, from, count] => {
            consume(bootstrap, topic, partition.parse()?, from.parse()?, count.parse()?)
        }
        ["seek", bootstrap, topic, partition, timestamp] => {
            seek(bootstrap, topic, partition.parse()?, timestamp.parse()?)
        }
        ["group", bootstrap, topic, group] => group::run(bootstrap, topic, group),
        ["admin", bootstrap, topic, group] => admin::run(bootstrap, topic, group),
        _ => Err("the jobs stand in compat-tests/matrix/README.md".into()),
    }
}

fn describe() -> Result<()> {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    print(&json!({
        "client": "rdkafka (Rust)",
        "version": format!("{} (librdkafka {librdkafka})", locked_version("rdkafka")),
        "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
        "features": ["create", "produce", "consume", "headers", "timestamps", "idempotence", "seek", "group", "admin"],
    }));
    Ok(())
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn consumer_config(bootstrap: &str) -> ClientConfig {
    let mut config = config(bootstrap);
    config
        .set("check.crcs", "true")
        .set("fetch.message.max.bytes", LARGEST_REQUEST.to_string())
        .set("receive.message.max.bytes", (8 * LARGEST_REQUEST).to_string());
    config
}

fn producer(bootstrap: &str, codec: &str) -> Result<FutureProducer> {
    let producer = config(bootstrap)
        .set("compression.type", codec)
        .set("enable.idempotence", "true")
        .set("message.max.bytes", LARGEST_REQUEST.to_string())
        .create()?;
    Ok(producer)
}

fn create(bootstrap: &str, topic: &str, partitions: i32) -> Result<()> {
    let client: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for result in block_on(client.create_topics([&wanted], &AdminOptions::new()))? {
        let name = result.map_err(|(name, code)| format!("{name}: {code}"))?;
        print(&json!({"created": name}));
    }
    Ok(())
}

fn produce(bootstrap: &str, topic: &str, codec: &str, file: &str) -> Result<()> {
    let records = read_records(file)?;
    let producer = producer(bootstrap, codec)?;
    let mut deliveries = Vec::new();
    for record in &records {
        deliveries.push(send(&producer, topic, record)?);
    }
    for delivery in deliveries {
        let delivered = block_on(delivery)?.map_err(|(error, _)| error)?;
        print(&json!({"partition": delivered.partition, "offset": delivered.offset}));
    }
    Ok(())
}

fn send(
    producer: &FutureProducer,
    topic: &str,
    record: &Record,
) -> Result<rdkafka::producer::DeliveryFuture> {
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    let message = FutureRecord {
        topic,
        partition: Some(record.partition),
        payload: record.value.as_ref(),
        key: record.key.as_ref(),
        timestamp: record.timestamp,
        headers: Some(headers),
    };
    producer.send_result(message).map_err(|(error, _)| error.into())
}

fn record_of(message: &BorrowedMessage) -> Record {
    let headers = message.headers().map_or(Vec::new(), |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    Record {
        partition: message.partition(),
        offset: Some(message.offset()),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}

/// A consumer without a group that reads one partition from an offset on.
fn assigned(bootstrap: &str, topic: &str, partition: i32, from: Offset) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = consumer_config(bootstrap).set("group.id", "unused").create()?;
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, partition, from)?;
    consumer.assign(&partitions)?;
    Ok(consumer)
}

fn consume(bootstrap: &str, topic: &str, partition: i32, from: i64, count: usize) -> Result<()> {
    let consumer = assigned(bootstrap, topic, partition, Offset::Offset(from))?;
    for _ in 0..count {
        let message = consumer.poll(TIMEOUT).ok_or("no record came")??;
        print(&record_of(&message).to_json());
    }
    Ok(())
}

fn seek(bootstrap: &str, topic: &str, partition: i32, timestamp: i64) -> Result<()> {
    let consumer: BaseConsumer = consumer_config(bootstrap).create()?;
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_offset(topic, partition, Offset::Offset(timestamp))?;
    let found = consumer.offsets_for_times(wanted, TIMEOUT)?;
    let found = found.find_partition(topic, partition).ok_or("no answer for the partition")?;
    found.error()?;
    match found.offset() {
        Offset::Offset(offset) => consume(bootstrap, topic, partition, offset, 1),
        _ => {
            print(&json!({"none": true}));
            Ok(())
        }
    }
}
