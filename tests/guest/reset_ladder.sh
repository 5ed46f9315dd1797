#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every rung of the ladder, forced by commands and resets that fail: the guilty queue is told, others go
# on or are told, new work runs without loading the module, and user space hears of it by an event.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    tests=$BUILD/tests/brgpu-kmd-reset-tests
    smi_field() { "$BUILD/bin/brgpu-smi" --json | sed -n "s/.*\"$1\": \"\\?\\([^\",]*\\).*/\\1/p" | head -n 1; }
    event() { grep -q "^WEDGED=$1\$" "$scratch/events"; }

    "$(dirname "$0")/faults/uevents.py" >>"$scratch/events" &
    monitor=$!
    check "events can be heard" within 20 grep -q listening "$scratch/events"

    # rung NAME FAULT...: what a client sees when it takes this rung, and when all is over.
    rung() {
        local name=$1 fault
        shift
        dmesg -C
        : >"$scratch/events"
        for fault; do
            host set "$fault" 1 >/dev/null
        done
        check "$name: everybody is told what it means for them" "$tests" ladder "$name"
        for fault; do
            check "$name: it took $fault" [ "$(host get "$fault")" = 0 ]
        done
        dmesg | grep brgpu
    }

    rung kill
    check "kill: no reset" [ "$(smi_field device_resets)" = 0 ]
    rung engine fault-kill
    check "engine: the log says so" said "recovered by engine reset"
    rung device fault-kill fault-engine-reset
    check "device: the log says so" said "recovered by device reset"
    check "device: an event says so" within 10 event none
    rung function fault-kill fault-engine-reset fault-device-reset
    check "function: the log says so" said "recovered by function-level reset"
    check "function: an event says so" within 10 event none
    check "the card is healthy" is_health ok
    check "resets are counted" [ "$(smi_field device_resets)" -ge 3 ]

    rung wedged fault-kill fault-engine-reset fault-device-reset fault-function-reset
    check "wedged: the log says so" said "the card is wedged"
    check "wedged: health says so" is_health wedged
    check "wedged: an event says so" within 10 event rebind,bus-reset
    kill "$monitor"
    card=$(basename /sys/bus/pci/drivers/brgpu/0*)
    echo "$card" >/sys/bus/pci/drivers/brgpu/unbind
    check "wedged: it is bound anew" bash -c "echo $card >/sys/bus/pci/drivers/brgpu/bind"
    check "wedged: works afterwards" "$tests" ladder kill
    check "the module unloads" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --timeout 600 --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
