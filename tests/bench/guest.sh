#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs tests/bench/guest_latency.c in a guest with a card and an NVMe device of QEMU's own: `make bench-guest`.
set -euo pipefail
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$tree/build}
kernel=${KERNEL:-debian-6.12}
module=${MODULE:-$build/kmd/brgpu.ko}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The program loads the module itself; what that needs is there before.
loads=(--load nvme)
while IFS= read -r dependency; do
    loads+=(--load "$dependency")
done < <(modinfo -F depends "$module" | tr , '\n')

truncate -s 64M "$scratch/nvme.img"
"$build/bin/brgpu-guest" --kernel "$kernel" --timeout 900 --boot-timeout 400 --memory 6G --card br106,vram=256M --no-module "${loads[@]}" \
    --qemu-arg=-drive --qemu-arg="file=$scratch/nvme.img,if=none,id=bench,format=raw,cache=none" \
    --qemu-arg=-device --qemu-arg=nvme,drive=bench,serial=bench \
    -- "$build/tests/brgpu-guest-latency" --module "$module" "$@"
