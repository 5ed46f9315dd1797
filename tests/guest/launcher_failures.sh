#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What goes wrong under a command is told, in time, and leaves nothing running.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

guest --no-card --no-module -- sh -c 'echo before; sleep 1; echo c >/proc/sysrq-trigger; sleep 100'
check "a panic ends with 125" [ "$code" -eq 125 ]
check "what was written before it is kept" grep -qx before "$scratch/out"
check "the panic is shown" grep -q "Kernel panic - not syncing" "$scratch/err"
[ "$failures" -eq 0 ] || show_guest

started=$SECONDS
guest --timeout 25 --no-card --no-module -- sh -c 'trap "" TERM INT; while :; do sleep 1; done'
check "a command that takes too long ends with 124" [ "$code" -eq 124 ]
check "not much later than asked for" [ $((SECONDS - started)) -lt 35 ]
check "and it says why" grep -q "the time of 25.0 s is over" "$scratch/err"

guest --no-card --no-module --strict -- sh -c 'echo "WARNING: CPU: 0 PID: 1 at made/up.c:1" >/dev/kmsg'
check "--strict ends with 3 where the kernel warns" [ "$code" -eq 3 ]
check "and shows the warning" grep -q "made/up.c:1" "$scratch/err"
guest --no-card --no-module --strict -- true
check "--strict ends with 0 where it does not" [ "$code" -eq 0 ]

# The launcher may die in any way; its QEMU must not outlive it. A mark tells ours from others.
mark=brgpu-mark-$$-$RANDOM
for signal in INT TERM KILL; do
    "$BUILD/bin/brgpu-guest" --kernel "$KERNEL" --no-card --no-module --append "$mark" -- sleep 1000 \
        </dev/null >"$scratch/out" 2>"$scratch/err" &
    launcher=$!
    for _ in $(seq 100); do
        pgrep -f "qemu.*$mark" >/dev/null && break
        sleep 0.1
    done
    check "a QEMU runs before SIG$signal" [ "$(pgrep -fc "qemu.*$mark")" -ge 1 ]
    kill -"$signal" "$launcher"
    wait "$launcher" 2>/dev/null
    code=$?
    check "SIG$signal ends the launcher with its number" [ "$code" -eq $((128 + $(kill -l "$signal"))) ]
    for _ in $(seq 50); do
        pgrep -f "qemu.*$mark" >/dev/null || break
        sleep 0.1
    done
    check "no QEMU outlives SIG$signal" [ -z "$(pgrep -f "qemu.*$mark")" ]
done

# Mistakes before the boot: at once, with what to do.
guest --no-card --kernel no-such-kernel -- true
check "an unknown kernel ends with 125" [ "$code" -eq 125 ]
check "and says how to get one" grep -q "make setup" "$scratch/err"
guest --no-card --module /etc/passwd -- true
check "a module that is none ends with 125" [ "$code" -eq 125 ]
guest --no-card --no-module --qemu-arg=--no-such-argument -- true
check "what QEMU refuses ends with 125" [ "$code" -eq 125 ]
check "and QEMU's own words are shown" grep -q "no-such-argument" "$scratch/err"
finish
