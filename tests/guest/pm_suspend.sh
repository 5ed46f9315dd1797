#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Suspend to memory, in a guest that runs from its initramfs: VRAM and idle queues are there again
# afterwards, work that does not end is lost and told, and hibernation's way through the driver works.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

tests=$BUILD/tests/brgpu-kmd-reset-tests

# sleeper WORDS: runs a shell script in a guest that is woken whenever it sleeps.
sleeper() {
    "$(dirname "$0")/faults/host.py" --wake "$scratch/qmp" &
    local waker=$!
    # The clock jumps in a sleep, and a loaded host makes long waits of short ones.
    # One processor: when a guest of QEMU 7.2's TCG has slept and the kernel starts a second one again,
    # its flags are garbage at times (EFLAGS in the kernel log, seen in three of three), and a fault in
    # thaw_secondary_cpus() ends the guest.
    guest --timeout 400 --cpus 1 --append rcupdate.rcu_cpu_stall_suppress=1 --initramfs --file "$tests" --strict --card br106,vram=64M --qmp "$scratch/qmp" -- sh -c "$1"
    kill "$waker" 2>/dev/null
    wait "$waker" 2>/dev/null
}

sleeper "set -e
$tests sleep
$tests sleep busy
dmesg | grep -c 'PM: suspend exit'
# Freezes and thaws the devices as hibernation does, without writing an image.
echo devices >/sys/power/pm_test
echo disk >/sys/power/state
echo none >/sys/power/pm_test
$tests ladder kill"
check "the guest slept twice and hibernated once" [ "$code" -eq 0 ]
check "what was idle is there again" [ "$(grep -c 'sleep: as it should be' "$scratch/out")" -eq 2 ]
check "it did sleep" grep -qx 2 "$scratch/out"
check "work goes on after hibernation's freeze" grep -q 'ladder: as it should be' "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
