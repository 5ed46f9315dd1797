#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The module is unloaded and loaded, and the driver unbound and bound while four threads work: nothing
# is left behind and the card works afterwards.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    tests=$BUILD/tests/brgpu-kmd-tests
    reload() { module_unloads && insmod "$module"; }
    unbind_under_load() {
        local card load
        "$tests" load &
        load=$!
        sleep 2
        card=$(basename /sys/bus/pci/drivers/brgpu/0*)
        echo "$card" >/sys/bus/pci/drivers/brgpu/unbind || return 1
        wait "$load" || return 1
        echo "$card" >/sys/bus/pci/drivers/brgpu/bind
    }

    for round in 1 2 3; do
        check "unloaded and loaded again ($round)" reload
    done
    for round in 1 2 3; do
        check "unbound under load, bound again ($round)" unbind_under_load
    done
    check "the card works afterwards" "$tests" submit
    check "the module unloads" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
