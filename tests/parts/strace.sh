#!/usr/bin/env bash
# strace, by which the tests see what a decoding child asks of the kernel.
set -euo pipefail
command -v strace >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "Hostile media are watched with strace. Type: sudo apt-get install --yes strace" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install --yes --no-install-recommends strace; } >/dev/null 2>&1 || {
	echo "Could not install strace. Type: apt-get install --yes strace" >&2
	exit 1
}
