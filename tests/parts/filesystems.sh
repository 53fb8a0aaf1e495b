#!/usr/bin/env bash
# ext4 and XFS, whose power the tests cut.
set -euo pipefail
PATH="$PATH:/sbin:/usr/sbin"
missing=()
command -v mkfs.ext4 >/dev/null || missing+=(e2fsprogs)
command -v mkfs.xfs >/dev/null || missing+=(xfsprogs)
command -v mount >/dev/null || missing+=(mount)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "Power cuts need ${missing[*]}. Type: sudo apt-get install --yes ${missing[*]}" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 || {
	echo "Could not install ${missing[*]}. Type: apt-get install --yes ${missing[*]}" >&2
	exit 1
}
