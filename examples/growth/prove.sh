#!/usr/bin/env bash
# The whole growth plan and every fault under load. Exit status 1 if a promise broke.
#   prove.sh [--json FILE]
exec "$(dirname "$0")/run.sh" prove "$@"
