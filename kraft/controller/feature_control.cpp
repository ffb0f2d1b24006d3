#include "kraft/controller/feature_control.hpp"

#include <fmt/core.h>

#include "kraft/bootstrap.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}
constexpr std::string_view kKraftVersionFeature = "kraft.version";
constexpr std::int16_t kFirstVersionWithoutResults = 2;
constexpr std::int16_t kControllerRegistrationLevel = 15;
enum UpgradeType : std::int8_t { kUpgrade = 1, kSafeDowngrade = 2, kUnsafeDowngrade = 3 };

std::string invalid(const std::string& feature, std::int16_t level, const std::string& why) {
  return fmt::format("Invalid update version {} for feature {}. {}", level, feature, why);
}

std::string text_of(const VersionRange& range) {
  return range.min == range.max ? std::to_string(range.min) : fmt::format("{}-{}", range.min, range.max);
}

/// Every registered broker and controller must support the level, and every controller be registered.
Result<void> check_nodes(const ControlContext& context, const std::vector<BrokerId>& quorum,
                         const std::string& feature, std::int16_t level) {
  const auto check = [&](const char* kind, const auto& node) -> Result<void> {
    const auto found = node.features.find(feature);
    const VersionRange range = found == node.features.end() ? VersionRange{} : found->second;
    if (range.min <= level && level <= range.max) return {};
    const std::string why = range == VersionRange{}
                                ? "does not support this feature."
                                : fmt::format("only supports versions {}", text_of(range));
    return fail(ErrorCode::kInvalidUpdateVersion,
                invalid(feature, level, fmt::format("{} {} {}", kind, node.id.value(), why)));
  };
  for (const auto& [id, broker] : context.image.cluster->brokers) TRY(check("Broker", broker));
  for (const auto& [id, controller] : context.image.cluster->controllers)
    if (id != context.options.node_id) TRY(check("Controller", controller));
  if (context.image.features->metadata_version < kControllerRegistrationLevel) return {};
  for (const BrokerId id : quorum)
    if (id != context.options.node_id && !context.image.cluster->controllers.contains(id))
      return fail(ErrorCode::kInvalidUpdateVersion,
                  invalid(feature, level,
                          fmt::format("controller {} has not registered, and may not support this feature",
                                      id.value())));
  return {};
}

/// Between any two of the levels that are served something in the metadata changed.
Result<void> refuse_metadata_downgrade(std::int16_t now, std::int16_t level, std::int8_t type) {
  return fail(ErrorCode::kInvalidUpdateVersion,
              fmt::format("Unsupported metadata.version downgrade from {} to {}. {}", now, level,
                          type == kUnsafeDowngrade
                              ? "Unsafe metadata downgrade is not supported in this version."
                              : "Refusing to perform the requested downgrade because it might delete "
                                "metadata information."));
}

/// The levels that the level of a feature needs, as they stand after the whole request.
Result<void> check_dependencies(const std::map<std::string, std::int16_t>& proposed,
                                const MetadataImage& image, const std::string& feature, std::int16_t level) {
  const auto needs = feature_dependencies(feature, level).value_or(std::map<std::string, std::int16_t>());
  for (const auto& [name, needed] : needs) {
    const auto update = proposed.find(name);
    if ((update == proposed.end() ? image.feature(name) : update->second) >= needed) continue;
    const std::string what = name == kMetadataVersionFeature
                                 ? fmt::format("{}={} ({})", name, needed, metadata_version_name(needed))
                                 : fmt::format("{} level {}", name, needed);
    return fail(
        ErrorCode::kInvalidUpdateVersion,
        invalid(feature, level,
                fmt::format("{} could not be set to {} because it depends on {}", feature, level, what)));
  }
  return {};
}

/// The checks in Kafka's order (measured on Kafka 4.3.1).
Result<void> check_update(const ControlContext& context, const std::vector<BrokerId>& quorum,
                          const std::string& feature, std::int16_t level, std::int8_t type) {
  const MetadataImage& image = context.image;
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidUpdateVersion, invalid(feature, level, why));
  };
  if (type < kUpgrade || type > kUnsafeDowngrade)
    return refuse("The controller does not support the given upgrade type.");
  if (level < 0) return refuse("A feature version cannot be less than 0.");
  const std::int32_t self = context.options.node_id.value();
  auto supported = supported_features().find(feature);
  if (supported == supported_features().end())
    return refuse(fmt::format("Local controller {} does not support this feature.", self));
  if (level < supported->second.min || level > supported->second.max)
    return refuse(
        fmt::format("Local controller {} only supports versions {}", self, text_of(supported->second)));
  TRY(check_nodes(context, quorum, feature, level));
  const bool of_quorum = feature == kKraftVersionFeature;
  const std::int16_t now = of_quorum ? context.kraft_version : image.feature(feature);
  if (level < now) {
    if (type == kUpgrade)
      return refuse(
          "Can't downgrade the version of this feature without setting the upgrade type to either "
          "safe or unsafe downgrade.");
    if (of_quorum) return refuse("Can't downgrade the version of this feature.");
    if (feature == kMetadataVersionFeature) return refuse_metadata_downgrade(now, level, type);
  } else if (level > now && type != kUpgrade) {
    return refuse("Can't downgrade to a newer version.");
  }
  if (of_quorum && level > now && !context.can_upgrade_kraft_version)
    return fail(
        ErrorCode::kInvalidUpdateVersion,
        fmt::format("Invalid upgrade of {} to KRAFT_VERSION_{} because not all of the voters support it",
                    feature, level));
  return {};
}

}  // namespace

FeatureUpdates update_features(const ControlContext& context, const protocol::UpdateFeaturesRequest& request,
                               std::int16_t version, const std::vector<BrokerId>& quorum) {
  FeatureUpdates result;
  result.response.error_message = std::nullopt;
  MetadataRecords records;
  std::map<std::string, std::int16_t> proposed;
  for (const auto& update : request.feature_updates) proposed[update.feature] = update.max_version_level;
  for (const auto& update : request.feature_updates) {
    const bool safe = version == 0 && update.allow_downgrade;
    const std::int8_t type = safe ? std::int8_t{kSafeDowngrade} : update.upgrade_type;
    auto checked = check_update(context, quorum, update.feature, update.max_version_level, type);
    if (checked)
      checked = check_dependencies(proposed, context.image, update.feature, update.max_version_level);
    if (!checked) {
      result.response.error_code = code(checked.error().code);
      result.response.error_message =
          "The update failed for all features since the following feature had an error: " +
          checked.error().detail;
      result.response.results.clear();
      result.upgrades_kraft_version = false;
      return result;
    }
    if (version < kFirstVersionWithoutResults)
      result.response.results.push_back({update.feature, code(ErrorCode::kNone), "NONE"});
    if (update.feature == kKraftVersionFeature) {
      result.upgrades_kraft_version |=
          update.max_version_level > context.kraft_version && !request.validate_only;
      continue;
    }
    if (context.image.feature(update.feature) == update.max_version_level) continue;
    protocol::FeatureLevelRecord record;
    record.name = update.feature;
    record.feature_level = update.max_version_level;
    records.emplace_back(std::move(record));
  }
  if (!request.validate_only) result.records = std::move(records);
  return result;
}

}  // namespace barnabas::kraft
