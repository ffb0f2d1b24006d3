// KeptNews: what partitions have to tell those who wait for them, kept back while an image is applied.
//
// Who is told that its records are acknowledged, or that this broker leads no more, asks for metadata next,
// often in a request that is here already. Were it told before the image is published, it would be given the
// leaders of the image before. So the thread that applies an image keeps back what that brings about until
// the image is published. Owned by what the partitions share. Thread safety: thread-safe; one thread at a
// time keeps back, and only what it does itself is kept.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace barnabas::broker {

class KeptNews {
 public:
  using News = std::move_only_function<void()>;

  void keep_back() { keeper_ = std::this_thread::get_id(); }
  /// By the thread that keeps back: tells everything, in order.
  void tell() {
    keeper_ = std::thread::id();
    for (News& news : std::exchange(kept_, {})) news();
  }
  /// Whether the calling thread keeps back; then it may keep().
  [[nodiscard]] bool is_kept_back() const { return keeper_ == std::this_thread::get_id(); }
  void keep(News news) { kept_.push_back(std::move(news)); }

 private:
  std::atomic<std::thread::id> keeper_;
  std::vector<News> kept_;  // the keeper's
};

}  // namespace barnabas::broker
