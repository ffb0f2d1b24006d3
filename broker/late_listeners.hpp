// LateListeners: advertised listeners that are learnt after the start, when only the outside knows which port
// leads in: from a file that is read whenever it changes, or from a call.
//
// Owned by the node. Thread safety: thread-safe; the file is read on a thread of its own.
// Life: made with the configured listeners; wait() may be called once, before the node joins; announce_with()
// once it has joined: from then on what is new is announced at once. What is not named keeps what it had.
// Errors: INVALID_CONFIG with a line that names the listener and what is allowed.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "broker/config/broker_config.hpp"

namespace barnabas::broker {

class LateListeners {
 public:
  using Announce = std::function<Result<void>(const std::vector<ListenerSettings>&)>;

  /// Reads `file` now if it is there, and begins to watch it; empty: no file.
  LateListeners(std::vector<ListenerSettings> configured, std::string file);
  ~LateListeners();
  LateListeners(const LateListeners&) = delete;
  LateListeners& operator=(const LateListeners&) = delete;

  /// "NAME://HOST:PORT,...", as advertised.listeners.
  Result<void> set(std::string_view advertised);
  /// Until something was set. False when `give_up` said so (asked every few milliseconds).
  bool wait(const std::function<bool()>& give_up);
  /// `registered` is what the cluster was told when the node joined; what has changed since is announced now.
  Result<void> announce_with(Announce announce, const std::vector<ListenerSettings>& registered);
  /// All listeners as they are now.
  [[nodiscard]] std::vector<ListenerSettings> listeners() const;

 private:
  void watch();
  void read_file_if_changed();

  const std::string file_;
  std::string last_read_;  // by the watching thread, and by the constructor before it begins
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ListenerSettings> listeners_;  // guarded by mutex_
  Announce announce_;                        // guarded by mutex_
  bool set_ = false;                         // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::mutex announcing_;                    // one announcement at a time, in the order of the changes
  std::thread thread_;
};

}  // namespace barnabas::broker
