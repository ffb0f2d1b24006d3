#include "kraft/scram.hpp"

#include <fmt/core.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <charconv>

#include "base/check.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::size_t kSaltBytes = 26;

const EVP_MD* digest_of(std::int8_t mechanism) {
  return mechanism == 2 ? EVP_sha512() : EVP_sha256();
}

Bytes hmac(const EVP_MD* digest, const Bytes& key, std::string_view text) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  CHECK(HMAC(digest, key.data(), static_cast<int>(key.size()), as_bytes(text).data(), text.size(), out.data(),
             &size) != nullptr);
  return Bytes(out.begin(), out.begin() + size);
}

Bytes hash(const EVP_MD* digest, const Bytes& input) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  CHECK(EVP_Digest(input.data(), input.size(), out.data(), &size, digest, nullptr) == 1);
  return Bytes(out.begin(), out.begin() + size);
}

std::optional<Bytes> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.empty()) return std::nullopt;
  Bytes out(text.size() / 4 * 3);
  const int size = EVP_DecodeBlock(out.data(), as_bytes(text).data(), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

std::unexpected<Error> bad_argument(std::string why) {
  return fail(ErrorCode::kInvalidConfig, std::move(why));
}

Result<void> set_entry(std::string_view key, std::string_view value, ScramUserSpec& user) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
    value = value.substr(1, value.size() - 2);
  if (key == "name") {
    user.name = value;
  } else if (key == "password") {
    user.password = value;
  } else if (key == "salt" || key == "saltedpassword") {
    auto bytes = decode_base64(value);
    if (!bytes) return bad_argument(fmt::format("{} is not base64", key));
    (key == "salt" ? user.salt : user.salted_password) = std::move(*bytes);
  } else if (key == "iterations") {
    const char* end = value.data() + value.size();
    auto [at, error] = std::from_chars(value.data(), end, user.iterations);
    if (error != std::errc() || at != end) return bad_argument("iterations is not a number");
  } else {
    return bad_argument(fmt::format("unknown key '{}'", key));
  }
  return {};
}

}  // namespace

void add_salt(ScramUserSpec& user, Random& random) {
  if (!user.salt.empty() || !user.salted_password.empty()) return;
  while (user.salt.size() < kSaltBytes) user.salt.push_back(static_cast<std::uint8_t>(random.below(256)));
}

ScramKeys scram_keys(const ScramUserSpec& user) {
  const EVP_MD* digest = digest_of(user.mechanism);
  Bytes salted = user.salted_password;
  if (salted.empty()) {
    salted.resize(static_cast<std::size_t>(EVP_MD_get_size(digest)));
    CHECK(PKCS5_PBKDF2_HMAC(user.password.data(), static_cast<int>(user.password.size()), user.salt.data(),
                            static_cast<int>(user.salt.size()), user.iterations, digest,
                            static_cast<int>(salted.size()), salted.data()) == 1);
  }
  return {hash(digest, hmac(digest, salted, "Client Key")), hmac(digest, salted, "Server Key")};
}

Result<ScramUserSpec> parse_scram_user(std::string_view argument) {
  ScramUserSpec user;
  const std::size_t equals = argument.find('=');
  const std::string_view mechanism = argument.substr(0, equals);
  if (mechanism == "SCRAM-SHA-256") user.mechanism = 1;
  if (mechanism == "SCRAM-SHA-512") user.mechanism = 2;
  if (user.mechanism == 0) return bad_argument("the mechanism must be SCRAM-SHA-256 or SCRAM-SHA-512");
  std::string_view list = equals == std::string_view::npos ? std::string_view() : argument.substr(equals + 1);
  if (list.size() < 2 || list.front() != '[' || list.back() != ']')
    return bad_argument("expected MECHANISM=[name=...,password=...]");
  list = list.substr(1, list.size() - 2);
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view entry = list.substr(0, comma);
    const std::size_t at = entry.find('=');
    if (at == std::string_view::npos) return bad_argument(fmt::format("'{}' has no value", entry));
    TRY(set_entry(entry.substr(0, at), entry.substr(at + 1), user));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  if (user.name.empty()) return bad_argument("You must supply 'name' to add-scram");
  if (user.password.empty() == user.salted_password.empty())
    return bad_argument("You must supply one of 'password' or 'saltedpassword' to add-scram");
  if (!user.salted_password.empty() && user.salt.empty())
    return bad_argument("You must supply 'salt' with 'saltedpassword' to add-scram");
  if (user.iterations < kMinScramIterations || user.iterations > kMaxScramIterations)
    return bad_argument(fmt::format("The 'iterations' value must be >= {} and <= {}", kMinScramIterations,
                                    kMaxScramIterations));
  return user;
}

}  // namespace barnabas::kraft
