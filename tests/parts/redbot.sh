#!/usr/bin/env bash
# RedBot and httplint, which judge HTTP, in an environment of their own under .cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

lock=requirements/redbot.lock home=.cache/redbot
cmp --silent "$lock" "$home/installed.lock" && exit 0
python=.venv/bin/python
[ -x "$python" ] || python=python3
"$python" -m venv --clear "$home"
if ! "$home/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock" >"$home/log" 2>&1; then
	tail -n 3 "$home/log" >&2
	echo "RedBot could not be installed. Type: $home/bin/python -m pip install --require-hashes --requirement $lock" >&2
	exit 1
fi
cp "$lock" "$home/installed.lock"
