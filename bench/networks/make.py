#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the comparison set: published architectures with random weights, as ONNX files. Needs numpy and onnx.

    bench/networks/make.py [-o build/networks] [--only REGEX] [--list]

The same seed gives the same file. Weights are scaled so that values keep a variance near one through the network
(no overflow, no denormals). Beside NAME.onnx stands NAME.io.npz with one set of inputs ("in/NAME").
"""
import argparse
import pathlib
import re
import sys

import numpy
import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import classify  # noqa: E402
import pictures  # noqa: E402
import sequences  # noqa: E402


def feeds_of(model):
    """Standard normal images and frames, uniform token ids."""
    generator, feeds = numpy.random.default_rng(1), {}
    for value in model.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            feeds[f"in/{value.name}"] = generator.integers(0, 30000, shape)
        else:
            feeds[f"in/{value.name}"] = generator.standard_normal(shape, dtype=numpy.float32)
    return feeds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=pathlib.Path, default=pathlib.Path("build/networks"))
    parser.add_argument("--only", default="", help="regular expression over the names")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for make in classify.NETWORKS + pictures.NETWORKS + sequences.NETWORKS:
        if not re.search(options.only, make.__name__):
            continue
        if options.list:
            print(make.__name__)
            continue
        net = make()
        model, path = net.model(), options.out / f"{net.name}.onnx"
        onnx.save(model, path)
        numpy.savez(path.with_suffix(".io.npz"), **feeds_of(model))
        parameters = sum(int(numpy.prod(weight.dims)) for weight in model.graph.initializer)
        print(f"{net.name:24} {len(model.graph.node):4} nodes {parameters / 1e6:8.2f} M parameters  {path.stat().st_size / 1e6:7.1f} MB", flush=True)


main()
