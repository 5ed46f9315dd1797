# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What scenarios share. Sourced by scripts that tools/check/run-tests starts with BUILD, TREE, KERNEL
# and RESULTS in the environment; a script that is started by hand finds the build beside the tree.
set -uo pipefail

TREE=${TREE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${BUILD:-$TREE/build}
KERNEL=${KERNEL:-debian-6.12}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

failures=0

# Runs a guest with these arguments. Standard output and error go to $scratch/out and $scratch/err,
# the exit code to $code.
guest() {
    "$BUILD/bin/brgpu-guest" --kernel "$KERNEL" --timeout 180 "$@" </dev/null >"$scratch/out" 2>"$scratch/err"
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

# What the last guest said, for a failure's reader.
show_guest() {
    echo "exit code: ${code:-none}"
    sed 's/^/out: /' "$scratch/out" | tail -n 20
    sed 's/^/err: /' "$scratch/err" | tail -n 40
}

finish() {
    [ "$failures" -eq 0 ] || exit 1
    exit 0
}
