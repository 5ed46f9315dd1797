#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Memory of processes in VMs: with an IOMMU, which lets nothing through that is not mapped at the time,
# and without.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

guest --strict --card br106,vram=64M -- "$BUILD/tests/brgpu-userptr-tests"
check "the card sees what stands at the address" [ "$code" -eq 0 ]
[ "$code" -eq 0 ] || show_guest

guest --strict --iommu --card br106,vram=64M -- "$BUILD/tests/brgpu-userptr-tests"
check "behind an IOMMU, too" [ "$code" -eq 0 ]
[ "$code" -eq 0 ] || show_guest
finish
