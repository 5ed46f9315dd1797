#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Function-level resets by sysfs while the driver is bound and works, and removal under a process that
# holds mappings: clients are told, mappings stay, and the card works again.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

tests=$BUILD/tests

# shellcheck disable=SC2016 # expanded in the guest
script='set -e
cd "$0"
card=$(basename /sys/bus/pci/drivers/brgpu/0*)
device=/sys/bus/pci/devices/$card
ready() { until [ -e /tmp/ready ]; do sleep 0.1; done; rm /tmp/ready; }

./brgpu-kmd-reset-tests bystander function /tmp/ready &
client=$!
ready
echo 1 >"$device/reset"
wait "$client"
./brgpu-kmd-tests load &
load=$!
for round in 1 2 3; do
    sleep 1
    echo 1 >"$device/reset"
done
wait "$load" || true
./brgpu-kmd-reset-tests ladder kill
for how in unbind remove; do
    ./brgpu-kmd-reset-tests removal /tmp/ready &
    client=$!
    ready
    if [ "$how" = unbind ]; then
        echo "$card" >/sys/bus/pci/drivers/brgpu/unbind
        wait "$client"
        echo "$card" >/sys/bus/pci/drivers/brgpu/bind
    else
        echo 1 >"$device/remove"
        wait "$client"
        echo 1 >/sys/bus/pci/rescan
    fi
done
./brgpu-kmd-reset-tests ladder kill
dmesg | grep -c "back from its reset"'

guest --timeout 400 --strict --initramfs --file "$tests/brgpu-kmd-tests" --file "$tests/brgpu-kmd-reset-tests" \
    --card br106,vram=64M -- sh -c "$script" "$tests"
check "resets and removals with clients at work" [ "$code" -eq 0 ]
check "a client is told of a reset" grep -q "bystander: as it should be" "$scratch/out"
check "mappings outlive the card" [ "$(grep -c "removal: as it should be" "$scratch/out")" -eq 2 ]
check "all resets were handled" grep -qx 4 "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
