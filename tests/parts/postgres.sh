#!/usr/bin/env bash
# PostgreSQL, of which the tests start a server of their own (tests/engines/postgres.py).
set -euo pipefail
[ -n "${HOLDFAST_TEST_POSTGRES:-}" ] && exit 0
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && exit 0
command -v postgres >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo 'The tests need PostgreSQL. Type: sudo apt-get install --no-install-recommends postgresql' >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# The package would start a server of its own, which nobody needs.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
{ apt-get update && apt-get install --yes --no-install-recommends postgresql; } >/dev/null 2>&1 || {
	echo 'PostgreSQL could not be installed. Type: apt-get update && apt-get install --no-install-recommends postgresql' >&2
	exit 1
}
