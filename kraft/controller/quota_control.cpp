#include "kraft/controller/quota_control.hpp"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace barnabas::kraft {

namespace {

using Request = protocol::AlterClientQuotasRequest;
using Answer = protocol::AlterClientQuotasResponse::EntryData;

enum class NumberType { kDouble, kLong, kInt };
constexpr double kWholeWithin = 1e-6;

std::unexpected<Error> invalid(std::string why) {
  return fail(ErrorCode::kInvalidRequest, std::move(why));
}

std::string shown(const QuotaEntity& entity) {
  std::string parts;
  for (const auto& [type, name] : entity)
    parts += fmt::format("{}{}={}", parts.empty() ? "" : ", ", type, name.value_or("null"));
  return fmt::format("ClientQuotaEntity(entries={{{}}})", parts);
}

bool is_address(const std::string& name) {
  in6_addr bytes{};
  return name == "localhost" || inet_pton(AF_INET, name.c_str(), &bytes) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &bytes) == 1;
}

Result<void> check_entity(const QuotaEntity& entity) {
  if (entity.empty()) return invalid("Invalid empty client quota entity");
  for (const auto& [type, name] : entity) {
    if (type != kUserEntity && type != kClientIdEntity && type != kIpEntity)
      return invalid("Unhandled client quota entity type: " + type);
    if (name && name->empty()) return invalid(fmt::format("Empty {} not supported", type));
  }
  if (entity.size() > 1 && entity.contains(std::string(kIpEntity)))
    return invalid("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId");
  return {};
}

Result<NumberType> type_of(const QuotaEntity& entity, const std::string& key) {
  const bool of_address = entity.contains(std::string(kIpEntity));
  if (of_address && key == "connection_creation_rate") return NumberType::kInt;
  if (!of_address && (key == "producer_byte_rate" || key == "consumer_byte_rate")) return NumberType::kLong;
  if (!of_address && (key == "request_percentage" || key == "controller_mutation_rate"))
    return NumberType::kDouble;
  return invalid("Invalid configuration key " + key);
}

Result<void> check_value(const QuotaEntity& entity, const std::string& key, double value) {
  const NumberType type = TRY(type_of(entity, key));
  if (value <= 0) return invalid(fmt::format("Quota {} must be greater than 0", key));
  if (type == NumberType::kDouble) return {};
  const bool is_int = type == NumberType::kInt;
  if (value > static_cast<double>(is_int ? std::int64_t{INT32_MAX} : INT64_MAX))
    return invalid(
        fmt::format("Proposed value for {} is too large for {}.", key, is_int ? "an INT" : "a LONG"));
  if (std::abs(value - std::rint(value)) > kWholeWithin)
    return invalid(key + " cannot be a fractional value.");
  return {};
}

Result<MetadataRecords> records_for(const ControlContext& context, const QuotaEntity& entity,
                                    const std::vector<Request::OpData>& operations) {
  TRY(check_entity(entity));
  const auto known = context.image.quotas->find(entity);
  MetadataRecords records;
  for (const Request::OpData& operation : operations) {
    const bool is_set = known != context.image.quotas->end() && known->second.contains(operation.key);
    if (operation.remove && !is_set) continue;
    if (!operation.remove) {
      const auto address = entity.find(std::string(kIpEntity));
      if (address != entity.end() && address->second && !is_address(*address->second))
        return invalid(*address->second + " is not a valid IP or resolvable host.");
      TRY(check_value(entity, operation.key, operation.value));
      if (is_set && known->second.at(operation.key) == operation.value) continue;
    }
    protocol::ClientQuotaRecord record;
    for (const auto& [type, name] : entity) record.entity.push_back({type, name});
    record.key = operation.key;
    record.value = operation.remove ? 0 : operation.value;
    record.remove = operation.remove;
    records.emplace_back(std::move(record));
  }
  return records;
}

/// An entity named twice in a request, or a key twice for an entity.
bool has_duplicates(const Request& request, const QuotaEntity& entity,
                    const std::vector<QuotaEntity>& entities) {
  std::set<std::string> keys;
  std::size_t operations = 0;
  for (std::size_t i = 0; i < entities.size(); ++i) {
    if (entities[i] != entity) continue;
    operations += request.entries[i].ops.size();
    for (const auto& operation : request.entries[i].ops) keys.insert(operation.key);
  }
  return std::ranges::count(entities, entity) > 1 || keys.size() != operations;
}

Answer answer_for(const QuotaEntity& entity, const Result<MetadataRecords>& records) {
  Answer answer;
  for (const auto& [type, name] : entity) answer.entity.push_back({type, name});
  answer.error_message = std::nullopt;
  if (!records) {
    answer.error_code = static_cast<std::int16_t>(records.error().code);
    answer.error_message = records.error().detail;
  }
  return answer;
}

}  // namespace

ControllerResult<protocol::AlterClientQuotasResponse> alter_client_quotas(const ControlContext& context,
                                                                          const Request& request) {
  ControllerResult<protocol::AlterClientQuotasResponse> result;
  std::vector<QuotaEntity> entities;
  for (const auto& entry : request.entries) {
    QuotaEntity& entity = entities.emplace_back();
    // Of a type named twice the last name counts, as in Kafka.
    for (const auto& part : entry.entity) entity[part.entity_type] = part.entity_name;
  }
  std::set<QuotaEntity> answered;
  for (std::size_t i = 0; i < entities.size(); ++i) {
    if (!answered.insert(entities[i]).second) continue;
    Result<MetadataRecords> records = MetadataRecords{};
    if (has_duplicates(request, entities[i], entities)) {
      records = invalid("Ignoring duplicate entity " + shown(entities[i]));
    } else {
      records = records_for(context, entities[i], request.entries[i].ops);
    }
    result.response.entries.push_back(answer_for(entities[i], records));
    if (records && !request.validate_only) std::ranges::move(*records, std::back_inserter(result.records));
  }
  return result;
}

}  // namespace barnabas::kraft
