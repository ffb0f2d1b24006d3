#include "tools/commands/json_fields.hpp"

#include <fmt/format.h>

#include <fstream>
#include <limits>
#include <sstream>

#include "tools/options/misuse.hpp"
#include "tools/records/record_json.hpp"

namespace barnabas::tools {
namespace {

std::unexpected<Error> expected_kind(std::string_view kind, const boost::json::value& received) {
  return misuse(fmt::format("Expected {}, received {}", kind, json_text(received)));
}

Result<const boost::json::value*> field(const boost::json::value& object, std::string_view name) {
  const auto* fields = TRY(json_object(object));
  const auto* found = fields->if_contains(name);
  if (found == nullptr) return misuse(fmt::format("No such field exists: `{}`", name));
  return found;
}

template <class Number>
Result<Number> number_field(const boost::json::value& object, std::string_view name, std::string_view kind) {
  const auto* found = TRY(field(object, name));
  const auto* number = found->if_int64();
  if (number == nullptr || *number < std::numeric_limits<Number>::min() ||
      *number > std::numeric_limits<Number>::max())
    return expected_kind(kind, *found);
  return static_cast<Number>(*number);
}

}  // namespace

Result<std::string> read_whole_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) return misuse("Unable to read file " + path);
  return content.str();
}

Result<const boost::json::object*> json_object(const boost::json::value& value) {
  if (!value.is_object()) return expected_kind("JSON object", value);
  return value.if_object();
}

Result<const boost::json::array*> json_array(const boost::json::value& value) {
  if (!value.is_array()) return expected_kind("JSON array", value);
  return value.if_array();
}

Result<std::string> text_field(const boost::json::value& object, std::string_view name) {
  const auto* found = TRY(field(object, name));
  if (!found->is_string()) return expected_kind("`String` value", *found);
  return std::string(found->get_string());
}

Result<std::int32_t> integer_field(const boost::json::value& object, std::string_view name) {
  return number_field<std::int32_t>(object, name, "`Integer` value");
}

Result<std::int64_t> long_field(const boost::json::value& object, std::string_view name) {
  return number_field<std::int64_t>(object, name, "`Long` value");
}

}  // namespace barnabas::tools
