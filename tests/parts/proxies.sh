#!/usr/bin/env bash
# nginx, HAProxy and a tool that makes certificates, for the proxies in deploy/.
set -euo pipefail
PATH="$PATH:/sbin:/usr/sbin"
missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
command -v haproxy >/dev/null || missing+=(haproxy)
command -v openssl >/dev/null || missing+=(openssl)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "The tests need ${missing[*]}. Type: sudo apt-get install --yes --no-install-recommends ${missing[*]}" >&2
	exit 1
fi
# At this level no service is started by being installed.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
{ apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 || {
	echo "Could not install ${missing[*]}. Type: apt-get install --yes --no-install-recommends ${missing[*]}" >&2
	exit 1
}
