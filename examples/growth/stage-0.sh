#!/usr/bin/env bash
# Stage 0 of the growth plan: one machine, nothing set up: a process, its own database, a folder.
# Shows what visitors see, second by second, until Ctrl-C.
exec "$(dirname "$0")/run.sh" stage 0 --keep "$@"
