// Ctrl-C and SIGTERM as a flag, for commands that have something to finish when they are told to end.
//
// Process-wide. Thread safety: from any thread. A second signal ends the process at once. Waits of this
// process's threads return early (EINTR); whoever waits in a loop asks interrupted() in between.
#pragma once

namespace barnabas::tools {

void catch_interruptions();
[[nodiscard]] bool interrupted();
/// What a shell is told: 128 + the signal's number. Requires interrupted().
[[nodiscard]] int interruption_exit_code();

}  // namespace barnabas::tools
