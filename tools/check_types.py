#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the element types that pith's operators take with the type constraints of the newest schemas in `onnx`.

    check_types.py [BUILD]

Fails on every type that the standard has for an operand and pith refuses. Operators that pith lacks are listed.
"""

import sys

import onnx_names

# (operator, type) -> why pith refuses what the schema's constraint lists
EXCEPTIONS = {
    ("GridSample", "string"): "strings can't be interpolated",
    ("Col2Im", "string"): "strings can't be added",
}
# Spelled by an operator that is only the last of several nodes; its operands are not those of the schema.
SEVERAL_NODES = ("FlexAttention", "Gradient", "LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier")


def find_operator(operators, domain, name):
    best = None
    for operator in operators:
        for spelling in operator["spellings"]:
            if spelling["domain"] == domain and spelling["name"] == name:
                if best is None or spelling["since"] > best[0]:
                    best = spelling["since"], operator
    return best and best[1]


def refused_types(schema, operator):
    constraints = {row.type_param_str: row.allowed_type_strs for row in schema.type_constraints}
    for formal, own, kind in ((schema.inputs, operator["inputs"], "input"), (schema.outputs, operator["outputs"], "output")):
        for index, operand in enumerate(formal):
            if index >= len(own) and own and own[-1]["variadic"]:
                index = len(own) - 1
            if index >= len(own):
                yield f"{kind} {index} ({operand.name}) is unknown"
                break
            allowed = {onnx_names.dtype_of(text) for text in constraints.get(operand.type_str, [operand.type_str])}
            missing = sorted(allowed - set(own[index]["dtypes"]))
            missing = [dtype for dtype in missing if (schema.name, dtype) not in EXCEPTIONS]
            if missing:
                yield f"{kind} {index} ({operand.name}) refuses {' '.join(missing)}"


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    status = onnx_names.reexecute_with_onnx(build, sys.argv)
    if status == -1:
        print("the onnx package isn't at hand\n0 passed, 0 failed, 1 skipped")
        return 0
    if status is not None:
        return status
    operators = onnx_names.operators(build)
    n_passed = n_failed = 0
    lacking = []
    for (domain, name), versions in onnx_names.schemas().items():
        operator = find_operator(operators, domain, name)
        title = f"{domain}.{name}" if domain else name
        if not operator:
            if not versions[-1].has_function and not versions[-1].has_context_dependent_function:
                lacking.append(title)
            continue
        problems = [] if name in SEVERAL_NODES else list(refused_types(versions[-1], operator))
        n_passed += not problems
        n_failed += bool(problems)
        for problem in problems:
            print(f"{title}: {problem}")
    if lacking:
        print(f"pith lacks {', '.join(lacking)}")
    print(f"{n_passed} passed, {n_failed} failed, {len(lacking)} skipped")
    return n_failed != 0


if __name__ == "__main__":
    sys.exit(main())
