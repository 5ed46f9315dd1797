#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Loading the device into QEMU, without a guest: both ways work; a QEMU of another version, a missing
# symbol and wrong options are refused with a line that says so.
set -euo pipefail

lib=${BUILD:?}/lib
tree=$(realpath "$(dirname "$0")/../..")
plugin=$lib/brgpu-qemu.so
[ -e "$plugin" ] || { echo "$plugin has not been built"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# check NAME WANTED-STATUS WANTED-TEXT COMMAND...: status 0, or fail for any other that is no signal
check() {
    local name=$1 wanted=$2 text=$3 status=0
    shift 3
    timeout 30 "$@" >"$work/output" 2>&1 </dev/null || status=$?
    if { [ "$wanted" = 0 ] && [ "$status" -ne 0 ]; } ||
        { [ "$wanted" = fail ] && { [ "$status" -eq 0 ] || [ "$status" -ge 124 ]; }; } ||
        ! grep -qF -- "$text" "$work/output"; then
        echo "FAIL $name: exit status $status, wanted $wanted and '$text' in:"
        tail -n 20 "$work/output" | sed 's/^/    /'
        failures=$((failures + 1))
    else
        echo "ok   $name"
    fi
}

# shellcheck disable=SC2016 # expanded by the shell that feeds the monitor
ask_plain='printf "%s\n" "info qtree" quit | "$@"' \
    ask_preloaded='printf "%s\n" "info qtree" quit | LD_PRELOAD=$0 "$@"'
qemu=(qemu-system-x86_64 -M q35 -display none -nodefaults -S -monitor stdio)
port=(-device "pcie-root-port,id=slot1")
check "loads as a plugin" 0 br106 \
    bash -c "$ask_plain" - "${qemu[@]}" -plugin "$plugin" "${port[@]}" \
    -device br106,bus=slot1,vram=64M
check "is listed when preloaded" 0 'name "br166"' \
    env LD_PRELOAD="$plugin" qemu-system-x86_64 -device help
check "loads when preloaded" 0 br110 \
    bash -c "$ask_preloaded" "$plugin" "${qemu[@]}" "${port[@]}" \
    -device br110,bus=slot1,vram=64M
check "both at once" 0 br106 \
    bash -c "$ask_preloaded" "$plugin" "${qemu[@]}" -plugin "$plugin" \
    "${port[@]}" -device br106,bus=slot1,vram=64M
check "does nothing in other programs" 0 quiet env LD_PRELOAD="$plugin" echo quiet
check "takes no plugin options" fail "the plugin has no options" \
    "${qemu[@]}" -plugin "$plugin,vram=1G"
check "odd VRAM size" fail "vram" \
    "${qemu[@]}" -plugin "$plugin" "${port[@]}" -device br106,bus=slot1,vram=3M
check "odd aperture" fail "aperture" \
    "${qemu[@]}" -plugin "$plugin" "${port[@]}" -device br106,bus=slot1,vram=64M,aperture=3M

# The plugin with other versions written over those it was built for, in the same number of bytes.
version=$(qemu-system-x86_64 --version | sed -nE '1s/.* version ([0-9.]+).*/\1/p')
package=$(dpkg-query -W -f "\${source:Version}" qemu-system-x86)
digits() { printf %s "$1" | sed 's/[0-9]/9/g'; }
pattern() { printf %s "$1" | sed 's/[.+*]/[&]/g'; }
for other in "version:$version" "package:$package"; do
    mkdir "$work/${other%%:*}"
    cp "$lib/brgpu-qemu-device.so" "$lib/libbrgpu-model.so" "$work/${other%%:*}/"
    LC_ALL=C sed "s/$(pattern "${other#*:}")/$(digits "${other#*:}")/g" "$plugin" \
        >"$work/${other%%:*}/brgpu-qemu.so"
    check "refuses a QEMU of another ${other%%:*}, as a plugin" fail \
        "this is QEMU $version (Debian $package" \
        "${qemu[@]}" -plugin "$work/${other%%:*}/brgpu-qemu.so"
    check "refuses a QEMU of another ${other%%:*}, preloaded" fail \
        "this is QEMU $version (Debian $package" \
        env LD_PRELOAD="$work/${other%%:*}/brgpu-qemu.so" "${qemu[@]}"
done

cp "$plugin" "$work/"
check "says that the device library is missing" fail "brgpu-qemu-device.so" \
    "${qemu[@]}" -plugin "$work/brgpu-qemu.so"

echo 'void qemu_has_no_such_function(void); void plugin(void) { qemu_has_no_such_function(); }' >"$work/missing.c"
cc -shared -fPIC "$work/missing.c" -o "$work/missing.so"
check "the build names missing symbols" fail "qemu_has_no_such_function" \
    "$tree/qemu-device/plugin/check-symbols" "$work/missing.so" "$(command -v qemu-system-x86_64)"

[ "$failures" -eq 0 ]
