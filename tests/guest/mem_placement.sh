#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Who gets memory and where it lies: more of it than VRAM has, used by several processes at once; an
# aperture smaller than VRAM; and what the kernel tells about all that.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

tests=$BUILD/tests/brgpu-memory-tests

# shellcheck disable=SC2016 # expanded in the guest
pressure='
cd /sys/kernel/debug/tracing || exit 1
echo 1 >events/brgpu/brgpu_move/enable
"$0" clear pages order fdinfo kept fdinfo_evicted full back pressure || exit 1
echo 0 >tracing_on
echo "evicted $(grep -c "from=vram to=tt .*result=0" trace)"
echo "back $(grep -c "from=tt to=vram .*result=0" trace)"
echo "failed $(grep "brgpu_move:" trace | grep -vc "result=0$")"'

guest --strict --memory 4G --card br106,vram=64M -- sh -c "$pressure" "$tests"
check "1 GiB of buffers on a card of 64 MiB: every word is right" [ "$code" -eq 0 ]
check "buffers made room" grep -qE '^evicted [1-9]' "$scratch/out"
check "and came back" grep -qE '^back [1-9]' "$scratch/out"
[ "$failures" -eq 0 ] || show_guest

guest --strict --card br110,vram=256M,aperture=64M -- "$tests" aperture clear
check "a small aperture" [ "$code" -eq 0 ]
[ "$code" -eq 0 ] || show_guest
finish
