#!/bin/bash
# SPDX-License-Identifier: MIT
#
# TLB invalidations: the driver asks for what it needs and for no more; and the card does need them,
# for when one gets lost it goes on using what was mapped before.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    tests=$BUILD/tests/brgpu-memory-tests
    sees() { "$tests" stale | grep -x "seen $1" >/dev/null; }
    check "what changes is invalidated, and nothing else" "$tests" tlb
    check "another mapping is seen" sees 2
    # What an ended process had is released in the background. That invalidates too, and neither may
    # it be the one that gets lost, nor get lost itself: the next process has the same VM.
    check "all is released" within 10 module_is_free
    host set fault-lost-invalidation 1 >/dev/null
    check "without the invalidation it is not" sees 1
    check "one was lost" [ "$(host get fault-lost-invalidation)" = 0 ]
    check "all is released again" within 10 module_is_free
    check "and with it it is" sees 2
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
