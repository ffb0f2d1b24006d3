//! Each administrative call of the crate, on a topic that is made, changed and deleted again, and on a group.

use crate::{TIMEOUT, config, consumer_config, producer, send};
use futures_executor::block_on;
use matrix_lines::{Record, Result, print};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use std::time::Instant;

/// What one name of a call came to: the crate answers a list with a result for each.
type NamedResult = std::result::Result<String, (String, RDKafkaErrorCode)>;

pub fn run(bootstrap: &str, topic: &str, group: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create()?;
    let consumer: BaseConsumer = consumer_config(bootstrap).create()?;
    topics(&admin, &consumer, topic)?;
    configs(&admin, topic)?;
    records(&admin, &consumer, bootstrap, topic)?;
    groups(&admin, &consumer, group)?;
    print_named("delete_topics", block_on(admin.delete_topics(&[topic], &AdminOptions::new()))?);
    print_named("delete_topics", block_on(admin.delete_topics(&["no-such-topic"], &AdminOptions::new()))?);
    Ok(())
}

fn topics(admin: &AdminClient<DefaultClientContext>, consumer: &BaseConsumer, topic: &str) -> Result<()> {
    let options = AdminOptions::new();
    let wanted = NewTopic::new(topic, 2, TopicReplication::Fixed(1)).set("retention.ms", "86400000");
    let dry_run = AdminOptions::new().validate_only(true);
    print_named("create_topics", block_on(admin.create_topics([&wanted], &dry_run))?);
    print_named("create_topics", block_on(admin.create_topics([&wanted], &options))?);
    print_named("create_topics", block_on(admin.create_topics([&wanted], &options))?);
    let wrong = NewTopic::new("wrong-config", 1, TopicReplication::Fixed(1)).set("retention.ms", "soon");
    print_named("create_topics", block_on(admin.create_topics([&wrong], &options))?);
    let too_many = NewTopic::new("many-replicas", 1, TopicReplication::Fixed(9));
    print_named("create_topics", block_on(admin.create_topics([&too_many], &options))?);
    let more = NewPartitions::new(topic, 4);
    print_named("create_partitions", block_on(admin.create_partitions([&more], &options))?);
    let fewer = NewPartitions::new(topic, 1);
    print_named("create_partitions", block_on(admin.create_partitions([&fewer], &options))?);
    let seen = until(|| Ok(partitions_of(consumer, topic)?).map(|seen| (seen.len() == 4).then_some(seen)))?;
    print_result("fetch_metadata", json!(seen));
    Ok(())
}

/// What the metadata says of a topic; a broker learns of a change a moment after the controller has made it.
fn partitions_of(consumer: &BaseConsumer, topic: &str) -> Result<Vec<Value>> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let described = metadata.topics().first().ok_or("no topic in the metadata")?;
    let mut partitions = described.partitions().iter().collect::<Vec<_>>();
    partitions.sort_unstable_by_key(|partition| partition.id());
    let as_json = |partition: &&rdkafka::metadata::MetadataPartition| {
        json!([partition.id(), partition.leader(), partition.replicas(), partition.isr()])
    };
    Ok(partitions.iter().map(as_json).collect())
}

fn configs(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<()> {
    let resource = ResourceSpecifier::Topic(topic);
    let alter = |value| {
        let change = AlterConfig::new(resource).set("max.message.bytes", value);
        block_on(admin.alter_configs([&change], &AdminOptions::new()))
    };
    for value in ["12582912", "much"] {
        for result in alter(value)? {
            match result {
                Ok(_) => print_result("alter_configs", json!(topic)),
                Err((_, code)) => print_error("alter_configs", code),
            }
        }
    }
    let described = until(|| {
        let mut answer = block_on(admin.describe_configs([&resource], &AdminOptions::new()))?;
        let described = answer.pop().ok_or("no resource described")??;
        let is_altered = described.get("max.message.bytes").is_some_and(|entry| !entry.is_default);
        Ok(is_altered.then_some(described))
    })?;
    print_result("describe_configs", described_as_json(&described));
    Ok(())
}

fn described_as_json(described: &ConfigResource) -> Value {
    let mut entries = described.entries.iter().collect::<Vec<_>>();
    entries.sort_unstable_by_key(|entry| &entry.name);
    let as_json = |entry: &&rdkafka::admin::ConfigEntry| {
        let flags = [entry.is_read_only, entry.is_default, entry.is_sensitive];
        json!([entry.name, entry.value, format!("{:?}", entry.source), flags])
    };
    entries.iter().map(as_json).collect()
}

fn records(
    admin: &AdminClient<DefaultClientContext>,
    consumer: &BaseConsumer,
    bootstrap: &str,
    topic: &str,
) -> Result<()> {
    let producer = producer(bootstrap, "none")?;
    for number in 0..10 {
        let record = Record { value: Some(vec![number]), ..Record::default() };
        block_on(send(&producer, topic, &record)?)?.map_err(|(error, _)| error)?;
    }
    for before in [4, 11] {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic, 0, Offset::Offset(before))?;
        let deleted = block_on(admin.delete_records(&offsets, &AdminOptions::new()))?;
        for partition in deleted.elements() {
            match partition.error() {
                Ok(()) => print_result("delete_records", json!(partition.offset().to_raw())),
                Err(error) => print_error("delete_records", error.rdkafka_error_code().ok_or("no code")?),
            }
        }
    }
    let (low, high) = consumer.fetch_watermarks(topic, 0, TIMEOUT)?;
    print_result("fetch_watermarks", json!([low, high]));
    Ok(())
}

fn groups(admin: &AdminClient<DefaultClientContext>, consumer: &BaseConsumer, group: &str) -> Result<()> {
    let listed = consumer.fetch_group_list(Some(group), TIMEOUT)?;
    let as_json = |group: &rdkafka::groups::GroupInfo| {
        json!([group.name(), group.state(), group.protocol_type(), group.protocol(), group.members().len()])
    };
    print_result("fetch_group_list", listed.groups().iter().map(as_json).collect());
    print_named("delete_groups", block_on(admin.delete_groups(&[group], &AdminOptions::new()))?);
    print_named("delete_groups", block_on(admin.delete_groups(&[group], &AdminOptions::new()))?);
    Ok(())
}

/// Asks again until there is an answer: a broker applies what the controller has decided a moment later.
fn until<T>(mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    while begun.elapsed() < TIMEOUT {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Err("the change was never seen".into())
}

fn print_named(call: &str, results: Vec<NamedResult>) {
    for result in results {
        match result {
            Ok(name) => print_result(call, json!(name)),
            Err((_, code)) => print_error(call, code),
        }
    }
}

fn print_result(call: &str, result: Value) {
    print(&json!({"call": call, "result": result}));
}

fn print_error(call: &str, code: RDKafkaErrorCode) {
    print(&json!({"call": call, "error": format!("{code:?}")}));
}
