#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What `make install` leaves behind: firmware, udev rule and DKMS sources lie where they belong, the
# module is built for the kernel that is asked for and works, and what is missing is one clear line.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

if [ -d "$("$TREE/tools/setup/fetch-kernel" --dir "$KERNEL")/toolchain" ]; then
    echo "this machine's own compiler does not build for $KERNEL"
    exit 77
fi
root=$scratch/root
install_module() { "$TREE/tools/setup/install-module" --destdir "$root" "$@" >"$scratch/log" 2>&1; }
# The last run failed, and this is in the only line of its own.
said() { [ "$(grep -c '^install: error: ' "$scratch/log")" -eq 1 ] && grep -q "^install: error: .*$1" "$scratch/log"; }

check "files are installed" install_module --files --firmware "$BUILD/firmware"
for file in lib/firmware/brgpu/br106.fw usr/lib/udev/rules.d/60-brgpu.rules usr/lib/modprobe.d/brgpu.conf; do
    check "$file" [ -s "$root/$file" ]
done

check "the sources for DKMS are installed" install_module --dkms
sources=$(echo "$root"/usr/src/brgpu-*)
version=${sources##*/brgpu-}
check "dkms.conf names the version" grep -qx "PACKAGE_VERSION=\"$version\"" "$sources/dkms.conf"

# As DKMS does: it copies the sources and runs MAKE[0] with these variables set.
kdir=$("$TREE/tools/setup/fetch-kernel" --dir "$KERNEL")/build
# shellcheck disable=SC2034 # dkms.conf reads them
dkms_build() {
    local kernel_source_dir=$kdir dkms_tree=$scratch/dkms
    local PACKAGE_NAME PACKAGE_VERSION MAKE BUILT_MODULE_NAME BUILT_MODULE_LOCATION DEST_MODULE_LOCATION CLEAN AUTOINSTALL
    mkdir -p "$dkms_tree/brgpu/$version"
    cp -r "$sources" "$dkms_tree/brgpu/$version/build"
    # shellcheck source=/dev/null
    . "$sources/dkms.conf"
    (unset MAKEFLAGS MFLAGS && eval "${MAKE[0]}") >"$scratch/log" 2>&1 &&
        cp "$dkms_tree/brgpu/$version/build/${BUILT_MODULE_LOCATION[0]}/${BUILT_MODULE_NAME[0]}.ko" "$scratch/brgpu.ko"
}
check "DKMS's command builds the module" dkms_build
[ -f "$scratch/brgpu.ko" ] || tail -n 20 "$scratch/log"

# A kernel that is not the running one.
release=$(cat "$kdir/include/config/kernel.release")
check "another kernel than the running one is built for" install_module --kdir "$kdir"
check "the module lies with that kernel's" [ -s "$root/lib/modules/$release/updates/brgpu.ko" ]
refused() { ! install_module "$@"; }
check "its headers are missing: refused" refused --release 0.0.0-none
check "... with a line that says what to install" said 'linux-headers-0.0.0-none'
check "headers of another kernel: refused" refused --release 0.0.0-none --kdir "$kdir"
check "... with a line that names both" said "'$release', not 0.0.0-none"

guest --strict --no-module --card br106,vram=64M -- sh -c "insmod drm 2>/dev/null
    for m in gpu-sched drm_exec drm_gpuvm ttm drm_ttm_helper drm_buddy hwmon; do modprobe \$m 2>/dev/null; done
    printf %s '$root/lib/firmware' >/sys/module/firmware_class/parameters/path
    insmod '$root/lib/modules/$release/updates/brgpu.ko' && '$BUILD/tests/brgpu-kmd-tests' submit && rmmod brgpu"
check "what was installed works" [ "$code" -eq 0 ]
[ "$failures" -eq 0 ] || show_guest
finish
