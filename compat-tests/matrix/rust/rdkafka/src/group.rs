//! A member of a group: it is told by lines on standard input when to commit and when to leave.

use crate::{consumer_config, record_of};
use matrix_lines::{Result, print};
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde_json::json;
use std::io::BufRead as _;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

/// Commits before partitions are taken away, and prints those held once new ones are there.
struct Watcher;

impl ClientContext for Watcher {}

impl ConsumerContext for Watcher {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(_) = rebalance
            && let Err(error) = commit(consumer)
        {
            eprintln!("{error}"); // Whoever gets the partitions reads some records again.
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(_) = rebalance {
            let held = consumer.assignment().expect("a consumer knows what it is assigned");
            let mut partitions: Vec<i32> = held.elements().iter().map(|held| held.partition()).collect();
            partitions.sort_unstable();
            print(&json!({"assigned": partitions}));
        }
    }
}

pub fn run(bootstrap: &str, topic: &str, group: &str) -> Result<()> {
    let consumer: BaseConsumer<_> = consumer_config(bootstrap)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("heartbeat.interval.ms", "300")
        .set("session.timeout.ms", "10000")
        .create_with_context(Watcher)?;
    consumer.subscribe(&[topic])?;
    let orders = standard_input();
    loop {
        match orders.try_recv() {
            Ok(order) if order == "commit" => {
                commit(&consumer)?;
                print(&json!({"committed": true}));
            }
            Ok(order) if order != "leave" => return Err(format!("what is {order:?}?").into()),
            Ok(_) | Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {}
        }
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                print(&record_of(&message).to_json());
                // Not before: a consumer that closes takes records which nobody sees any more.
                consumer.store_offset_from_message(&message)?;
            }
            // A broker that restarts is no end: librdkafka connects again by itself.
            Some(Err(error)) => eprintln!("{error}"),
            None => {}
        }
    }
    commit(&consumer)?;
    drop(consumer); // Leaves the group, and waits until it has.
    print(&json!({"left": true}));
    Ok(())
}

/// Commits, of the partitions held, what has been printed.
fn commit<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Result<()> {
    match consumer.commit_consumer_state(CommitMode::Sync) {
        Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(()), // Nothing new was read.
        result => result.map_err(Into::into),
    }
}

fn standard_input() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
