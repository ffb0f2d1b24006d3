#!/bin/bash
# What `make bench` calls: everything in one command. Options: bench/run.py --help.
exec python3 "$(dirname "$0")/run.py" "$@"
