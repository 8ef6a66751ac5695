#!/usr/bin/env python3
"""Writes the tables of tests/ops/strings_*.inc: what Python's re, str and numpy make of the same strings. Patterns are
random, of constructs that mean the same in RE2 and in Python."""
import pathlib
import random
import re

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests/ops"
N_PATTERNS, TEXTS_PER_PATTERN = 150, 4


def c_text(text):
    """A C string literal."""
    out = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    return f'"{out}"'


def pattern(rng, depth=0):
    kind = rng.randrange(10 if depth < 4 else 5)
    if kind < 3:
        return rng.choice(["a", "b", "c", ".", "é", r"\d", r"\w", r"\W", r"\s", r"\.", r"\x61"])
    if kind < 5:
        return rng.choice(["[ab]", "[^a]", "[a-c]", r"[\d_]", "[^ab]", r"[\]a]", "[b-]", "[é-ü]"])
    inner = pattern(rng, depth + 1)
    if kind == 5:
        return f"({inner})" + rng.choice(["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{2,}", "*?", "{0}"])
    if kind == 6:
        return f"(?:{inner}|{pattern(rng, depth + 1)})"
    if kind == 7:
        return f"({inner}|{pattern(rng, depth + 1)}|{pattern(rng, depth + 1)})" + rng.choice(["", "*"])
    if kind == 8:
        return rng.choice(["^", "$", r"\b", r"\B", "(?i:A)", "(?s:.)", "(?P<n>b)"]).replace("(?P<n>", "(") + inner
    return inner + pattern(rng, depth + 1)


def regexes():
    rng = random.Random(7)
    rows = []
    while len(rows) < N_PATTERNS * TEXTS_PER_PATTERN:
        text = pattern(rng)
        try:
            compiled = re.compile(text, re.ASCII)
        except re.error:
            continue
        for _ in range(TEXTS_PER_PATTERN):
            subject = "".join(rng.choice("aabbcé1_ .A\n") for _ in range(rng.randrange(6)))
            # Python's $ also matches in front of a last line break, RE2's doesn't
            found = re.compile(text.replace("$", r"\Z"), re.ASCII).fullmatch(subject) is not None
            rows.append(f"    {{ {c_text(text)}, {c_text(subject)}, {str(found).lower()} }},")
        del compiled
    return rows


def cases():
    words = ["Straße", "ΟΔΥΣΣΕΥΣ ΣΑΣ", "ĳǅ", "ﬁn", "İstanbul", "naïve Éclair", "ǆ", "ŉ", "𐐀𐐨", "ԱՒև", "ᾳ", "K", "plain"]
    return [f"    {{ {c_text(w)}, {c_text(w.lower())}, {c_text(w.upper())} }}," for w in words]


def numbers():
    def text(value):
        if numpy.isnan(value):
            return "NaN"
        # numpy knows the shortest digits; where it turns to exponents depends on its version, Python's float stays put
        return "-INF" if value == -numpy.inf else "INF" if value == numpy.inf else repr(float(str(value)))

    rows = []
    values = [0.0, -0.0, 1.0, -2.5, 0.1, 1e-4, 9.9e-5, 123456.789, 1e15, 1e16, 1.5e300, 1e-310, 3.4028235e38, 1 / 3, 65504,
              2.0 ** 60, float("nan"), float("inf"), float("-inf"), 0.47892547, 314.15926, 100, 12345678.9]
    for name, dtype in (("F32", numpy.float32), ("F64", numpy.float64), ("F16", numpy.float16)):
        for value in values:
            with numpy.errstate(over="ignore"):
                x = dtype(value)
            exact = "NAN" if numpy.isnan(x) else "-INFINITY" if x == -numpy.inf else "INFINITY" if x == numpy.inf \
                else float(x).hex()
            rows.append(f"    {{ PITH_DTYPE_{name}, {exact}, {c_text(text(x))} }},")
    for name, value in (("S64", -(2 ** 53)), ("U8", 255), ("S32", -7), ("BOOL", 1), ("BOOL", 0), ("U64", 2 ** 53)):
        shown = ("True" if value else "False") if name == "BOOL" else str(value)
        rows.append(f"    {{ PITH_DTYPE_{name}, {float(value).hex()}, {c_text(shown)} }},")
    return rows


def main():
    for name, rows in (("regex", regexes()), ("case", cases()), ("numbers", numbers())):
        head = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Written by tools/make_string_cases.py. */\n"
        (ROOT / f"strings_{name}.inc").write_text(head + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
