#!/bin/bash
# clang-tidy over our own C++: the files named, else all of it.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ! -f build/asan/compile_commands.json ]]; then cmake --preset asan; fi
# Generated headers must be there before clang-tidy reads what includes them.
if ninja -C build/asan -t targets all | grep -q '^barnabas_generated:'; then
  cmake --build --preset asan --target barnabas_generated
fi

if (($# == 0)); then
  mapfile -t files < <(git ls-files -- 'base/*.cpp' 'protocol/*.cpp' 'log/*.cpp' 'kraft/*.cpp' 'broker/*.cpp' 'tools/*.cpp')
else
  files=("$@")
fi
if ((${#files[@]} == 0)); then echo "no C++ to lint"; exit 0; fi
printf '%s\0' "${files[@]}" |
  xargs -0 -n 4 -P "$(nproc)" clang-tidy-19 -p build/asan --quiet 2> >(grep -v 'warnings generated' >&2 || true)
