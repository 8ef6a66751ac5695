#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/cli.md: every verb of the tool with its options, from the --help of a build.

    make_cli_md.py [BUILD] [--check]

--check compares with the committed file instead.
"""

import difflib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.path.join(ROOT, "docs", "cli.md")
HEAD = """# The command line

Made by `tools/make_cli_md.py` from `pith VERB --help`; `tests/run.sh` compares it with the code. Don't edit.

Verbs with a page of their own: [evaluate](evaluate.md), [profile](profile.md), [tune](tune.md), [quantize](quantization.md); how pictures become
inputs: [preprocess.md](preprocess.md). Exit codes: 0, 1 where a comparison is out of tolerance, 2 on an error.
"""


def help_of(pith, *words):
    return subprocess.run([pith, *words, "--help"], check=True, capture_output=True, text=True).stdout


def table(lines):
    """The help's list of options, of which long ones have their text in the line below."""
    rows = []
    for line in lines:
        name, text = re.fullmatch(r"  (\S.*?)(?:  +(.*))?|  {2,}(.*)", line).group(1, 2)
        if name is None:
            rows[-1][1] += line.strip()
        elif len(name) > 26 or text is None:
            rows.append([line.strip(), ""])
        else:
            rows.append([name, text])
    cells = [[f"`{name}`", text.replace("|", "\\|")] for name, text in rows]
    return ["| option | |", "|---|---|", *(f"| {name} | {text} |" for name, text in cells)]


def page(pith):
    overview = help_of(pith)
    verbs = re.findall(r"^  ([a-z]+)  +(.*)$", overview, re.M)
    parts = [HEAD, "| verb | |", "|---|---|", *(f"| [{verb}](#{verb}) | {what} |" for verb, what in verbs)]
    for verb, _ in verbs:
        usage, rest = help_of(pith, verb).split("\n\n", 1)
        summary, _, rest = rest.partition("\n\n")
        parts += ["", f"## {verb}", "", f"`{usage.removeprefix('usage: ')}`", "", summary[:1].upper() + summary[1:].strip() + "."]
        if rest.startswith("options\n"):
            options, _, rest = rest.removeprefix("options\n").partition("\n\n")
            parts += ["", *table(options.rstrip("\n").split("\n"))]
        if rest.strip():
            parts += ["", "```", rest.strip("\n"), "```"]
    return "\n".join(parts) + "\n"


def main():
    words = [word for word in sys.argv[1:] if word != "--check"]
    pith = os.path.join(os.path.abspath(words[0] if words else "build"), "pith")
    made = page(pith)
    if "--check" not in sys.argv:
        with open(TARGET, "w", encoding="utf-8") as file:
            file.write(made)
        return 0
    with open(TARGET, encoding="utf-8") as file:
        kept = file.read()
    if made != kept:
        print("docs/cli.md is not what the tool says; tools/make_cli_md.py writes it anew:")
        print("\n".join(difflib.unified_diff(kept.split("\n"), made.split("\n"), "docs/cli.md", "--help", lineterm="")))
    print(f"{int(made == kept)} passed, {int(made != kept)} failed")
    return int(made != kept)


if __name__ == "__main__":
    sys.exit(main())
