#!/bin/bash
# SPDX-License-Identifier: MIT
#
# User-mode queues on the module: submission without a call, doorbells, waits, hostile clients, faults
# that are mended, watchdogs, shares; their VM preempted while memory moves; more queues than slots.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

guest --strict --card br106,vram=256M -- "$BUILD/tests/brgpu-userq-tests"
check "user-mode queues do what the uAPI says" [ "$code" -eq 0 ]
sed -n 's/^shares: /      shares: /p' "$scratch/out"
[ "$code" -eq 0 ] || show_guest

guest --strict --card br106,vram=64M,queues=8 -- "$BUILD/tests/brgpu-userq-tests" evict crowd
check "they are set aside while memory moves, and take turns when slots are short" [ "$code" -eq 0 ]
sed -n 's/^shares: /      shares: /p' "$scratch/out"
[ "$code" -eq 0 ] || show_guest
finish
