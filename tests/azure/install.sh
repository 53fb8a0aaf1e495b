#!/usr/bin/env bash
# Microsoft's emulator of Azure Blob Storage, for `make azure` alone: into the folder that is given, outside the repository's files.
set -euo pipefail
folder=$1
version=3.35.0

[ -e "$folder/$version" ] && exit 0
if ! command -v node npm >/dev/null; then
	if [ "$(id -u)" != 0 ]; then
		echo 'The emulator of Azure needs Node.js. Type: sudo apt-get install --no-install-recommends nodejs npm' >&2
		exit 1
	fi
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
fi
mkdir -p "$folder"
npm install --prefix "$folder" --no-audit --no-fund --no-save --ignore-scripts --loglevel=error "azurite@$version" >/dev/null
touch "$folder/$version"
