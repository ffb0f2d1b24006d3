#include "broker/drivers/controller_registrar.hpp"

#include <algorithm>

#include "base/logging.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kTimeout = std::chrono::seconds(60);
constexpr nanoseconds kRetryBackoff = std::chrono::milliseconds(100);
constexpr nanoseconds kRetryBackoffMax = std::chrono::seconds(10);

}  // namespace

nanoseconds ControllerRegistrar::run(kraft::MetadataNode& node) {
  if (is_asking_) return nanoseconds::max();
  auto wanted = node.wanted_registration();
  if (!wanted) return nanoseconds::max();
  if (clock_.monotonic() < not_before_) return not_before_;
  is_asking_ = true;
  auto answer = [this](Result<protocol::ControllerRegistrationResponse> told) {
    driver_.submit([this, told = std::move(told)](kraft::MetadataNode&, std::int64_t) { on_answer(told); });
  };
  controller_.ask<protocol::ControllerRegistrationResponse>(std::move(*wanted), kTimeout, std::move(answer));
  return nanoseconds::max();
}

/// One that was taken is asked for no more when its record is in the metadata, which may come after the
/// answer.
void ControllerRegistrar::on_answer(const Result<protocol::ControllerRegistrationResponse>& answer) {
  is_asking_ = false;
  const bool taken = answer && answer->error_code == 0;
  failures_ = taken ? 0 : failures_ + 1;
  const auto wait = kRetryBackoff * (std::int64_t{1} << std::min(failures_, 10));
  not_before_ = clock_.monotonic() + std::min<nanoseconds>(wait, kRetryBackoffMax);
  if (!taken)
    log_warn("kafka.server.ControllerRegistrationManager",
             "The active controller did not take this controller's registration: error {}",
             answer ? answer->error_code : static_cast<int>(answer.error().code));
}

}  // namespace barnabas::broker
