#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Interrupts that never arrive cost time, not work: completions are found in memory.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    check "the card works" saxpy
    host set fault-lost-interrupt on >/dev/null
    for round in 1 2 3; do
        check "no interrupts, round $round: right, in bounded time" saxpy 30
    done
    is_some_lost() { [ "$(host get fault-lost-interrupt)" != 0 ]; }
    check "they were lost all the while" is_some_lost
    check "sensors come too" grep -q '"usable": true' <("$BUILD/bin/brgpu-smi" --json)
    host set fault-lost-interrupt off >/dev/null
    check "works afterwards" saxpy 5
    check "no queue was stopped" grep -q '"queue_resets": 0' <("$BUILD/bin/brgpu-smi" --json)
    host set fault-lost-interrupt on >/dev/null
    check "the module unloads without interrupts" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
