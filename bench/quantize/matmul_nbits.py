#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Products with 4- and 8-bit weights: pith against ONNX Runtime's MatMulNBits, interleaved, on one thread.

    matmul_nbits.py LIBRARY FOLDER [K N]

accuracy_level 1 asks for float32 sums, 4 lets rows be rounded to 8 bits. GB/s counts packed weights and scales; the same for a plain read of as many bytes.
"""
import pathlib
import sys
import time

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bindings/python"))
import pith  # noqa: E402


def make(path, m, k, n, bits, block, level):
    random = numpy.random.default_rng(0)
    b = random.integers(0, 256, (n, k // block, block * bits // 8)).astype(numpy.uint8)
    s = random.uniform(0.001, 0.01, (n, k // block)).astype(numpy.float32)
    node = helper.make_node("MatMulNBits", ["a", "b", "s"], ["y"], domain="com.microsoft", K=k, N=n, bits=bits,
                            block_size=block, accuracy_level=level)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("a", TensorProto.FLOAT, [m, k])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])],
                              [numpy_helper.from_array(b, "b"), numpy_helper.from_array(s, "s")])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return b.nbytes + s.nbytes


def main():
    library, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    k, n = (int(x) for x in sys.argv[3:5]) if len(sys.argv) > 4 else (4096, 4096)
    folder.mkdir(parents=True, exist_ok=True)
    print("| rows | bits | block | level | pith ms | ONNX Runtime ms | ratio | pith GB/s | plain read GB/s |")
    print("|---|---|---|---|---|---|---|---|---|")
    shapes = ((1, 4, 32), (1, 4, 128), (1, 8, 128), (8, 4, 32), (128, 4, 32))
    for m, bits, block, level in [(*shape, level) for level in (1, 4) for shape in shapes]:
        path = str(folder / f"nbits_{m}_{bits}_{block}_{level}.onnx")
        n_bytes = make(path, m, k, n, bits, block, level)
        a = numpy.random.default_rng(1).standard_normal((m, k)).astype(numpy.float32)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        theirs = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        ours = pith.Model(path, threads=1, library=library)
        ours.bind({"a": a})
        ours.execute()
        words = numpy.ones(n_bytes // 8, numpy.int64)
        runs = [ours.execute, lambda: theirs.run(None, {"a": a}), words.max]
        least = [1e9] * 3
        end = time.perf_counter() + 2.0
        while time.perf_counter() < end:
            for i, run in enumerate(runs):
                start = time.perf_counter()
                run()
                least[i] = min(least[i], time.perf_counter() - start)
        print(f"| {m} | {bits} | {block} | {level} | {1e3 * least[0]:.3f} | {1e3 * least[1]:.3f} | {least[1] / least[0]:.2f} | "
              f"{n_bytes / least[0] / 1e9:.1f} | {n_bytes / least[2] / 1e9:.1f} |", flush=True)


if __name__ == "__main__":
    main()
