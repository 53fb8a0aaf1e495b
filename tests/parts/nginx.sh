#!/usr/bin/env bash
# nginx, for the proxy's configuration in docs/operating.md.
set -euo pipefail
command -v nginx >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo 'The tests need nginx: install it with your package manager.' >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light >/dev/null
