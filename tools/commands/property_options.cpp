#include "tools/commands/property_options.hpp"

#include <fmt/format.h>

#include "tools/client/address.hpp"

namespace barnabas::tools {

Result<void> refuse_twins(const JoptOptions& options, std::string_view name, std::string_view old_name) {
  if (!options.has(name) || !options.has(old_name)) return {};
  return fail(ErrorCode::kInvalidRequest,
              fmt::format("Options --{} and --{} cannot be specified together.", name, old_name));
}

Properties parse_pairs(const std::vector<std::string>& pairs) {
  Properties properties;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    properties[pair.substr(0, equals)] = equals == std::string::npos ? "" : pair.substr(equals + 1);
  }
  return properties;
}

Result<Properties> properties_of(const JoptOptions& options, const PropertyOptions& names) {
  Properties properties;
  for (const std::string_view file : {names.file, names.old_file}) {
    if (!file.empty() && options.has(file)) properties = TRY(read_properties(options.text(file)));
  }
  for (const std::string_view property : {names.property, names.old_property}) {
    if (property.empty()) continue;
    for (const auto& [key, value] : parse_pairs(options.all(property))) properties[key] = value;
  }
  return properties;
}

void merge_option(const JoptOptions& options, std::string_view option, const std::string& key,
                  Properties& properties) {
  const std::optional<std::string> value = options.get(option);
  if (value && (options.has(option) || !properties.contains(key))) properties[key] = *value;
}

Result<void> check_bootstrap(const std::string& bootstrap) {
  if (bootstrap.empty())
    return fail(ErrorCode::kInvalidRequest, "Error while validating the bootstrap address\n");
  if (parse_bootstrap(bootstrap)) return {};
  return fail(ErrorCode::kInvalidRequest, "Please provide valid host:port like host1:9091,host2:9092\n");
}

}  // namespace barnabas::tools
