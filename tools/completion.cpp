#include "tools/completion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/command.hpp"

namespace barnabas::tools {

std::string bash_completion() {
  std::string cases;
  std::string names;
  std::string short_names;
  for (const auto& command : all_commands()) {
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command.name, fmt::join(command.words(), " "));
    names += fmt::format(" {0} {0}.sh", command.name);
    short_names += fmt::format(" {}", command.name);
  }
  return fmt::format(R"(_barnabas_tools() {{
  local tool=${{COMP_WORDS[0]##*/}} words
  tool=${{tool%.sh}}
  if [[ $tool == barnabas-tools ]]; then
    if ((COMP_CWORD == 1)); then
      COMPREPLY=($(compgen -W "install completion --help --version{}" -- "${{COMP_WORDS[1]}}"))
      return
    fi
    tool=kafka-${{COMP_WORDS[1]#kafka-}}
  fi
  case $tool in
{}  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _barnabas_tools barnabas-tools{}
)",
                     short_names, cases, names);
}

}  // namespace barnabas::tools
