#!/usr/bin/env python3
"""Writes src/ops/shared_unicode_data.h: case mappings of the Unicode Character Database, as Python's unicodedata has
them (str.lower, str.upper), in ranges. Run again when a newer Python brings a newer database.

    make_unicode.py [FOLDER]      with the database's UnicodeData.txt and Scripts.txt, src/ops/shared_unicode_classes.h
                                  is written as well: general categories and scripts
"""
import pathlib
import re
import sys
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent


def simple(convert):
    """Code point -> code point, for all that map to one other."""
    return {c: ord(convert(chr(c))) for c in range(0x110000)
            if not 0xD800 <= c < 0xE000 and len(convert(chr(c))) == 1 and convert(chr(c)) != chr(c)}


def ranges(mapping):
    """[first, last, step, delta]: every step-th code point of first..last moves by delta."""
    result = []
    for c in sorted(mapping):
        delta = mapping[c] - c
        if result:
            first, last, step, known = result[-1]
            gap = c - last
            if known == delta and gap in (1, 2) and (first == last or gap == step):
                result[-1] = [first, c, gap, delta]
                continue
        result.append([c, c, 1, delta])
    return result


def full(convert):
    """Code points that map to several."""
    return {c: [ord(x) for x in convert(chr(c))] for c in range(0x110000)
            if not 0xD800 <= c < 0xE000 and len(convert(chr(c))) > 1}


def table(kind, name, rows):
    lines, line = [], "   "
    for row in rows:
        word = " { " + ", ".join(row) + " },"
        if len(line) + len(word) > 118:
            lines.append(line)
            line = "   "
        line += word
    lines.append(line)
    return f"static const {kind} {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


# ---- categories and scripts ------------------------------------------------------------------

CATEGORIES = "CcCfCoCsLlLmLoLtLuMcMeMnNdNlNoPcPdPePfPiPoPsScSkSmSoZlZpZs"
UNASSIGNED, IN_TURNS, LONG = len(CATEGORIES) // 2, len(CATEGORIES) // 2 + 1, 7


def number_of(category):
    return CATEGORIES.index(category) // 2


def runs_of(values):
    """[value, length] of neighbours."""
    runs = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    return runs


def read_categories(path):
    values, first = [UNASSIGNED] * 0x110000, None
    for line in path.read_text().splitlines():
        point, name, category = line.split(";")[:3]
        point, number = int(point, 16), number_of(category)
        for c in range(first if name.endswith("Last>") else point, point + 1):
            values[c] = number
        first = point
    return values


def read_scripts(path):
    names, values = set(), {}
    for line in path.read_text().splitlines():
        match = re.match(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*; (\w+)", line)
        if match:
            names.add(match[3])
            for c in range(int(match[1], 16), int(match[2] or match[1], 16) + 1):
                values[c] = match[3]
    names = sorted(names)
    return names, [names.index(values[c]) + 1 if c in values else 0 for c in range(0x110000)]


def number_bytes(n):
    """Seven bits at a time, lowest first, the highest bit of all but the last set."""
    return [n] if n < 0x80 else [n & 0x7F | 0x80, *number_bytes(n >> 7)]


def category_bytes(values):
    upper, lower = number_of("Lu"), number_of("Ll")
    merged = []
    for value, length in runs_of(values):
        pair = [value, length] == [lower, 1] and merged and merged[-1] == [upper, 1]
        if pair:
            merged.pop()
            if merged and merged[-1][0] == IN_TURNS:
                merged[-1][1] += 2
            else:
                merged.append([IN_TURNS, 2])
        else:
            merged.append([value, length])
    for value, length in merged:
        if length <= LONG:
            yield value << 3 | length - 1
        else:
            yield from [value << 3 | LONG, *number_bytes(length)]


def script_bytes(values):
    for value, length in runs_of(values):
        yield from [value, *number_bytes(length)]


def byte_table(name, items):
    lines, line = [], "   "
    for item in items:
        if len(line) > 114:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return f"static const uint8_t {name}[] = {{\n" + "\n".join([*lines, line]) + "\n};\n"


def write_classes(folder):
    version = re.search(r"Scripts-([0-9.]+)\.txt", (folder / "Scripts.txt").read_text())[1]
    names, scripts = read_scripts(folder / "Scripts.txt")
    text = f"""/* SPDX-License-Identifier: Apache-2.0 */
/* Written by tools/make_unicode.py from the Unicode Character Database {version}. */
#ifndef PITH_OPS_SHARED_UNICODE_CLASSES_H
#define PITH_OPS_SHARED_UNICODE_CLASSES_H

#include <stdint.h>

/* Numbers of general categories are places in this list; behind them: none, and Lu and Ll in turns. */
#define CATEGORIES "{CATEGORIES}"
enum {{ LOWER = {number_of("Ll")}, UPPER = {number_of("Lu")}, IN_TURNS = {IN_TURNS}, LONG = {LONG} }};

/* Runs of code points from 0 on: number << 3 | length - 1, with LONG for a length that follows in groups of seven bits,
 * lowest first. */
"""
    text += byte_table("category_runs", list(category_bytes(read_categories(folder / "UnicodeData.txt"))))
    text += "\n/* Numbers of scripts are places in this list, from 1 on; 0: none. */\n"
    text += "static const char script_names[] =\n"
    line = ""
    for name in names:
        if len(line) + len(name) > 105:
            text += f'    "{line}"\n'
            line = ""
        line += name + ","
    text += f'    "{line}";\n\n/* Number, then length as above. */\n'
    text += byte_table("script_runs", list(script_bytes(scripts)))
    (ROOT / "src/ops/shared_unicode_classes.h").write_text(text + "\n#endif\n")


def main():
    text = f'''/* SPDX-License-Identifier: Apache-2.0 */
/* Written by tools/make_unicode.py from the Unicode Character Database {unicodedata.unidata_version}. */
#ifndef PITH_OPS_SHARED_UNICODE_DATA_H
#define PITH_OPS_SHARED_UNICODE_DATA_H

#include <stdint.h>

/* Every step-th code point of first..last moves by delta. */
typedef struct case_range {{
    uint32_t first, last;
    int32_t step, delta;
}} case_range;

/* A code point that becomes several. */
typedef struct case_full {{
    uint16_t from, to[3];
}} case_full;

'''
    for name, convert in (("lower", str.lower), ("upper", str.upper)):
        rows = [[f"0x{a:x}", f"0x{b:x}", str(s), str(d)] for a, b, s, d in ranges(simple(convert))]
        text += table("case_range", f"to_{name}", rows)
        several = full(convert)
        assert all(c < 0x10000 and max(to) < 0x10000 and len(to) <= 3 for c, to in several.items())
        rows = [[f"0x{c:x}", "{ " + ", ".join(f"0x{x:x}" for x in to) + " }"] for c, to in sorted(several.items())]
        text += table("case_full", f"to_full_{name}", rows)
    path = ROOT / "src/ops/shared_unicode_data.h"
    path.write_text(text + "\n#endif\n")
    if len(sys.argv) > 1:
        write_classes(pathlib.Path(sys.argv[1]))
    print(f"{path}: {len(text.splitlines())} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
