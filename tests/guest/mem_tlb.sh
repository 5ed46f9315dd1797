#!/bin/bash
# SPDX-License-Identifier: MIT
#
# TLB invalidations: the driver asks for what it needs and for no more; and the card does need them,
# for when they get lost it goes on using what was mapped before.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    tests=$BUILD/tests/brgpu-memory-tests
    sees() { "$tests" stale | grep -x "seen $1" >/dev/null; }
    check "what changes is invalidated, and nothing else" "$tests" tlb
    check "another mapping is seen" sees 2
    host set fault-lost-invalidation on >/dev/null
    check "without invalidations it is not" sees 1
    host set fault-lost-invalidation off >/dev/null
    check "and with them it is" sees 2
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
