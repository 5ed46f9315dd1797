#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the tables of docs/observability.md to what the kernel module really shows.

A name that stands in the source and not in its table, or the other way round, is an error.
"""

import argparse
import pathlib
import re
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
PAGE = "docs/observability.md"

# HWMON_T_INPUT in HWMON_CHANNEL_INFO(temp, ...) is temp1_input.
HWMON_LETTERS = {"T": "temp", "P": "power", "E": "energy", "I": "in", "C": "curr", "F": "fan"}


def source(pattern):
    """The text of all kernel files that match."""
    files = sorted((TREE / "kmd").glob(pattern))
    if not files:
        raise SystemExit(f"no file matches kmd/{pattern}")
    return "\n".join(file.read_text() for file in files)


def shown():
    """What the source shows, by table."""
    code = source("*.c")
    trace = source("brgpu_trace.h")
    return {
        "sysfs": set(re.findall(r"\bDEVICE_ATTR_(?:RO|RW|WO|ADMIN_RO|ADMIN_RW)\((\w+)\)", code)),
        "hwmon": {f"{HWMON_LETTERS[letter]}1_{what.lower()}"
                  for letter, what in re.findall(r"\bHWMON_([TPEICF])_(\w+)", code)},
        "debugfs": set(re.findall(r'\{\s*"(\w+)",\s*\w+_show,', code)),
        "trace": set(re.findall(r"\bTRACE_EVENT\((\w+),", trace) +
                     re.findall(r"\bDEFINE_EVENT\(\w+,\s*(\w+),", trace)),
    }


def documented(page):
    """Names in the first column of each marked table."""
    tables = {}
    for name, body in re.findall(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", page, re.S):
        cells = [line.split("|")[1] for line in body.splitlines() if line.startswith("| `")]
        tables[name] = set(re.findall(r"`([^`]+)`", " ".join(cells)))
    return tables


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", required=True,
                        help=f"compare {PAGE} with the source")
    parser.parse_args()

    tables = documented((TREE / PAGE).read_text())
    wrong = 0
    for name, names in shown().items():
        if not names:
            print(f"the source shows no {name} names: has its form changed?")
            wrong += 1
        for missing in sorted(names - tables.get(name, set())):
            print(f"{PAGE}: table {name} lacks {missing}")
            wrong += 1
        for unknown in sorted(tables.get(name, set()) - names):
            print(f"{PAGE}: table {name} names {unknown}, which the source does not show")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
