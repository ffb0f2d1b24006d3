// barnabas-tools: Kafka's command line tools as one program. Which one it is, its name says.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "tools/command.hpp"
#include "tools/completion.hpp"
#include "tools/version_text.hpp"

namespace barnabas::tools {
namespace {

void print_help() {
  fmt::print(
      "barnabas-tools COMMAND [options]   one of the commands below, with or without `kafka-`\n"
      "barnabas-tools install DIR         links to this program in DIR, by the names of all commands\n"
      "barnabas-tools completion bash     a script that completes options: source <(...)\n"
      "barnabas-tools --version\n\n"
      "Called by the name of a command (kafka-topics, kafka-topics.sh) it is that command.\n\nCommands:\n");
  for (const auto& command : all_commands()) fmt::print("  {:<32} {}\n", command.name, command.summary);
}

int install(const std::filesystem::path& directory) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  std::filesystem::create_directories(directory, error);
  for (const auto& command : all_commands()) {
    const auto link = directory / fmt::format("{}.sh", command.name);
    if (std::filesystem::is_symlink(link)) std::filesystem::remove(link, error);
    std::filesystem::create_symlink(program, link, error);
    if (error) {
      fmt::print(stderr, "{}: {}\n", link.string(), error.message());
      return 1;
    }
    fmt::print("{}\n", link.string());
  }
  return 0;
}

int run(Arguments arguments) {
  const std::string name = std::filesystem::path(arguments[0]).filename();
  if (const Command* command = find_command(name)) return command->run(arguments.subspan(1));
  const std::string_view first = arguments.size() > 1 ? arguments[1] : "--help";
  if (const Command* command = find_command(first)) return command->run(arguments.subspan(2));
  if (first == "--help" || first == "-h") {
    print_help();
    return 0;
  }
  if (first == "--version") {
    fmt::print("{}\n", kVersionText);
    return 0;
  }
  if (first == "install" && arguments.size() == 3) return install(arguments[2]);
  if (first == "completion" && arguments.size() == 3 && std::string_view(arguments[2]) == "bash") {
    fmt::print("{}", bash_completion());
    return 0;
  }
  fmt::print(stderr, "{}: there is no such command; `barnabas-tools --help` lists them\n", first);
  return 1;
}

}  // namespace
}  // namespace barnabas::tools

int main(int argc, char** argv) {
  // A reader that went away (`| head`) is an error of write(), as for any other program an end.
  std::signal(SIGPIPE, SIG_DFL);
  try {
    return barnabas::tools::run({argv, static_cast<std::size_t>(argc)});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
