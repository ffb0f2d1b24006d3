#include "bench/wirebench/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace barnabas::wirebench {
namespace {

class Values {
 public:
  /// Takes `--name value` pairs from argv[at] on; returns where they end, behind a `--`.
  int take(int argc, char** argv, int at) {
    for (; at < argc; at += 2) {
      std::string name = argv[at];
      if (name == "--") return at + 1;
      if (!name.starts_with("--") || at + 1 == argc) throw std::invalid_argument("no value for " + name);
      values_[name.substr(2)] = argv[at + 1];
    }
    return argc;
  }
  std::string text(const std::string& name, const std::string& standard) {
    auto found = values_.extract(name);
    return found.empty() ? standard : found.mapped();
  }
  double real(const std::string& name, double standard) {
    const std::string given = text(name, "");
    if (given.empty()) return standard;
    std::size_t used = 0;
    const double value = std::stod(given, &used);
    if (used != given.size()) throw std::invalid_argument("--" + name + " is not a number: " + given);
    return value;
  }
  long number(const std::string& name, long standard) {
    return static_cast<long>(real(name, static_cast<double>(standard)));
  }
  int small(const std::string& name, int standard) { return static_cast<int>(number(name, standard)); }
  /// Every option must have been asked for.
  void expect_none_left() const {
    if (!values_.empty()) throw std::invalid_argument("no such option: --" + values_.begin()->first);
  }

 private:
  std::map<std::string, std::string> values_;
};

/// Of "key=value,key=value".
std::vector<std::pair<std::string, std::string>> settings_of(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::size_t equals = text.find('=', at);
    if (equals >= end) throw std::invalid_argument("not key=value: " + text.substr(at, end - at));
    settings.emplace_back(text.substr(at, equals - at), text.substr(equals + 1, end - equals - 1));
    at = end + 1;
  }
  return settings;
}

}  // namespace

std::vector<std::string> topics_of(const Options& options) {
  if (options.count == 1) return {options.topic};
  std::vector<std::string> topics;
  for (int number = 0; number < options.count; ++number) {
    topics.push_back(fmt::format("{}-{}", options.topic, number));
  }
  return topics;
}

Options parse(int argc, char** argv) {
  if (argc < 3) throw std::invalid_argument("a mode and an address are missing");
  Values values;
  const int behind = values.take(argc, argv, 3);
  Options options{.mode = argv[1],
                  .address = argv[2],
                  .topic = values.text("topic", "bench"),
                  .codec = values.text("codec", "none"),
                  .directory = values.text("dir", "/tmp"),
                  .partitions = values.small("partitions", 1),
                  .connections = values.small("connections", 1),
                  .replicas = values.small("replicas", 1),
                  .acks = values.small("acks", 1),
                  .records = values.small("records", 100),
                  .size = values.small("size", 1000),
                  .depth = values.small("depth", 5),
                  .bytes = values.small("bytes", 1 << 20),
                  .count = values.small("count", argv[1] == std::string("connect") ? 1000 : 1),
                  .keys = values.small("keys", 1000),
                  .batches = values.number("batches", 0),
                  .pid = values.number("pid", 0),
                  .seconds = values.real("seconds", 5),
                  .idle_seconds = values.real("idle", 0),
                  .patience_seconds = values.real("patience", 60),
                  .hold = values.number("hold", 0) != 0,
                  .settings = settings_of(values.text("settings", "")),
                  .command = {argv + behind, argv + argc}};
  values.expect_none_left();
  return options;
}

}  // namespace barnabas::wirebench
