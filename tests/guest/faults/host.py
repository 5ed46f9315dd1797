#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The host's side of a scenario that breaks the card while the guest works with it.

host.py SOCKET FOLDER: does what files FOLDER/request.N say, one after the other, through QEMU's
monitor, and writes FOLDER/answer.N: "ok [VALUE]" or "error TEXT". A request is one line:

    set PROPERTY VALUE      a property of the card (docs/faults.md)
    get PROPERTY
    unplug                  ask the guest to let go of the card, and wait until it has
    plug DRIVER[,NAME=VALUE...]
    aer ERROR               an error of PCI Express at the card, by its name in QEMU's monitor

host.py --wake SOCKET: wakes the guest whenever it sleeps.
"""
import json
import os
import socket
import sys
import time

CARD = "/machine/peripheral/card0"
UNPLUG_SECONDS = 60


class Refused(Exception):
    """What QEMU answered."""


class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.1)
        self.lines = self.socket.makefile("rw")
        self.lines.readline()
        self.gone = False
        self.asleep = False
        self.command("qmp_capabilities")

    def read(self):
        """One message; events are noted."""
        text = self.lines.readline()
        if not text:
            sys.exit(0)
        message = json.loads(text)
        if message.get("event") == "DEVICE_DELETED" and message["data"].get("device") == "card0":
            self.gone = True
        self.asleep |= message.get("event") == "SUSPEND"
        return message

    def command(self, name, **arguments):
        json.dump({"execute": name, "arguments": arguments}, self.lines)
        self.lines.write("\n")
        self.lines.flush()
        while True:
            answer = self.read()
            if "error" in answer:
                raise Refused(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def unplug(self):
        self.gone = False
        self.command("device_del", id="card0")
        self.socket.settimeout(UNPLUG_SECONDS)
        try:
            while not self.gone:
                self.read()
        except OSError as error:
            raise Refused(f"the card is still there after {UNPLUG_SECONDS} s") from error
        self.socket.settimeout(None)


def typed(text):
    """Booleans as such; every fault takes its value as text."""
    return {"true": True, "false": False}.get(text, text)


def serve(monitor, request):
    verb, *words = request.split()
    if verb == "set":
        monitor.command("qom-set", path=CARD, property=words[0], value=typed(words[1]))
    elif verb == "get":
        return str(monitor.command("qom-get", path=CARD, property=words[0]))
    elif verb == "unplug":
        monitor.unplug()
    elif verb == "plug":
        driver, *options = words[0].split(",")
        values = dict(option.split("=", 1) for option in options)
        values = {name: int(v) if v.isdigit() else v for name, v in values.items()}
        monitor.command("device_add", driver=driver, id="card0", bus="port0", **values)
    elif verb == "aer":
        text = monitor.command(
            "human-monitor-command", **{"command-line": f"pcie_aer_inject_error card0 {words[0]}"}
        )
        if not text.startswith("OK"):
            raise Refused(text)
    else:
        raise Refused(f"no request '{verb}'")
    return ""


def wake(monitor):
    """Until QEMU ends."""
    while True:
        monitor.read()
        if monitor.asleep:
            monitor.asleep = False
            time.sleep(1)
            monitor.command("system_wakeup")


def main():
    if sys.argv[1] == "--wake":
        wake(Monitor(sys.argv[2]))
    monitor = Monitor(sys.argv[1])
    folder = sys.argv[2]
    number = 0
    while True:
        request = f"{folder}/request.{number}"
        while not os.path.exists(request):
            time.sleep(0.05)
        with open(request, encoding="utf-8") as file:
            text = file.read().strip()
        try:
            answer = f"ok {serve(monitor, text)}".strip()
        except Refused as error:
            answer = f"error {error}"
        with open(f"{folder}/answer.tmp", "w", encoding="utf-8") as file:
            file.write(answer + "\n")
        os.rename(f"{folder}/answer.tmp", f"{folder}/answer.{number}")
        number += 1


main()
