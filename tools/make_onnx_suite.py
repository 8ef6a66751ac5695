#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the ONNX backend tests of the newest `onnx` wheel into BUILD/onnx_suite, once.

    make_onnx_suite.py [BUILD] [--python INTERPRETER] [--force]

The wheel goes into an environment of its own, BUILD/onnx-env; --python names an interpreter that has it already.
Without python's venv module, or offline, nothing is written and the last line says why (exit status 0): the tests
then count as skipped. BUILD/onnx_suite/GROUP/test_NAME holds model.onnx, test_data_set_N/{input,output}_K.pb and
`tolerance` (rtol and atol of the case); `complete` holds the wheel's version.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

PACKAGES = ["onnx", "numpy", "ml_dtypes"]
LEAST_NODE_CASES = 1800  # fewer: the wheel has changed and its cases are found elsewhere
GROUPS = ("simple", "pytorch-converted", "pytorch-operator")


def say(text):
    print(text, flush=True)


def environment_python(build):
    """The interpreter of BUILD/onnx-env, with the packages installed; None if that can't be."""
    folder = os.path.join(build, "onnx-env")
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(os.path.join(folder, "complete")):
        return python
    shutil.rmtree(folder, ignore_errors=True)
    commands = [
        [sys.executable, "-m", "venv", folder],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--timeout", "20", "--retries", "1",
         *PACKAGES],
    ]
    for command in commands:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            say(done.stdout.strip()[-600:])
            say("no ONNX suite: can't run " + " ".join(command[:4]))
            return None
    subprocess.run([*commands[1][:-len(PACKAGES)], "onnxruntime"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False)  # for tests/cli/interop.sh, which is skipped where there is none
    open(os.path.join(folder, "complete"), "w").close()
    return python


# ---- inside the environment ---------------------------------------------------------------------------------


def operand_bytes(operand, info):
    """The protobuf message that onnx's own tool stores for an operand of that type."""
    from onnx import SparseTensorProto, TensorProto, numpy_helper

    if isinstance(operand, (TensorProto, SparseTensorProto)):
        return operand.SerializeToString()
    kinds = {
        "map_type": numpy_helper.from_dict,
        "sequence_type": numpy_helper.from_list,
        "optional_type": numpy_helper.from_optional,
        "tensor_type": numpy_helper.from_array,
    }
    return kinds[info.type.WhichOneof("value")](operand, info.name).SerializeToString()


def write_tolerance(folder, rtol, atol):
    with open(os.path.join(folder, "tolerance"), "w", encoding="utf-8") as file:
        file.write(f"{rtol:g} {atol:g}\n")


def write_case(folder, model, data_sets, rtol, atol):
    os.makedirs(folder)
    with open(os.path.join(folder, "model.onnx"), "wb") as file:
        file.write(model.SerializeToString())
    for i, (inputs, outputs) in enumerate(data_sets):
        data_folder = os.path.join(folder, f"test_data_set_{i}")
        os.makedirs(data_folder)
        for kind, operands, infos in (("input", inputs, model.graph.input), ("output", outputs, model.graph.output)):
            for j, operand in enumerate(operands):
                with open(os.path.join(data_folder, f"{kind}_{j}.pb"), "wb") as file:
                    file.write(operand_bytes(operand, infos[j]))
    write_tolerance(folder, rtol, atol)


def write_node_cases(target):
    import warnings

    from onnx.backend.test.case import node

    warnings.simplefilter("ignore")  # overflows in casts are what the cases are about
    cases = node.collect_testcases()
    for case in cases:
        write_case(os.path.join(target, "node", case.name), case.model, case.data_sets, case.rtol, case.atol)
    return cases


def write_version_cases(target, cases):
    """The same and other cases in the words of older opsets."""
    import make_version_suite

    n_cases = 0
    for name, model, data_sets in [*make_version_suite.lowered_cases(cases), *make_version_suite.form_cases()]:
        write_case(os.path.join(target, "versions", name), model, data_sets, 1e-3, 1e-6)
        n_cases += 1
    return n_cases


def copy_stored_cases(target, data, group):
    """Cases that lie ready in the wheel."""
    n_cases = 0
    for name in sorted(os.listdir(os.path.join(data, group))):
        source = os.path.join(data, group, name)
        if os.path.exists(os.path.join(source, "model.onnx")):
            folder = os.path.join(target, group, name)
            shutil.copytree(source, folder)
            rtol, atol = 1e-3, 1e-7
            if os.path.exists(os.path.join(source, "data.json")):
                with open(os.path.join(source, "data.json"), encoding="utf-8") as file:
                    stored = json.load(file)
                rtol, atol = stored.get("rtol", rtol), stored.get("atol", atol)
            write_tolerance(folder, rtol, atol)
            n_cases += 1
    return n_cases


def write_more_simple_cases(target):
    """Those that the wheel's sources define, but that don't lie ready in it."""
    from onnx.backend.test.case import model as models

    n_cases = 0
    for case in models.collect_testcases():
        folder = os.path.join(target, "simple", case.name)
        if case.kind == "simple" and not os.path.exists(folder):
            write_case(folder, case.model, case.data_sets, case.rtol, case.atol)
            n_cases += 1
    return n_cases


def write_real_cases(target, data):
    """Whole networks with weights of ConstantOfShape; the runner's input is arange(n) / n."""
    import onnx
    from onnx import numpy_helper
    from onnx.backend.test.case import model as models
    from onnx.backend.test.runner import Runner

    cases = [case for case in models.collect_testcases() if case.kind == "real"]
    for case in cases:
        path = os.path.join(data, "light", os.path.basename(case.url))
        model = onnx.load(path)
        weights = {tensor.name for tensor in model.graph.initializer}
        inputs = [Runner.generate_dummy_data(info) for info in model.graph.input if info.name not in weights]
        outputs = []
        for i in range(len(model.graph.output)):
            with open(path[: -len(".onnx")] + f"_output_{i}.pb", "rb") as file:
                outputs.append(numpy_helper.to_array(onnx.load_tensor_from_string(file.read())))
        write_case(os.path.join(target, "real", case.name), model, [(inputs, outputs)], case.rtol, case.atol)
    return len(cases)


def generate(target):
    import onnx

    fresh = target + ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    data = os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data")
    cases = write_node_cases(fresh)
    counts = {"node": len(cases), "versions": write_version_cases(fresh, cases)}
    for group in GROUPS:
        counts[group] = copy_stored_cases(fresh, data, group)
    counts["simple"] += write_more_simple_cases(fresh)
    counts["real"] = write_real_cases(fresh, data)
    if counts["node"] < LEAST_NODE_CASES:
        sys.exit(f"only {counts['node']} node cases in onnx {onnx.__version__}, expected {LEAST_NODE_CASES} or more")
    with open(os.path.join(fresh, "complete"), "w", encoding="utf-8") as file:
        file.write(f"onnx {onnx.__version__}\n")
    shutil.rmtree(target, ignore_errors=True)
    os.rename(fresh, target)
    total = sum(counts.values())
    say(f"onnx {onnx.__version__}: {total} cases (" + ", ".join(f"{k} {v}" for k, v in counts.items()) + ")")


def main():
    parser = argparse.ArgumentParser(description="Writes the ONNX backend tests of the newest wheel.")
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--python", help="interpreter that has onnx and numpy; else BUILD/onnx-env is made")
    parser.add_argument("--force", action="store_true", help="write the suite again")
    parser.add_argument("--generate", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    target = os.path.join(build, "onnx_suite")
    if options.generate:
        generate(target)
        return
    if os.path.exists(os.path.join(target, "complete")) and not options.force:
        return
    python = options.python or environment_python(build)
    if python:
        subprocess.run([python, os.path.abspath(__file__), build, "--generate"], check=True)


if __name__ == "__main__":
    main()
