#include "tools/client/java_exceptions.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "protocol/error_table.hpp"

namespace barnabas::tools {
namespace {

struct Irregular {
  ErrorCode code;
  std::string_view name;
};

/// Exceptions that are not called as their error is.
constexpr std::array kIrregular{
    Irregular{ErrorCode::kUnknownServerError, "UnknownServerException"},
    Irregular{ErrorCode::kCorruptMessage, "CorruptRecordException"},
    Irregular{ErrorCode::kRequestTimedOut, "TimeoutException"},
    Irregular{ErrorCode::kMessageTooLarge, "RecordTooLargeException"},
    Irregular{ErrorCode::kStaleControllerEpoch, "ControllerMovedException"},
    Irregular{ErrorCode::kOffsetMetadataTooLarge, "OffsetMetadataTooLarge"},
    Irregular{ErrorCode::kRecordListTooLarge, "RecordBatchTooLargeException"},
    Irregular{ErrorCode::kTopicAuthorizationFailed, "TopicAuthorizationException"},
    Irregular{ErrorCode::kGroupAuthorizationFailed, "GroupAuthorizationException"},
    Irregular{ErrorCode::kClusterAuthorizationFailed, "ClusterAuthorizationException"},
    Irregular{ErrorCode::kTopicAlreadyExists, "TopicExistsException"},
    Irregular{ErrorCode::kInvalidConfig, "InvalidConfigurationException"},
    Irregular{ErrorCode::kOutOfOrderSequenceNumber, "OutOfOrderSequenceException"},
    Irregular{ErrorCode::kDuplicateSequenceNumber, "DuplicateSequenceException"},
    Irregular{ErrorCode::kInvalidProducerIdMapping, "InvalidPidMappingException"},
    Irregular{ErrorCode::kInvalidTransactionTimeout, "InvalidTxnTimeoutException"},
    Irregular{ErrorCode::kTransactionalIdAuthorizationFailed, "TransactionalIdAuthorizationException"},
    Irregular{ErrorCode::kKafkaStorageError, "KafkaStorageException"},
    Irregular{ErrorCode::kSaslAuthenticationFailed, "SaslAuthenticationException"},
    Irregular{ErrorCode::kDelegationTokenAuthDisabled, "DelegationTokenDisabledException"},
    Irregular{ErrorCode::kDelegationTokenRequestNotAllowed, "UnsupportedByAuthenticationException"},
    Irregular{ErrorCode::kDelegationTokenAuthorizationFailed, "DelegationTokenAuthorizationException"},
    Irregular{ErrorCode::kNonEmptyGroup, "GroupNotEmptyException"},
    Irregular{ErrorCode::kPrincipalDeserializationFailure, "PrincipalDeserializationException"},
    Irregular{ErrorCode::kFetchSessionTopicIdError, "FetchSessionTopicIdException"},
    Irregular{ErrorCode::kInvalidRegularExpression, "InvalidRegularExpression"},
};

std::string simple_name(ErrorCode code) {
  const auto irregular = std::ranges::find(kIrregular, code, &Irregular::code);
  if (irregular != kIrregular.end()) return std::string(irregular->name);
  std::string name;
  bool starts_word = true;
  for (const char letter : std::string_view(protocol::error_name(code))) {
    if (letter != '_') name += starts_word ? letter : static_cast<char>(letter - 'A' + 'a');
    starts_word = letter == '_';
  }
  return name.ends_with("Exception") ? name : name + "Exception";
}

}  // namespace

std::string exception_class(ErrorCode code) {
  return "org.apache.kafka.common.errors." + simple_name(code);
}

std::string exception_text(const Error& error) {
  return exception_class(error.code) + ": " + error.detail;
}

}  // namespace barnabas::tools
