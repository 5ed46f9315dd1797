#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Behind an IOMMU, which lets nothing through that is not mapped at the time: memory of all kinds, and
# a card that leaves the bus while memory of all kinds is held. Nothing that it was shown may be left
# mapped by then, and what is held can be let go when there is no card any more.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2016 # expanded in the guest
script='
dmesg | grep -m1 "DMAR: IOMMU enabled"
"$0/brgpu-memory-tests" order clear && "$0/brgpu-userptr-tests" && "$0/brgpu-prime-tests" && echo "all right"
mkfifo /tmp/held
"$0/brgpu-memory-tests" hold </tmp/held >/tmp/said 2>&1 &
exec 3>/tmp/held
until grep -q holding /tmp/said || ! kill -0 $!; do sleep 0.1; done
echo 1 >/sys/bus/pci/devices/0000:01:00.0/remove
exec 3>&-
wait
cat /tmp/said
echo 1 >/sys/bus/pci/rescan
"$0/brgpu-memory-tests" order && echo "works again"'

guest --strict --iommu --card br106,vram=64M --card br106,vram=64M --load vgem -- sh -c "$script" "$BUILD/tests"
check "there is one" grep -q "DMAR: IOMMU enabled" "$scratch/out"
check "memory of all kinds" grep -qx "all right" "$scratch/out"
check "removed under what is held" grep -qx held "$scratch/out"
check "a card that comes back works" grep -qx "works again" "$scratch/out"
check "the kernel does not complain" [ "$code" -eq 0 ]
[ "$failures" -eq 0 ] || show_guest
finish
