// The modes of wirebench: each drives a broker in one way and prints one line of key=value figures.
//
// Thread safety: one mode runs in a process. Each returns the exit code; errors are exceptions, for main.
#pragma once

#include "bench/wirebench/options.hpp"

namespace barnabas::wirebench {

/// Creates `count` topics; a topic that exists is not an error.
int run_create(const Options& options);
/// Deletes a topic.
int run_delete(const Options& options);
/// Opens connections and asks each for the API versions.
int run_connect(const Options& options);
/// Metadata of all topics, one request after the other.
int run_metadata(const Options& options);
/// The same batch again and again, `depth` requests in flight on each connection.
int run_produce(const Options& options);
/// Reads partitions from their beginning, over and over.
int run_fetch(const Options& options);
/// One record at a time: from the request to its answer.
int run_latency(const Options& options);
/// The same to partition 0 while a second connection sends batches to partition 1 as fast as they are taken.
int run_contended(const Options& options);
/// One record at a time: from just before the produce request to its arrival at a waiting consumer.
int run_end_to_end(const Options& options);
/// Two records, an hour apart, to each partition of `count` topics: with segment.ms below that, two segments.
int run_segments(const Options& options);
/// `batches` batches of `records` records whose keys come again and again in the same mixed order.
int run_keyed(const Options& options);
/// Commits of all partitions of a topic, of `count` groups in turn, `depth` requests in flight.
int run_commits(const Options& options);
/// One transaction after the other on each connection: `records` records over all partitions, then a commit.
int run_transactions(const Options& options);
/// `count` members join one group of the consumer protocol, until they own all partitions.
int run_rebalance(const Options& options);
/// Starts `command`, and stops it again: from just before the start to the first acknowledged record.
int run_first_ack(const Options& options);
/// The least a broker can do, as a server: reads a produce request, copies its records into the page cache,
/// answers; sends a range of the file to a fetch.
int run_null_server(const Options& options);

}  // namespace barnabas::wirebench
