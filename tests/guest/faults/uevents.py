#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the kernel's events, a variable a line, as udev gets them; first "listening"."""
import socket

KOBJECT_UEVENT = 15
KERNEL = 1  # multicast group

events = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, KOBJECT_UEVENT)
events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
events.bind((0, KERNEL))
print("listening", flush=True)
while True:
    print("\n".join(part.decode(errors="replace") for part in events.recv(65536).split(b"\0") if part), flush=True)
