// kafka-delegation-tokens: creates, renews, expires and shows tokens that others authenticate with (KIP-48).
#include <fmt/chrono.h>
#include <fmt/ranges.h>

#include <array>
#include <chrono>

#include "protocol/json/message_json.hpp"
#include "protocol/messages/api_create_delegation_token.hpp"
#include "protocol/messages/api_describe_delegation_token.hpp"
#include "protocol/messages/api_expire_delegation_token.hpp"
#include "protocol/messages/api_renew_delegation_token.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/base64_text.hpp"
#include "tools/commands/command_frame.hpp"

namespace barnabas::tools {
namespace {

struct Principal {
  std::string type;
  std::string name;
};

struct Token {
  std::string id;
  ByteView hmac;
  Principal owner;
  Principal requester;
  std::vector<Principal> renewers;
  std::int64_t issued_ms = 0;
  std::int64_t expires_ms = 0;
  std::int64_t ends_ms = 0;  // no renewal goes beyond
};

std::string to_string(const Principal& principal) {
  return fmt::format("{}:{}", principal.type, principal.name);
}

/// As Kafka's tools print a list.
std::string to_string(const std::vector<Principal>& principals) {
  std::vector<std::string> texts;
  for (const auto& principal : principals) texts.push_back(to_string(principal));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

/// Those that an option names.
Result<std::vector<Principal>> principals_of(const JoptOptions& options, std::string_view option) {
  std::vector<Principal> principals;
  for (const auto& text : options.all(option)) {
    const auto colon = text.find(':');
    if (colon == std::string::npos)
      return misuse(fmt::format("expected a string in format principalType:principalName but got {}", text));
    principals.push_back({text.substr(0, colon), text.substr(colon + 1)});
  }
  return principals;
}

/// To the minute, in local time.
std::string minute_text(std::int64_t time_ms) {
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(time_ms)};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M}", fmt::localtime(seconds.time_since_epoch().count()));
}

std::string row(const std::array<std::string, 8>& cells) {
  return fmt::format("{:<15} {:<30} {:<15} {:<15} {:<25} {:<15} {:<15} {:<15}\n", cells[0], cells[1],
                     cells[2], cells[3], cells[4], cells[5], cells[6], cells[7]);
}

void print_tokens(const std::vector<Token>& tokens) {
  fmt::print(
      "{}", row({"TOKENID", "HMAC", "OWNER", "REQUESTER", "RENEWERS", "ISSUEDATE", "EXPIRYDATE", "MAXDATE"}));
  for (const auto& token : tokens)
    fmt::print("\n{}",
               row({token.id, protocol::base64(token.hmac), to_string(token.owner),
                    to_string(token.requester), to_string(token.renewers), minute_text(token.issued_ms),
                    minute_text(token.expires_ms), minute_text(token.ends_ms)}));
}

Result<void> create(const JoptOptions& options, Admin& admin) {
  using protocol::CreateDelegationTokenResponse;
  const auto renewers = TRY(principals_of(options, "renewer-principal"));
  protocol::CreateDelegationTokenRequest request;
  request.max_lifetime_ms = TRY(options.number("max-life-time-period")).value_or(0);
  fmt::print("Calling create token operation with renewers :{} , max-life-time-period :{}\n",
             to_string(renewers), request.max_lifetime_ms);
  for (const auto& renewer : renewers) request.renewers.push_back({renewer.type, renewer.name});
  const auto owners = TRY(principals_of(options, "owner-principal"));
  if (!owners.empty()) {
    request.owner_principal_type = owners.front().type;
    request.owner_principal_name = owners.front().name;
  }
  const auto answer =
      TRY(admin.call<CreateDelegationTokenResponse>(Target::any(), request, "createDelegationToken"));
  fmt::print("Created delegation token with tokenId : {}\n\n", answer->token_id);
  print_tokens(
      {{.id = answer->token_id,
        .hmac = answer->hmac,
        .owner = {answer->principal_type, answer->principal_name},
        .requester = {answer->token_requester_principal_type, answer->token_requester_principal_name},
        .renewers = renewers,
        .issued_ms = answer->issue_timestamp_ms,
        .expires_ms = answer->expiry_timestamp_ms,
        .ends_ms = answer->max_timestamp_ms}});
  return {};
}

Result<void> renew(const JoptOptions& options, Admin& admin) {
  using protocol::RenewDelegationTokenResponse;
  const std::string hmac_text = options.text("hmac");
  protocol::RenewDelegationTokenRequest request;
  request.renew_period_ms = TRY(options.number("renew-time-period")).value_or(0);
  fmt::print("Calling renew token operation with hmac :{} , renew-time-period :{}\n", hmac_text,
             request.renew_period_ms);
  const Bytes hmac = TRY(parse_base64_text(hmac_text));
  request.hmac = hmac;
  const auto answer =
      TRY(admin.call<RenewDelegationTokenResponse>(Target::any(), request, "renewDelegationToken"));
  fmt::print("Completed renew operation. New expiry date : {}", minute_text(answer->expiry_timestamp_ms));
  return {};
}

Result<void> expire(const JoptOptions& options, Admin& admin) {
  using protocol::ExpireDelegationTokenResponse;
  const std::string hmac_text = options.text("hmac");
  protocol::ExpireDelegationTokenRequest request;
  request.expiry_time_period_ms = TRY(options.number("expiry-time-period")).value_or(0);
  fmt::print("Calling expire token operation with hmac :{} , expire-time-period :{}\n", hmac_text,
             request.expiry_time_period_ms);
  const Bytes hmac = TRY(parse_base64_text(hmac_text));
  request.hmac = hmac;
  const auto answer =
      TRY(admin.call<ExpireDelegationTokenResponse>(Target::any(), request, "expireDelegationToken"));
  fmt::print("Completed expire operation. New expiry date : {}", minute_text(answer->expiry_timestamp_ms));
  return {};
}

Result<void> describe(const JoptOptions& options, Admin& admin) {
  using protocol::DescribeDelegationTokenResponse;
  const auto owners = TRY(principals_of(options, "owner-principal"));
  if (owners.empty())
    fmt::print("Calling describe token operation for current user.\n");
  else
    fmt::print("Calling describe token operation for owners: {}\n", to_string(owners));
  protocol::DescribeDelegationTokenRequest request;
  request.owners.emplace();
  for (const auto& owner : owners) request.owners->push_back({owner.type, owner.name});
  const auto answer =
      TRY(admin.call<DescribeDelegationTokenResponse>(Target::any(), request, "describeDelegationToken"));
  std::vector<Token> tokens;
  for (const auto& token : answer->tokens) {
    auto& shown = tokens.emplace_back();
    shown = {.id = token.token_id,
             .hmac = token.hmac,
             .owner = {token.principal_type, token.principal_name},
             .requester = {token.token_requester_principal_type, token.token_requester_principal_name},
             .renewers = {},
             .issued_ms = token.issue_timestamp,
             .expires_ms = token.expiry_timestamp,
             .ends_ms = token.max_timestamp};
    for (const auto& renewer : token.renewers)
      shown.renewers.push_back({renewer.principal_type, renewer.principal_name});
  }
  fmt::print("Total number of tokens : {}\n", tokens.size());
  print_tokens(tokens);
  return {};
}

Result<void> check_usage(const JoptOptions& options) {
  if (options.count({"create", "renew", "expire", "describe"}) != 1)
    return misuse("Command must include exactly one action: --create, --renew, --expire or --describe");
  TRY(options.require({"bootstrap-server", "command-config"}));
  if (options.has("create")) TRY(options.require({"max-life-time-period"}));
  if (options.has("renew")) TRY(options.require({"hmac", "renew-time-period"}));
  if (options.has("expire")) TRY(options.require({"hmac", "expiry-time-period"}));
  TRY(options.exclude("create", {"renew-time-period", "hmac", "expiry-time-period"}));
  TRY(options.exclude(
      "renew", {"expiry-time-period", "max-life-time-period", "owner-principal", "renewer-principal"}));
  TRY(options.exclude("expire", {"max-life-time-period", "renew-time-period", "owner-principal"}));
  return options.exclude("describe",
                         {"hmac", "max-life-time-period", "renew-time-period", "expiry-time-period"});
}

Result<void> execute(const JoptOptions& options) {
  Admin admin = TRY(open_admin(options));
  if (options.has("create")) return create(options, admin);
  if (options.has("renew")) return renew(options, admin);
  return options.has("expire") ? expire(options, admin) : describe(options, admin);
}

}  // namespace

JoptOptions delegation_tokens_options() {
  JoptOptions options("kafka-delegation-tokens", "Creates, renews, expires and shows delegation tokens.");
  options.add_standard_options();
  options.flag("create", "Make a token; --max-life-time-period says how long it can be renewed.");
  options.flag("renew", "Let the token of --hmac last until --renew-time-period from now.");
  options.flag("expire", "Let the token of --hmac end; --expiry-time-period says when.");
  options.flag("describe", "Show tokens: one's own, or those of --owner-principal.");
  const auto principals = [&](std::string name, std::string text) {
    options.add({.name = std::move(name),
                 .argument = JoptOptions::Argument::kOptional,
                 .placeholder = "TYPE:NAME",
                 .text = std::move(text),
                 .repeatable = true});
  };
  principals("owner-principal", "Whose tokens to show; for whom to make one.");
  principals("renewer-principal", "Who else may renew the token that is made.");
  options.value("max-life-time-period", "MS", "The longest life of the token; -1 for the broker's limit.");
  options.value("renew-time-period", "MS", "How long from now; -1 for what the broker has for it.");
  options.value("expiry-time-period", "MS", "How long from now; -1 for at once.");
  options.value("hmac", "BASE64", "The HMAC of the token, as it was shown when it was made.");
  return options;
}

int run_delegation_tokens(Arguments arguments) {
  JoptOptions options = delegation_tokens_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto usable = check_usage(options); !usable) return refuse_usage(options, usable.error());
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools
