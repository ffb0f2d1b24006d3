// Command: one of the kafka-*.sh, as a function.
//
// tools/main.cpp finds it by the name under which the program was called (`kafka-topics`, with or without
// `.sh`) or by its first argument (`barnabas-tools topics`, `barnabas-tools kafka-topics`), and returns its
// exit code. Each command is a file in tools/commands/, registered by one row of command_table.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace barnabas::tools {

/// The arguments without the program's name.
using Arguments = std::span<const char* const>;

struct Command {
  std::string_view name;     // "kafka-topics"
  std::string_view summary;  // one line for `barnabas-tools --help`
  int (*run)(Arguments arguments);
  /// Its options and subcommands as one writes them, for completion.
  std::vector<std::string> (*words)();
};

/// In the order of their names.
std::span<const Command> all_commands();
/// By name, with or without "kafka-" and ".sh"; null if there is none.
const Command* find_command(std::string_view name);

}  // namespace barnabas::tools
