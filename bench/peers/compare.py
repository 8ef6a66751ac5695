#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times pith and its peers on the same models, inputs and threads, interleaved, and checks that outputs agree.

    bench/peers/run.sh [--threads 1] [--rounds 15] [--out DIR] MODEL.onnx...

Each round gives every engine one short burst, in changing order, so that a busy moment of the machine hits all of
them; the result is the median of bursts. Writes table.md and results.json to --out.
"""
import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings/python"))
import pith  # noqa: E402


class Pith:
    name = "pith"

    def __init__(self, path, feeds, threads):
        self.model = pith.Model(path, threads=threads)
        self.model.bind(feeds)

    def execute(self):
        self.model.execute()

    def outputs(self, feeds):
        return list(self.model.run(feeds).values())


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path, feeds, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.feeds = feeds

    def execute(self):
        self.session.run(None, self.feeds)

    def outputs(self, feeds):
        return self.session.run(None, feeds)


class Ncnn:
    name = "ncnn"

    def __init__(self, path, feeds, threads):
        import ncnn
        import pnnx
        self.ncnn = ncnn
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "model.onnx"
            copy.write_bytes(pathlib.Path(path).read_bytes())
            shapes = ",".join("[" + ",".join(map(str, array.shape)) + "]" for array in feeds.values())
            subprocess.run([str(pathlib.Path(pnnx.__file__).parent / "pnnx"), str(copy), f"inputshape={shapes}", "fp16=0"],
                           check=True, capture_output=True, cwd=folder, timeout=120)
            self.net = ncnn.Net()
            self.net.opt.num_threads = threads
            self.net.opt.use_vulkan_compute = False
            if self.net.load_param(str(copy.with_suffix(".ncnn.param"))) or self.net.load_model(str(copy.with_suffix(".ncnn.bin"))):
                raise RuntimeError("ncnn can't load the converted model")
        self.feeds = [numpy.ascontiguousarray(array[0]) for array in feeds.values()]

    def extract(self):
        extractor = self.net.create_extractor()
        for name, array in zip(self.net.input_names(), self.feeds):
            extractor.input(name, self.ncnn.Mat(array))
        return [extractor.extract(name)[1] for name in self.net.output_names()]

    def execute(self):
        self.extract()

    def outputs(self, feeds):
        return [numpy.array(mat) for mat in self.extract()]


def feeds_of(path):
    """Stored inputs beside the model, else random ones for fixed shapes."""
    stored = path.with_suffix(".io.npz")
    if stored.exists():
        return {key[3:]: array for key, array in numpy.load(stored).items() if key.startswith("in/")}
    import onnx
    graph, generator = onnx.load(path).graph, numpy.random.default_rng(1)
    weights = {initializer.name for initializer in graph.initializer}
    return {value.name: generator.standard_normal([max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim],
                                                  dtype=numpy.float32)
            for value in graph.input if value.name not in weights}


def difference(ours, theirs):
    """Largest error relative to the largest expected value, over outputs in order; shapes may differ by a batch of 1."""
    worst = 0.0
    for a, b in zip(ours, theirs):
        if a.size != b.size:
            return float("inf")
        scale = max(float(numpy.abs(b).max(initial=0)), 1e-9)
        worst = max(worst, float(numpy.abs(a.astype(float).ravel() - b.astype(float).ravel()).max(initial=0)) / scale)
    return worst


def burst(engine, seconds):
    """Median milliseconds of as many runs as fit."""
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        engine.execute()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def measure(path, threads, rounds, seconds):
    feeds, engines, row = feeds_of(path), [], {"model": f"{path.parent.name}/{path.stem}", "threads": threads}
    for kind in (Pith, OnnxRuntime, Ncnn):
        try:
            engine = kind(path, feeds, threads)
            outputs = engine.outputs(feeds)
        except Exception as error:  # a peer that can't run the model is part of the result
            row[kind.name] = {"error": str(error)[:200]}
            continue
        engines.append((engine, outputs))
        row[kind.name] = {"bursts": []}
    reference = engines[0][1]
    for engine, outputs in engines:
        row[engine.name]["difference"] = difference(outputs, reference)
    for _ in range(rounds):
        random.shuffle(engines)
        for engine, _ in engines:
            row[engine.name]["bursts"].append(burst(engine, seconds))
    for engine, _ in engines:
        row[engine.name]["median_ms"] = statistics.median(row[engine.name]["bursts"])
        row[engine.name]["best_ms"] = min(row[engine.name]["bursts"])
    return row


def table(rows):
    lines = ["| model | threads | pith ms | onnxruntime ms | ncnn ms | best peer / pith |", "|---|---|---|---|---|---|"]
    for row in rows:
        peers = [row[name]["median_ms"] for name in ("onnxruntime", "ncnn") if "median_ms" in row[name]]
        ours = row["pith"].get("median_ms")
        cells = [f"{row[name]['median_ms']:.3f}" if "median_ms" in row[name] else "-" for name in ("pith", "onnxruntime", "ncnn")]
        ratio = f"{min(peers) / ours:.2f}" if peers and ours else "-"
        lines.append(f"| {row['model']} | {row['threads']} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--threads", default="1", help="comma list")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--burst", type=float, default=0.15, help="seconds per engine and round")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/peers"))
    options = parser.parse_args()
    rows = []
    for path in options.models:
        for threads in map(int, options.threads.split(",")):
            rows.append(measure(path, threads, options.rounds, options.burst))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(rows, indent=1))
    (options.out / "table.md").write_text(table(rows))


main()
