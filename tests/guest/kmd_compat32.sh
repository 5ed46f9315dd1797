#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A 32-bit client does what 64-bit ones do, and addresses beyond its 32 bits are refused.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

guest --strict --card br106,vram=64M -- "$BUILD/tests/brgpu-kmd-compat32"
check "a 32-bit client works" [ "$code" -eq 0 ]
[ "$code" -eq 0 ] || show_guest
finish
