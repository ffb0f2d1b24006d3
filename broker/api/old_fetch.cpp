#include "broker/api/old_fetch.hpp"

#include "protocol/records_conversion.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int16_t kFirstFetchWithTimestamps = 2;  // magic 1

Result<Bytes> read_all(std::span<const log::FileSlice> slices, std::uint64_t size_bytes) {
  Bytes bytes(size_bytes);
  std::size_t filled = 0;
  for (const log::FileSlice& slice : slices) {
    const auto into = MutableByteView(bytes).subspan(filled, slice.size);
    if (TRY(slice.file->read_at(slice.position, into)) != slice.size)
      return fail(ErrorCode::kKafkaStorageError, "a segment is shorter than its index says");
    filled += slice.size;
  }
  return bytes;
}

}  // namespace

Result<Bytes> convert_for_old_fetch(std::span<const log::FileSlice> slices, std::uint64_t size_bytes,
                                    Offset from, std::int16_t version) {
  thread_local protocol::RecordScratch scratch;
  thread_local protocol::Compressor compressor;
  const Bytes fetched = TRY(read_all(slices, size_bytes));
  const std::int8_t magic = version >= kFirstFetchWithTimestamps ? 1 : 0;
  return protocol::down_convert(fetched, magic, from, {.scratch = scratch, .compressor = compressor});
}

}  // namespace barnabas::broker
