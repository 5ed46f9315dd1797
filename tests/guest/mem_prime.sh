#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Buffers shared between two cards, with vgem and with udmabuf; with an IOMMU and without.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

tests=$BUILD/tests/brgpu-prime-tests
cards=(--card br106,vram=64M --card br106,vram=64M --load vgem)

guest --strict "${cards[@]}" -- sh -c '"$0" && dmesg | grep "go through system memory" >&2; cat /sys/bus/pci/drivers/brgpu/0*/peer_dma' "$tests"
check "what one writes the other reads" [ "$code" -eq 0 ]
why_not() { grep -q "go through system memory: " "$scratch/err" || ! grep -q "^no: " "$scratch/out"; }
check "why memory of the card is not handed out is said" why_not
[ "$failures" -eq 0 ] || show_guest

guest --strict --iommu "${cards[@]}" -- "$tests"
check "behind an IOMMU, too" [ "$code" -eq 0 ]
[ "$code" -eq 0 ] || show_guest
finish
