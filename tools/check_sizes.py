#!/usr/bin/env python3
"""Checks lengths of functions, files and parameter lists. Exceptions stand in tools/size_exceptions.txt with a reason."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUNCTION_LINES, KERNEL_FUNCTION_LINES = 60, 150
FILE_LINES, KERNEL_FILE_LINES = 600, 800
PARAMETERS, COLUMNS = 7, 120
# A definition starts in the first column and its body's brace stands alone on a line.
DEFINITION = re.compile(r"^(?!typedef|struct|enum|union|#|static const|extern|\s)[^\n;{}=]*?(\w+)\(([^;{}]*?)\)\n\{\n(.*?)^\}", re.M | re.S)


def exceptions():
    path = ROOT / "tools/size_exceptions.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}


def problems_of(path, allowed):
    relative = str(path.relative_to(ROOT))
    text = path.read_text()
    in_kernels = re.match(r"src/kernels/\w+/", relative)
    if relative not in allowed:
        n_lines, limit = text.count("\n"), KERNEL_FILE_LINES if in_kernels else FILE_LINES
        if n_lines > limit:
            yield f"{relative}: {n_lines} lines, more than {limit}"
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > COLUMNS:
                yield f"{relative}:{number}: {len(line)} columns, more than {COLUMNS}"
    for match in DEFINITION.finditer(text):
        name, parameters, body = match.groups()
        if f"{relative}:{name}" in allowed:
            continue
        limit = KERNEL_FUNCTION_LINES if in_kernels else FUNCTION_LINES
        if body.count("\n") > limit:
            yield f"{relative}: {name}() has {body.count(chr(10))} lines, more than {limit}"
        n_parameters = len(re.sub(r"\([^()]*\)", "", parameters).split(",")) if parameters.strip() != "void" else 0
        if n_parameters > PARAMETERS:
            yield f"{relative}: {name}() has {n_parameters} parameters, more than {PARAMETERS}"


def main():
    allowed, n_failed = exceptions(), 0
    files = sorted(path for folder in ("src", "include", "tests", "examples", "bench")
                   for path in (ROOT / folder).rglob("*.[ch]"))
    for path in files:
        problems = list(problems_of(path, allowed))
        n_failed += bool(problems)
        print("\n".join(problems), end="\n" if problems else "")
    print(f"{len(files) - n_failed} passed, {n_failed} failed")
    return n_failed != 0


sys.exit(main())
