#!/usr/bin/env python3
"""Checks that folders include only folders below them (docs/architecture.md), and that malloc stays in one file."""
import pathlib
import re
import sys

LEVELS = {"base": 0, "platform": 1, "kernels": 2, "graph": 3, "ops": 4, "import": 5, "passes": 5, "plan": 6, "export": 6,
          "exec": 7, "quant": 8, "diagnose": 9, "cli": 10}
ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#include "([^"]+)"', re.M)
ALLOCATION = re.compile(r"\b(malloc|calloc|realloc|free|strdup)\s*\(")


def is_allowed(folder, included, target):
    if folder == "cli":
        return included in ("cli", "pith")
    if included == "pith" or included not in LEVELS:
        return True
    if folder == "kernels":  # contracts see base only; probes the raw CPU words
        return included in ("kernels", "base") or target == "platform/cpu.h"
    if folder == "graph" and included == "kernels":
        return False
    return included == folder or LEVELS[included] < LEVELS[folder]


def problems_of(path):
    relative = path.relative_to(ROOT / "src")
    folder, text = relative.parts[0], path.read_text()
    for target in INCLUDE.findall(text):
        included = target.split("/")[0] if "/" in target else folder
        if not is_allowed(folder, included, target):
            yield f"{relative}: {folder} must not include {target}"
    if folder != "cli" and str(relative) not in ("base/memory.c", "base/heap.c"):
        for match in ALLOCATION.finditer(re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)):
            yield f"{relative}: {match.group(1)} belongs in base/memory.c and base/heap.c alone"


def main():
    files = sorted((ROOT / "src").rglob("*.[ch]"))
    n_failed = 0
    for path in files:
        problems = list(problems_of(path))
        n_failed += bool(problems)
        print("\n".join(problems), end="\n" if problems else "")
    print(f"{len(files) - n_failed} passed, {n_failed} failed")
    return n_failed != 0


sys.exit(main())
