#include "kraft/controller/feature_control.hpp"

#include <fmt/core.h>

namespace barnabas::kraft {

namespace {

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}
enum UpgradeType : std::int8_t { kUpgrade = 1, kSafeDowngrade = 2, kUnsafeDowngrade = 3 };

std::string invalid(const std::string& feature, std::int16_t level, const std::string& why) {
  return fmt::format("Invalid update version {} for feature {}. {}", level, feature, why);
}

/// Every registered broker and controller must support the level.
Result<void> check_nodes(const MetadataImage& image, const std::string& feature, std::int16_t level) {
  const auto supports = [&](const std::map<std::string, VersionRange>& features) {
    auto found = features.find(feature);
    return found == features.end() ? level == 0 : found->second.min <= level && level <= found->second.max;
  };
  const auto refuse = [&](const char* kind, BrokerId id) {
    return fail(ErrorCode::kInvalidUpdateVersion,
                invalid(feature, level, fmt::format("{} {} does not support it.", kind, id.value())));
  };
  for (const auto& [id, broker] : image.cluster->brokers)
    if (!supports(broker.features)) return refuse("Broker", id);
  for (const auto& [id, controller] : image.cluster->controllers)
    if (!supports(controller.features)) return refuse("Controller", id);
  return {};
}

Result<void> check_update(const MetadataImage& image, const std::string& feature, std::int16_t level,
                          std::int8_t type) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidUpdateVersion, invalid(feature, level, why));
  };
  auto supported = supported_features().find(feature);
  if (supported == supported_features().end() || feature == "kraft.version")
    return refuse("Local controller does not support this feature.");
  if (level < supported->second.min || level > supported->second.max)
    return refuse(fmt::format("Local controller only supports versions {}-{}", supported->second.min,
                              supported->second.max));
  const std::int16_t now = image.feature(feature);
  if (type < kUpgrade || type > kUnsafeDowngrade)
    return fail(ErrorCode::kInvalidRequest, "The controller does not support the given upgrade type.");
  if (level < now) {
    if (type == kUpgrade)
      return refuse(
          "Can't downgrade the version of this feature without setting the upgrade type to either "
          "safe or unsafe downgrade.");
    if (feature == kMetadataVersionFeature)
      return refuse(
          "Refusing to perform the requested downgrade because it might delete metadata "
          "information.");
  } else if (level > now && type != kUpgrade) {
    return refuse("Can't downgrade to a newer version.");
  }
  return check_nodes(image, feature, level);
}

}  // namespace

ControllerResult<protocol::UpdateFeaturesResponse> update_features(
    const ControlContext& context, const protocol::UpdateFeaturesRequest& request, std::int16_t version) {
  ControllerResult<protocol::UpdateFeaturesResponse> result;
  result.response.error_message = std::nullopt;
  constexpr std::int16_t kWholeAnswerVersion = 2;  // from there on one error for all, nothing per feature
  MetadataRecords records;
  std::optional<Error> first_error;
  for (const auto& update : request.feature_updates) {
    const bool safe = version == 0 && update.allow_downgrade;
    const std::int8_t type = safe ? std::int8_t{kSafeDowngrade} : update.upgrade_type;
    const auto checked = check_update(context.image, update.feature, update.max_version_level, type);
    if (version < kWholeAnswerVersion) {
      auto& answer = result.response.results.emplace_back();
      answer.feature = update.feature;
      answer.error_code = checked ? 0 : code(checked.error().code);
      answer.error_message = checked ? std::nullopt : std::optional(checked.error().detail);
    }
    if (!checked) {
      if (!first_error) first_error = checked.error();
      continue;
    }
    if (context.image.feature(update.feature) == update.max_version_level) continue;
    protocol::FeatureLevelRecord record;
    record.name = update.feature;
    record.feature_level = update.max_version_level;
    records.emplace_back(std::move(record));
  }
  if (first_error) {
    if (version >= kWholeAnswerVersion) {
      result.response.error_code = code(first_error->code);
      result.response.error_message =
          "The update failed for all features since the following feature had an error: " +
          first_error->detail;
    }
    return result;
  }
  if (!request.validate_only) result.records = std::move(records);
  return result;
}

}  // namespace barnabas::kraft
