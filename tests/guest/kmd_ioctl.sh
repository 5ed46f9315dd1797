#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The module's calls on real cards: a common one, and one so small that buffers must be evicted.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

guest --strict --card br106,vram=256M -- "$BUILD/tests/brgpu-kmd-tests"
check "every call does what the uAPI says" [ "$code" -eq 0 ]
[ "$code" -eq 0 ] || show_guest

guest --strict --card br106,vram=64M -- "$BUILD/tests/brgpu-kmd-tests" evict submit bind
check "more memory is used than VRAM has" [ "$code" -eq 0 ]
[ "$code" -eq 0 ] || show_guest
finish
