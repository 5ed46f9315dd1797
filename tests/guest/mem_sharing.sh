#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Memory that the card shares: with processes, whatever they do to it; with another card, with vgem and
# with udmabuf.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2016 # expanded in the guest
script='"$0/brgpu-userptr-tests"; echo "processes $?"
"$0/brgpu-prime-tests"; echo "others $?"
dmesg | grep "go through system memory: "
cat /sys/bus/pci/drivers/brgpu/0*/peer_dma'

guest --strict --card br106,vram=64M --card br106,vram=64M --load vgem -- sh -c "$script" "$BUILD/tests"
check "the card sees what stands at the address" grep -qx "processes 0" "$scratch/out"
check "what one writes the other reads" grep -qx "others 0" "$scratch/out"
why_not() { grep -q "go through system memory: " "$scratch/out" || ! grep -q "^no: " "$scratch/out"; }
check "why memory of the card is not handed out is said" why_not
check "the kernel does not complain" [ "$code" -eq 0 ]
[ "$failures" -eq 0 ] || show_guest
finish
