#!/usr/bin/env python3
"""Writes src/ops/shared_unicode_data.h: case mappings of the Unicode Character Database, as Python's unicodedata has
them (str.lower, str.upper), in ranges. Run again when a newer Python brings a newer database."""
import pathlib
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
    print(f"{path}: {len(text.splitlines())} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
