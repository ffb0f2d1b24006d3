// SCRAM credentials from passwords (RFC 5802): what --add-scram and later AlterUserScramCredentials store.
// Pure functions over OpenSSL.
#pragma once

#include "base/random.hpp"
#include "kraft/bootstrap.hpp"

namespace barnabas::kraft {

inline constexpr std::int32_t kMinScramIterations = 4096;
inline constexpr std::int32_t kMaxScramIterations = 16384;

/// A random salt, as long as those that 4.3.1 writes, unless the user brings one or a salted password.
void add_salt(ScramUserSpec& user, Random& random);

struct ScramKeys {
  Bytes stored_key;
  Bytes server_key;
};
/// From the salted password (`ScramUserSpec::salted_password`, or PBKDF2 of password, salt and iterations).
[[nodiscard]] ScramKeys scram_keys(const ScramUserSpec& user);

}  // namespace barnabas::kraft
