#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seeds for fuzz_onnx from the ONNX backend suite: make_seeds.py OUT SUITE...

SUITE is an unpacked suite (node/test_*/model.onnx), or "wheel" for the node cases of the installed onnx package. Every
model of at most 4 KiB becomes a seed; where the inputs of its first data set are small, a second seed has them as
weights, so that the mutator can change values, too. Needs the Python packages onnx and numpy.
"""
import hashlib
import pathlib
import sys

import onnx
from onnx import numpy_helper

LIMIT = 4096


def baked(model, tensors):
    """The model with its first inputs as weights."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value, tensor in zip(model.graph.input, tensors):
        if isinstance(tensor, onnx.TensorProto):
            tensor.name = value.name
            copy.graph.initializer.append(tensor)
            for i, left in enumerate(copy.graph.input):
                if left.name == value.name:
                    del copy.graph.input[i]
                    break
    return copy


def cases_of_folder(folder):
    for path in sorted(pathlib.Path(folder).rglob("model.onnx")):
        if path.stat().st_size > LIMIT:
            continue
        tensors = []
        for i in range(16):
            file = path.parent / "test_data_set_0" / f"input_{i}.pb"
            if not file.exists():
                break
            try:
                tensors.append(onnx.TensorProto.FromString(file.read_bytes()))
            except Exception:  # a sequence or an optional
                tensors.append(None)
        yield onnx.load_model(path), tensors


def cases_of_wheel():
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        tensors = []
        for value in case.data_sets[0][0] if case.data_sets else []:
            try:
                tensors.append(numpy_helper.from_array(value))
            except Exception:  # a sequence or an optional
                tensors.append(None)
        yield case.model, tensors


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for source in sys.argv[2:]:
        for model, tensors in cases_of_wheel() if source == "wheel" else cases_of_folder(source):
            seeds = [model, baked(model, tensors)] if any(tensors) else [model]
            for seed in seeds:
                data = seed.SerializeToString()
                if len(data) <= LIMIT:
                    (out / hashlib.sha1(data).hexdigest()[:12]).write_bytes(data)
                    count += 1
    print(f"{count} seeds in {out}")


if __name__ == "__main__":
    main()
