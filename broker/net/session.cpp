#include "broker/net/session.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/api/forwarding.hpp"
#include "protocol/headers.hpp"
#include "protocol/message_codec.hpp"

namespace barnabas::broker {

namespace {

constexpr std::size_t kFirstBuffer = 4 * 1024;
constexpr std::size_t kKeptBuffer = 1024 * 1024;  // a larger one is given back once its frame is handled
constexpr std::size_t kMaxUnanswered = 256;       // pipelined requests of one connection
constexpr std::int16_t kApiVersionsKey = 18;
constexpr std::chrono::milliseconds kLongestIdle = std::chrono::hours(24 * 365);  // no overflow of deadlines

std::int32_t read_size(const std::uint8_t* at) {
  std::int32_t size = 0;
  std::memcpy(&size, at, sizeof size);
  return std::byteswap(size);
}

WritePiece memory_piece(ByteView bytes) {
  return {.bytes = bytes, .file = nullptr, .position = 0, .size = 0};
}

/// The frame's bytes with the file ranges where its gaps are.
void append_pieces(const EncodedResponse& response, std::vector<WritePiece>& pieces) {
  const ByteView bytes = response.bytes;
  std::size_t from = 0;
  for (const protocol::Writer::Gap& gap : response.gaps) {
    if (gap.position > from) pieces.push_back(memory_piece(bytes.subspan(from, gap.position - from)));
    from = gap.position;
    std::uint64_t left = gap.size;
    for (std::size_t file = gap.id; left > 0; ++file) {
      CHECK(file < response.files.size(), "file ranges fill their gap");
      const log::FileSlice& slice = response.files[file];
      const std::uint64_t size = std::min(left, slice.size);
      pieces.push_back({.bytes = {}, .file = slice.file, .position = slice.position, .size = size});
      left -= size;
    }
  }
  if (from < bytes.size()) pieces.push_back(memory_piece(bytes.subspan(from)));
}

}  // namespace

/// Bytes read; shared with the requests that still use them. Charged to the budget beyond the first few KiB.
class Session::Buffer {
 public:
  Buffer(std::shared_ptr<MemoryBudget> budget, std::size_t capacity)
      : budget_(std::move(budget)),
        bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity)),
        capacity_(capacity) {}
  ~Buffer() { budget_->give_back(charge(capacity_)); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  static std::int64_t charge(std::size_t capacity) {
    return capacity <= kFirstBuffer ? 0 : static_cast<std::int64_t>(capacity);
  }
  [[nodiscard]] std::uint8_t* data() { return bytes_.get(); }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  std::shared_ptr<MemoryBudget> budget_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t capacity_;
};

Session::Session(Services& services, std::shared_ptr<MemoryBudget> budget, const SessionLimits& limits,
                 std::shared_ptr<Connection> stream, std::shared_ptr<ClientConnection> client,
                 std::move_only_function<void()> on_end)
    : services_(services),
      budget_(std::move(budget)),
      limits_{limits.max_request_bytes, std::min(limits.max_idle, kLongestIdle)},
      stream_(std::move(stream)),
      client_(std::move(client)),
      reactor_(stream_->reactor()),
      on_end_(std::move(on_end)),
      buffer_(std::make_shared<Buffer>(budget_, kFirstBuffer)),
      last_activity_(services.clock.monotonic()) {}

Session::~Session() {
  settle_overdraft();
}

void Session::start() {
  watch_idle();
  read();
}

void Session::watch_idle() {
  if (limits_.max_idle.count() < 0) return;
  idle_timer_ = reactor_.schedule_at(last_activity_ + limits_.max_idle, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->closed_) return;
    self->idle_timer_ = 0;
    const bool busy = !self->slots_.empty() || !self->writing_.empty();
    if (busy) self->last_activity_ = self->services_.clock.monotonic();
    if (self->last_activity_ + self->limits_.max_idle <= self->services_.clock.monotonic())
      return self->close();
    self->watch_idle();
  });
}

void Session::close() {
  if (closed_) return;
  closed_ = true;
  if (idle_timer_ != 0) reactor_.cancel(idle_timer_);
  const auto self = shared_from_this();
  // Before the peer sees the end: it may connect again at once, and is counted.
  if (on_end_) std::exchange(on_end_, nullptr)();
  stream_->close();
  slots_.clear();
  settle_overdraft();
}

void Session::drain() {
  draining_ = true;
  if (slots_.empty() && writing_.empty()) close();
}

bool Session::held_back() const {
  return draining_ || !pipelining_ || slots_.size() >= kMaxUnanswered || next_waits_its_turn();
}

bool Session::next_waits_its_turn() const {
  if (end_ - begin_ < 6 || std::ranges::all_of(slots_, &Slot::ready)) return false;
  const std::uint8_t* key = buffer_->data() + begin_ + 4;
  const ApiRow* row = find_api(static_cast<std::int16_t>(key[0] << 8 | key[1]));
  return row != nullptr && !row->pipelined;
}

void Session::read() {
  if (closed_ || reading_ || peer_ended_ || held_back()) return;
  if (!make_room()) {
    // The node's budget is used up: look again when others had time to finish.
    reading_ = true;
    reactor_.schedule_at(services_.clock.monotonic() + std::chrono::milliseconds(5),
                         [weak = weak_from_this()] {
                           auto self = weak.lock();
                           if (!self) return;
                           self->reading_ = false;
                           self->read();
                         });
    return;
  }
  reading_ = true;
  const MutableByteView room{buffer_->data() + end_, buffer_->capacity() - end_};
  stream_->read_some(
      room, [self = shared_from_this()](Result<std::size_t> size) { self->on_read(std::move(size)); });
}

/// Space behind end_ for the next bytes, in a buffer that nobody else uses.
bool Session::make_room() {
  const std::size_t pending = end_ - begin_;
  const bool shared = buffer_.use_count() > 1;
  if (pending == 0) {
    settle_overdraft();
    // A buffer that is kept would be charged all the while that its client is silent.
    const std::size_t kept = budget_->is_limited() ? kFirstBuffer : kKeptBuffer;
    const std::size_t capacity = buffer_->capacity() <= kept ? buffer_->capacity() : kFirstBuffer;
    if (shared || capacity < buffer_->capacity()) return replace_buffer(capacity);
    begin_ = end_ = 0;
    return true;
  }
  std::size_t whole = kFirstBuffer;
  if (pending >= 4) whole = static_cast<std::size_t>(read_size(buffer_->data() + begin_)) + 4;
  if (!shared && end_ < buffer_->capacity() && (begin_ == 0 || begin_ + whole <= buffer_->capacity())) {
    return true;
  }
  if (!shared && begin_ > 0 && pending < buffer_->capacity()) {
    std::memmove(buffer_->data(), buffer_->data() + begin_, pending);
    begin_ = 0;
    end_ = pending;
    return true;
  }
  // A frame's buffer doubles as its bytes arrive and never exceeds what was announced.
  return replace_buffer(std::max(std::min(whole, std::max(2 * pending, kFirstBuffer)), pending + 1));
}

bool Session::replace_buffer(std::size_t capacity) {
  const std::size_t pending = end_ - begin_;
  const std::int64_t charge = Buffer::charge(capacity);
  if (!budget_->try_take(charge)) {
    if (pending == 0 || !(overdrawn_ || budget_->begin_overdraft())) return false;
    overdrawn_ = true;
    budget_->take(charge);
  }
  auto replaced = std::make_shared<Buffer>(budget_, capacity);
  if (pending > 0) std::memcpy(replaced->data(), buffer_->data() + begin_, pending);
  buffer_ = std::move(replaced);
  begin_ = 0;
  end_ = pending;
  return true;
}

void Session::settle_overdraft() {
  if (std::exchange(overdrawn_, false)) budget_->end_overdraft();
}

void Session::on_read(Result<std::size_t> size) {
  reading_ = false;
  if (closed_) return;
  if (!size) return close();
  if (*size == 0) {
    // What was asked is still answered; then the connection ends.
    peer_ended_ = true;
    if (slots_.empty() && writing_.empty()) close();
    return;
  }
  last_activity_ = services_.clock.monotonic();
  end_ += *size;
  process();
}

void Session::process() {
  if (processing_) return;
  // Answers that are nothing (acks=0) make way for further requests as soon as they are flushed.
  do {
    processing_ = true;
    while (!closed_ && process_frame()) {
    }
    processing_ = false;
    if (closed_) return;
    flush();
  } while (!closed_ && !held_back() && has_frame());
  read();
}

/// Whether process_frame() has work without another read.
bool Session::has_frame() const {
  const std::size_t pending = end_ - begin_;
  if (pending < 4) return false;
  const std::int32_t size = read_size(buffer_->data() + begin_);
  return size <= 0 || size > limits_.max_request_bytes || pending - 4 >= static_cast<std::size_t>(size);
}

/// Nothing more is taken; what was asked before is still answered, then the connection ends.
void Session::end_after_answers() {
  draining_ = true;
  Slot& end = slots_.emplace_back();
  end.ready = true;
  end.response.kind = EncodedResponse::Kind::kClose;
}

bool Session::process_frame() {
  if (held_back() || end_ - begin_ < 4) return false;
  const std::int32_t size = read_size(buffer_->data() + begin_);
  if (size <= 0 || size > limits_.max_request_bytes) {
    log_warn("kafka.network.SocketServer",
             "closing {}: a frame of {} bytes was announced, allowed are 1 to {}", to_string(client_->peer),
             size, limits_.max_request_bytes);
    end_after_answers();
    return false;
  }
  const auto whole = static_cast<std::size_t>(size) + 4;
  if (end_ - begin_ < whole) return false;
  const MutableByteView frame{buffer_->data() + begin_ + 4, static_cast<std::size_t>(size)};
  begin_ += whole;
  dispatch(frame);
  return true;
}

void Session::refuse(const RequestContext& context, const char* what) {
  const ApiRow* row = find_api(context.api_key);
  log_warn("kafka.network.SocketServer", "closing {}: request {} ({}) version {} correlation {}: {}",
           to_string(client_->peer), context.api_key, row ? row->name : "not served", context.api_version,
           context.correlation_id, what);
  end_after_answers();
}

void Session::dispatch(MutableByteView frame) {
  protocol::Reader reader(frame);
  RequestContext context;
  context.api_key = reader.int16();
  context.api_version = reader.int16();
  context.correlation_id = reader.int32();
  context.connection = client_;
  context.reactor = &reactor_;
  const ApiRow* row = find_api(context.api_key);
  if (!reader.ok()) return refuse(context, "the header is cut short");
  if (!row) return refuse(context, "this API is not served");
  if (!is_served_on(*row, client_->controller_listener))
    return refuse(context, "this API is not served on this listener");
  // An ApiVersions request of any version is answered, so that newer clients can find a version we know
  // (KIP-511). What follows the client id in its header is not ours to judge.
  const bool known = context.api_version >= row->min_version && context.api_version <= row->max_version;
  if (!known && context.api_key != kApiVersionsKey) return refuse(context, "this version is not served");
  context.client_id = reader.nullable_string(false);
  if (known && protocol::request_header_version(context.api_key, context.api_version) >= 2) {
    protocol::skip_tagged_fields(reader);
  }
  if (!reader.ok()) return refuse(context, "the header is cut short");
  context.frame = buffer_;

  slots_.emplace_back();
  pipelining_ = row->pipelined;
  if (is_to_be_forwarded(services_, context)) return forward(services_, context, frame, make_sink());
  if (!row->handler(services_, context, reader, make_sink())) {
    slots_.pop_back();  // nobody will answer it
    refuse(context, reader.failure() ? reader.failure() : "it cannot be decoded");
    return;
  }
  if (std::exchange(client_->holds_requests, false) && !slots_.empty() && !slots_.back().ready)
    pipelining_ = false;
}

ResponseSink Session::make_sink() {
  const std::uint64_t request = first_slot_ + slots_.size() - 1;
  return [weak = weak_from_this(), reactor = &reactor_, request](EncodedResponse response) mutable {
    if (reactor->is_current()) {
      if (auto self = weak.lock()) self->answer(request, std::move(response));
      return;
    }
    reactor->post([weak = std::move(weak), request, response = std::move(response)]() mutable {
      if (auto self = weak.lock()) self->answer(request, std::move(response));
    });
  };
}

void Session::answer(std::uint64_t request, EncodedResponse response) {
  if (closed_) return;
  CHECK(request >= first_slot_ && request - first_slot_ < slots_.size());
  Slot& slot = slots_[request - first_slot_];
  CHECK(!slot.ready, "a request is answered once");
  slot.ready = true;
  slot.response = std::move(response);
  if (request == first_slot_ + slots_.size() - 1) pipelining_ = true;
  if (processing_) return;  // process() goes on by itself
  process();
}

void Session::flush() {
  if (closed_ || !writing_.empty()) return;
  bool end = false;
  std::vector<WritePiece> pieces;
  do {
    while (!slots_.empty() && slots_.front().ready && writing_.size() < 64) {
      EncodedResponse response = std::move(slots_.front().response);
      if (response.kind == EncodedResponse::Kind::kClose) {
        end = true;
        break;
      }
      slots_.pop_front();
      ++first_slot_;
      if (response.kind == EncodedResponse::Kind::kSend) writing_.push_back(std::move(response));
    }
    pieces.clear();
    for (const EncodedResponse& response : writing_) append_pieces(response, pieces);
    if (pieces.empty()) {
      if (end || (slots_.empty() && (draining_ || (peer_ended_ && !has_frame())))) close();
      return;
    }
  } while (write(pieces));
}

/// True when all is sent already.
bool Session::write(std::span<const WritePiece> pieces) {
  const bool sent = stream_->write(
      pieces, [self = shared_from_this()](Result<void> result) { self->on_written(std::move(result)); });
  if (!sent) return false;
  writing_.clear();
  last_activity_ = services_.clock.monotonic();
  return true;
}

void Session::on_written(Result<void> result) {
  writing_.clear();
  if (closed_) return;
  if (!result) return close();
  last_activity_ = services_.clock.monotonic();
  process();
}

}  // namespace barnabas::broker
