#!/bin/bash
# A cluster of one node whose objects are in memory, and a gateway that speaks S3: node.sh FOLDER MONITOR_PORT GATEWAY_PORT
# KEY_ID SECRET. It runs until its standard input ends, and says "ready" when it is. Loopback only, no rights needed.
set -eu

folder=$1 monitor=$2 gateway=$3 key_id=$4 secret=$5
cluster=$(cat /proc/sys/kernel/random/uuid) store=$(cat /proc/sys/kernel/random/uuid)
mkdir -p "$folder"/{mon,osd,mgr,run,log}
cat > "$folder/ceph.conf" << CONF
[global]
fsid = $cluster
mon_host = v2:127.0.0.1:$monitor
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
ms_bind_msgr1 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 2147483648
mon_data = $folder/mon
osd_data = $folder/osd
mgr_data = $folder/mgr
keyring = $folder/keyring
log_file = $folder/log/\$name.log
run_dir = $folder/run
admin_socket = $folder/run/\$name.asok
pid_file = $folder/run/\$name.pid
[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:$gateway
rgw_thread_pool_size = 64
CONF

with=(-c "$folder/ceph.conf")
started=()
trap 'kill "${started[@]}" 2> /dev/null; wait' EXIT

start() {
	"$@" -f > "$folder/log/$(basename "$1").out" 2>&1 < /dev/null &
	started+=($!)
}

until_it_is_so() {
	for _ in $(seq 200); do
		if "$@" > /dev/null 2>&1; then return; fi
		sleep 0.3
	done
	echo "gave up on: $*" >&2
	exit 1
}

ceph-authtool --create-keyring "$folder/keyring" --gen-key -n mon. --cap mon 'allow *' > /dev/null
for name in client.admin client.rgw.a mgr.x osd.0; do
	ceph-authtool "$folder/keyring" --gen-key -n "$name" --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' > /dev/null
done
monmaptool --create --addv a "[v2:127.0.0.1:$monitor]" --fsid "$cluster" "$folder/monmap" > /dev/null
ceph-mon "${with[@]}" --mkfs -i a --monmap "$folder/monmap" --keyring "$folder/keyring"
start ceph-mon "${with[@]}" -i a
until_it_is_so timeout 5 ceph "${with[@]}" -s
start ceph-mgr "${with[@]}" -i x
ceph "${with[@]}" osd new "$store" 0 > /dev/null
ceph-osd "${with[@]}" -i 0 --mkfs --osd-uuid "$store" 2> /dev/null
start ceph-osd "${with[@]}" -i 0
until_it_is_so bash -c "timeout 5 ceph -c '$folder/ceph.conf' osd stat | grep -q '1 up'"
start radosgw "${with[@]}" -n client.rgw.a
until_it_is_so bash -c "exec 3<> /dev/tcp/127.0.0.1/$gateway"
until_it_is_so timeout 30 radosgw-admin "${with[@]}" user create --uid=holdfast --display-name=holdfast \
	--access-key="$key_id" --secret-key="$secret"
echo ready
cat > /dev/null
