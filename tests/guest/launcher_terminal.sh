#!/bin/bash
# SPDX-License-Identifier: MIT
#
# An interactive shell in the guest: size of the window, keys, exit code.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

cat >"$scratch/drive.py" <<'EOF'
import fcntl, os, pty, select, signal, struct, sys, termios, time

pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])


def resize(rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.kill(pid, signal.SIGWINCH)


seen = b""


def wait_for(text, seconds=120):
    """Reads until the text has come after what was waited for before."""
    global seen
    limit = time.monotonic() + seconds
    while text not in seen:
        if time.monotonic() > limit:
            sys.exit(f"no {text!r} within {seconds} s; seen: {seen!r}")
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                sys.exit(f"ended before {text!r}; seen: {seen!r}")
    seen = seen[seen.index(text) + len(text):]


resize(33, 111)
wait_for(b"ready>")
os.write(terminal, b"stty size\r")
wait_for(b"33 111")
wait_for(b"ready>")
resize(44, 122)
os.write(terminal, b"until [ \"$(stty size)\" = '44 122' ]; do sleep 0.1; done; echo seen=$((100 + 1))\r")
wait_for(b"seen=101")
wait_for(b"ready>")
os.write(terminal, b"sleep 1000; echo code=$((100 + $?))\r")
time.sleep(2)
os.write(terminal, b"\x03")
wait_for(b"ready>")
os.write(terminal, b"echo $((6 * 7)); tty\r")
wait_for(b"42")
wait_for(b"/dev/pts/")
os.write(terminal, b"exit 9\r")
limit = time.monotonic() + 60
while time.monotonic() < limit:
    if select.select([terminal], [], [], 0.2)[0]:
        try:
            if not os.read(terminal, 65536):
                break
        except OSError:
            break
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if code != 9:
    sys.exit(f"exit code {code}, not 9")
EOF
check "a shell on a terminal" timeout 300 python3 "$scratch/drive.py" "$BUILD/bin/brgpu-guest" --kernel "$KERNEL" \
    --no-card --no-module --env PS1='ready>' -- bash --norc --noprofile -i
finish
