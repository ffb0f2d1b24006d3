#include "broker/late_listeners.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

#include "base/logging.hpp"
#include "broker/config/config_definition.hpp"
#include "broker/config/listener_settings.hpp"

namespace barnabas::broker {
namespace {

constexpr std::chrono::milliseconds kPoll{20};

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  std::string all = std::move(text).str();
  while (!all.empty() && isspace(static_cast<unsigned char>(all.back()))) all.pop_back();
  return all;
}

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorCode::kInvalidConfig, std::move(text));
}

/// `listeners` with what `text` says about them.
Result<std::vector<ListenerSettings>> amended(std::vector<ListenerSettings> listeners,
                                              std::string_view text) {
  for (const auto& item : split_list(text)) {
    if (item.empty()) continue;
    const auto address = parse_listener(item);
    if (!address) return refuse(fmt::format("advertised listener {} is not NAME://HOST:PORT", item));
    const auto known = std::ranges::find(listeners, address->name, &ListenerSettings::name);
    if (known == listeners.end() || known->controller) {
      std::string names;
      for (const auto& listener : listeners)
        if (!listener.controller) names += (names.empty() ? "" : ", ") + listener.name;
      return refuse(fmt::format("advertised listener {} has no name of `listeners`: {}", item, names));
    }
    if (address->endpoint.host.empty() || address->endpoint.host == "0.0.0.0" || address->endpoint.port == 0)
      return refuse(
          fmt::format("advertised listener {} cannot be reached: it must name a host and a port", item));
    known->advertised = address->endpoint;
  }
  return listeners;
}

}  // namespace

LateListeners::LateListeners(std::vector<ListenerSettings> configured, std::string file)
    : file_(std::move(file)), listeners_(std::move(configured)) {
  if (file_.empty()) return;
  read_file_if_changed();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "late-listeners");
    watch();
  });
}

LateListeners::~LateListeners() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<void> LateListeners::set(std::string_view advertised) {
  std::lock_guard in_turn(announcing_);
  Announce announce;
  std::vector<ListenerSettings> now;
  {
    std::lock_guard lock(mutex_);
    now = TRY(amended(listeners_, advertised));
    if (split_list(advertised).empty()) return refuse("no advertised listener is named");
    listeners_ = now;
    set_ = true;
    announce = announce_;
  }
  changed_.notify_all();
  log_info("kafka.network.SocketServer", "Advertised listeners are set: {}", advertised);
  return announce ? announce(now) : Result<void>{};
}

bool LateListeners::wait(const std::function<bool()>& give_up) {
  std::unique_lock lock(mutex_);
  while (!set_) {
    changed_.wait_for(lock, kPoll);
    if (!set_ && give_up && give_up()) return false;
  }
  return true;
}

Result<void> LateListeners::announce_with(Announce announce,
                                          const std::vector<ListenerSettings>& registered) {
  std::lock_guard in_turn(announcing_);
  std::vector<ListenerSettings> now;
  {
    std::lock_guard lock(mutex_);
    announce_ = announce;
    now = listeners_;
  }
  const bool same =
      std::ranges::equal(now, registered, {}, &ListenerSettings::advertised, &ListenerSettings::advertised);
  return same ? Result<void>{} : announce(now);
}

std::vector<ListenerSettings> LateListeners::listeners() const {
  std::lock_guard lock(mutex_);
  return listeners_;
}

void LateListeners::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    read_file_if_changed();
    lock.lock();
    changed_.wait_for(lock, kPoll, [this] { return stopping_; });
  }
}

/// Contents count, not times: a file system may have coarse ones. An empty file is one that is being written.
void LateListeners::read_file_if_changed() {
  const std::string text = read_text(file_);
  if (text.empty() || text == last_read_) return;
  last_read_ = text;
  if (auto done = set(text); !done)
    log_error("kafka.network.SocketServer", "{}: {}", file_, done.error().detail);
}

}  // namespace barnabas::broker
