// For the tests of record formats: samples that Apache Kafka 4.3.1 wrote, and records as plain values.
#pragma once

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "protocol/records.hpp"

namespace barnabas::protocol {

struct OwnedHeader {
  std::string key;
  std::optional<std::string> value;
  bool operator==(const OwnedHeader&) const = default;
};
struct OwnedRecord {
  std::int64_t offset;
  std::int64_t timestamp;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<OwnedHeader> headers;
  bool operator==(const OwnedRecord&) const = default;
};

inline std::optional<std::string> own(const std::optional<ByteView>& bytes) {
  return bytes ? std::optional(std::string(as_text(*bytes))) : std::nullopt;
}
inline OwnedRecord own(const RecordView& record) {
  OwnedRecord owned{record.offset.value(), record.timestamp, own(record.key), own(record.value), {}};
  for (const RecordHeader& header : record.headers)
    owned.headers.push_back({std::string(header.key), own(header.value)});
  return owned;
}
inline Result<std::vector<OwnedRecord>> read_records(const RecordBatchView& batch, RecordScratch& scratch,
                                                     const RecordLimits& limits = {}) {
  std::vector<OwnedRecord> records;
  RecordCursor cursor(batch, scratch, limits);
  RecordView record;
  while (TRY(cursor.next(record))) records.push_back(own(record));
  return records;
}

#ifdef BARNABAS_SOURCE_DIR
/// testdata/records/INDEX.tsv says what is in which.
inline Bytes read_sample(const std::string& name) {
  std::ifstream file(BARNABAS_SOURCE_DIR "/protocol/testdata/records/" + name, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}
inline Codec codec_of_sample(std::string_view name) {
  for (Codec codec : {Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    if (name.find(codec_name(codec)) != name.npos) return codec;
  }
  return Codec::kNone;
}
#endif

}  // namespace barnabas::protocol
