// What the generated JSON code is made of: values of every type, to and from Boost.JSON.
//
// Included by generated .cpp files only. A struct's own json_of() and from_value() are generated, static, in
// this namespace. `v` is the message's version. Errors stay in the JsonContext. Stateless, so thread-safe.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "protocol/json/message_json.hpp"
#include "protocol/writer.hpp"

namespace barnabas::protocol {

using JsonValue = boost::json::value;
using JsonObject = boost::json::object;

// To JSON.
inline JsonValue json_of(std::int16_t, bool x) {
  return x;
}
inline JsonValue json_of(std::int16_t, std::int8_t x) {
  return static_cast<std::int64_t>(x);
}
inline JsonValue json_of(std::int16_t, std::int16_t x) {
  return static_cast<std::int64_t>(x);
}
inline JsonValue json_of(std::int16_t, std::uint16_t x) {
  return static_cast<std::int64_t>(x);
}
inline JsonValue json_of(std::int16_t, std::int32_t x) {
  return static_cast<std::int64_t>(x);
}
inline JsonValue json_of(std::int16_t, std::uint32_t x) {
  return static_cast<std::int64_t>(x);
}
inline JsonValue json_of(std::int16_t, std::int64_t x) {
  return x;
}
inline JsonValue json_of(std::int16_t, double x) {
  return x;
}
JsonValue json_of(std::int16_t v, const std::string& x);
JsonValue json_of(std::int16_t v, const Uuid& x);
JsonValue json_of(std::int16_t v, const ByteView& x);
JsonValue json_of(std::int16_t v, const Records& x);
template <class T>
JsonValue json_of(std::int16_t v, const std::vector<T>& x) {
  boost::json::array array;
  array.reserve(x.size());
  for (const T& element : x) array.push_back(json_of(v, element));
  return array;
}
template <class T>
JsonValue json_of(std::int16_t v, const std::optional<T>& x) {
  if (!x) return nullptr;
  return json_of(v, *x);
}

// From JSON. `name` is the field's, for the error.
std::int64_t integer_of(JsonContext& context, const char* name, const JsonValue& from, std::int64_t low,
                        std::int64_t high);
void from_value(JsonContext& context, std::int16_t v, const char* name, const JsonValue& from, bool& to);
void from_value(JsonContext& context, std::int16_t v, const char* name, const JsonValue& from, double& to);
void from_value(JsonContext& context, std::int16_t v, const char* name, const JsonValue& from,
                std::string& to);
void from_value(JsonContext& context, std::int16_t v, const char* name, const JsonValue& from, Uuid& to);
void from_value(JsonContext& context, std::int16_t v, const char* name, const JsonValue& from, ByteView& to);
void from_value(JsonContext& context, std::int16_t v, const char* name, const JsonValue& from, Records& to);
template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
void from_value(JsonContext& context, std::int16_t, const char* name, const JsonValue& from, T& to) {
  to = static_cast<T>(integer_of(context, name, from, std::numeric_limits<T>::min(),
                                 static_cast<std::int64_t>(std::numeric_limits<T>::max())));
}
/// Fails the context when the value is no object.
const JsonObject* object_of(JsonContext& context, const char* name, const JsonValue& from);
const boost::json::array* array_of(JsonContext& context, const char* name, const JsonValue& from);
template <class T>
void from_value(JsonContext& context, std::int16_t v, const char* name, const JsonValue& from,
                std::vector<T>& to) {
  to.clear();
  const boost::json::array* array = array_of(context, name, from);
  if (array == nullptr) return;
  to.reserve(array->size());
  for (const JsonValue& element : *array) from_value(context, v, name, element, to.emplace_back());
}

/// The value of a field, null when it is not there: an error if it is `mandatory`.
const JsonValue* find_field(JsonContext& context, const JsonObject& object, const char* name, bool mandatory);

template <class T>
void from_field(JsonContext& context, std::int16_t v, const JsonObject& object, const char* name,
                bool mandatory, T& to) {
  const JsonValue* found = find_field(context, object, name, mandatory);
  if (found != nullptr) from_value(context, v, name, *found, to);
}
template <class T>
void from_field(JsonContext& context, std::int16_t v, const JsonObject& object, const char* name,
                bool mandatory, std::optional<T>& to) {
  const JsonValue* found = find_field(context, object, name, mandatory);
  if (found == nullptr) return;
  if (found->is_null()) return to.reset();
  from_value(context, v, name, *found, to.emplace());
}

}  // namespace barnabas::protocol
