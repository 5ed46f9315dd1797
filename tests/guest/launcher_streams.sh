#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a command's caller sees of it: streams, exit code, folder, environment, files.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

mkdir "$scratch/share" "$scratch/here"
cd "$scratch/here" || exit 1
echo "of the host" >"$scratch/seen"
seq 1 200000 >"$scratch/input"

# One guest for all that can be seen at once.
cat >"$scratch/script" <<'EOF'
pwd
echo "to error" >&2
echo "$MARK"
id -u
command -v rmmod
nproc
cat ../seen
wc -c
sha256sum <"$BRGPU_EXCHANGE/sent"
seq 1 100000 | tee "$BRGPU_EXCHANGE/made"
touch /etc/brgpu-test 2>/dev/null && echo "the host's root can be written"
touch /tmp/brgpu-test-$$ /run/brgpu-test || echo "/tmp or /run cannot be written"
sleep 1000 &
exit 42
EOF
head -c 3000000 /dev/urandom >"$scratch/share/sent"
# With a plain user's search path.
PATH=/usr/bin:/bin "$BUILD/bin/brgpu-guest" --kernel "$KERNEL" --timeout $((180 * PATIENCE)) --cpus 3 --no-card --no-module \
    --share "$scratch/share" \
    --env MARK="a  b'c" --json "$scratch/summary" -- bash "$scratch/script" \
    <"$scratch/input" >"$scratch/out" 2>"$scratch/err"
code=$?

{
    echo "$scratch/here"
    echo "a  b'c"
    echo 0
    echo /usr/sbin/rmmod
    echo 3
    echo "of the host"
    wc -c <"$scratch/input"
    sha256sum <"$scratch/share/sent"
    seq 1 100000
} >"$scratch/wanted"
check "the exit code comes back" [ "$code" -eq 42 ]
check "standard output comes back whole and alone" cmp "$scratch/wanted" "$scratch/out"
check "standard error comes back alone" [ "$(cat "$scratch/err")" = "to error" ]
check "the exchange folder keeps what the guest wrote" cmp <(seq 1 100000) "$scratch/share/made"
check "the summary tells the exit code" [ "$(jq .exit_code "$scratch/summary")" = 42 ]
check "the summary tells the outcome" [ "$(jq -r .outcome "$scratch/summary")" = exited ]
check "nothing of the guest's /tmp stays on the host" [ -z "$(find /tmp -maxdepth 1 -name 'brgpu-test-*')" ]
[ "$failures" -eq 0 ] || show_guest

guest --no-card --no-module -- /nonexistent/program
check "a program that is not there ends with 127" [ "$code" -eq 127 ]
check "and is named" grep -q "/nonexistent/program" "$scratch/err"
guest --no-card --no-module -- /etc/passwd
check "a file that is no program ends with 126" [ "$code" -eq 126 ]
guest --no-card --no-module -- sh -c 'kill -SEGV $$'
check "a signal's number comes back" [ "$code" -eq 139 ]
finish
