#!/bin/sh
# SPDX-License-Identifier: MIT
#
# retarget_libclc.sh LLVM_BIN_DIR INPUT.bc OUTPUT.bc
#
# Makes libclc's bitcode for nvptx64 (plain IR, no intrinsics of that target) linkable with modules of
# our front end: neutral target, constant address space 2 instead of 4, also in mangled names. Weak, so
# that all of it is kept, and a function of ours goes before one of the same name.
set -eu
bin=$1
input=$2
output=$3

if "$bin/llvm-dis" "$input" -o - | grep 'llvm\.nvvm' >/dev/null; then
    echo "retarget_libclc.sh: $input uses NVPTX intrinsics: another libclc than expected" >&2
    exit 1
fi
"$bin/llvm-dis" "$input" -o - |
    sed -e 's/addrspace(4)/addrspace(2)/g' \
        -e 's/U3AS4/U3AS2/g' \
        -e 's/^define linkonce_odr/define weak_odr/' \
        -e 's/^\(@[^ ]*\) = linkonce_odr/\1 = weak_odr/' \
        -e 's/^target datalayout = .*/target datalayout = "e-i64:64-v16:16-v24:32-v32:32-v48:64-v96:128-v192:256-v256:256-v512:512-v1024:1024-G1"/' \
        -e 's/^target triple = .*/target triple = "spir64-unknown-unknown"/' \
        -e 's/"target-cpu"="[^"]*"//' \
        -e 's/"target-features"="[^"]*"//' |
    "$bin/llvm-as" -o "$output"
