#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The card as PCI software sees it, without the driver: identity, BARs, capabilities, power states.
set -euo pipefail

if [ "${1-}" != in-guest ]; then
    exec "${BUILD:?}/bin/brgpu-guest" --kernel "${KERNEL:-debian-6.12}" --timeout $((120 * ${PATIENCE:-1})) --no-module \
        --card br106,vram=256M,serial=0x1122334455667788 -- bash "$(realpath "$0")" in-guest
fi

exec python3 - "$(dirname "$0")/../../include/brgpu/hw/regs.h" <<'PYTHON'
import glob, mmap, os, re, struct, sys, time

header = open(sys.argv[1]).read()


def contract(name):
    return int(re.search(rf"#define {name}\s+(0x[0-9a-fA-F]+|\d+)u?\b", header).group(1), 0)


failures = 0


def check(what, found, wanted):
    global failures
    good = found == wanted
    failures += not good
    shown = [hex(v) if isinstance(v, int) else v for v in (found, wanted)]
    print(f"{'ok  ' if good else 'FAIL'} {what}: {shown[0]}" + ("" if good else f", not {shown[1]}"))


devices = [d for d in glob.glob("/sys/bus/pci/devices/*")
           if int(open(d + "/vendor").read(), 16) == contract("BRGPU_PCI_VENDOR")
           and int(open(d + "/class").read(), 16) >> 8 == contract("BRGPU_PCI_CLASS")]
check("cards on the bus", len(devices), 1)
device = devices[0]
config = os.open(device + "/config", os.O_RDWR)


def read(offset, size):
    return int.from_bytes(os.pread(config, size, offset), "little")


def write(offset, size, value):
    os.pwrite(config, value.to_bytes(size, "little"), offset)


check("device id", read(2, 2), contract("BRGPU_PRODUCT_BR106"))
check("header type", read(0x0e, 1), 0)
check("interrupt pin", read(0x3d, 1), 0)

resources = [[int(v, 16) for v in line.split()] for line in open(device + "/resource")]
PREFETCH, MEM64, MEM = 0x2000, 0x100000, 0x200
for bar, size, prefetch in ((contract("BRGPU_BAR_REGISTERS"), contract("BRGPU_BAR0_BYTES"), 0),
                            (contract("BRGPU_BAR_VRAM"), 256 << 20, PREFETCH),
                            (contract("BRGPU_BAR_DOORBELLS"), None, 0)):
    start, end, flags = resources[bar]
    check(f"BAR {bar} assigned", start != 0, True)
    check(f"BAR {bar} kind", flags & (MEM | MEM64 | PREFETCH), MEM | MEM64 | prefetch)
    if size:
        check(f"BAR {bar} size", end - start + 1, size)

capabilities, position = {}, read(0x34, 1)
while position:
    capabilities[read(position, 1)] = position
    position = read(position + 1, 1)
extended, position = {}, 0x100
while position:
    word = read(position, 4)
    extended[word & 0xFFFF] = position
    position = word >> 20

PM, EXPRESS, MSIX, AER, SERIAL = 0x01, 0x10, 0x11, 0x0001, 0x0003
check("capabilities", sorted(capabilities), [PM, EXPRESS, MSIX])
check("extended capabilities", sorted(extended), [AER, SERIAL])
express, msix, pm = capabilities[EXPRESS], capabilities[MSIX], capabilities[PM]
check("an endpoint", read(express + 2, 2) >> 4 & 0xF, 0)
check("function-level reset", read(express + 4, 4) >> 28 & 1, 1)
check("width", read(express + 0x0C, 4) >> 4 & 0x3F, 16)
check("MSI-X vectors", (read(msix + 2, 2) & 0x7FF) + 1, contract("BRGPU_MAX_VECTORS"))
check("MSI-X table", read(msix + 4, 4), contract("BRGPU_MSIX_TABLE_OFFSET"))
check("MSI-X pending bits", read(msix + 8, 4), contract("BRGPU_MSIX_PBA_OFFSET"))
check("serial number", read(extended[SERIAL] + 4, 8), 0x1122334455667788)
check("reset methods", "flr" in open(device + "/reset_method").read().split(), True)

write(4, 2, read(4, 2) | 2)  # memory space
registers = mmap.mmap(os.open(device + "/resource0", os.O_RDWR), contract("BRGPU_BAR0_BYTES"))
vram = mmap.mmap(os.open(device + "/resource2", os.O_RDWR), 256 << 20)
words = memoryview(registers).cast("I")
halves = memoryview(registers).cast("H")


def register(name):
    return words[contract(name) // 4]


check("magic", register("BRGPU_REG_MAGIC"), contract("BRGPU_MAGIC"))
check("product", register("BRGPU_REG_PRODUCT"), read(2, 2))
check("serial register", words[contract("BRGPU_REG_SERIAL") // 4], 0x55667788)
bad = register("BRGPU_REG_BAD_ACCESS")
halves[contract("BRGPU_REG_PRODUCT") // 2 + 1]
check("a 2-byte read is counted", register("BRGPU_REG_BAD_ACCESS") - bad, 1)

# Power states: D1 and D2 don't exist; in D3hot nothing answers; memory survives it.
vram[0:8] = b"survives"
for state in (1, 2):
    write(pm + 4, 2, read(pm + 4, 2) & ~3 | state)
    check(f"state D{state} is refused", read(pm + 4, 2) & 3, 0)
write(pm + 4, 2, read(pm + 4, 2) & ~3 | 3)
time.sleep(0.02)
check("state D3hot", read(pm + 4, 2) & 3, 3)
check("registers in D3hot", register("BRGPU_REG_MAGIC"), 0xFFFFFFFF)
check("MSI-X table in D3hot", words[contract("BRGPU_MSIX_TABLE_OFFSET") // 4], 0xFFFFFFFF)
check("VRAM in D3hot", vram[0:8], b"\xff" * 8)
check("configuration in D3hot", read(2, 2), contract("BRGPU_PRODUCT_BR106"))
write(pm + 4, 2, read(pm + 4, 2) & ~3)
time.sleep(0.02)
check("magic, back in D0", register("BRGPU_REG_MAGIC"), contract("BRGPU_MAGIC"))
check("VRAM, back in D0", vram[0:8], b"survives")

# Function-level reset by hand, as sysfs's reset saves and restores state around it.
write(4, 2, read(4, 2) | 2)
write(express + 8, 2, read(express + 8, 2) | 0x8000)
time.sleep(0.2)
check("command register after FLR", read(4, 2), 0)
check("FLR bit after FLR", read(express + 8, 2) >> 15, 0)

sys.exit(failures != 0)
PYTHON
