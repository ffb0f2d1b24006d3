#include "tools/commands/input_lines.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace barnabas::tools {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

const char* find(const char* from, const char* to, char what) {
  const void* found = std::memchr(from, what, static_cast<std::size_t>(to - from));
  return found == nullptr ? to : static_cast<const char*>(found);
}

}  // namespace

std::optional<std::string_view> InputLines::next() {
  if (skip_line_feed_ && begin_ < end_) {
    if (buffer_[begin_] == '\n') ++begin_;
    skip_line_feed_ = false;
  }
  const char* const data = buffer_.data();
  const char* const from = data + begin_;
  const char* const end = data + end_;
  const char* const line_feed = find(std::max(from, data + searched_), end, '\n');
  const char* const line_end = find(from, line_feed, '\r');
  if (line_end == end) {
    searched_ = end_;
    return std::nullopt;
  }
  skip_line_feed_ = *line_end == '\r';
  begin_ = searched_ = static_cast<std::size_t>(line_end - data) + 1;
  return std::string_view(from, line_end);
}

bool InputLines::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    searched_ = end_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + kBlockBytes) buffer_.resize(std::max(end_ + kBlockBytes, 2 * buffer_.size()));
  const ssize_t got = ::read(descriptor_, buffer_.data() + end_, buffer_.size() - end_);
  if (got <= 0) return false;
  end_ += static_cast<std::size_t>(got);
  return true;
}

std::optional<std::string_view> InputLines::rest() {
  if (begin_ == end_) return std::nullopt;
  const std::string_view line(buffer_.data() + begin_, end_ - begin_);
  begin_ = end_;
  return line;
}

}  // namespace barnabas::tools
