#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every function of kmd/brgpu_inject.c fails once at each of its calls, in turn: in probe, then in the
# calls of a client. The module says what is wrong or the call fails; nothing leaks, nothing crashes, and
# afterwards the card works. Needs a kernel with function error injection.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${1-}" = in-guest ]; then
    fail=/sys/kernel/debug/fail_function
    tests=$BUILD/tests/brgpu-kmd-tests
    # Calls of a function beyond this one are like those before.
    most_calls=${MOST_CALLS:-3}

    # arm FUNCTION TYPE CALL: the call after so many of the function fails; fails where it can't.
    arm() {
        local error=-12
        [ "$2" != NULL ] || error=0
        echo >"$fail/inject"
        echo "$1" >"$fail/inject" || return 1
        printf '%#x' "$error" >"$fail/$1/retval"
        echo N >"$fail/task-filter"
        echo 100 >"$fail/probability"
        echo 0 >"$fail/interval"
        echo 0 >"$fail/verbose"
        echo "$3" >"$fail/space"
        echo 1 >"$fail/times"
    }
    # Has the failure come?
    came() { [ "$(cat "$fail/times")" = 0 ]; }
    disarm() { echo >"$fail/inject"; }
    has_driver() { [ -n "$(find /sys/bus/pci/drivers/brgpu/ -name '0*' 2>/dev/null)" ]; }
    # A kernel that is broken is not tested further.
    healthy() { ! dmesg | grep -qE 'BUG: |WARNING: |KASAN: '; }

    mapfile -t sites < <(awk '/\[brgpu\]/ { print $1, $NF }' /sys/kernel/debug/error_injection/list)
    check "there are sites" [ "${#sites[@]}" -gt 10 ]
    injected=0
    for site in "${sites[@]}"; do
        read -r function type <<<"$site"
        reached=false
        for ((call = 0; call < most_calls; call++)); do
            rmmod brgpu || check "$function, call $call: the module unloads before" false
            insmod "$MODULE" || check "$function: the module loads" false
            card=$(basename /sys/bus/pci/drivers/brgpu/0*)
            echo "$card" >/sys/bus/pci/drivers/brgpu/unbind
            arm "$function" "$type" "$call" || {
                check "$function can fail" false
                break
            }
            echo "$card" >/sys/bus/pci/drivers/brgpu/bind 2>/dev/null
            came || ! has_driver || "$tests" submit bind evict >"$scratch/client" 2>&1
            if ! came; then
                disarm
                break
            fi
            disarm
            reached=true
            injected=$((injected + 1))
            healthy || {
                check "$function, call $call: the kernel does not complain" false
                dmesg | grep -m1 -A30 -E 'BUG: |WARNING: |KASAN: '
                finish
            }
            has_driver || echo "$card" >/sys/bus/pci/drivers/brgpu/bind
            "$tests" submit >"$scratch/client" 2>&1 || {
                check "$function, call $call: the card works afterwards" false
                cat "$scratch/client"
                dmesg | tail -n 20
            }
        done
        $reached && echo "reached $function ($call calls)" || echo "not reached $function"
        $reached || unreached=$((${unreached:-0} + 1))
    done
    echo "$injected failures injected in ${#sites[@]} functions, ${unreached:-0} of them not reached"
    check "most functions are reached" [ $((${unreached:-0} * 4)) -lt "${#sites[@]}" ]
    finish
fi

case $KERNEL in
debug-*) ;;
*)
    echo "the kernel $KERNEL has no function error injection (KERNEL=debug-6.12 has)"
    exit 77
    ;;
esac
guest --strict --timeout 3000 --card br106,vram=64M --env "TREE=$TREE" --env "MODULE=$MODULE" --env "KERNEL=$KERNEL" \
    --env "BUILD=$BUILD" --env MOST_CALLS -- bash "$(realpath "$0")" in-guest
check "each failure is survived" [ "$code" -eq 0 ]
cat "$scratch/out"
[ "$failures" -eq 0 ] || show_guest
finish
