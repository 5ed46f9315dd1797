#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A kernel that never ends is stopped by its queue's timeout and its owner told, while another process
# goes on computing right results; both for a kernel that loops and for one that the card holds back.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    head -c 4 /dev/zero >"$scratch/flag"

    # victim OBJECT OPTION...: a run that must not succeed.
    victim() {
        "$BUILD/bin/brgpu-exec" --backend drm --timeout $((100 * PATIENCE)) "$@" >"$scratch/victim" 2>&1
        echo "$?" >"$scratch/victim.code"
    }
    # Others compute until the victim has ended, and then it is looked at.
    must_be_stopped() { # WHAT
        local what=$1 rounds=0 wrong=0
        while [ ! -e "$scratch/victim.code" ]; do
            saxpy || wrong=$((wrong + 1))
            rounds=$((rounds + 1))
        done
        wait
        cat "$scratch/victim"
        check "$what: fails with 1" [ "$(cat "$scratch/victim.code")" = 1 ]
        check "$what: its owner is told of the timeout" grep -qi "time-out\|timed out\|timeout" "$scratch/victim"
        check "$what: others computed $rounds times, $wrong wrong" [ "$rounds" -gt 2 -a "$wrong" -eq 0 ]
        check "$what: the kernel's log says so" said "queue .* stopped: no progress"
        dmesg -C
        rm "$scratch/victim.code"
    }

    check "the card works" saxpy
    host set fault-hang-kernel 1 >/dev/null
    victim "$kernels/saxpy.elf" --kernel saxpy --global 4096 --local 64 --arg u32:4096 --arg f32:2 \
        --arg "in:$input/x" --arg "in:$input/y" &
    # The next dispatch is the fault's: others start when it has had it.
    is_hung() { [ "$(host get fault-hang-kernel)" != 1 ]; }
    check "the fault happens" within 30 is_hung
    must_be_stopped "held dispatch"

    victim "$kernels/conformance.elf" --kernel spin --global 32 --local 32 --arg "in:$scratch/flag" &
    must_be_stopped "endless loop"

    check "works afterwards" saxpy
    check "queue resets are counted" \
        grep -q '"queue_resets": 2' <("$BUILD/bin/brgpu-smi" --json)
    check "the module unloads" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
