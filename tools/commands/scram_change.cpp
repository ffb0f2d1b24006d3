#include "tools/commands/scram_change.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <list>

#include "protocol/messages/api_alter_user_scram_credentials.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

using protocol::AlterUserScramCredentialsRequest;
using protocol::AlterUserScramCredentialsResponse;

constexpr std::int32_t kMinIterations = 4096;
constexpr std::size_t kSaltBytes = 24;  // as Kafka's tool makes them

struct Password {
  std::int32_t iterations = kMinIterations;
  std::string text;
};

std::int8_t mechanism_of(const std::string& name) {
  return name == "SCRAM-SHA-256" ? 1 : 2;
}

Result<Password> parse_password(const std::string& mechanism, const std::string& value) {
  constexpr std::string_view kIterations = "iterations=";
  constexpr std::string_view kPassword = "password=";
  std::string name = mechanism;
  std::ranges::replace(name, '-', '_');
  const auto refuse = [&] { return misuse(fmt::format("Invalid credential property {}={}", name, value)); };
  Password password;
  std::string_view rest = value;
  if (rest.starts_with(kIterations)) {
    const auto comma = rest.find(',');
    if (comma == std::string_view::npos) return refuse();
    const auto number =
        parse_number<std::int32_t>(rest.substr(kIterations.size(), comma - kIterations.size()));
    if (!number) return refuse();
    password.iterations = *number;
    rest.remove_prefix(comma + 1);
  }
  if (!rest.starts_with(kPassword)) return refuse();
  password.text = rest.substr(kPassword.size());
  if (password.iterations < kMinIterations)
    return misuse(fmt::format("Iterations {} is less than the minimum {} required for {}",
                              password.iterations, kMinIterations, mechanism));
  return password;
}

Bytes salted(const Password& password, const Bytes& salt, bool is_sha512) {
  Bytes made(is_sha512 ? 64 : 32);
  PKCS5_PBKDF2_HMAC(password.text.data(), static_cast<int>(password.text.size()), salt.data(),
                    static_cast<int>(salt.size()), password.iterations,
                    is_sha512 ? EVP_sha512() : EVP_sha256(), static_cast<int>(made.size()), made.data());
  return made;
}

}  // namespace

Result<void> alter_scram_credentials(Admin& admin, const std::string& user, const ConfigPairs& added,
                                     const std::vector<std::string>& deleted) {
  AlterUserScramCredentialsRequest request;
  std::list<Bytes> kept;  // what the request's views point into
  for (const auto& [mechanism, value] : added) {
    const Password password = TRY(parse_password(mechanism, value));
    Bytes& salt = kept.emplace_back(kSaltBytes);
    RAND_bytes(salt.data(), static_cast<int>(salt.size()));
    Bytes& secret = kept.emplace_back(salted(password, salt, mechanism_of(mechanism) == 2));
    request.upsertions.push_back({.name = user,
                                  .mechanism = mechanism_of(mechanism),
                                  .iterations = password.iterations,
                                  .salt = salt,
                                  .salted_password = secret});
  }
  for (const auto& mechanism : deleted)
    request.deletions.push_back({.name = user, .mechanism = mechanism_of(mechanism)});
  const auto alter = admin.call<AlterUserScramCredentialsResponse>(
      Target::controller(), request, "alterUserScramCredentials",
      [](const AlterUserScramCredentialsResponse& answer) { return first_refusal(answer.results); });
  if (alter) return {};
  return std::unexpected(alter.error());
}

}  // namespace barnabas::tools
