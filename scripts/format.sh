#!/bin/bash
# Lays out our own C++ as .clang-format says; with --check only says which files are not so laid out.
set -euo pipefail
cd "$(dirname "$0")/.."
arguments=(-i)
if [[ ${1:-} == --check ]]; then arguments=(--dry-run -Werror); fi
git ls-files --cached --others --exclude-standard --deduplicate -z -- '*.cpp' '*.hpp' |
  while IFS= read -r -d '' file; do if [[ -f $file ]]; then printf '%s\0' "$file"; fi; done |
  xargs -0 --no-run-if-empty -n 16 -P "$(nproc)" clang-format-19 "${arguments[@]}"
