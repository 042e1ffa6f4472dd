#!/usr/bin/env bash
# Stage 2 of the growth plan: beamrider and sunjammer: a second front end.
# Shows what visitors see, second by second, until Ctrl-C.
exec "$(dirname "$0")/run.sh" stage 2 --keep "$@"
