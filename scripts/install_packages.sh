#!/bin/bash
# Installs what Barnabas needs on Debian 12, and nothing that is already there.
#
#   scripts/install_packages.sh build    what a build needs
#   scripts/install_packages.sh test     that, and what the tests and checks need
#
# When nothing is missing it asks dpkg once and touches neither the network nor apt. A package may be written
# as package=command: then the command on the PATH counts too, wherever it came from (a compiler built by hand,
# a Node.js that brings its own npm).
set -euo pipefail

build_packages=(
  g++=g++ cmake=cmake ninja-build=ninja ccache=ccache mold=mold pkg-config=pkg-config make=make
  python3=python3 git=git
  libboost1.81-dev libboost-system1.81-dev libboost-json1.81-dev
  libssl-dev libzstd-dev liblz4-dev libsnappy-dev libisal-dev zlib1g-dev
  libspdlog-dev libfmt-dev libcli11-dev libre2-dev libxxhash-dev catch2
)
# clang and its tools for sanitizers, fuzzing, format and lint (llvm-19 names the functions in a sanitizer's
# report); a JVM and Maven for Apache Kafka and its tools; the other clients that compat-tests/ runs.
test_packages=(
  clang-19 libclang-rt-19-dev llvm-19 lld-19 clang-format-19 clang-tidy-19
  openjdk-17-jdk-headless=javac maven=mvn
  util-linux=unshare mount=mount e2fsprogs=mkfs.ext4
  libbenchmark-dev unzip=unzip kcat=kcat librdkafka-dev python3-venv nodejs=node npm=npm
)

case "${1:-}" in
  build) wanted=("${build_packages[@]}") ;;
  test) wanted=("${build_packages[@]}" "${test_packages[@]}") ;;
  *) echo "usage: $0 build|test" >&2; exit 2 ;;
esac

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' || true)

missing=()
for entry in "${wanted[@]}"; do
  package=${entry%%=*}
  command=
  [[ $entry == *=* ]] && command=${entry#*=}
  if [[ -n $command ]] && command -v "$command" >/dev/null; then continue; fi
  if grep -qxF -- "$package" <<<"$installed"; then continue; fi
  missing+=("$package")
done

if ((${#missing[@]} == 0)); then exit 0; fi
if ! command -v apt-get >/dev/null; then
  echo "$0: missing: ${missing[*]}; there is no apt-get here, so please install them by hand" >&2
  exit 1
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "$0: missing: ${missing[*]}; run this as root, or install sudo" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q </dev/null
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
