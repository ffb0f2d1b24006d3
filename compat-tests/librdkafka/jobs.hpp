// The jobs this program can do, one function each. A job checks what it sees and throws std::runtime_error at
// the first thing that is not as it should be.
#pragma once

#include <string>

#include "client.hpp"

namespace rdkafka_jobs {

// Creates the topic and sends records 0 to count - 1 with an idempotent producer, acks=all. Requires: every
// record is acknowledged at the offset it must have on an empty topic.
void produce(const Target& target, int64_t count, const std::string& codec);

// Three members read the topic in one group: one alone, then a second and a third join, then the first
// leaves. Requires: every record is processed at least once, none twice (positions are committed whenever
// partitions are taken away), all three had partitions, and the group's committed offsets end at the end of
// each partition.
void read_in_group(const Target& target, int64_t count, const std::string& group,
                   const std::string& assignor);

// Looks up the offsets at the timestamp of the record in the middle, reads from there to the end, then seeks
// back to the start of each partition and reads one record of it. Requires: exactly the records not older
// than that time.
void seek_by_time(const Target& target, int64_t count);

// Reads `wanted` records as the only member of a group, commits, leaves, and prints their numbers, one a
// line.
void read_some(const Target& target, int64_t wanted, const std::string& group);

// Sends numbered records until a line or the end arrives on standard input, and writes 'partition offset
// value' to the file for each one acknowledged, at the moment it is (offset -1: acknowledged without saying
// where). One idempotent producer for the whole time, acks=all. Requires: no record fails.
void load(const Target& target, const std::string& acknowledged_file, int64_t records_a_second);

}  // namespace rdkafka_jobs
