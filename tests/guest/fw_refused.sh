#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Firmware that does not fit is refused: probe fails with one line that names the file and says why,
# leaves no render node and a module that unloads; and the right image brings the card up after it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

module=$MODULE
if [ "${1-}" = in-guest ]; then
    images=$2
    said() { dmesg | grep "brgpu.*$1" >/dev/null; }
    node() { ls /dev/dri/renderD* >/dev/null 2>&1; }
    # refused WHAT REASON: with the image in $images/WHAT.
    refused() {
        local lines
        echo -n "$images/$1" >/sys/module/firmware_class/parameters/path
        dmesg -C
        insmod "$module"
        # The kernel's own lines about a file that is not there do not count.
        lines=$(dmesg | grep -c "brgpu.*ERROR.*br106[.]fw")
        check "$1: one line of the driver names the file" [ "$lines" -eq 1 ]
        check "$1: it says why" said "br106.fw.*$2"
        check "$1: the card has no driver" [ -z "$(find /sys/bus/pci/drivers/brgpu/ -name '0*')" ]
        check "$1: no render node" eval '! node'
        dmesg | grep brgpu
        check "$1: the module unloads" rmmod brgpu
    }
    good() {
        echo -n "$images/good" >/sys/module/firmware_class/parameters/path
        insmod "$module"
        check "$1: the right image" node
        check "$1: the card is usable" grep -q '"usable": true' <("$BUILD/bin/brgpu-smi" --json)
        rmmod brgpu
    }
    # The launcher has loaded what the module needs, and the module with the right image.
    rmmod brgpu
    refused key "key that the card does not know"
    refused signature "bad signature"
    refused payload "corrupt"
    refused truncated "truncated"
    refused header "shorter than a header"
    refused product "other products"
    refused mailbox "mailbox 7.0 to 7.3"
    refused contract "contracts 9 to 9"
    refused missing "ENOENT"
    good "at last"
    echo "all done"
    finish
fi

fwtool=$BUILD/bin/brgpu-fwtool
elf=$BUILD/firmware/firmware.elf
image=$BUILD/firmware/brgpu/br106.fw
key=$TREE/firmware/keys/development.key
images=$scratch/images
mkdir -p "$images"/{good,key,signature,payload,truncated,header,product,mailbox,contract,missing}/brgpu
name=brgpu/br106.fw
cp "$image" "$images/good/$name"
"$fwtool" keygen "$scratch/other"
sign() { # DIRECTORY OPTION...
    local to=$images/$1/$name
    shift
    "$fwtool" sign "$elf" -o "$to" --fw-version 1.0.0 --rollback 1 "$@"
}
sign key --key "$scratch/other.key" --product 0xb106
sign product --key "$key" --product 0xb110
sign mailbox --key "$key" --product 0xb106 --mailbox 7.0-7.3
sign contract --key "$key" --product 0xb106 --contract 9
# One byte of the signature, at the header's end, and the last one of the payload.
flip() { # FILE OFFSET
    python3 -c 'import sys; f = open(sys.argv[1], "r+b"); at = int(sys.argv[2]); f.seek(at, 0 if at >= 0 else 2)
b = f.read(1); f.seek(-1, 1); f.write(bytes([b[0] ^ 1]))' "$1" "$2"
}
cp "$image" "$images/signature/$name"
flip "$images/signature/$name" 192
cp "$image" "$images/payload/$name"
flip "$images/payload/$name" -1
head -c -100 "$image" >"$images/truncated/$name"
head -c 100 "$image" >"$images/header/$name"

"$BUILD/bin/brgpu-guest" --kernel "$KERNEL" --timeout $((180 * PATIENCE)) --strict --card br106,vram=64M --module "$module" \
    --env "TREE=$TREE" --env BUILD="$BUILD" --env MODULE="$module" --share "$images" \
    -- bash "$(realpath "$0")" in-guest "$images" </dev/null >"$scratch/out" 2>"$scratch/err"
code=$?
cat "$scratch/out"
check "refused images" grep -qx "all done" "$scratch/out"
check "the kernel does not complain" [ "$code" -eq 0 ]
[ "$failures" -eq 0 ] || show_guest
finish
