// kafka-storage: the broker's program does this, since it knows its own configuration. It lies beside this
// one.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "tools/commands/admin_commands.hpp"

namespace barnabas::tools {

std::vector<std::string> storage_words() {
  return {"format", "info", "random-uuid", "version-mapping", "feature-dependencies", "--help"};
}

int run_storage(Arguments arguments) {
  std::error_code error;
  const auto ours = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string program = ours.parent_path() / "barnabas";
  std::vector<std::string> words{program};
  for (const std::string_view argument : arguments) {
    // Kafka's parser takes -t=ID for -t ID.
    const bool is_letter_with_value =
        argument.size() > 2 && argument[0] == '-' && argument[1] != '-' && argument[2] == '=';
    words.emplace_back(is_letter_with_value ? argument.substr(0, 2) : argument);
    if (is_letter_with_value) words.emplace_back(argument.substr(3));
  }
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(program.c_str(), pointers.data());
  fmt::print(stderr, "kafka-storage: {}: {}\n", program, std::strerror(errno));
  return 1;
}

}  // namespace barnabas::tools
