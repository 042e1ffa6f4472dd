#!/usr/bin/env bash
# Stage 3 of the growth plan: beamrider, sunjammer and a second machine with everything: any one of them may be lost.
# Shows what visitors see, second by second, until Ctrl-C.
exec "$(dirname "$0")/run.sh" stage 3 --keep "$@"
