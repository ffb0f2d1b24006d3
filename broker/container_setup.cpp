#include "broker/container_setup.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <ostream>
#include <sstream>

#include "base/log4j_levels.hpp"
#include "broker/storage_commands.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kPrefix = "KAFKA_";
constexpr std::string_view kBitnamiPrefix = "KAFKA_CFG_";
constexpr std::string_view kOwnPrefix = "BARNABAS_";
constexpr std::string_view kRootLevel = "KAFKA_LOG4J_ROOT_LOGLEVEL";
constexpr std::string_view kLoggers = "KAFKA_LOG4J_LOGGERS";
constexpr std::string_view kToolsLevel = "KAFKA_TOOLS_LOG4J_LOGLEVEL";
constexpr std::string_view kJmxHost = "KAFKA_JMX_HOSTNAME";

/// Variables of the scripts and of a Java machine: no properties. KAFKA_JMX_PORT is not among Kafka's.
constexpr std::array<std::string_view, 10> kNoProperties = {
    "KAFKA_VERSION",     "KAFKA_HEAP_OPTS", "KAFKA_LOG4J_OPTS",
    "KAFKA_OPTS",        "KAFKA_JMX_OPTS",  "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS", kRootLevel,        kLoggers,
    kToolsLevel,
};

bool is_property(std::string_view variable, ImageFlavour flavour) {
  if (!variable.starts_with(kPrefix)) return false;
  if (flavour == ImageFlavour::kApache && variable == kJmxHost) return false;
  return std::ranges::find(kNoProperties, variable) == kNoProperties.end();
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

std::optional<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

/// Thrown away by run_container_setup, which tells it.
Result<void> write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return fail(ErrorCode::kInvalidConfig, fmt::format("{} cannot be written", path));
  return {};
}

std::optional<std::string> mounted(const ContainerSetupArguments& arguments, std::string_view name) {
  if (arguments.mounted_configs_dir.empty()) return std::nullopt;
  return read_text(fmt::format("{}/{}", arguments.mounted_configs_dir, name));
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

std::string joined(const std::vector<std::string>& lines) {
  return fmt::format("{}", fmt::join(lines, "\n"));
}

const std::string* find(const Environment& environment, std::string_view name) {
  const auto found = environment.find(std::string(name));
  return found == environment.end() || found->second.empty() ? nullptr : &found->second;
}

ImageFlavour flavour_of(const ContainerSetupArguments& arguments) {
  return arguments.flavour == "confluent" ? ImageFlavour::kConfluent : ImageFlavour::kApache;
}

/// Any property of the environment removes every default, as in Kafka's image; our own properties do not.
Result<void> write_properties(const ContainerSetupArguments& arguments, const Environment& environment,
                              const std::string& path) {
  std::vector<std::string> lines = property_lines(environment, flavour_of(arguments));
  std::string text = mounted(arguments, "server.properties").value_or("");
  if (!lines.empty()) text += (text.empty() ? "" : "\n") + joined(lines);
  if (is_blank(text) && flavour_of(arguments) == ImageFlavour::kApache) {
    const std::string defaults = arguments.default_configs_dir + "/server.properties";
    const auto found = read_text(defaults);
    if (!found) return fail(ErrorCode::kInvalidConfig, defaults + " cannot be read");
    text = *found;
  }
  const std::vector<std::string> own = own_property_lines(environment);
  if (!own.empty()) text += "\n" + joined(own) + "\n";
  return write_text(path, text);
}

std::vector<LoggerLevel> loggers_of(const Environment& environment) {
  std::vector<LoggerLevel> loggers;
  const std::string* given = find(environment, kLoggers);
  if (given == nullptr) return loggers;
  std::istringstream items(*given);
  for (std::string item; std::getline(items, item, ',');) {
    const auto equals = item.find('=');
    if (equals == std::string::npos) continue;
    loggers.push_back({item.substr(0, equals), item.substr(equals + 1)});
  }
  return loggers;
}

Result<void> write_levels(const ContainerSetupArguments& arguments, const std::string& name,
                          const std::string* root, const std::vector<LoggerLevel>& loggers) {
  auto text = mounted(arguments, name);
  if (!text) text = read_text(arguments.default_configs_dir + "/" + name);
  if (!text) return {};
  return write_text(arguments.final_configs_dir + "/" + name,
                    with_log4j_levels(*text, root == nullptr ? "" : *root, loggers));
}

Result<void> write_configs(const ContainerSetupArguments& arguments, const Environment& environment,
                           const std::string& properties_path) {
  TRY(write_properties(arguments, environment, properties_path));
  TRY(write_levels(arguments, "log4j2.yaml", find(environment, kRootLevel), loggers_of(environment)));
  return write_levels(arguments, "tools-log4j2.yaml", find(environment, kToolsLevel), {});
}

/// A container's volume is where its owner looks for the data.
void warn_of_unused_volume(const std::string& properties_path, std::ostream& out) {
  const auto properties = read_properties_file(properties_path);
  if (!properties) return;
  for (const char* name : {"log.dirs", "log.dir"})
    if (const auto found = properties->find(name); found != properties->end()) {
      if (found->second.starts_with("/tmp/"))
        out << fmt::format(
            "Warning: {}={} is not on the volume /var/lib/kafka/data; set KAFKA_LOG_DIRS to keep "
            "data there\n",
            name, found->second);
      return;
    }
  out << "Warning: log.dirs is not set, so data is in /tmp/kafka-logs, not on the volume "
         "/var/lib/kafka/data; "
         "set KAFKA_LOG_DIRS to keep data there\n";
}

int format_for(const Environment& environment, const std::string& properties_path, std::ostream& out,
               std::ostream& err) {
  const auto cluster = environment.find("CLUSTER_ID");
  if (cluster == environment.end()) {
    err << "CLUSTER_ID environment variable is not set.\n";
    return 1;
  }
  FormatArguments format;
  format.config_file = properties_path;
  format.cluster_id = cluster->second;
  std::ostringstream failure;
  const int code = run_format(format, out, failure);
  err << failure.str();
  if (failure.str().find("controller.quorum.voters") != std::string::npos)
    err << "To maximize compatibility, the Docker image continues to use static voters, which are supported "
           "in "
           "3.7 and later.\n";
  return code;
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos)
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

std::string property_name(std::string_view variable) {
  std::string name(variable);
  for (char& c : name) c = c == '_' ? '.' : static_cast<char>(tolower(static_cast<unsigned char>(c)));
  replace_all(name, "...", "-");
  replace_all(name, "..", "_");
  return name;
}

std::vector<std::string> property_lines(const Environment& environment, ImageFlavour flavour) {
  std::vector<std::string> lines;
  bool bitnami = false, directories = false;
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kBitnamiPrefix)) continue;
    bitnami = true;
    directories = directories || name == "KAFKA_CFG_LOG_DIRS" || name == "KAFKA_CFG_LOG_DIR";
    lines.push_back(property_name(std::string_view(name).substr(kBitnamiPrefix.size())) + "=" + value);
  }
  directories = directories || environment.contains("KAFKA_LOG_DIRS");
  if (bitnami && !directories) lines.emplace_back("log.dirs=/bitnami/kafka/data");
  for (const auto& [name, value] : environment) {
    if (!is_property(name, flavour) || name.starts_with(kBitnamiPrefix)) continue;
    lines.push_back(property_name(std::string_view(name).substr(kPrefix.size())) + "=" + value);
  }
  return lines;
}

std::vector<std::string> own_property_lines(const Environment& environment) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : environment)
    if (name.starts_with(kOwnPrefix) && name != "BARNABAS_DATA")
      lines.push_back(property_name(name) + "=" + value);
  return lines;
}

int run_container_setup(const ContainerSetupArguments& arguments, const Environment& environment,
                        std::ostream& out, std::ostream& err) {
  const bool apache = flavour_of(arguments) == ImageFlavour::kApache;
  const std::string path =
      arguments.final_configs_dir + (apache ? "/server.properties" : "/kafka.properties");
  if (const auto written = write_configs(arguments, environment, path); !written) {
    err << written.error().detail << '\n';
    return 1;
  }
  if (!apache) return 0;
  warn_of_unused_volume(path, out);
  return format_for(environment, path, out, err);
}

}  // namespace barnabas::broker
