#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A process throws random packets, binds, code objects and kernels at the card while another one
# computes: the first is told and hurts itself alone, the second's results stay right.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

guest --strict -- "$BUILD/tests/brgpu-hostile" --backend drm --seconds 15
check "a hostile process hurts itself alone" [ "$code" -eq 0 ]
[ "$code" -eq 0 ] || show_guest
finish
