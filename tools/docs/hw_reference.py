#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables of docs/hardware.md from the contract headers, so that the two can't differ.

    hw_reference.py --write   rewrites the tables between the markers in docs/hardware.md
    hw_reference.py --check   exits 1 and names what differs (part of `make check`)
"""

import argparse
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
HEADERS = TOP / "include" / "brgpu" / "hw"
DOCUMENT = TOP / "docs" / "hardware.md"

DEFINE = re.compile(r"#define\s+(BRGPU_\w+)(\([^)]*\))?\s+(.*?)\s*(?:/\*\s*(.*?)\s*\*/)?\s*$")
ACCESS = re.compile(r"^(RO|WO|RW|W1C) (32|64)(?: (.*))?$")
MARKER = re.compile(r"(<!-- table: (\w+) (\S+) -->\n)(.*?)(<!-- end -->)", re.S)


def fail(text):
    sys.exit(f"hw_reference: {text}")


def lines_of(header):
    path = HEADERS / header
    if not path.is_file():
        fail(f"{path.relative_to(TOP)} not found, but docs/hardware.md has a table of it")
    return path.read_text(encoding="utf-8").splitlines()


def cell(text):
    return (text or "").replace("|", "\\|")


def registers(header):
    """Lines whose comment begins with an access and a width."""
    rows = []
    for line in lines_of(header):
        match = DEFINE.match(line)
        access = match and ACCESS.match(match.group(4) or "")
        if access:
            rows.append((match.group(3), match.group(1), access.group(1), access.group(2),
                         access.group(3)))
        elif match and match.group(2) and match.group(3).startswith("("):
            rows.append((match.group(3), match.group(1) + match.group(2), "", "", ""))
    out = ["| offset | name | access | bits | what |", "|---|---|---|---|---|"]
    out += [f"| `{o}` | `{n}` | {a} | {w} | {cell(t)} |" for o, n, a, w, t in rows]
    return out


def constants(header):
    """Every other constant: bits, commands, limits."""
    out = ["| name | value | what |", "|---|---|---|"]
    for line in lines_of(header):
        match = DEFINE.match(line)
        if not match or match.group(2) or not match.group(3):
            continue
        if ACCESS.match(match.group(4) or "") or match.group(1).endswith("_H"):
            continue
        out.append(f"| `{match.group(1)}` | `{cell(match.group(3))}` | {cell(match.group(4))} |")
    return out


def enums(header):
    text = "\n".join(lines_of(header))
    out = []
    for match in re.finditer(r"enum (brgpu_\w+) \{(.*?)\};", text, re.S):
        out += ["", f"`enum {match.group(1)}`", "", "| value | name | what |", "|---|---|---|"]
        body = re.sub(r"^\s*/\*.*?\*/\s*$", "", match.group(2), flags=re.M | re.S)
        for name, value, what in re.findall(
                r"(BRGPU_\w+) = ([^,\n]+),?[ \t]*(?:/\*\s*(.*?)\s*\*/)?", body, re.S):
            what = re.sub(r"\s*\n\s*\*?\s*", " ", what)
            out.append(f"| {value.strip()} | `{name}` | {cell(what)} |")
    return out[1:]


def structs(header):
    """Offsets as the compiler lays them out, not as a parser thinks."""
    text = re.sub(r"/\*.*?\*/", lambda m: m.group(0).replace("\n", " "),
                  "\n".join(lines_of(header)), flags=re.S)
    found = []
    for match in re.finditer(r"struct (brgpu_\w+) \{(.*?)\n\};", text, re.S):
        members = []
        for line in match.group(2).splitlines():
            parts = re.match(r"\s*(?:struct )?(\w+)\s+([^;/]+);\s*(?:/\*\s*(.*?)\s*\*/)?", line)
            if parts:
                for i, name in enumerate(parts.group(2).split(",")):
                    members.append((name.strip().split("[")[0], parts.group(1), name.strip(),
                                    parts.group(3) if i == 0 else ""))
        found.append((match.group(1), members))
    program = ["#include <stdio.h>", f'#include "brgpu/hw/{header}"', "int main(void) {"]
    for struct, members in found:
        program.append(f'printf("%zu\\n", sizeof(struct {struct}));')
        program += [f'printf("%zu\\n", offsetof(struct {struct}, {m[0]}));' for m in members]
    program.append("return 0; }")
    binary = pathlib.Path(subprocess.check_output(["mktemp"], text=True).strip())
    try:
        subprocess.run(["cc", "-std=c11", "-x", "c", "-", "-I", str(TOP / "include"), "-o", binary],
                       input="\n".join(program), text=True, check=True)
        numbers = iter(subprocess.check_output([binary], text=True).split())
    finally:
        binary.unlink(missing_ok=True)
    out = []
    for struct, members in found:
        out += ["", f"`struct {struct}`, {next(numbers)} bytes", "",
                "| byte | field | type | what |", "|---|---|---|---|"]
        for _, kind, declaration, what in members:
            what = re.sub(r"\s{2,}\*\s", " ", what or "")
            out.append(f"| {next(numbers)} | `{declaration}` | {kind} | {cell(what)} |")
    return out[1:]


KINDS = {"registers": registers, "constants": constants, "enums": enums, "structs": structs}


def render(text):
    def table(match):
        kind, header = match.group(2), match.group(3)
        if kind not in KINDS:
            fail(f"docs/hardware.md: unknown table kind '{kind}', expected one of {', '.join(KINDS)}")
        return match.group(1) + "\n".join(KINDS[kind](header)) + "\n" + match.group(5)
    return MARKER.sub(table, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--write", action="store_true", help="rewrite the tables")
    group.add_argument("--check", action="store_true", help="exit 1 if a table is out of date")
    arguments = parser.parse_args()
    old = DOCUMENT.read_text(encoding="utf-8")
    if not MARKER.search(old):
        fail("docs/hardware.md has no table markers")
    new = render(old)
    if arguments.write:
        DOCUMENT.write_text(new, encoding="utf-8")
        return
    if old != new:
        for a, b in zip(old.splitlines(), new.splitlines()):
            if a != b:
                print(f"docs/hardware.md:  {a}\nthe headers say:   {b}", file=sys.stderr)
                break
        fail("docs/hardware.md is not what the headers say: run tools/docs/hw_reference.py --write")


if __name__ == "__main__":
    main()
