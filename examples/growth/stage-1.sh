#!/usr/bin/env bash
# Stage 1 of the growth plan: beamrider alone: MariaDB, files over NFS, a front end, a balancer.
# Shows what visitors see, second by second, until Ctrl-C.
exec "$(dirname "$0")/run.sh" stage 1 --keep "$@"
