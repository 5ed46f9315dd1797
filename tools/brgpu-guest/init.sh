#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Process 1 of the guest, run by busybox from the initramfs: makes the host's root file system the
# guest's, puts what must be writable on top of it, and hands over to brgpu-guest's agent, which is
# read from that root like every other program. Without a host's root (--initramfs) agent and command
# stand in the initramfs themselves.
#
# /config, written by the launcher for each run, sets (quoted for a shell): agent, firmware, root
# (host or initramfs), directory, shares (number), share_0, share_1...
export PATH=/bin

fail() {
    echo "brgpu-init: $*" >/dev/console
    sleep 0.2
    poweroff -f
    sleep 60
}

mount -t devtmpfs dev /dev || fail "cannot mount /dev"
mount -t proc proc /proc
mount -t sysfs sys /sys
shares=0 agent='' firmware='' root=host directory=/
# shellcheck source=/dev/null
. /config

while read -r module; do
    insmod "/modules/$module" || fail "cannot load $module"
done </modules/order

# The launcher boots on one processor (maxcpus=1): it says why.
for cpu in /sys/devices/system/cpu/cpu[0-9]*/online; do
    [ ! -e "$cpu" ] || [ "$(cat "$cpu")" = 1 ] || echo 1 >"$cpu" || fail "cannot start ${cpu%/online}"
done

options=trans=virtio,version=9p2000.L,msize=512000
if [ "$root" = host ]; then
    mount -t 9p -o "ro,cache=loose,$options" brgpu-root /newroot ||
        fail "cannot mount the host's root over 9p"
fi

mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
mount -t debugfs debugfs /sys/kernel/debug
ifconfig lo 127.0.0.1 up
hostname brgpu-guest

printf %s "$firmware" >/sys/module/firmware_class/parameters/path

if [ "$root" = initramfs ]; then
    mkdir -p /tmp /run /root "$directory"
    busybox --install -s /bin
    exec "$agent" --agent
fi

# Folders for temporary files: what the host has there is seen, what is written is the guest's own.
mount -t tmpfs -o mode=755 volatile /volatile
for folder in tmp var/tmp; do
    [ -d "/newroot/$folder" ] || continue
    upper=/volatile/$folder/upper
    work=/volatile/$folder/work
    mkdir -p "$upper" "$work"
    chmod 1777 "$upper"
    mount -t overlay -o "lowerdir=/newroot/$folder,upperdir=$upper,workdir=$work" overlay "/newroot/$folder" ||
        fail "cannot make /$folder writable"
done
mount -t tmpfs -o mode=755 run /newroot/run || fail "cannot mount /run"

i=0
while [ "$i" -lt "$shares" ]; do
    eval "path=\$share_$i"
    # shellcheck disable=SC2154 # set by the line above
    mkdir -p "/newroot$path" 2>/dev/null
    mount -t 9p -o "rw,cache=mmap,$options" "brgpu-share$i" "/newroot$path" ||
        fail "cannot mount the exchange folder $path"
    i=$((i + 1))
done

for folder in dev proc sys; do
    mount --move "/$folder" "/newroot/$folder" || fail "the host's root has no folder /$folder"
done
[ -x "/newroot$agent" ] || fail "the guest cannot run $agent: no such program below the host's root"
exec switch_root /newroot "$agent" --agent
