// network_switch CONTROL COUNT: network namespaces of a test's own, joined by a switch that loses, delays,
// doubles or blocks frames as the test says, for each direction of each pair of them by itself.
//
// Makes COUNT namespaces. Each has the device net0, whose address is 10.73.0.N for the Nth from 1, and knows
// the others' hardware addresses, so that nobody has to ask for them. CONTROL is a file of one Control, which
// the test maps and changes while the switch runs (harness/own_network.py). Prints a line for each namespace,
// the descriptor by which it can be entered (/proc/PID/fd/N), then "ready". The namespaces are gone with this
// process and those in them; it ends with its parent. One thread. Chance is drawn from the seed in CONTROL.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <queue>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

constexpr int kMost = 8;
constexpr int kMtu = 9000;
constexpr std::uint32_t kMillion = 1'000'000;
constexpr const char* kDevice = "net0";

/// Of the frames from one namespace to another, as own_network.py writes it.
struct Rule {
  std::atomic<std::uint32_t> is_blocked;
  std::atomic<std::uint32_t> lost_per_million;
  std::atomic<std::uint32_t> doubled_per_million;
  std::atomic<std::uint32_t> delay_us;
  std::atomic<std::uint32_t> jitter_us;  // added at random, so that frames overtake each other
  std::atomic<std::uint32_t> unused;
  std::atomic<std::uint64_t> passed;
  std::atomic<std::uint64_t> dropped;
};
struct Control {
  std::uint64_t seed;
  Rule rules[kMost][kMost];  // from, to
};
static_assert(sizeof(Control) == 8 + std::size_t{40} * kMost * kMost);

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int required(int result, const char* what) {
  if (result < 0) fail(what);
  return result;
}

std::int64_t now_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

sockaddr address_of(int node) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x0A490000U + static_cast<std::uint32_t>(node) + 1);  // 10.73.0.N
  sockaddr plain{};
  std::memcpy(&plain, &address, sizeof(address));
  return plain;
}

/// Locally administered; the last byte tells the switch whose it is.
std::array<char, 6> hardware_address(int node) {
  return {0x02, 0, 0, 0, 0, static_cast<char>(node + 1)};
}

ifreq request_for(const char* device) {
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  return request;
}

void bring_up(int socket, const char* device) {
  ifreq request = request_for(device);
  required(::ioctl(socket, SIOCGIFFLAGS, &request), "the flags of a device");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_RUNNING);
  required(::ioctl(socket, SIOCSIFFLAGS, &request), "bringing a device up");
}

void know_others(int socket, int node, int count) {
  for (int other = 0; other < count; ++other) {
    if (other == node) continue;
    arpreq entry{};
    entry.arp_pa = address_of(other);
    entry.arp_ha.sa_family = ARPHRD_ETHER;
    std::memcpy(entry.arp_ha.sa_data, hardware_address(other).data(), 6);
    entry.arp_flags = ATF_PERM | ATF_COM;
    std::strncpy(entry.arp_dev, kDevice, sizeof(entry.arp_dev) - 1);
    required(::ioctl(socket, SIOCSARP, &entry), "a neighbour's address");
  }
}

/// In the namespace of the caller; the descriptor by which its frames come and go.
int make_device(int node, int count) {
  const int tap = required(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/net/tun");
  ifreq request = request_for(kDevice);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  required(::ioctl(tap, TUNSETIFF, &request), "making a TAP device");
  const int socket = required(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "a socket");
  request = request_for(kDevice);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, hardware_address(node).data(), 6);
  required(::ioctl(socket, SIOCSIFHWADDR, &request), "a device's hardware address");
  request = request_for(kDevice);
  request.ifr_mtu = kMtu;
  required(::ioctl(socket, SIOCSIFMTU, &request), "a device's MTU");
  request = request_for(kDevice);
  request.ifr_addr = address_of(node);
  required(::ioctl(socket, SIOCSIFADDR, &request), "a device's address");
  sockaddr_in mask{};
  mask.sin_family = AF_INET;
  mask.sin_addr.s_addr = htonl(0xFFFFFF00U);
  std::memcpy(&request.ifr_netmask, &mask, sizeof(mask));
  required(::ioctl(socket, SIOCSIFNETMASK, &request), "a device's netmask");
  bring_up(socket, "lo");
  bring_up(socket, kDevice);
  know_others(socket, node, count);
  ::close(socket);
  return tap;
}

struct Held {
  std::int64_t due_us = 0;
  std::uint64_t number = 0;
  int to = 0;
  std::string frame;
  bool operator<(const Held& other) const {  // the earliest is the queue's top
    return due_us != other.due_us ? due_us > other.due_us : number > other.number;
  }
};

class Switch {
 public:
  Switch(Control& control, std::vector<int> taps)
      : control_(control), taps_(std::move(taps)), chance_(control.seed) {}

  [[noreturn]] void run() {
    const int epoll = required(::epoll_create1(EPOLL_CLOEXEC), "epoll");
    timer_ = required(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "a timer");
    for (std::size_t i = 0; i <= taps_.size(); ++i) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;  // behind the last: the timer
      required(::epoll_ctl(epoll, EPOLL_CTL_ADD, i < taps_.size() ? taps_[i] : timer_, &event), "epoll");
    }
    while (true) {
      epoll_event events[kMost + 1];
      const int count = ::epoll_wait(epoll, events, kMost + 1, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 < taps_.size()) take(static_cast<int>(events[i].data.u64));
      }
      send_due();
    }
  }

 private:
  void take(int from) {
    constexpr int kAtOnce = 64;
    char frame[kMtu + 64];
    for (int i = 0; i < kAtOnce; ++i) {
      const ssize_t size = ::read(taps_[static_cast<std::size_t>(from)], frame, sizeof(frame));
      if (size < 14) return;
      const int to = frame[5] - 1;
      const bool is_for_one = frame[0] == 0x02 && to >= 0 && to < static_cast<int>(taps_.size());
      if (is_for_one && to != from) pass(from, to, {frame, static_cast<std::size_t>(size)});
    }
  }

  [[nodiscard]] bool happens(std::uint32_t per_million) {
    return per_million != 0 && chance_() % kMillion < per_million;
  }

  void pass(int from, int to, std::span<const char> frame) {
    Rule& rule = control_.rules[from][to];
    if (rule.is_blocked != 0 || happens(rule.lost_per_million)) {
      ++rule.dropped;
      return;
    }
    ++rule.passed;
    const int copies = happens(rule.doubled_per_million) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      const std::uint32_t jitter = rule.jitter_us;
      const std::int64_t wait = std::int64_t{rule.delay_us} + (jitter == 0 ? 0 : chance_() % jitter);
      if (wait == 0) {
        send(to, frame);
      } else {
        held_.push({now_us() + wait, ++number_, to, std::string(frame.begin(), frame.end())});
      }
    }
  }

  /// A device whose queue is full loses the frame, as a switch does.
  void send(int to, std::span<const char> frame) {
    (void)!::write(taps_[static_cast<std::size_t>(to)], frame.data(), frame.size());
  }

  void send_due() {
    while (!held_.empty() && held_.top().due_us <= now_us()) {
      send(held_.top().to, held_.top().frame);
      held_.pop();
    }
    itimerspec next{};
    if (!held_.empty()) {
      next.it_value.tv_sec = held_.top().due_us / 1'000'000;
      next.it_value.tv_nsec = held_.top().due_us % 1'000'000 * 1000;
    }
    required(::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &next, nullptr), "setting the timer");
  }

  Control& control_;
  std::vector<int> taps_;
  std::mt19937_64 chance_;
  std::priority_queue<Held> held_;
  std::uint64_t number_ = 0;
  int timer_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  const int count = argc == 3 ? std::atoi(argv[2]) : 0;
  if (count < 1 || count > kMost) {
    std::fprintf(stderr, "usage: network_switch CONTROL COUNT (1 to %d)\n", kMost);
    return 2;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int file = required(::open(argv[1], O_RDWR | O_CLOEXEC), argv[1]);
  void* mapped = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) fail("mapping the control file");
  std::vector<int> taps;
  for (int node = 0; node < count; ++node) {
    required(::unshare(CLONE_NEWNET), "making a network namespace");
    const int handle = required(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "a namespace");
    taps.push_back(make_device(node, count));
    std::printf("%d\n", handle);
  }
  std::printf("ready\n");
  std::fflush(stdout);
  Switch(*static_cast<Control*>(mapped), std::move(taps)).run();
}
