#!/bin/bash
# docker/tools_target.sh BUILD_FOLDER [--option]: the target of the command line tools if this tree has it, else
# nothing; with --option as an option for build_rootfs.sh.
if ninja -C "$1" -t targets all | grep -q '^barnabas-tools:'; then
  if [[ ${2-} == --option ]]; then echo "--tools $1/bin/barnabas-tools"; else echo barnabas-tools; fi
fi
