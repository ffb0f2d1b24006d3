// The modes that ask about topics and connections: create, delete, connect, metadata.
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "base/error_code.hpp"
#include "bench/wirebench/connection.hpp"
#include "bench/wirebench/figures.hpp"
#include "bench/wirebench/modes.hpp"
#include "bench/wirebench/requests.hpp"

namespace barnabas::wirebench {
namespace {

bool is(int code, ErrorCode expected) {
  return code == static_cast<int>(expected);
}

/// As many as may be had without asking anybody.
void allow_many_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int run_create(const Options& options) {
  const Measurement measurement(options.pid);
  Connection connection(options.address);
  int errors = 0;
  for (const std::string& topic : topics_of(options)) {
    const Bytes body = create_topic_body(topic, options.partitions, options.replicas, options.settings);
    const int code = created_topic_error(connection.call(kCreateTopicsKey, body));
    if (is(code, ErrorCode::kNone) || is(code, ErrorCode::kTopicAlreadyExists)) continue;
    ++errors;
    fmt::print(stderr, "create error {}\n", code);
  }
  const Measurement::Used used = measurement.used();
  fmt::print(
      "mode=create topics={} partitions={} errors={} seconds={:.3f} ms_per_topic={:.3f} cpu_s={:.2f} "
      "rss_mb={:.1f}\n",
      options.count, options.partitions, errors, used.seconds, used.seconds * 1000 / options.count,
      used.cpu_seconds, used.resident_mb);
  return errors == 0 ? 0 : 1;
}

int run_delete(const Options& options) {
  Connection connection(options.address);
  const int code = deleted_topic_error(connection.call(kDeleteTopicsKey, delete_topic_body(options.topic)));
  fmt::print("mode=delete error={}\n", code);
  return is(code, ErrorCode::kNone) ? 0 : 1;
}

int run_connect(const Options& options) {
  allow_many_descriptors();
  const Measurement measurement(options.pid);
  std::vector<std::unique_ptr<Connection>> held;
  for (int number = 0; number < options.count; ++number) {
    auto connection = std::make_unique<Connection>(options.address);
    (void)connection->call(kApiVersionsKey, {});
    if (options.hold) held.push_back(std::move(connection));
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(options.idle_seconds));
  const Measurement::Used used = measurement.used();
  fmt::print("mode=connect count={} held={} seconds={:.2f} connects_s={:.0f}", options.count, held.size(),
             used.seconds, options.count / used.seconds);
  if (measurement.has_process()) {
    fmt::print(" cpu_us_per_connect={:.1f} rss_mb={:.1f} kb_per_connection={:.2f}",
               used.cpu_seconds * 1e6 / options.count, used.resident_mb, used.grown_kb / options.count);
  }
  fmt::print("\n");
  return 0;
}

int run_metadata(const Options& options) {
  Connection connection(options.address);
  const Bytes body = metadata_body();
  std::size_t answer_bytes = 0;
  long requests = 0;
  const Measurement measurement(options.pid);
  while (measurement.seconds() < options.seconds) {
    answer_bytes = connection.call(kMetadataKey, body).remaining();
    ++requests;
  }
  const Measurement::Used used = measurement.used();
  const auto count = static_cast<double>(requests);
  fmt::print("mode=metadata response_bytes={} requests_s={:.0f}", answer_bytes, count / used.seconds);
  if (measurement.has_process()) {
    fmt::print(" cpu_us_per_request={:.1f} rss_mb={:.1f}", used.cpu_seconds * 1e6 / count, used.resident_mb);
  }
  fmt::print("\n");
  return 0;
}

}  // namespace barnabas::wirebench
