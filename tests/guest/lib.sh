# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What scenarios share. Sourced by scripts that tools/check/run-tests starts with BUILD, TREE, KERNEL
# and RESULTS in the environment; a script that is started by hand finds the build beside the tree.
set -uo pipefail

TREE=${TREE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${BUILD:-$TREE/build}
KERNEL=${KERNEL:-debian-6.12}
case $KERNEL in
debian-6.12) MODULE=${MODULE:-$BUILD/kmd/brgpu.ko} ;;
*) MODULE=${MODULE:-$BUILD/kmd-$KERNEL/brgpu.ko} ;;
esac
# Whatever has a limit of time gets that many times more: kernels that check themselves are slow.
case $KERNEL in
debug-*) PATIENCE=${PATIENCE:-5} ;;
*) PATIENCE=${PATIENCE:-1} ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

failures=0

# Runs a guest with these arguments. Standard output and error go to $scratch/out and $scratch/err,
# the exit code to $code.
guest() {
    "$BUILD/bin/brgpu-guest" --kernel "$KERNEL" --timeout $((180 * PATIENCE)) "$@" </dev/null >"$scratch/out" 2>"$scratch/err"
    code=$?
}

# check WHAT COMMAND...: says whether the command holds.
check() {
    local what=$1
    shift
    if "$@"; then
        echo "ok    $what"
    else
        echo "FAIL  $what"
        failures=$((failures + 1))
    fi
}

# What the last guest said, for a failure's reader: the whole of it is kept in the results' folder.
show_guest() {
    local kept name
    echo "exit code: ${code:-none}"
    sed 's/^/out: /' "$scratch/out" | tail -n 60
    sed 's/^/err: /' "$scratch/err" | tail -n 80
    if [ -n "${RESULTS:-}" ]; then
        name=$(basename "$0" .sh)
        kept=$(mktemp -d "$RESULTS/guest-$name.XXXXXX")
        cp "$scratch/out" "$scratch/err" "$kept/"
        echo "all of it: $kept"
    fi
}

finish() {
    [ "$failures" -eq 0 ] || exit 1
    exit 0
}
