// Fuzz target: whatever the bytes, records parse or fail, the two readers agree, and conversions give valid
// entries.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "base/check.hpp"
#include "protocol/control_record.hpp"
#include "protocol/legacy_message_set.hpp"
#include "protocol/record_batch.hpp"
#include "protocol/records.hpp"
#include "protocol/records_conversion.hpp"

namespace barnabas::protocol {
namespace {

constexpr RecordLimits kLimits{.max_record_bytes = 1 << 20, .max_batch_bytes = 4 << 20};

template <class Cursor>
bool reads(Cursor cursor) {
  RecordView record;
  while (true) {
    auto more = cursor.next(record);
    if (!more) return false;
    if (!*more) return true;
    std::size_t bytes = 0;
    for (const RecordHeader& header : record.headers)
      bytes += header.key.size() + header.value.value_or(ByteView()).size();
    CHECK(bytes <= record.size_bytes);
    if (auto key = parse_control_key(record); key && record.value) (void)parse_end_txn_marker(*record.value);
  }
}

void read_entries(ByteView bytes, RecordScratch& scratch) {
  BatchCursor entries(bytes);
  while (true) {
    auto entry = entries.next();
    if (!entry || !*entry) return;
    (void)(*entry)->last_offset();
    if ((*entry)->is_legacy()) {
      LegacyMessageView message((*entry)->bytes());
      (void)message.check_crc();
      (void)reads(LegacyCursor(message, scratch, kLimits));
      continue;
    }
    RecordBatchView batch = (*entry)->batch();
    (void)batch.check_crc();
    (void)batch.last_sequence();
    bool read = reads(RecordCursor(batch, scratch, kLimits));
    auto summary = validate_records(batch, {.require_keys = true, .limits = kLimits}, scratch);
    // The check holds no record whole, so it passes records that the cursor finds too long. Never the other
    // way.
    CHECK(!read || batch.count() == 0 || summary.has_value());
  }
}

void convert(ByteView bytes, RecordScratch& scratch) {
  Compressor compressor;
  ConversionTools tools{scratch, compressor, kLimits};
  for (std::int8_t magic : {0, 1}) {
    auto down = down_convert(bytes, magic, Offset(0), tools);
    if (down) {
      BatchCursor entries(*down, BatchCursor::Tail::kWhole);
      while (true) {
        auto entry = entries.next();
        CHECK(entry.has_value());
        if (!*entry) break;
        CHECK((*entry)->magic() <= magic);
      }
    }
  }
  auto up = up_convert(bytes, kNoLeaderEpoch, tools);
  if (up) read_entries(*up, scratch);
}

/// The bytes as the payload of a well-formed header, so that the fuzzer need not guess sizes.
Bytes wrap(ByteView payload, std::uint8_t attributes, std::uint8_t count) {
  Bytes batch(kBatchHeaderBytes);
  store_big_endian(batch.data() + batch_field::kLength,
                   static_cast<std::int32_t>(kBatchHeaderBytes - kLogOverheadBytes + payload.size()));
  batch[batch_field::kMagic] = 2;
  batch[batch_field::kAttributes + 1] = attributes;
  batch[batch_field::kCount + 3] = count;
  batch[batch_field::kLastOffsetDelta + 3] = count;
  batch.insert(batch.end(), payload.begin(), payload.end());
  return batch;
}

}  // namespace
}  // namespace barnabas::protocol

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace barnabas;
  using namespace barnabas::protocol;
  if (size < 3) return 0;
  ByteView bytes(data + 3, size - 3);
  static RecordScratch scratch;
  switch (data[0] % 3) {
    case 0:
      read_entries(bytes, scratch);
      convert(bytes, scratch);
      break;
    case 1: {
      Bytes batch = wrap(bytes, data[1], data[2]);
      read_entries(batch, scratch);
      convert(batch, scratch);
      break;
    }
    default: {
      Bytes out;
      auto header = data[2] % 2 == 0 ? Lz4Header::kStandard : Lz4Header::kMagic0;
      (void)scratch.decompressor().decompress(static_cast<Codec>(data[1] % 8), bytes, 1 << 20, out, header);
      CHECK(out.size() <= (1 << 20) + 1);
    }
  }
  return 0;
}
