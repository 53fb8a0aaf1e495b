#!/usr/bin/env bash
# systemd's own judge of units, and the library by which it filters system calls. Nothing of it is started.
set -euo pipefail
missing=()
command -v systemd-analyze >/dev/null || missing+=(systemd)
compgen -G '/usr/lib/*/libseccomp.so.2' >/dev/null || missing+=(libseccomp2)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "The tests need ${missing[*]}. Type: sudo apt-get install --yes --no-install-recommends ${missing[*]}" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 || {
	echo "Could not install ${missing[*]}. Type: apt-get install --yes --no-install-recommends ${missing[*]}" >&2
	exit 1
}
