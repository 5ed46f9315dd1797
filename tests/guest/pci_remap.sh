#!/bin/bash
# SPDX-License-Identifier: MIT
#
# One vCPU moves a device in and out of the memory map while another one works with the card: each
# access reaches what it was meant for.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

tests=$BUILD/tests

# shellcheck disable=SC2016 # expanded in the guest
script='set -e
cd "$0"
set -- /sys/bus/pci/drivers/brgpu/0*
other=$(basename "$2")
echo "$other" >/sys/bus/pci/drivers/brgpu/unbind
./brgpu-kmd-reset-tests remap "/sys/bus/pci/devices/$other/config" 8 &
remap=$!
./brgpu-kmd-tests load
wait "$remap"
echo "$other" >/sys/bus/pci/drivers/brgpu/bind
test -e /sys/bus/pci/drivers/brgpu/"$other"'

guest --timeout 200 --strict --initramfs --file "$tests/brgpu-kmd-tests" --file "$tests/brgpu-kmd-reset-tests" \
    --card br106,vram=64M --card br110,vram=64M -- sh -c "$script" "$tests"
check "work and a changing memory map" [ "$code" -eq 0 ]
check "the map did change" grep -q "remap: as it should be" "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
