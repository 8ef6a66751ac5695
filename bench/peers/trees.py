#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times an ensemble of 100 trees of depth 8 (30 features) for 1 and 1000 rows in pith and ONNX Runtime.

    trees.py [LIBPITH]      (needs numpy, onnx and onnxruntime; default: build/libpith.so)
"""
import os
import pathlib
import sys
import tempfile
import time

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bindings/python"))
import pith  # noqa: E402

TREES, DEPTH, FEATURES = 100, 8, 30


def ensemble(n_rows):
    random = np.random.default_rng(0)
    n = 2 ** (DEPTH + 1) - 1
    first_leaf = 2 ** DEPTH - 1
    inner = np.arange(n) < first_leaf
    per_tree = {"nodeids": np.arange(n), "truenodeids": np.where(inner, 2 * np.arange(n) + 1, 0),
                "falsenodeids": np.where(inner, 2 * np.arange(n) + 2, 0)}
    nodes = {f"nodes_{k}": np.tile(v, TREES).tolist() for k, v in per_tree.items()}
    every = np.tile(inner, TREES)
    trees = np.repeat(np.arange(TREES), n)
    attributes = {
        **nodes, "nodes_treeids": trees.tolist(), "nodes_modes": np.where(every, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_featureids": np.where(every, random.integers(FEATURES, size=every.size), 0).tolist(),
        "nodes_values": np.where(every, random.standard_normal(every.size) * 0.7, 0).tolist(),
        "target_treeids": trees[~every].tolist(), "target_nodeids": np.tile(np.arange(first_leaf, n), TREES).tolist(),
        "target_ids": [0] * int((~every).sum()), "target_weights": random.standard_normal((~every).sum()).tolist(),
        "n_targets": 1}
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph([node], "trees",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [n_rows, FEATURES])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [n_rows, 1])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def best_us(run, repeats):
    best = float("inf")
    for _ in range(7):
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        best = min(best, (time.perf_counter() - start) / repeats)
    return best * 1e6


def main():
    library = sys.argv[1] if len(sys.argv) > 1 else None
    print("rows threads   pith us   onnxruntime us   ratio")
    for n_rows, repeats in ((1, 2000), (1000, 60)):
        x = np.random.default_rng(1).standard_normal((n_rows, FEATURES)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "trees.onnx")
            pathlib.Path(path).write_bytes(ensemble(n_rows).SerializeToString())
            for threads in (1, 2):
                model = pith.Model(path, threads=threads, library=library)
                options = ort.SessionOptions()
                options.intra_op_num_threads = threads
                session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
                binding = session.io_binding()
                binding.bind_cpu_input("x", x)
                binding.bind_output("y")
                difference = np.abs(model.run({"x": x})["y"] - session.run(None, {"x": x})[0]).max()
                assert difference < 1e-4, difference
                model.bind({"x": x})
                times = [(best_us(model.execute, repeats),
                          best_us(lambda: session.run_with_iobinding(binding), repeats)) for _ in range(2)]
                ours, theirs = (min(column) for column in zip(*times))
                print(f"{n_rows:4d} {threads:7d} {ours:9.1f} {theirs:16.1f} {theirs / ours:7.2f}")


if __name__ == "__main__":
    main()
