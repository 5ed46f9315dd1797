#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Firmware that stands still, crashes, or speaks another mailbox version: noticed, told and started
# again where that can help, and the module comes and goes.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    reload() { module_unloads && insmod "$MODULE"; }

    check "healthy at first" is_health ok
    # Frozen until the next reset, which the driver makes by itself.
    host set fault-firmware-freeze 1 >/dev/null
    check "frozen: noticed" within 15 is_health "firmware dead"
    check "frozen: the log says so" said "firmware heartbeat stopped"
    check "frozen: recovered" within 60 is_health ok
    check "frozen: the log says how" said "recovered by device reset"
    check "frozen: works afterwards" saxpy
    check "frozen: sensors are back" within 30 grep -q '"usable": true' <("$BUILD/bin/brgpu-smi" --json)
    dmesg -C

    host set fault-firmware-crash 1 >/dev/null
    check "crashed: recovered" within 60 said "recovered by device reset"
    check "crashed: the log has the crash record" said "firmware crashed: "
    check "crashed: works afterwards" saxpy
    check "crashed: healthy afterwards" is_health ok
    check "crashed: the module unloads and loads" reload
    check "crashed: works after that" saxpy
    dmesg -C

    # Silent for a moment only: no reason for a reset.
    host set fault-firmware-freeze on >/dev/null
    check "silent: noticed" within 15 is_health "firmware dead"
    host set fault-firmware-freeze off >/dev/null
    check "silent: back" within 15 is_health ok
    check "silent: works" saxpy
    check "silent: the module unloads and loads" reload
    dmesg -C

    host set fault-firmware-version on >/dev/null
    check "other version: the module unloads" module_unloads
    dmesg -C
    insmod "$MODULE"
    check "other version: one line says which" [ "$(dmesg | grep -c "brgpu.*ERROR.*speaks mailbox")" -eq 1 ]
    dmesg | grep brgpu
    check "other version: no driver" [ -z "$(find /sys/bus/pci/drivers/brgpu/ -name '0*')" ]
    host set fault-firmware-version off >/dev/null
    check "other version: the right one comes up" reload
    check "other version: works afterwards" saxpy

    # No reset brings this heartbeat back: the driver gives up, and the engines go on.
    host set fault-heartbeat on >/dev/null
    check "no heartbeat: given up in the end" within 120 said "it is left alone"
    check "no heartbeat: health says so" is_health "firmware dead"
    check "no heartbeat: works all the same" saxpy
    check "no heartbeat: the module unloads" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --timeout 400 --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
