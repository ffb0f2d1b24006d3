// Conversion between magics: down for consumers that know only message sets, up for old logs.
//
// Pure functions; the scratch and the compressor lend their buffers. Thread safety: that of the scratch.
// Memory: one batch at a time besides the result; RecordLimits::max_record_bytes holds for each batch
// decompressed. Errors: kUnsupportedCompressionType for zstd going down; those of reading (records.hpp,
// legacy_message_set.hpp). Source: measured on Kafka 3.9.1, the last that converts.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "protocol/compression.hpp"
#include "protocol/records.hpp"

namespace barnabas::protocol {

struct ConversionTools {
  RecordScratch& scratch;
  Compressor& compressor;
  RecordLimits limits = {};
};

/// The entries of `records` with `to_magic` (0 or 1) at most: each batch converted by itself with its codec,
/// headers dropped, control batches left out, entries that need nothing copied. Of uncompressed batches only
/// records from `first_offset` on, since an old client does not skip those it did not ask for. A last entry
/// that is cut is left out.
Result<Bytes> down_convert(ByteView records, std::int8_t to_magic, Offset first_offset,
                           ConversionTools tools);

/// Every entry of magic 0 or 1 as a batch of magic 2 with the same offsets, codec and times; batches of magic
/// 2 are copied. New batches get `leader_epoch`.
Result<Bytes> up_convert(ByteView records, LeaderEpoch leader_epoch, ConversionTools tools);

}  // namespace barnabas::protocol
