#!/bin/bash
# A one-node Ceph with its S3 gateway, for `make ceph` alone.
set -eu

packages=(ceph-mon ceph-osd ceph-mgr ceph-common radosgw)
if command -v ceph-mon ceph-osd ceph-mgr ceph radosgw radosgw-admin > /dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ]; then
	echo "Ceph is missing. Type: sudo apt-get install --no-install-recommends ${packages[*]}" >&2
	exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
