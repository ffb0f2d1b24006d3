// Every message's decoder against any bytes. The first three choose the message and its version.
//
// Holds: the decoder stays within the bytes (the sanitizers); what it accepts is encoded in the size
// announced, and decoding and encoding once more changes nothing. Encoding may refuse a decoded message for
// one reason only: a string too long for its old encoding cannot come out of a decoder that read it so.
#include <cstddef>
#include <cstdint>

#include "base/check.hpp"
#include "protocol/headers.hpp"
#include "protocol/message_registry.hpp"
#include "protocol/reader.hpp"

namespace {

using namespace barnabas;

void fuzz_header(ByteView input) {
  protocol::Reader reader(input);
  (void)protocol::read_request_header(reader);
  CHECK(reader.remaining() <= input.size());
}

void fuzz_message(const protocol::MessageType& type, std::int16_t version, ByteView input) {
  protocol::Recoded first = type.recode(version, input);
  if (!first.decoded) return;
  CHECK(first.failure == nullptr);
  CHECK(first.consumed <= input.size());
  CHECK(first.bytes.size() == first.announced);
  protocol::Recoded second = type.recode(version, first.bytes);
  CHECK(second.decoded && second.failure == nullptr);
  CHECK(second.consumed == first.bytes.size());
  CHECK(second.bytes == first.bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  auto types = protocol::all_messages();
  const protocol::MessageType& type = types[(data[0] << 8 | data[1]) % types.size()];
  int versions = type.max_version - type.min_version + 1;
  auto version = static_cast<std::int16_t>(type.min_version + data[2] % versions);
  ByteView input{data + 3, size - 3};
  fuzz_header(input);
  fuzz_message(type, version, input);
  return 0;
}
