// Files of JSON that options name, and the fields in them.
//
// Pure functions, safe from any thread, but for read_whole_file. Errors: kMisuse with the sentences of
// Kafka's tools. Source: measured on Kafka 4.3.1.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace barnabas::tools {

Result<std::string> read_whole_file(const std::string& path);

/// What `value` is, or that it is something else.
Result<const boost::json::object*> json_object(const boost::json::value& value);
Result<const boost::json::array*> json_array(const boost::json::value& value);

/// The field of an object. Whole numbers only, within the range of the type.
Result<std::string> text_field(const boost::json::value& object, std::string_view name);
Result<std::int32_t> integer_field(const boost::json::value& object, std::string_view name);
Result<std::int64_t> long_field(const boost::json::value& object, std::string_view name);

}  // namespace barnabas::tools
