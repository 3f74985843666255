#!/usr/bin/env bash
# Owns the table of every endpoint against every fault of the simulated server.
source "$(dirname "$0")/common.sh"
python3 "$here/faults.py"
