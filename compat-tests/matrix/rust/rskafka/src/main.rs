//! `rskafka`, a client in Rust alone, as a client of compat-tests/matrix/README.md. It has no groups, its headers are
//! a sorted map without null values, and its topics have no configs.

use futures_util::future::join_all;
use matrix_lines::{LARGEST_REQUEST, Record, Result, locked_version, print, read_records};
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::error::Error as ClientError;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::producer::aggregator::RecordAggregator;
use rskafka::client::producer::{BatchProducer, BatchProducerBuilder};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::RecordAndOffset;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const TIMEOUT_MS: i32 = 30_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()))
}

async fn run(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["describe", _] => describe(),
        ["create", bootstrap, topic, partitions] => {
            create(&connect(bootstrap).await?, topic, partitions.parse()?).await
        }
        ["produce", bootstrap, topic, codec, file] => {
            produce(&connect(bootstrap).await?, topic, codec, file).await
        }
        ["consume", bootstrap, topic, partition, from, count] => {
            let client = partition_client(&connect(bootstrap).await?, topic, partition.parse()?).await?;
            consume(&client, from.parse()?, count.parse()?).await
        }
        ["seek", bootstrap, topic, partition, timestamp] => {
            let client = partition_client(&connect(bootstrap).await?, topic, partition.parse()?).await?;
            seek(&client, timestamp.parse()?).await
        }
        ["admin", bootstrap, topic, _] => admin(&connect(bootstrap).await?, topic).await,
        _ => Err("the jobs stand in compat-tests/matrix/README.md".into()),
    }
}

fn describe() -> Result<()> {
    print(&json!({
        "client": "rskafka",
        "version": locked_version("rskafka"),
        "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
        "features": ["create", "produce", "consume", "headers", "timestamps", "seek", "admin"],
        "cannot": ["null_header_values", "repeated_headers", "header_order"],
    }));
    Ok(())
}

async fn connect(bootstrap: &str) -> Result<Client> {
    Ok(ClientBuilder::new(vec![bootstrap.to_owned()]).build().await?)
}

async fn partition_client(client: &Client, topic: &str, partition: i32) -> Result<Arc<PartitionClient>> {
    Ok(Arc::new(client.partition_client(topic, partition, UnknownTopicHandling::Retry).await?))
}

async fn create(client: &Client, topic: &str, partitions: i32) -> Result<()> {
    client.controller_client()?.create_topic(topic, partitions, 1, TIMEOUT_MS).await?;
    print(&json!({"created": topic}));
    Ok(())
}

async fn produce(client: &Client, topic: &str, codec: &str, file: &str) -> Result<()> {
    let compression = match codec {
        "none" => Compression::NoCompression,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => return Err(format!("no codec {codec}").into()),
    };
    let mut producers: BTreeMap<i32, BatchProducer<RecordAggregator>> = BTreeMap::new();
    let records = read_records(file)?;
    for record in &records {
        if !producers.contains_key(&record.partition) {
            let partition = partition_client(client, topic, record.partition).await?;
            let producer = BatchProducerBuilder::new(partition).with_compression(compression);
            producers.insert(record.partition, producer.build(RecordAggregator::new(LARGEST_REQUEST)));
        }
    }
    // Polled in this order, they enter the producers' batches in this order.
    let sent = records.into_iter().map(|record| {
        let (partition, producer) = (record.partition, &producers[&record.partition]);
        async move {
            producer.produce(to_rskafka(record)?).await.map(|offset| (partition, offset)).map_err(Into::into)
        }
    });
    for delivered in join_all(sent).await {
        let delivered: Result<(i32, i64)> = delivered;
        let (partition, offset) = delivered?;
        print(&json!({"partition": partition, "offset": offset}));
    }
    Ok(())
}

/// chrono's own clock is a feature that rskafka leaves out.
fn now() -> DateTime<Utc> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    DateTime::UNIX_EPOCH + since_epoch
}

fn to_rskafka(record: Record) -> Result<rskafka::record::Record> {
    let timestamp = record.timestamp.map_or(Some(now()), DateTime::from_timestamp_millis);
    let mut headers = BTreeMap::new();
    for (name, value) in record.headers {
        headers.insert(name, value.ok_or("rskafka has no header without a value")?);
    }
    Ok(rskafka::record::Record {
        key: record.key,
        value: record.value,
        headers,
        timestamp: timestamp.ok_or("a timestamp out of range")?,
    })
}

fn from_rskafka(partition: i32, read: RecordAndOffset) -> Record {
    Record {
        partition,
        offset: Some(read.offset),
        timestamp: Some(read.record.timestamp.timestamp_millis()),
        key: read.record.key,
        value: read.record.value,
        headers: read.record.headers.into_iter().map(|(name, value)| (name, Some(value))).collect(),
    }
}

async fn consume(client: &PartitionClient, from: i64, count: usize) -> Result<()> {
    let (mut next, mut left) = (from, count);
    while left > 0 {
        let (records, _) = client.fetch_records(next, 1..LARGEST_REQUEST as i32, 500).await?;
        for read in records.into_iter().take(left) {
            next = read.offset + 1;
            left -= 1;
            print(&from_rskafka(client.partition(), read).to_json());
        }
    }
    Ok(())
}

async fn seek(client: &PartitionClient, timestamp: i64) -> Result<()> {
    let wanted = DateTime::from_timestamp_millis(timestamp).ok_or("a timestamp out of range")?;
    match client.get_offset(OffsetAt::Timestamp(wanted)).await? {
        -1 => print(&json!({"none": true})),
        offset => consume(client, offset, 1).await?,
    }
    Ok(())
}

async fn admin(client: &Client, topic: &str) -> Result<()> {
    let controller = client.controller_client()?;
    print_call(
        "create_topic",
        controller.create_topic(topic, 2, 1, TIMEOUT_MS).await.map(|()| json!(topic)),
    )?;
    print_call(
        "create_topic",
        controller.create_topic(topic, 2, 1, TIMEOUT_MS).await.map(|()| json!(topic)),
    )?;
    print_call(
        "create_topic",
        controller.create_topic("no partitions", 1, 1, TIMEOUT_MS).await.map(|()| json!(topic)),
    )?;
    let partition = partition_client(client, topic, 0).await?;
    let listed = client.list_topics().await?.into_iter().filter(|listed| listed.name == topic);
    print_call("list_topics", Ok(listed.map(|listed| json!([listed.name, listed.partitions])).collect()))?;
    let record = || rskafka::record::Record {
        key: None,
        value: Some(b"value".to_vec()),
        headers: BTreeMap::new(),
        timestamp: now(),
    };
    let offsets = partition.produce((0..10).map(|_| record()).collect(), Compression::NoCompression).await;
    print_call("produce", offsets.map(|offsets| json!(offsets)))?;
    print_call("delete_records", partition.delete_records(4, TIMEOUT_MS).await.map(|()| json!(4)))?;
    print_call("delete_records", partition.delete_records(11, TIMEOUT_MS).await.map(|()| json!(11)))?;
    for at in [OffsetAt::Earliest, OffsetAt::Latest] {
        print_call("get_offset", partition.get_offset(at).await.map(|offset| json!(offset)))?;
    }
    print_call("delete_topic", controller.delete_topic(topic, TIMEOUT_MS).await.map(|()| json!(topic)))?;
    print_call(
        "delete_topic",
        controller.delete_topic("no-such-topic", TIMEOUT_MS).await.map(|()| json!(topic)),
    )
}

fn print_call(call: &str, result: rskafka::client::error::Result<Value>) -> Result<()> {
    match result {
        Ok(result) => print(&json!({"call": call, "result": result})),
        Err(ClientError::ServerError { protocol_error, .. }) => {
            print(&json!({"call": call, "error": format!("{protocol_error:?}")}));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
