#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The card comes and goes while the machine runs, without the driver: stop and continue, surprise
# removal and return, orderly unplug, another card plugged in its place. The guest waits for what the
# host does through QMP and says what it sees.
set -euo pipefail

if [ "${1-}" = in-guest ]; then
    port=/sys/bus/pci/devices/0000:$2
    card() { find "$port"/ -mindepth 1 -maxdepth 1 -name '0000:??:??.?' 2>/dev/null | head -n 1; }
    wait_for() { # seconds, condition...
        local left=$(($1 * 10))
        shift
        until "$@"; do
            left=$((left - 1))
            [ "$left" -gt 0 ] || { echo "timeout: $*"; exit 1; }
            sleep 0.1
        done
    }
    config_word() { od -An -tx4 -N4 "$(card)/config" | tr -d ' '; }
    is_gone() { [ "$(config_word)" = ffffffff ]; }
    is_back() { [ "$(config_word)" = b1061234 ]; }
    no_card() { [ -z "$(card)" ]; }
    has_card() { [ -n "$(card)" ]; }

    is_back || { echo "no br106: $(config_word)"; exit 1; }
    echo "seen: card"
    wait_for 30 is_gone
    echo "seen: surprise"
    wait_for 30 is_back
    echo "seen: return"
    wait_for 60 no_card
    echo "seen: unplug"
    wait_for 60 has_card
    echo "seen: $(cat "$(card)/device")"
    exit 0
fi

work=$(mktemp -d)
guest=
trap '[ -z "$guest" ] || kill "$guest" 2>/dev/null || true; rm -rf "$work"' EXIT

# Below which port the card is, is the launcher's choice.
# shellcheck disable=SC2016 # expanded in the guest
find_port='for card in /sys/bus/pci/devices/*/0000:??:??.?; do
        [ "$(cat "$card/class" 2>/dev/null)" = 0x120000 ] || continue
        port=${card%/*}
        exec bash "$0" in-guest "${port##*/0000:}"
    done
    echo "no card behind a port"
    exit 1'
"${BUILD:?}/bin/brgpu-guest" --kernel "${KERNEL:-debian-6.12}" --timeout $((240 * ${PATIENCE:-1})) --no-module \
    --card br106,vram=64M --qmp "$work/qmp" -- bash -c "$find_port" "$(realpath "$0")" >"$work/output" 2>&1 &
guest=$!

python3 - "$work" <<'PYTHON'
import json, os, socket, sys, time

work = sys.argv[1]


def fail(text):
    sys.exit(f"{text}\n--- guest:\n{open(work + '/output').read()}")


def seen(text, seconds):
    for _ in range(seconds * 10):
        output = open(work + "/output").read()
        if f"seen: {text}\n" in output:
            print(f"ok   {text}")
            return
        if "timeout:" in output:
            break
        time.sleep(0.1)
    fail(f"the guest never saw: {text}")


seen("card", 120)
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(work + "/qmp")
lines = monitor.makefile("rw")
lines.readline()


def command(name, **arguments):
    lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    lines.flush()
    while True:
        answer = json.loads(lines.readline())
        if "event" not in answer:
            return answer


def must(name, **arguments):
    answer = command(name, **arguments)
    if "error" in answer:
        fail(f"{name}: {answer['error']['desc']}")
    return answer["return"]


CARD = "/machine/peripheral/card0"
must("qmp_capabilities")
for _ in range(20):
    started = time.monotonic()
    must("stop")
    if time.monotonic() - started > 5:
        fail("stop took longer than five seconds")
    must("cont")
print("ok   stop and continue")

if "error" not in command("qom-set", path=CARD, property="surprise-removed", value="no boolean"):
    fail("surprise-removed took a string")
must("qom-set", path=CARD, property="surprise-removed", value=True)
seen("surprise", 30)
if must("qom-get", path=CARD, property="surprise-removed") is not True:
    fail("surprise-removed is not read back")
must("qom-set", path=CARD, property="surprise-removed", value=False)
seen("return", 30)

if "error" not in command("device_add", driver="br106", id="second", bus="port0", addr="0"):
    fail("two cards in one slot")
must("device_del", id="card0")
seen("unplug", 60)
if "error" not in command("device_add", driver="br106", id="odd", bus="port0", vram=12345):
    fail("12345 bytes of VRAM were taken")
must("device_add", driver="br110", id="card0", bus="port0", vram=64 << 20)
seen("0xb110", 60)
PYTHON

wait "$guest" || { echo "the guest ended with $?"; cat "$work/output"; guest=; exit 1; }
guest=
