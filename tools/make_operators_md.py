#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/operators.md: what of ONNX pith has, operator by operator, from the operator records of a build, the
schemas of the `onnx` package and the kernels that the operators' samples took in the tests.

    make_operators_md.py [BUILD] [--check]

--check compares with the committed file instead (counts as skipped without `onnx`, or with another version of it).
"""

import difflib
import os
import re
import sys
import warnings

import onnx_names

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.path.join(ROOT, "docs", "operators.md")
GROUPS = [
    ("float", ["f32", "f16", "bf16", "f64"]), ("f8", ["f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz"]),
    ("f6", ["f6e2m3", "f6e3m2"]), ("int", ["s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"]),
    ("int4", ["s4", "u4"]), ("int2", ["s2", "u2"]), ("complex", ["c64", "c128"]), ("index", ["s32", "s64"]),
    ("8-bit", ["s8", "u8"]),
]  # fmt: skip
DOMAINS = {
    "": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml: classical machine learning",
    "ai.onnx.preview.training": "ai.onnx.preview.training",
    "com.microsoft": "com.microsoft: what ONNX Runtime writes into files", "pith": "pith: for recipes",
}  # fmt: skip
HEAD = """# Operators

Made by `tools/make_operators_md.py` with onnx {version}; `tests/run.sh` compares it with the code. Don't edit.

- **versions**: the opsets in which ONNX changed the operator; in ~~struck~~ ones pith does not have it.
- **types**: of the inputs, operands of the same types together. *float* is f32, f16, bf16 and f64; *int* all of 8 to 64
  bits; *f8* the four 8-bit floats; *index* s32 and s64. *any* is all types of the standard, *moved* those of at least a byte, without
  f8: numbers, bool, complex, string. Shapes, axes and the like that are always s64 stand there, too.
- **fast**: kernel families (`src/kernels/<family>.h`) that its samples use; each is there for {isas}. *own loops*:
  written in the operator. Empty: the plain reference. Types without fast path run on the reference, too.
- **tests**: samples that run against the reference on every ISA + cases of the newest ONNX backend suite with this operator.
- *recipe*: the importer says it in other operators (`src/import/onnx/onnx_recipes.c`).
- *function*: not an operator of its own; the importer puts in the function body that the standard gives.
"""


def families():
    folder = os.path.join(ROOT, "src", "kernels")
    isas = [isa for isa in sorted(os.listdir(folder)) if os.path.isdir(os.path.join(folder, isa)) and isa != "portable"]
    names = sorted({name[:-2] for name in os.listdir(os.path.join(folder, "portable")) if name.endswith(".c") and name != "probe.c"})
    where = {
        name: [isa for isa in isas if os.path.exists(os.path.join(folder, isa, f"{name}.c"))] for name in names
    }
    return where


def kernels_of_samples(build, known):
    """{operator: families its samples took}"""
    path = os.path.join(build, "operator_kernels.tsv")
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            operator, kernel = line.rstrip("\n").split("\t")
            kernel = "transpose" if kernel == "copy" else kernel
            family = max((name for name in known if kernel.startswith(name)), key=len, default="own loops")
            if kernel != "reference":
                found.setdefault(operator, set()).add(family)
    return found


def grouped(dtypes):
    rest = set(dtypes)
    everything = {dtype for _, members in GROUPS for dtype in members} | {"bool", "string", "f8e8m0", "f4e2m1"}
    if rest - {"object"} >= everything - {"f6e2m3", "f6e3m2"}:
        return "any" + (" object" if "object" in rest else "")
    moved = everything - {"f6e2m3", "f6e3m2", "f8e8m0", "f4e2m1", "s4", "u4", "s2", "u2"} - set(GROUPS[1][1])
    if rest == moved:
        return "moved"
    words = []
    for name, members in GROUPS:
        if rest >= set(members):
            words.append(name)
            rest -= set(members)
    order = [dtype for _, members in GROUPS for dtype in members]
    return " ".join(words + sorted(rest, key=lambda dtype: (order.index(dtype) if dtype in order else 99, dtype)))


def types_text(operator):
    parts = []
    for operand in operator["inputs"]:
        text = grouped(operand["dtypes"])
        if not text:  # a place that is always empty
            continue
        if parts and parts[-1][1] == text:
            parts[-1][0].append(operand["name"])
        else:
            parts.append(([operand["name"]], text))
    if not parts:
        return grouped(operator["outputs"][0]["dtypes"])
    if len(parts) == 1:
        return parts[0][1]
    return "; ".join(f"{names[0] if len(names) == 1 else names[0] + '…'}: {text}" for names, text in parts)


def spellings(operators):
    """{(domain, name): [(since, operator)]}"""
    table = {}
    for operator in operators:
        for row in operator["spellings"]:
            table.setdefault((row["domain"], row["name"]), []).append((row["since"], operator))
    return {key: sorted(rows, key=lambda row: row[0]) for key, rows in table.items()}


def recipes():
    """{(domain, name): first version}, of the operators that the importer says in others"""
    with open(os.path.join(ROOT, "src", "import", "onnx", "onnx_recipes.c"), encoding="utf-8") as file:
        rows = re.findall(r'^    \{ (MS|"[^"]*"), "(\w+)", (\d+), ', file.read(), re.MULTILINE)
    found = {}
    for domain, name, since in rows:
        key = ("com.microsoft" if domain == "MS" else domain.strip('"'), name)
        found[key] = min(int(since), found.get(key, 99))
    return found


def backend_cases():
    """{(domain, operator type): number of node cases of the suite}"""
    warnings.simplefilter("ignore")  # numpy's, about infinities that the cases want
    from onnx.backend.test.case.node import collect_testcases  # noqa: PLC0415

    counts = {}
    for case in collect_testcases(None):
        for key in {(node.domain, node.op_type) for node in case.model.graph.node}:
            counts[key] = counts.get(key, 0) + 1
    return counts


def row_of(title, versions, operator, kernels, n_cases):
    fast = ", ".join(sorted(kernels.get(operator["name"], ())))
    own = f"`{operator['name']}`"
    return f"| {title} | {own} | {versions} | {types_text(operator)} | {fast} | {operator['samples']} + {n_cases} |"


def domain_lines(domain, schemas, table, told, kernels, cases):
    lines = ["| in files | pith | versions | types | fast | tests |", "|---|---|---|---|---|---|"]
    names = sorted({name for d, name in [*schemas, *table, *told] if d == domain})
    n_run = n_function = n_recipe = 0
    missing = []
    for name in names:
        rows = table.get((domain, name), [])
        versions = schemas.get((domain, name), [])
        n_cases = cases.get((domain, name), 0)
        has_function = versions and (versions[-1].has_function or versions[-1].has_context_dependent_function)
        first = min([since for since, _ in rows] + [told.get((domain, name), 99)])
        since = [schema.since_version for schema in versions] or sorted({first, *(since for since, _ in rows)})
        shown = ", ".join(str(v) if v >= first else f"~~{v}~~" for v in since)
        if rows:
            n_run += 1
            lines.append(row_of(name, shown, rows[-1][1], kernels, n_cases))
        elif (domain, name) in told:
            n_recipe += 1
            lines.append(f"| {name} | *recipe* | {shown} | | | {n_cases} |")
        elif has_function:
            n_function += 1
            lines.append(f"| {name} | *function* | {', '.join(map(str, since))} | | | {n_cases} |")
        else:
            missing.append(name)
            lines.append(f"| {name} | **lacking** | {', '.join(f'~~{v}~~' for v in since)} | | | {n_cases} |")
    summary = f"{n_run} operators"
    summary += f", {n_recipe} more as recipes" if n_recipe else ""
    summary += f", {n_function} more as functions" if n_function else ""
    summary += f"; lacking: {', '.join(missing)}" if missing else ""
    return [summary + ".", "", *lines]


def render(build):
    import onnx  # noqa: PLC0415

    operators = onnx_names.operators(build)
    where = families()
    table, told = spellings(operators), recipes()
    schemas, kernels, cases = onnx_names.schemas(), kernels_of_samples(build, where), backend_cases()
    lines = [HEAD.format(version=onnx.__version__, isas="the instruction sets that the last table names")]
    domains = sorted({domain for domain, _ in [*schemas, *table, *told]}, key=lambda domain: (domain not in DOMAINS, domain))
    for domain in domains:
        lines += [f"## {DOMAINS.get(domain, domain)}", "", *domain_lines(domain, schemas, table, told, kernels, cases), ""]
    own = [operator for operator in operators if not operator["spellings"]]
    lines += ["## Made by passes only", "", "| pith | types | fast | samples |", "|---|---|---|--:|"]
    for operator in own:
        fast = ", ".join(sorted(kernels.get(operator["name"], ())))
        lines.append(f"| `{operator['name']}` | {types_text(operator)} | {fast} | {operator['samples']} |")
    lines += ["", "## Kernel families", "", "Every family has a portable kernel; special ones:", ""]
    lines += ["| family | instruction sets |", "|---|---|"]
    lines += [f"| `{name}` | {', '.join(isas)} |" for name, isas in where.items()]
    return "\n".join(lines) + "\n"


def check(text):
    with open(TARGET, encoding="utf-8") as file:
        committed = file.read()
    if committed == text:
        print("1 passed, 0 failed")
        return 0
    version = re.compile(r"with onnx (\S+);")
    if version.search(committed).group(1) != version.search(text).group(1):
        print("docs/operators.md was made with another version of onnx\n0 passed, 0 failed, 1 skipped")
        return 0
    lines = difflib.unified_diff(committed.splitlines(), text.splitlines(), "committed", "now", lineterm="", n=0)
    print("\n".join(list(lines)[:40]))
    print("docs/operators.md is not what tools/make_operators_md.py makes\n0 passed, 1 failed")
    return 1


def main():
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    build = arguments[0] if arguments else "build"
    status = onnx_names.reexecute_with_onnx(build, sys.argv)
    if status is not None and status >= 0:
        return status
    if status == -1 or not os.path.exists(os.path.join(build, "operator_kernels.tsv")):
        print("the onnx package or the tests' operator_kernels.tsv isn't at hand\n0 passed, 0 failed, 1 skipped")
        return 0
    text = render(build)
    if "--check" in sys.argv:
        return check(text)
    with open(TARGET, "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
