// The jobs of the matrix (../README.md), one function each. What goes wrong throws std::runtime_error.
#pragma once

#include <cstdint>
#include <string>

namespace rdkafka_matrix {

struct Place {
  std::string topic;
  std::int32_t partition = 0;
};

void describe();
void create(const std::string& bootstrap, const std::string& topic, std::int32_t partitions);
void produce(const std::string& bootstrap, const std::string& topic, const std::string& codec,
             const std::string& file);
void consume(const std::string& bootstrap, const Place& place, std::int64_t from, std::int64_t count);
void seek(const std::string& bootstrap, const Place& place, std::int64_t timestamp_ms);
void be_member(const std::string& bootstrap, const std::string& topic, const std::string& group);
void administer(const std::string& bootstrap, const std::string& topic, const std::string& group);

}  // namespace rdkafka_matrix
