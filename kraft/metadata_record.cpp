#include "kraft/metadata_record.hpp"

#include <fmt/core.h>

#include <type_traits>

#include "base/check.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::uint32_t kFrameVersion = 1;

// Levels of metadata.version at which records gained fields.
constexpr std::int16_t kIbp34Iv0 = 8;
constexpr std::int16_t kIbp37Iv2 = 17;
constexpr std::int16_t kIbp40Iv1 = 23;
constexpr std::int16_t kIbp43Iv0 = 30;

std::int16_t partition_version(std::int16_t level) {
  if (level >= kIbp40Iv1) return 2;
  return level >= kIbp37Iv2 ? 1 : 0;
}

template <class Record>
std::int16_t version_of(const Record&, std::int16_t) {
  return 0;
}
std::int16_t version_of(const protocol::PartitionRecord&, std::int16_t level) {
  return partition_version(level);
}
std::int16_t version_of(const protocol::PartitionChangeRecord&, std::int16_t level) {
  return partition_version(level);
}
std::int16_t version_of(const protocol::RegisterBrokerRecord&, std::int16_t level) {
  if (level >= kIbp43Iv0) return 4;
  if (level >= kIbp37Iv2) return 3;
  return level >= kIbp34Iv0 ? 2 : 1;
}
/// The lowest version that carries the change, as Kafka writes it.
std::int16_t version_of(const protocol::BrokerRegistrationChangeRecord& record, std::int16_t) {
  if (record.cordoned_log_dirs) return 3;
  if (!record.log_dirs.empty()) return 2;
  return record.in_controlled_shutdown != 0 ? 1 : 0;
}

template <std::size_t kIndex = 0>
Result<MetadataRecord> decode_as(std::uint32_t key, std::uint32_t version, protocol::Reader& reader) {
  if constexpr (kIndex == std::variant_size_v<MetadataRecord>) {
    return fail(ErrorCode::kCorruptMessage, fmt::format("metadata record of unknown type {}", key));
  } else {
    using Record = std::variant_alternative_t<kIndex, MetadataRecord>;
    if (key != static_cast<std::uint32_t>(Record::kApiKey))
      return decode_as<kIndex + 1>(key, version, reader);
    if (version > static_cast<std::uint32_t>(Record::kMaxVersion))
      return fail(ErrorCode::kCorruptMessage,
                  fmt::format("{} of version {}, which this software does not know", Record::kName, version));
    Record record;
    record.read(reader, static_cast<std::int16_t>(version));
    if (!reader.ok())
      return fail(ErrorCode::kCorruptMessage, fmt::format("{}: {}", Record::kName, reader.failure()));
    return record;
  }
}

}  // namespace

Bytes encode(const MetadataRecord& record, std::int16_t metadata_version) {
  return std::visit(
      [metadata_version](const auto& message) {
        using Record = std::remove_cvref_t<decltype(message)>;
        const std::int16_t version = version_of(message, metadata_version);
        protocol::Writer writer;
        writer.uvarint(kFrameVersion);
        writer.uvarint(static_cast<std::uint32_t>(Record::kApiKey));
        writer.uvarint(static_cast<std::uint32_t>(version));
        message.write(writer, version);
        CHECK(writer.ok(), writer.failure());
        return writer.take();
      },
      record);
}

Result<MetadataRecord> decode(ByteView value) {
  protocol::Reader reader(value);
  const std::uint32_t frame = reader.uvarint();
  const std::uint32_t key = reader.uvarint();
  const std::uint32_t version = reader.uvarint();
  if (!reader.ok()) return fail(ErrorCode::kCorruptMessage, "metadata record without a whole frame");
  if (frame != kFrameVersion)
    return fail(ErrorCode::kCorruptMessage, fmt::format("metadata record of frame version {}", frame));
  return decode_as(key, version, reader);
}

}  // namespace barnabas::kraft
