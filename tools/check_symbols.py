#!/usr/bin/env python3
"""Checks symbols of a build folder: the shared library exports exactly what include/pith declares, a kernel object
exports one symbol, vector registers beyond the baseline appear in ISA folders only, headers compile alone."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build")
OBJECTS = BUILD / "CMakeFiles/pith_objects.dir/src"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def exported(path, *flags):
    lines = run("nm", "--defined-only", "--extern-only", *flags, str(path)).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines if len(line.split()) >= 3}


def declared():
    text = "".join(re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S) for path in (ROOT / "include/pith").glob("*.h"))
    return set(re.findall(r"\b(pith_\w+)\([^;{}]*\);", text)) - set(re.findall(r"\(\*(pith_\w+)\)", text))


def check_exports():
    wrong = exported(BUILD / "libpith.so", "--dynamic") ^ declared()
    return [f"exported by the library or declared in include/, but not both: {name}" for name in sorted(wrong)]


def check_kernels():
    for path in sorted(OBJECTS.glob("kernels/*/*.o")):
        symbols = exported(path)
        if len(symbols) != 1:
            yield f"{path.relative_to(OBJECTS)} exports {len(symbols)} symbols instead of one: {' '.join(sorted(symbols))}"


def check_vectors():
    for path in sorted(OBJECTS.rglob("*.o")):
        if "kernels/x86_" not in str(path) and re.search(r"%[yz]mm", run("objdump", "-d", str(path))):
            yield f"{path.relative_to(OBJECTS)} uses wide vector registers outside of an ISA folder"


def check_headers():
    for path in sorted((ROOT / "include/pith").glob("*.h")):
        for compiler, language, standard in (("gcc", "c", "c99"), ("g++", "c++", "c++17")):
            if shutil.which(compiler):
                command = [compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only",
                           "-I", str(ROOT / "include"), str(path)]
                if subprocess.run(command, capture_output=True).returncode != 0:
                    yield f"{path.relative_to(ROOT)} does not compile alone as {standard}"


def main():
    checks = [check_exports, check_kernels, check_headers]
    if (OBJECTS / "kernels/x86_avx2").exists():
        checks.append(check_vectors)
    n_failed = 0
    for check in checks:
        problems = list(check())
        n_failed += bool(problems)
        print("\n".join(problems), end="\n" if problems else "")
    print(f"{len(checks) - n_failed} passed, {n_failed} failed")
    return n_failed != 0


sys.exit(main())
