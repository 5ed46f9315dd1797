#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The module's KUnit suites, on kernels that have KUnit: allocators, page tables, arrays from user
# space, mailbox framing.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

tests=$(dirname "$MODULE")/brgpu_kunit.ko
if [ ! -f "$tests" ]; then
    echo "no brgpu_kunit.ko was built for $KERNEL: its kernel has no KUnit (KERNEL=debug-6.12 has)"
    exit 77
fi

# The suites run when the module is loaded. Their results stand in debugfs until it goes.
# shellcheck disable=SC2016 # expanded in the guest
guest --strict -- sh -c 'insmod "$0" && cat /sys/kernel/debug/kunit/brgpu_*/results && rmmod brgpu_kunit' "$tests"
check "the kernel does not complain" [ "$code" -eq 0 ]
check "suites have run" grep -q '^ok ' "$scratch/out"
no_failure() { ! grep -q 'not ok' "$scratch/out"; }
check "no case failed" no_failure
for suite in brgpu_vram brgpu_page_tables brgpu_arrays brgpu_mailbox; do
    check "suite $suite" grep -qE "^ok [0-9]+ $suite" "$scratch/out"
done
[ "$failures" -eq 0 ] || show_guest
finish
