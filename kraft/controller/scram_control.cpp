#include "kraft/controller/scram_control.hpp"

#include <map>

namespace barnabas::kraft {

namespace {

using Response = protocol::AlterUserScramCredentialsResponse;
constexpr std::int8_t kSha256 = 1;
constexpr std::int8_t kSha512 = 2;

Bytes to_bytes(ByteView view) {
  return Bytes(view.begin(), view.end());
}

Result<void> check_user(const ScramUser& user) {
  if (user.name.empty()) return fail(ErrorCode::kUnacceptableCredential, "Username must not be empty");
  if (user.mechanism != kSha256 && user.mechanism != kSha512)
    return fail(ErrorCode::kUnsupportedSaslMechanism, "Unknown SCRAM mechanism");
  return {};
}

Result<MetadataRecords> deletion(const ControlContext& context, const ScramUser& user) {
  TRY(check_user(user));
  if (!context.image.scram->contains(user))
    return fail(ErrorCode::kResourceNotFound, "Attempt to delete a user credential that does not exist");
  protocol::RemoveUserScramCredentialRecord record;
  record.name = user.name;
  record.mechanism = user.mechanism;
  MetadataRecords records;
  records.emplace_back(std::move(record));
  return records;
}

Result<MetadataRecords> upsertion(const ScramAlterations::Upsertion& asked) {
  TRY(check_user(asked.user));
  if (asked.iterations < kMinScramIterations)
    return fail(ErrorCode::kUnacceptableCredential, "Too few iterations");
  if (asked.iterations > kMaxScramIterations)
    return fail(ErrorCode::kUnacceptableCredential, "Too many iterations");
  if (asked.keys.stored_key.empty()) return fail(ErrorCode::kUnknownServerError);
  protocol::UserScramCredentialRecord record;
  record.name = asked.user.name;
  record.mechanism = asked.user.mechanism;
  record.salt = asked.salt;
  record.stored_key = asked.keys.stored_key;
  record.server_key = asked.keys.server_key;
  record.iterations = asked.iterations;
  MetadataRecords records;
  records.emplace_back(std::move(record));
  return records;
}

}  // namespace

ScramAlterations to_alterations(const protocol::AlterUserScramCredentialsRequest& request) {
  ScramAlterations alterations;
  for (const auto& asked : request.deletions) alterations.deletions.push_back({asked.mechanism, asked.name});
  for (const auto& asked : request.upsertions) {
    auto& upsertion = alterations.upsertions.emplace_back();
    upsertion.user = {asked.mechanism, asked.name};
    upsertion.iterations = asked.iterations;
    upsertion.salt = to_bytes(asked.salt);
    if (asked.salted_password.empty()) continue;
    ScramUserSpec spec;
    spec.mechanism = asked.mechanism;
    spec.salted_password = to_bytes(asked.salted_password);
    upsertion.keys = scram_keys(spec);
  }
  return alterations;
}

ControllerResult<Response> alter_scram_credentials(const ControlContext& context,
                                                   const ScramAlterations& alterations) {
  ControllerResult<Response> result;
  std::map<std::string, int> times_named;
  for (const ScramUser& user : alterations.deletions) ++times_named[user.name];
  for (const auto& asked : alterations.upsertions) ++times_named[asked.user.name];
  const auto answer = [&](const std::string& name, Result<MetadataRecords> records) {
    auto& answered = result.response.results.emplace_back();
    answered.user = name;
    answered.error_message = std::nullopt;
    if (records) return std::ranges::move(*records, std::back_inserter(result.records)), void();
    answered.error_code = static_cast<std::int16_t>(records.error().code);
    if (!records.error().detail.empty()) answered.error_message = std::move(records.error().detail);
  };
  for (const ScramUser& user : alterations.deletions) {
    if (times_named[user.name] == 1) answer(user.name, deletion(context, user));
  }
  for (const auto& asked : alterations.upsertions) {
    if (times_named[asked.user.name] == 1) answer(asked.user.name, upsertion(asked));
  }
  for (const auto& [name, times] : times_named) {
    if (times > 1)
      answer(name, fail(ErrorCode::kDuplicateResource,
                        "A user credential cannot be altered twice in the same request"));
  }
  return result;
}

}  // namespace barnabas::kraft
