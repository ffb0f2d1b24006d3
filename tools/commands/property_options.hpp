// Properties that a command line gives in files and as KEY=VALUE, under a new name and a deprecated one.
//
// Stateless. Errors: INVALID_REQUEST with the sentence that the tool prints; INVALID_CONFIG for files.
#pragma once

#include "tools/client/client_config.hpp"
#include "tools/options/jopt_options.hpp"

namespace barnabas::tools {

struct PropertyOptions {
  std::string_view file;  // "command-config"
  std::string_view property;
  std::string_view old_file = {};
  std::string_view old_property = {};
};

/// Both of a name and its deprecated twin are a mistake.
Result<void> refuse_twins(const JoptOptions& options, std::string_view name, std::string_view old_name);
/// The file's properties with those of the command line over them.
Result<Properties> properties_of(const JoptOptions& options, const PropertyOptions& names);
/// "KEY=VALUE" each; without "=" the value is empty.
Properties parse_pairs(const std::vector<std::string>& pairs);
/// Sets `key` to the option's value where the option is given, to its standard value where nothing else set
/// the key.
void merge_option(const JoptOptions& options, std::string_view option, const std::string& key,
                  Properties& properties);
/// Checks "HOST:PORT,..." as the tools do before anything else.
Result<void> check_bootstrap(const std::string& bootstrap);

}  // namespace barnabas::tools
