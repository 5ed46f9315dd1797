#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Firmware that stands still, crashes, or speaks another mailbox version: noticed and told, the
# engines go on, and the module comes and goes.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    smi_health() { "$BUILD/bin/brgpu-smi" --json | sed -n 's/.*"health": "\(.*\)".*/\1/p'; }
    reload() { module_unloads && insmod "$MODULE"; }

    check "healthy at first" is_health ok
    host set fault-firmware-freeze on >/dev/null
    check "frozen: noticed" within 15 is_health "firmware dead"
    check "frozen: the log says so" said "firmware heartbeat stopped"
    check "frozen: brgpu-smi says so" [ "$(smi_health)" != ok ]
    check "frozen: the engines work" saxpy
    host set fault-firmware-freeze off >/dev/null
    check "thawed: noticed" within 15 is_health ok
    check "thawed: the log says so" said "heartbeat is back"

    host set fault-firmware-freeze on >/dev/null
    check "frozen: the module unloads" module_unloads
    host set fault-firmware-freeze off >/dev/null
    check "thawed: the module loads" insmod "$MODULE"
    check "thawed: the card works" saxpy

    host set fault-firmware-crash 1 >/dev/null
    check "crashed: noticed" within 15 is_health "firmware dead"
    check "crashed: the log has the crash record" said "firmware crashed: "
    check "crashed: the engines work" saxpy
    check "crashed: the module unloads and loads" reload
    check "crashed: works afterwards" saxpy
    check "crashed: healthy afterwards" is_health ok

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

    host set fault-heartbeat on >/dev/null
    check "no heartbeat: noticed" within 15 is_health "firmware dead"
    check "no heartbeat: the module unloads" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
