#include "tools/client/interruption.hpp"

#include <csignal>
#include <initializer_list>

namespace barnabas::tools {
namespace {

volatile std::sig_atomic_t g_signal = 0;

void remember(int signal) {
  g_signal = signal;
}

}  // namespace

void catch_interruptions() {
  struct sigaction action{};
  action.sa_handler = remember;
  // Without SA_RESTART, so that waits end; with the second signal the process does.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

bool interrupted() {
  return g_signal != 0;
}

int interruption_exit_code() {
  return 128 + g_signal;
}

}  // namespace barnabas::tools
