# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For scripts on both sides of a scenario that breaks the card. A scenario sources it, calls
# fault_guest with its own name, and does its work where $1 is in-guest; there, `host` has the card
# broken and returns when it is.

# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

module=$MODULE
kernels=$BUILD/share/brgpu/kernels
# In the guest: what the scenario's host has prepared.
input=${BRGPU_EXCHANGE-}

# numbers FORMULA-OF-i
numbers() {
    python3 -c "import array, sys; array.array('f', [float($1) for i in range(4096)]).tofile(sys.stdout.buffer)"
}

# fault_guest SCRIPT OPTION...: runs SCRIPT in a guest with these options, and what it asks of the host.
fault_guest() {
    local script=$1 agent
    shift
    rm -rf "$scratch/share"
    mkdir "$scratch/share"
    numbers i >"$scratch/share/x"
    numbers 1 >"$scratch/share/y"
    numbers '2 * i + 1' >"$scratch/share/wanted"
    "$(dirname "${BASH_SOURCE[0]}")/host.py" "$scratch/qmp" "$scratch/share" &
    agent=$!
    "$BUILD/bin/brgpu-guest" --kernel "$KERNEL" --timeout $((240 * PATIENCE)) --qmp "$scratch/qmp" --share "$scratch/share" \
        --env "TREE=$TREE" --env BUILD="$BUILD" --env KERNEL="$KERNEL" --env MODULE="$module" --env PATIENCE="$PATIENCE" \
        --module "$module" "$@" -- bash "$script" in-guest </dev/null >"$scratch/out" 2>"$scratch/err"
    code=$?
    kill "$agent" 2>/dev/null
    wait "$agent" 2>/dev/null
}

# In the guest: host REQUEST...: prints the answer's value; fails where the host did.
host() {
    local number=0 answer
    while [ -e "$BRGPU_EXCHANGE/request.$number" ]; do
        number=$((number + 1))
    done
    echo "$*" >"$BRGPU_EXCHANGE/request.tmp"
    mv "$BRGPU_EXCHANGE/request.tmp" "$BRGPU_EXCHANGE/request.$number"
    until [ -e "$BRGPU_EXCHANGE/answer.$number" ]; do
        sleep 0.05
    done
    answer=$(cat "$BRGPU_EXCHANGE/answer.$number")
    case $answer in
    ok*) echo "${answer#ok }" ;;
    *)
        echo "host: $*: $answer" >&2
        return 1
        ;;
    esac
}

# within SECONDS CONDITION...: waits for it.
within() {
    local left=$(($1 * 10 * PATIENCE))
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.1
    done
}

# One right result of the card, or not: y = 2 x + y over 0.0, 1.0 ... and ones.
saxpy() {
    local out=$scratch/saxpy.$BASHPID
    "$BUILD/bin/brgpu-exec" --backend drm --timeout $((${1:-20} * PATIENCE)) "$kernels/saxpy.elf" --kernel saxpy --global 4096 \
        --local 64 --arg u32:4096 --arg f32:2 --arg "in:$input/x" --arg "inout:$input/y:$out" >"$out.text" 2>&1 &&
        cmp -s "$out" "$input/wanted"
}

health() { cat /sys/bus/pci/drivers/brgpu/0*/health; }
is_health() { [ "$(health)" = "$1" ]; }
# dmesg of the driver that matches.
said() { dmesg | grep -- "brgpu.*$1" >/dev/null; }
# Queues and address spaces of processes that have ended hold the module for a moment longer.
module_is_free() { [ "$(cat /sys/module/brgpu/refcnt)" -eq 0 ]; }
module_unloads() { within 10 module_is_free && timeout $((30 * PATIENCE)) rmmod brgpu; }
