#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The card goes while processes work with it: it falls off the bus, is pulled out, or is unplugged in
# good order. Processes get errors in bounded time, nothing hangs, the module unloads, and a card that
# comes back works.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    head -c 4 /dev/zero >"$scratch/flag"
    # A worker computes until it meets an error; one more waits for a kernel that never ends.
    work() {
        pids=()
        while saxpy 40; do :; done &
        pids+=($!)
        while saxpy 40; do :; done &
        pids+=($!)
        "$BUILD/bin/brgpu-exec" --backend drm --timeout $((100 * PATIENCE)) "$kernels/conformance.elf" --kernel spin --global 32 \
            --local 32 --arg "in:$scratch/flag" >"$scratch/spin" 2>&1 &
        pids+=($!)
        sleep 2
    }
    none_left() {
        local pid
        for pid in "${pids[@]}"; do
            ! kill -0 "$pid" 2>/dev/null || return 1
        done
    }
    # gone WHAT: everybody that works gets an error, soon.
    gone() {
        local started=$SECONDS
        check "$1: processes get errors" within 60 none_left
        echo "$1: after $((SECONDS - started)) s: $(tail -n 1 "$scratch/spin")"
        kill -9 "${pids[@]}" 2>/dev/null
        wait
        dmesg | grep brgpu | tail -n 5
        dmesg -C
    }
    unbind() { basename /sys/bus/pci/drivers/brgpu/0* >/sys/bus/pci/drivers/brgpu/unbind; }
    no_driver() { [ -z "$(find /sys/bus/pci/drivers/brgpu/ -name '0*')" ]; }
    has_driver() { ! no_driver && ls /dev/dri/renderD* >/dev/null 2>&1; }

    card=$(basename /sys/bus/pci/drivers/brgpu/0*)
    check "the card works" saxpy
    work
    host set fault-all-ones on >/dev/null
    check "off the bus: noticed" within 15 is_health "wedged"
    gone "off the bus"
    check "off the bus: the module unloads" module_unloads
    host set fault-all-ones off >/dev/null
    check "off the bus: it comes back" insmod "$MODULE"
    check "off the bus: works afterwards" saxpy

    work
    host set surprise-removed true >/dev/null
    gone "pulled out"
    check "pulled out: the module unloads" module_unloads
    # What was pulled out comes back without its addresses: the kernel has to find it anew.
    echo 1 >"/sys/bus/pci/devices/$card/remove"
    host set surprise-removed false >/dev/null
    check "pulled out: the module loads" insmod "$MODULE"
    echo 1 >/sys/bus/pci/rescan
    check "pulled out: it comes back" within 10 has_driver
    check "pulled out: works afterwards" saxpy

    work
    host unplug >/dev/null
    check "unplugged: no driver" within 10 no_driver
    gone "unplugged"
    host plug br106,vram=67108864 >/dev/null
    check "plugged in: has a driver" within 30 has_driver
    check "plugged in: works" saxpy
    work
    check "unbound under load" unbind
    gone "unbound"
    check "the module unloads" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
