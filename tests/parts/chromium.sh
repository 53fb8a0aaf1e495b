#!/usr/bin/env bash
# The browser that tests/browser lets loose on active files.
set -euo pipefail

command -v chromium >/dev/null && exit 0
if [ "$(id -u)" != 0 ]; then
	echo 'The tests need Chromium. Type: sudo apt-get install --no-install-recommends chromium' >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && apt-get install --yes --no-install-recommends chromium; } >"$log" 2>&1; then
	tail -n 3 "$log" >&2
	echo 'Chromium could not be installed. Type: apt-get update && apt-get install --no-install-recommends chromium' >&2
	exit 1
fi
