#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The VRAM aperture, without the driver, on cards of several shapes: all of it is memory, what is
# behind the end of VRAM reads as ones, a reset clears it, and a huge card costs only what is touched.
set -euo pipefail

if [ "${1-}" != in-guest ]; then
    exec "${BUILD:?}/bin/brgpu-guest" --kernel "${KERNEL:-debian-6.12}" --timeout $((180 * ${PATIENCE:-1})) --no-module \
        --card br106,vram=64M --card br106,vram=384M --card br110,vram=1G,aperture=256M \
        --card br166,vram=64G -- bash "$(realpath "$0")" in-guest
fi

exec python3 - "$(dirname "$0")/../../include/brgpu/hw/regs.h" <<'PYTHON'
import glob, mmap, os, re, sys

header = open(sys.argv[1]).read()
MIB, GIB = 1 << 20, 1 << 30
# aperture, VRAM that it shows
SHAPES = [(64 * MIB, 64 * MIB), (512 * MIB, 384 * MIB), (256 * MIB, 256 * MIB), (64 * GIB, 64 * GIB)]
PAGE = mmap.PAGESIZE


def contract(name):
    return int(re.search(rf"#define {name}\s+(0x[0-9a-fA-F]+|\d+)u?\b", header).group(1), 0)


failures = 0


def check(what, good):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {what}")


devices = sorted(d for d in glob.glob("/sys/bus/pci/devices/*")
                 if int(open(d + "/vendor").read(), 16) == contract("BRGPU_PCI_VENDOR")
                 and int(open(d + "/class").read(), 16) >> 8 == contract("BRGPU_PCI_CLASS"))
check(f"{len(devices)} cards on the bus", len(devices) == len(SHAPES))

for device, (aperture, visible) in zip(devices, SHAPES):
    name = f"{aperture // MIB} MiB aperture, {visible // MIB} MiB VRAM"
    start, end, _ = [int(v, 16) for v in open(device + "/resource").readlines()[2].split()]
    check(f"{name}: BAR assigned", start != 0 and end - start + 1 == aperture)
    config = os.open(device + "/config", os.O_RDWR)
    command = int.from_bytes(os.pread(config, 2, 4), "little")
    os.pwrite(config, (command | 2).to_bytes(2, "little"), 4)
    bar = os.open(device + "/resource2", os.O_RDWR)

    def page(offset):
        return mmap.mmap(bar, PAGE, offset=offset)

    places = [0, PAGE, visible // 2, visible - PAGE]
    for place in places:
        page(place)[:] = (place | 0xA5A5).to_bytes(8, "little") * (PAGE // 8)
    check(f"{name}: holds what is written",
          all(page(p)[:] == (p | 0xA5A5).to_bytes(8, "little") * (PAGE // 8) for p in places))
    check(f"{name}: the rest is zero", page(2 * PAGE)[:] == bytes(PAGE))
    if visible < aperture:
        behind = page(visible)
        behind[0:8] = b"nothing!"
        check(f"{name}: ones behind its end", behind[0:8] == b"\xff" * 8)
    with open(device + "/reset", "w") as reset:
        reset.write("1")
    check(f"{name}: cleared by a reset", all(page(p)[:] == bytes(PAGE) for p in places))

sys.exit(failures != 0)
PYTHON
