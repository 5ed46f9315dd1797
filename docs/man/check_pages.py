#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the manual pages against the programs: check_pages.py BUILD_FOLDER

Every program in BUILD_FOLDER/bin but the benchmarks has a page with the sections that a page has, and the page names the
options that the program's --help lists (those of its commands included), and no others."""
import pathlib
import re
import subprocess
import sys

SECTIONS = ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
LISTED = re.compile(r"^ +(-.*?)(?:  |$)", re.MULTILINE)  # what stands before the explanation


def help_of(program, *words):
    answer = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise SystemExit(f"{program.name} {' '.join(words)} --help ends with {answer.returncode}")
    return answer.stdout


def options_of(program):
    text = help_of(program)
    commands = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    if commands:
        for command in re.findall(r"^  (\w+)", commands.group(1), re.MULTILINE):
            text += help_of(program, command)
    return set(OPTION.findall(" ".join(LISTED.findall(text))))


def main():
    build = pathlib.Path(sys.argv[1])
    pages = pathlib.Path(__file__).parent
    wrong = []
    programs = sorted(path for path in (build / "bin").iterdir() if path.name.startswith("brgpu-") and not path.name.endswith("-bench"))
    if not programs:
        raise SystemExit(f"no programs in {build}/bin: build first")
    for program in programs:
        page = pages / f"{program.name}.1.md"
        if not page.is_file():
            wrong.append(f"{program.name} has no page {page.name}")
            continue
        text = page.read_text()
        wrong += [f"{page.name}: no section {name}" for name in SECTIONS
                  if not re.search(rf"^# {name}$", text, re.MULTILINE)]
        known, told = options_of(program), set(OPTION.findall(text))
        wrong += [f"{page.name}: does not tell of {name}" for name in sorted(known - told)]
        wrong += [f"{page.name}: tells of {name}, which the program does not have"
                  for name in sorted(told - known)]
    print("\n".join(wrong) or f"{len(programs)} pages agree with their programs")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
