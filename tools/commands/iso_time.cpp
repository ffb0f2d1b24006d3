#include "tools/commands/iso_time.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <chrono>

#include "tools/options/misuse.hpp"

namespace barnabas::tools {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::int64_t kDayMs = 24 * kHourMs;

std::int64_t number_of(const std::string& text) {
  return text.empty() ? 0 : std::stoll(text);
}

}  // namespace

Result<std::int64_t> parse_date_time(const std::string& text) {
  const auto t = text.find('T');
  if (t == std::string::npos)
    return misuse(
        "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 "
        "format");
  const bool has_zone = text.find_first_of("Z+-", t) != std::string::npos;
  const std::string whole = has_zone ? text : text + "Z";
  static const RE2 kForm(R"((\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)(?:Z|([+-]\d{2}):?(\d{2})?))");
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  std::int64_t hour = 0;
  std::int64_t minute = 0;
  std::int64_t second = 0;
  std::int64_t millisecond = 0;
  std::string zone_hours;
  std::string zone_minutes;
  if (!RE2::FullMatch(whole, kForm, &year, &month, &day, &hour, &minute, &second, &millisecond, &zone_hours,
                      &zone_minutes))
    return misuse(fmt::format("java.text.ParseException: Unparseable date: \"{}\"", whole));
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  std::int64_t zone = number_of(zone_hours) * kHourMs;
  zone += (zone_hours.starts_with('-') ? -1 : 1) * number_of(zone_minutes) * kMinuteMs;
  return days * kDayMs + hour * kHourMs + minute * kMinuteMs + second * 1000 + millisecond - zone;
}

Result<std::int64_t> parse_duration(std::string_view text) {
  static const RE2 kForm(
      R"((?i)([+-]?)P(?:([+-]?\d{1,9})D)?)"
      R"((T(?:([+-]?\d{1,9})H)?(?:([+-]?\d{1,9})M)?(?:([+-]?\d{1,9})(?:[.,](\d{1,9}))?S)?)?)");
  std::string sign;
  std::string days;
  std::string time;
  std::string hours;
  std::string minutes;
  std::string seconds;
  std::string fraction;
  const bool fits = RE2::FullMatch(re2::StringPiece(text.data(), text.size()), kForm, &sign, &days, &time,
                                   &hours, &minutes, &seconds, &fraction);
  if (!fits || (days.empty() && time.size() < 2) || time.size() == 1)
    return misuse("Text cannot be parsed to a Duration");
  fraction.resize(3, '0');
  const std::int64_t part = (seconds.starts_with('-') ? -1 : 1) * number_of(fraction);
  const std::int64_t total = number_of(days) * kDayMs + number_of(hours) * kHourMs +
                             number_of(minutes) * kMinuteMs + number_of(seconds) * 1000 + part;
  return sign == "-" ? -total : total;
}

}  // namespace barnabas::tools
