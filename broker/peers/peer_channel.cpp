#include "broker/peers/peer_channel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <vector>

#include "base/check.hpp"
#include "protocol/headers.hpp"
#include "protocol/message_codec.hpp"
#include "protocol/messages/api_api_versions.hpp"

namespace barnabas::broker {
namespace {

using protocol::ApiVersionsRequest;
using protocol::ApiVersionsResponse;

constexpr std::int32_t kMaxFrameBytes = std::int32_t{1} << 30;
constexpr std::size_t kFirstRequestBytes = 256;  // most fit
constexpr std::size_t kFirstAnswerBytes = 512;   // most fit, and are read at once
/// Memory for an answer is taken in pieces of at least this size, as its bytes arrive.
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

}  // namespace

/// The channel itself: kept alive by the operations that are under way on its connection.
class PeerChannel::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(Reactor& reactor, Clock& clock, Random& random, PeerChannelOptions options)
      : reactor_(reactor), clock_(clock), random_(random), options_(std::move(options)) {}

  void enqueue(Call call) {
    call.deadline = clock_.monotonic() + options_.request_timeout;
    waiting_.push_back(std::move(call));
    watch_deadlines();
    if (state_ == State::kIdle) connect();
    if (state_ == State::kReady) post_sending();
  }
  void end() {
    ended_ = true;
    drop_connection();
    waiting_.clear();
    for (TimerId* timer : {&deadline_timer_, &backoff_timer_}) {
      if (*timer != 0) reactor_.cancel(std::exchange(*timer, 0));
    }
  }
  /// What was sent fails; what was not waits for the next connection.
  void lose(const std::string& why) {
    std::deque<Sent> lost = std::exchange(sent_, {});
    back_off();
    const Error error{ErrorCode::kNetworkException,
                      fmt::format("the connection to {} is lost: {}", to_string(options_.peer), why)};
    for (Sent& call : lost) call.answer(std::unexpected(error));
  }

  [[nodiscard]] const PeerChannelOptions& options() const { return options_; }
  [[nodiscard]] bool is_connected() const { return state_ == State::kReady; }
  [[nodiscard]] bool was_refused() const { return was_refused_; }
  [[nodiscard]] const PeerVersions& versions() const { return versions_; }

 private:
  enum class State : std::uint8_t { kIdle, kBackingOff, kConnecting, kLearning, kReady };
  struct Sent {
    std::int32_t correlation_id = 0;
    std::int16_t api_key = 0;
    std::int16_t version = 0;
    std::move_only_function<void(Result<Frame>)> answer;
    std::chrono::nanoseconds deadline{};
  };

  // Connecting.
  void connect();
  void on_connected(Result<std::shared_ptr<Connection>> connection);
  void back_off();
  void learn_versions(std::int16_t version);
  void on_versions(std::int16_t asked, Result<Frame> frame);
  void drop_connection();

  // Sending.
  void post_sending();
  void send_waiting();
  void send(Call call, std::int16_t version);
  void refuse(Call call);
  void write();
  [[nodiscard]] std::optional<std::int16_t> common_version(const Call& call) const;

  // Receiving.
  void read();
  void on_read(std::size_t size);
  [[nodiscard]] bool take_frame(std::size_t whole);

  // Time.
  void watch_deadlines();
  void on_deadline();

  Reactor& reactor_;
  Clock& clock_;
  Random& random_;
  PeerChannelOptions options_;
  State state_ = State::kIdle;
  bool ended_ = false;
  bool sending_posted_ = false;
  bool was_refused_ = false;
  std::uint64_t attempt_ = 0;  // tells operations of an earlier connection
  int failures_ = 0;
  std::shared_ptr<Connection> connection_;
  PeerVersions versions_;  // null while they are not known
  std::deque<Call> waiting_;
  std::deque<Sent> sent_;
  std::int32_t next_correlation_id_ = 0;
  Bytes outgoing_;
  Bytes writing_;
  Bytes incoming_;  // frames behind their sizes, as far as they arrived, and room for more
  std::size_t received_ = 0;
  TimerId deadline_timer_ = 0;
  TimerId backoff_timer_ = 0;
};

void PeerChannel::Link::connect() {
  state_ = State::kConnecting;
  was_refused_ = false;
  const std::uint64_t attempt = ++attempt_;
  reactor_.connect(options_.peer,
                   [weak = weak_from_this(), attempt](Result<std::shared_ptr<Connection>> connection) {
                     auto self = weak.lock();
                     if (self && !self->ended_ && self->attempt_ == attempt)
                       return self->on_connected(std::move(connection));
                     if (connection) (*connection)->close();
                   });
  backoff_timer_ = reactor_.schedule_at(clock_.monotonic() + options_.connection_setup_timeout,
                                        [weak = weak_from_this(), attempt] {
                                          auto self = weak.lock();
                                          if (!self || self->attempt_ != attempt) return;
                                          self->backoff_timer_ = 0;
                                          self->back_off();
                                        });
}

void PeerChannel::Link::on_connected(Result<std::shared_ptr<Connection>> connection) {
  if (!connection) {
    was_refused_ = connection.error().detail.starts_with("ECONNREFUSED");
    return back_off();
  }
  connection_ = std::move(*connection);
  state_ = State::kLearning;
  received_ = 0;
  incoming_.resize(kFirstAnswerBytes);
  read();
  learn_versions(ApiVersionsRequest::kMaxVersion);
}

/// The connection, or the attempt to make one, has come to its end.
void PeerChannel::Link::back_off() {
  drop_connection();
  sent_.clear();  // it asked for the versions, if anything
  const double doubled =
      static_cast<double>(options_.reconnect_backoff.count()) * std::exp2(std::min(failures_, 30));
  ++failures_;
  const double most = static_cast<double>(options_.reconnect_backoff_max.count());
  const double jitter = 0.8 + 0.4 * static_cast<double>(random_.below(1001)) / 1000;
  state_ = State::kBackingOff;
  const std::chrono::nanoseconds wait(static_cast<std::int64_t>(std::min(doubled, most) * jitter));
  backoff_timer_ = reactor_.schedule_at(clock_.monotonic() + wait, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->backoff_timer_ = 0;
    self->state_ = State::kIdle;
    if (!self->waiting_.empty()) self->connect();
  });
  if (options_.waits_for_connection) return;
  std::deque<Call> unsent = std::exchange(waiting_, {});
  const Error error{ErrorCode::kNetworkException,
                    fmt::format("there is no connection to {}", to_string(options_.peer))};
  for (Call& call : unsent) call.answer(std::unexpected(error));
}

void PeerChannel::Link::drop_connection() {
  ++attempt_;
  if (backoff_timer_ != 0) reactor_.cancel(std::exchange(backoff_timer_, 0));
  if (connection_) std::exchange(connection_, nullptr)->close();
  state_ = State::kIdle;
  outgoing_.clear();
  versions_.reset();
}

/// Asks with our newest version, then with the one that the peer names.
void PeerChannel::Link::learn_versions(std::int16_t version) {
  ApiVersionsRequest request;
  request.client_software_name = "barnabas";
  request.client_software_version = "0.1.0";
  Call call;
  call.api_key = ApiVersionsRequest::kApiKey;
  call.deadline = clock_.monotonic() + options_.request_timeout;
  call.write = [request = std::move(request)](protocol::Writer& writer, std::int16_t v) {
    request.write(writer, v);
  };
  call.answer = [this, version](Result<Frame> frame) { on_versions(version, std::move(frame)); };
  send(std::move(call), version);
  write();
}

void PeerChannel::Link::on_versions(std::int16_t asked, Result<Frame> frame) {
  if (!frame) return;  // the connection is lost
  const ByteView body = ByteView(frame->bytes).subspan(frame->body);
  protocol::Reader error_reader(body);
  // A node that does not have the version answers in version 0 (KIP-511).
  const bool refused = static_cast<ErrorCode>(error_reader.int16()) == ErrorCode::kUnsupportedVersion;
  protocol::Reader reader(body);
  ApiVersionsResponse answer;
  answer.read(reader, refused ? std::int16_t{0} : asked);
  const bool usable = reader.ok() && (refused ? asked > 0 : answer.error_code == 0);
  if (!usable) return back_off();
  if (refused) {
    std::int16_t next = 0;
    for (const auto& api : answer.api_keys) {
      if (api.api_key == ApiVersionsRequest::kApiKey)
        next = std::min<std::int16_t>(asked - 1, api.max_version);
    }
    return learn_versions(std::max<std::int16_t>(next, 0));
  }
  if (backoff_timer_ != 0) reactor_.cancel(std::exchange(backoff_timer_, 0));
  failures_ = 0;
  auto versions = std::make_shared<std::vector<PeerVersion>>();
  for (const auto& api : answer.api_keys)
    versions->push_back({api.api_key, api.min_version, api.max_version});
  versions_ = std::move(versions);
  state_ = State::kReady;
  send_waiting();
}

std::optional<std::int16_t> PeerChannel::Link::common_version(const Call& call) const {
  for (const PeerVersion& theirs : *versions_) {
    if (theirs.api_key != call.api_key) continue;
    const std::int16_t highest = std::min(call.within.max, theirs.max);
    if (highest >= std::max(call.within.min, theirs.min)) return highest;
  }
  return std::nullopt;
}

/// Not from within call(): whoever calls is not called back before it returns.
void PeerChannel::Link::post_sending() {
  if (std::exchange(sending_posted_, true)) return;
  reactor_.post([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->sending_posted_ = false;
    if (self->state_ == State::kReady) self->send_waiting();
  });
}

void PeerChannel::Link::send_waiting() {
  const auto self = shared_from_this();
  while (state_ == State::kReady && !waiting_.empty()) {
    Call call = std::move(waiting_.front());
    waiting_.pop_front();
    const auto version = common_version(call);
    version ? send(std::move(call), *version) : refuse(std::move(call));
  }
  write();
}

void PeerChannel::Link::refuse(Call call) {
  call.answer(fail(ErrorCode::kUnsupportedVersion, fmt::format("{} and this node share no version of API {}",
                                                               to_string(options_.peer), call.api_key)));
}

void PeerChannel::Link::send(Call call, std::int16_t version) {
  protocol::Writer writer(kFirstRequestBytes);
  writer.int32(0);  // the size, put in when it is known
  protocol::write_request_header(writer, {.api_key = call.api_key,
                                          .api_version = version,
                                          .correlation_id = next_correlation_id_,
                                          .client_id = options_.client_id,
                                          .header_version = 0});
  call.write(writer, version);
  if (!writer.ok()) return call.answer(fail(ErrorCode::kUnsupportedVersion, writer.failure()));
  writer.patch_int32(0, static_cast<std::int32_t>(writer.size() - 4));
  if (outgoing_.empty())
    outgoing_ = writer.take();
  else
    outgoing_.insert(outgoing_.end(), writer.buffer().begin(), writer.buffer().end());
  sent_.push_back({next_correlation_id_++, call.api_key, version, std::move(call.answer), call.deadline});
}

void PeerChannel::Link::write() {
  if (!connection_ || !writing_.empty() || outgoing_.empty()) return;
  writing_ = std::exchange(outgoing_, {});
  const WritePiece piece{.bytes = writing_, .file = nullptr, .position = 0, .size = 0};
  const bool done = connection_->write(
      {&piece, 1}, [self = shared_from_this(), attempt = attempt_](const Result<void>& written) {
        self->writing_.clear();
        if (self->attempt_ != attempt) return self->write();
        if (!written) return self->lose(written.error().detail);
        self->write();
      });
  if (done) writing_.clear();
}

void PeerChannel::Link::read() {
  // A frame's memory doubles as its bytes arrive.
  connection_->read_some(MutableByteView(incoming_).subspan(received_),
                         [self = shared_from_this(), attempt = attempt_](const Result<std::size_t>& size) {
                           if (self->attempt_ != attempt) return;
                           if (!size || *size == 0)
                             return self->lose(size ? "the peer closed it" : size.error().detail);
                           self->on_read(*size);
                         });
}

void PeerChannel::Link::on_read(std::size_t size) {
  received_ += size;
  const std::uint64_t attempt = attempt_;
  while (attempt_ == attempt && received_ >= sizeof(std::int32_t)) {
    const std::int32_t frame = protocol::Reader(incoming_).int32();
    if (frame < 4 || frame > kMaxFrameBytes) return lose("its answer cannot be read");
    const std::size_t whole = static_cast<std::size_t>(frame) + 4;
    if (received_ < whole) {
      const std::size_t room = std::min(whole, std::max(2 * received_, kPieceBytes));
      if (incoming_.size() < room) incoming_.resize(room);
      break;
    }
    if (!take_frame(whole)) return lose("its answer cannot be read");
  }
  if (attempt_ == attempt) read();
}

/// The first `whole` bytes of incoming_ are a frame. False when nobody asked for it.
bool PeerChannel::Link::take_frame(std::size_t whole) {
  const ByteView behind = ByteView(incoming_).subspan(whole, received_ - whole);
  Bytes left(std::max(kFirstAnswerBytes, behind.size()));
  std::ranges::copy(behind, left.begin());
  received_ = behind.size();
  Bytes frame = std::exchange(incoming_, std::move(left));
  frame.resize(whole);
  if (sent_.empty()) return false;
  Sent call = std::move(sent_.front());
  sent_.pop_front();
  protocol::Reader reader(frame);
  reader.skip(4);
  const std::int32_t correlation_id = reader.int32();
  if (protocol::response_header_version(call.api_key, call.version) > 0) protocol::skip_tagged_fields(reader);
  if (!reader.ok() || correlation_id != call.correlation_id) {
    sent_.push_front(std::move(call));
    return false;
  }
  const std::size_t body = frame.size() - reader.remaining();
  call.answer(Frame{std::move(frame), body, call.version});
  return true;
}

void PeerChannel::Link::watch_deadlines() {
  if (deadline_timer_ != 0) return;
  std::optional<std::chrono::nanoseconds> first;
  if (!sent_.empty()) first = sent_.front().deadline;
  if (!waiting_.empty())
    first = std::min(first.value_or(waiting_.front().deadline), waiting_.front().deadline);
  if (!first) return;
  deadline_timer_ = reactor_.schedule_at(*first, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->deadline_timer_ = 0;
    self->on_deadline();
  });
}

void PeerChannel::Link::on_deadline() {
  const auto now = clock_.monotonic();
  const Error late{ErrorCode::kRequestTimedOut,
                   fmt::format("{} did not answer in time", to_string(options_.peer))};
  if (!sent_.empty() && sent_.front().deadline <= now) {
    Sent call = std::move(sent_.front());
    sent_.pop_front();
    call.answer(std::unexpected(late));
    if (!ended_) lose("it does not answer");
  }
  while (!ended_ && !waiting_.empty() && waiting_.front().deadline <= now) {
    Call call = std::move(waiting_.front());
    waiting_.pop_front();
    call.answer(std::unexpected(late));
  }
  if (!ended_) watch_deadlines();
}

PeerChannel::PeerChannel(Reactor& reactor, Clock& clock, Random& random, PeerChannelOptions options)
    : link_(std::make_shared<Link>(reactor, clock, random, std::move(options))) {}

PeerChannel::~PeerChannel() {
  link_->end();
}

void PeerChannel::enqueue(Call call) {
  link_->enqueue(std::move(call));
}

const Endpoint& PeerChannel::peer() const {
  return link_->options().peer;
}

bool PeerChannel::is_connected() const {
  return link_->is_connected();
}

bool PeerChannel::was_refused() const {
  return link_->was_refused();
}

PeerVersions PeerChannel::versions() const {
  return link_->versions();
}

void PeerChannel::disconnect() {
  if (link_->is_connected()) link_->lose("it was given up");
}

}  // namespace barnabas::broker
