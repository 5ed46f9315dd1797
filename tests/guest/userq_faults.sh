#!/bin/bash
# SPDX-License-Identifier: MIT
#
# User-mode queues on a card that is broken on purpose: page faults that pass are mended, lost interrupts
# cost time and not work, and the driver is unbound under an endless kernel.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    tests() { "$BUILD/tests/brgpu-userq-tests" "$@" || { dmesg | tail -n 30; return 1; }; }

    host set fault-page 25 >/dev/null
    check "faults that pass are mended, and nobody's error" tests retry
    is_used_up() { [ "$(host get fault-page)" = 0 ] || [ "$(host get fault-page)" = off ]; }
    check "there were faults" is_used_up
    host set fault-lost-interrupt on >/dev/null
    check "without interrupts: done, in bounded time" tests basic
    host set fault-lost-interrupt off >/dev/null
    check "unbound under an endless kernel, bound again" tests unbind
    check "works afterwards" tests basic
    check "the module unloads" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
