#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The module is unloaded and loaded, and the driver unbound and bound while four threads work: nothing
# is left behind and the card works afterwards.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2016 # expanded in the guest
script='set -e
tests=$0 module=$1
# Queues and address spaces of processes that have ended hold the module for a moment longer.
unload() {
    for _ in $(seq 100); do
        [ "$(cat /sys/module/brgpu/refcnt)" -ne 0 ] || break
        sleep 0.1
    done
    rmmod brgpu
}
for round in 1 2 3; do
    unload
    insmod "$module"
done
for round in 1 2 3; do
    "$tests" load &
    sleep 2
    card=$(basename /sys/bus/pci/drivers/brgpu/0*)
    echo "$card" >/sys/bus/pci/drivers/brgpu/unbind
    wait
    echo "$card" >/sys/bus/pci/drivers/brgpu/bind
done
"$tests" submit
unload
echo "all done"'

guest --strict --card br106,vram=64M -- sh -c "$script" "$BUILD/tests/brgpu-kmd-tests" "$MODULE"
check "unbind under load and module reload" grep -qx "all done" "$scratch/out"
check "the kernel does not complain" [ "$code" -eq 0 ]
[ "$failures" -eq 0 ] || show_guest
finish
