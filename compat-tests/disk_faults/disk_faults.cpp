// A disk that fails at the n-th call: put under a broker, Barnabas or a JVM, by LD_PRELOAD.
//
// A test maps the file that DISK_FAULTS names and writes there what shall fail, while the broker runs: syncs
// or writes, of paths that contain a text, from which call on, with which errno. Calls are counted over all
// threads; strace counts each thread by itself. What fails does not reach the disk: a sync is not done, of a
// write nothing or half is stored. Error 0 is a lie: the call says that it succeeded. Thread safety: all of
// it. The test arms it by `countdown`, last. Beside that the wall clock jumps as the test says; the monotonic
// one does not.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace {

/// The file, as harness/disk_faults.py writes it.
struct Control {
  std::atomic<std::uint64_t> countdown;  // the matching call that fails; 0: none does
  std::atomic<std::uint64_t> matched;    // calls seen since it was armed
  std::atomic<std::uint64_t> injected;
  std::atomic<std::uint64_t> injected_at_ns;  // CLOCK_MONOTONIC, of the first one
  std::int32_t error;
  std::uint32_t calls;
  std::uint32_t lasting;                     // 1: every later call fails too
  std::uint32_t torn;                        // 1: half of a failing write is stored
  std::atomic<std::int64_t> clock_shift_ns;  // what the wall clock is wrong by, apart from all this
  char path_part[200];
  char path[256];  // of the first one
};
static_assert(sizeof(Control) == 512);

enum Kind : std::uint32_t { kSync = 1, kWrite = 2 };

Control* control = nullptr;

__attribute__((constructor)) void map_control() {
  const char* name = std::getenv("DISK_FAULTS");
  if (name == nullptr) return;
  const int fd = ::open(name, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* mapped = ::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (mapped != MAP_FAILED) control = static_cast<Control*>(mapped);
}

template <class Function>
Function next(const char* name, Function) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t shift_ns() {
  return control == nullptr ? 0 : control->clock_shift_ns.load();
}

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Whether this call is to fail; errno is set then.
bool fails(Kind kind, int fd) {
  if (control == nullptr || control->countdown == 0 || (control->calls & kind) == 0) return false;
  const int error_before = errno;
  char link[64];
  char path[256];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, path, sizeof(path) - 1);
  errno = error_before;
  if (size < 0) return false;
  path[size] = '\0';
  if (std::strstr(path, control->path_part) == nullptr) return false;
  const std::uint64_t number = ++control->matched;
  const bool is_due = number == control->countdown || (control->lasting != 0 && number > control->countdown);
  if (!is_due) return false;
  if (control->injected++ == 0) {
    control->injected_at_ns = now_ns();
    std::memcpy(control->path, path, sizeof(path));
  }
  errno = control->error;
  return true;
}

int result_of_sync() {
  return control->error == 0 ? 0 : -1;
}

/// Stores the first half of what was to be written, if that is wanted; the call fails all the same.
ssize_t fail_write(int fd, const iovec* pieces, int count, off_t position) {
  const int error = errno;
  if (control->torn != 0) {
    std::vector<char> bytes;
    for (int i = 0; i < count; ++i) {
      const char* from = static_cast<const char*>(pieces[i].iov_base);
      bytes.insert(bytes.end(), from, from + pieces[i].iov_len);
    }
    const std::size_t half = bytes.size() / 2;
    if (position >= 0) {
      (void)!next("pwrite", &::pwrite)(fd, bytes.data(), half, position);
    } else {
      (void)!next("write", &::write)(fd, bytes.data(), half);
    }
  }
  errno = error;
  return -1;
}

}  // namespace

extern "C" {

int fsync(int fd) {
  static const auto real = next("fsync", &::fsync);
  return fails(kSync, fd) ? result_of_sync() : real(fd);
}

int fdatasync(int fd) {
  static const auto real = next("fdatasync", &::fdatasync);
  return fails(kSync, fd) ? result_of_sync() : real(fd);
}

ssize_t write(int fd, const void* from, size_t size) {
  static const auto real = next("write", &::write);
  if (!fails(kWrite, fd)) return real(fd, from, size);
  const iovec piece{const_cast<void*>(from), size};
  return fail_write(fd, &piece, 1, -1);
}

ssize_t writev(int fd, const iovec* pieces, int count) {
  static const auto real = next("writev", &::writev);
  return fails(kWrite, fd) ? fail_write(fd, pieces, count, -1) : real(fd, pieces, count);
}

ssize_t pwrite(int fd, const void* from, size_t size, off_t position) {
  static const auto real = next("pwrite", &::pwrite);
  if (!fails(kWrite, fd)) return real(fd, from, size, position);
  const iovec piece{const_cast<void*>(from), size};
  return fail_write(fd, &piece, 1, position);
}

ssize_t pwritev(int fd, const iovec* pieces, int count, off_t position) {
  static const auto real = next("pwritev", &::pwritev);
  return fails(kWrite, fd) ? fail_write(fd, pieces, count, position) : real(fd, pieces, count, position);
}

ssize_t pwrite64(int fd, const void* from, size_t size, off64_t position) {
  return pwrite(fd, from, size, position);
}

int clock_gettime(clockid_t clock, timespec* time) {
  static const auto real = next("clock_gettime", &::clock_gettime);
  const int result = real(clock, time);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  const std::int64_t shift = shift_ns();
  if (shift == 0) return result;
  const std::int64_t shifted = std::int64_t{time->tv_sec} * kSecond + time->tv_nsec + shift;
  time->tv_sec = shifted / kSecond;
  time->tv_nsec = shifted % kSecond;
  return result;
}

int gettimeofday(timeval* time, void*) {
  timespec now{};
  const int result = clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return result;
}

time_t time(time_t* into) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (into != nullptr) *into = now.tv_sec;
  return now.tv_sec;
}

ssize_t pwritev64(int fd, const iovec* pieces, int count, off64_t position) {
  return pwritev(fd, pieces, count, position);
}
}
