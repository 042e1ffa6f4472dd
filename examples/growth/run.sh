#!/usr/bin/env bash
# Builds remora-server and growth and runs growth with the given arguments. What is built is in memory
# that only this process and its children see: it is gone with them, however they end.
set -euo pipefail

if [ "$(uname -s)" != Linux ]; then
	echo "growth: this makes machines out of network namespaces, which only Linux has" >&2
	exit 2
fi
if [ "$(id -u)" != 0 ]; then
	echo "growth: this makes network namespaces and mounts, for which it must be root: sudo $0 $*" >&2
	exit 2
fi
for program in unshare mount go; do
	command -v "$program" >/dev/null || { echo "growth: $program is missing; install util-linux, mount and Go 1.26 (is Go in root's PATH?)" >&2; exit 2; }
done

if [ "${BEAMRIDER_GROWTH_PRIVATE-}" != "$$" ]; then
	# exec keeps the process: whoever kills this one ends everything.
	BEAMRIDER_GROWTH_PRIVATE=$$ exec unshare --mount --propagation private "$BASH" "$(realpath "$0")" "$@"
fi
unset BEAMRIDER_GROWTH_PRIVATE

# Fetching modules needs names, and /run may hold the file that says who knows them.
resolver=$(realpath /etc/resolv.conf 2>/dev/null || true)
names=$(cat /etc/resolv.conf 2>/dev/null || true)
mount -t tmpfs -o mode=755,size=2g tmpfs /run
if [[ $resolver == /run/* ]]; then
	mkdir -p "${resolver%/*}"
	printf '%s\n' "$names" >"$resolver"
fi
build=/run/growth-build
mkdir -p "$build/tmp"
here=$(dirname "$(realpath "$0")")
echo "growth: building" >&2
(cd "$here" && GOTMPDIR=$build/tmp CGO_ENABLED=0 go build -o "$build/" . ../../cmd/remora-server)
exec "$build/growth" "$@" --server "$build/remora-server"
