#!/bin/bash
# Boots a guest in namespaces of its own: guest.sh BASE IMAGE DIRECTORY NODE METADATA SERVICES
# BASE and IMAGE are the layers of its disk; its own writes are in DIRECTORY/disk. METADATA and SERVICES are sockets that it
# reaches at 169.254.169.254 and 10.0.0.1. Start it with `unshare --mount --net`.
set -euo pipefail
base=$1 image=$2 directory=$3 node=$4 metadata=$5 services=$6
# The guest's view of its network, which no udev manages, and only version 2 of the control groups.
mount -t sysfs -o ro sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup/${directory##*/}
mkdir -p "$group"
echo $$ >"$group/cgroup.procs"
mkdir -p "$directory/disk" "$directory/work" "$directory/root"
mount -t overlay overlay -o "lowerdir=$image:$base,upperdir=$directory/disk,workdir=$directory/work" "$directory/root"
ip link set lo up
ip link add cloud type veth peer name eth0
ip addr add 10.0.0.1/24 dev cloud
ip addr add 169.254.169.254/32 dev cloud
ip link set cloud up
setpriv --pdeathsig KILL "$node" "${0%/*}/forward.mjs" "169.254.169.254=$metadata" "10.0.0.1=$services" &
exec systemd-nspawn --quiet --directory="$directory/root" --boot --register=no --keep-unit --network-interface=eth0 \
  --console=read-only --machine="${directory##*/}" --kill-signal=SIGRTMIN+4 --bind-ro="$node:/opt/node" --bind="$directory/shared:/shared"
