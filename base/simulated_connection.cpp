#include "base/simulated_connection.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace barnabas {

using std::chrono::nanoseconds;

namespace {
constexpr std::size_t kSegmentBytes = 16 * 1024;
}

void SimulatedNetworkParts::Side::join(const std::shared_ptr<Side>& other, const std::string& other_host) {
  other_ = other;
  other_host_ = other_host;
}

void SimulatedNetworkParts::Side::read(MutableByteView into, Connection::ReadHandler handler,
                                       std::shared_ptr<Connection> keep) {
  CHECK(!reader_, "one read at a time");
  into_ = into;
  reader_ = std::move(handler);
  read_keeps_ = std::move(keep);
  serve_reader();
}

bool SimulatedNetworkParts::Side::write(std::span<const WritePiece> pieces, Connection::WriteHandler handler,
                                        std::shared_ptr<Connection> keep) {
  CHECK(!std::exchange(writer_, std::move(handler)), "one write at a time");
  outgoing_.assign(pieces.begin(), pieces.end());
  sent_pieces_ = 0;
  write_keeps_ = std::move(keep);
  pump();
  return false;
}

void SimulatedNetworkParts::Side::close() {
  if (is_over()) return;
  error_ = "ECANCELED the connection was closed";
  send({Segment::Kind::kEnd, {}});
  finish_pending();
}

void SimulatedNetworkParts::Side::reset(const std::string& why) {
  if (is_over()) return;
  error_ = why;
  received_.clear();
  read_ = 0;
  finish_pending();
}

void SimulatedNetworkParts::Side::die() {
  if (!is_over()) send({Segment::Kind::kReset, {}});
  error_ = "ESTALE the process crashed";
  drop_handlers();
}

void SimulatedNetworkParts::Side::drop_handlers() {
  const auto reader = std::exchange(reader_, nullptr);
  const auto writer = std::exchange(writer_, nullptr);
  outgoing_.clear();
  const auto read_keeps = std::exchange(read_keeps_, nullptr);
  const auto write_keeps = std::exchange(write_keeps_, nullptr);
  const auto read = std::exchange(read_done_, {});
  const auto written = std::exchange(write_done_, {});
}

void SimulatedNetworkParts::Side::resume() {
  for (; stalled_ > 0; --stalled_) schedule_arrival(world_.clock.monotonic());
}

nanoseconds SimulatedNetworkParts::Side::delay() {
  if (host() == other_host_) return kOwnDelay;
  if (link_delay_ == nanoseconds(0)) link_delay_ = world_.delay_of_link(host(), other_host_);
  return world_.jittered(link_delay_);
}

void SimulatedNetworkParts::Side::send(Segment segment) {
  const auto other = other_.lock();
  if (other == nullptr) return;
  const nanoseconds when = std::max(other->last_arrival_, world_.clock.monotonic() + delay());
  other->wire_.push_back(std::move(segment));
  other->last_arrival_ = when;
  other->schedule_arrival(when);
}

void SimulatedNetworkParts::Side::schedule_arrival(nanoseconds when) {
  auto self = shared_from_this();
  // Counted as the event of this node; a node that crashed gets nothing.
  world_.add(when, node_, "arrival", [self] { self->arrive(); });
}

void SimulatedNetworkParts::Side::arrive() {
  if (world_.is_blocked(other_host_, host())) {
    ++stalled_;
    return;
  }
  CHECK(!wire_.empty());
  Segment segment = std::move(wire_.front());
  wire_.pop_front();
  world_.add_to_hash(static_cast<std::uint64_t>(segment.kind) << 32 | segment.data.size());
  if (is_over()) {
    // The writer learns from a reset that nobody reads any more.
    if (segment.kind == Segment::Kind::kData) send({Segment::Kind::kReset, {}});
    return;
  }
  if (segment.kind == Segment::Kind::kReset) return reset("ECONNRESET " + to_string(peer_address_));
  if (segment.kind == Segment::Kind::kEnd) ended_ = true;
  receive(std::move(segment.data));
  serve_reader();
}

void SimulatedNetworkParts::Side::receive(Bytes data) {
  if (read_ < received_.size()) {
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(read_));
    received_.insert(received_.end(), data.begin(), data.end());
  } else {
    received_ = std::move(data);
  }
  read_ = 0;
}

void SimulatedNetworkParts::Side::serve_reader() {
  if (!reader_) return;
  if (is_over()) return finish_read(network_error(error_));
  if (into_.empty()) return finish_read(std::size_t{0});
  const std::size_t size = std::min(into_.size(), received_.size() - read_);
  if (size == 0 && !ended_) return;
  std::copy_n(received_.begin() + static_cast<std::ptrdiff_t>(read_), size, into_.begin());
  read_ += size;
  if (const auto other = other_.lock(); other != nullptr && size > 0)
    other->acknowledge_at(world_.clock.monotonic() + delay(), size);
  finish_read(size);
}

void SimulatedNetworkParts::Side::acknowledge_at(nanoseconds when, std::size_t size) {
  acknowledged_.emplace_back(when, size);
  if (writer_) await_window();
}

void SimulatedNetworkParts::Side::await_window() {
  for (const auto& [when, size] : std::exchange(acknowledged_, {}))
    world_.add(when, node_, "window", [self = shared_from_this(), freed = size] {
      self->in_flight_ -= freed;
      self->pump();
    });
}

void SimulatedNetworkParts::Side::take_acknowledged() {
  std::erase_if(acknowledged_, [this](const auto& one) {
    const bool is_known = one.first <= world_.clock.monotonic();
    if (is_known) in_flight_ -= one.second;
    return is_known;
  });
}

void SimulatedNetworkParts::Side::pump() {
  if (!writer_) return;
  if (is_over()) return finish_write(network_error(error_));
  take_acknowledged();
  while (sent_pieces_ < outgoing_.size() && in_flight_ < world_.options.send_buffer_bytes) {
    auto data = take(std::min(world_.options.send_buffer_bytes - in_flight_, kSegmentBytes));
    if (!data) {
      const Error error = data.error();
      reset(error.detail);
      return;
    }
    if (data->empty()) continue;
    in_flight_ += data->size();
    send({Segment::Kind::kData, std::move(*data)});
  }
  if (sent_pieces_ == outgoing_.size())
    finish_write({});
  else
    await_window();
}

Result<Bytes> SimulatedNetworkParts::Side::take(std::size_t limit) {
  WritePiece& piece = outgoing_[sent_pieces_];
  Bytes data;
  if (piece.file != nullptr) {
    data.resize(static_cast<std::size_t>(std::min<std::uint64_t>(limit, piece.size)));
    const std::size_t got = TRY(piece.file->read_at(piece.position, data));
    if (got < data.size()) return network_error("EIO a file is shorter than the range to send");
    piece.position += got;
    piece.size -= got;
    if (piece.size == 0) ++sent_pieces_;
  } else {
    data = to_bytes(piece.bytes.first(std::min(limit, piece.bytes.size())));
    piece.bytes = piece.bytes.subspan(data.size());
    if (piece.bytes.empty()) ++sent_pieces_;
  }
  return data;
}

void SimulatedNetworkParts::Side::finish_pending() {
  if (reader_) finish_read(network_error(error_));
  if (writer_) finish_write(network_error(error_));
}

void SimulatedNetworkParts::Side::finish_read(Result<std::size_t> result) {
  std::string what = "read ";
  what += result ? std::to_string(*result) : result.error().detail;
  CHECK(!read_done_.handler);
  read_done_ = {std::exchange(reader_, nullptr), std::move(result), std::exchange(read_keeps_, nullptr)};
  world_.add_now(node_, std::move(what), [self = shared_from_this()] {
    auto done = std::exchange(self->read_done_, {});
    done.handler(std::move(done.result));
  });
}

void SimulatedNetworkParts::Side::finish_write(Result<void> result) {
  outgoing_.clear();
  std::string what = "written";
  if (!result) what += " " + result.error().detail;
  CHECK(!write_done_.handler);
  write_done_ = {std::exchange(writer_, nullptr), std::move(result), std::exchange(write_keeps_, nullptr)};
  world_.add_now(node_, std::move(what), [self = shared_from_this()] {
    auto done = std::exchange(self->write_done_, {});
    done.handler(std::move(done.result));
  });
}

}  // namespace barnabas
