#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A page fault stops the queue that met it, tells its owner where, and nobody else notices.
# shellcheck source=faults/host.sh
. "$(dirname "$0")/faults/host.sh"

if [ "${1-}" = in-guest ]; then
    check "the card works" saxpy
    for round in 1 2 3; do
        host set fault-page 1 >/dev/null
        pids=()
        for worker in 1 2 3 4; do
            (saxpy || { cat "$scratch/saxpy.$BASHPID.text"; exit 1; }) >"$scratch/worker.$worker" &
            pids+=($!)
        done
        failed=0
        for pid in "${pids[@]}"; do
            wait "$pid" || failed=$((failed + 1))
        done
        check "round $round: one of four is stopped" [ "$failed" -eq 1 ]
        cat "$scratch"/worker.*
        check "round $round: it is told of the fault" grep -qi "fault" "$scratch"/worker.*
    done
    check "works afterwards" saxpy
    "$BUILD/bin/brgpu-smi" --json >"$scratch/smi"
    check "one queue a fault was stopped" grep -q '"queue_resets": 3' "$scratch/smi"
    check "the engines were never reset" grep -q '"device_resets": 0' "$scratch/smi"
    check "the module unloads" module_unloads
    finish
fi

fault_guest "$(realpath "$0")" --strict --card br106,vram=64M
check "the kernel does not complain" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
