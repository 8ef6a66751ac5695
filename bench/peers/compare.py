#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times pith and its peers on the same models, inputs and threads, interleaved, and checks that the outputs agree.

    bench/peers/run.sh [--threads 1,2] [--only REGEX] [--quick] [--int8] [--out build/peers] [MODEL.onnx...]

Without models: the comparison set (bench/networks/make.py and the real networks of ../shared). Every engine is a process of its
own, so that load time, memory and crashes are its own. Each round gives every engine one burst, in random order, while the others
are stopped; the result is the median of bursts. Results are kept in OUT/results/ by network and threads; what is there is not
measured again (--again does), so a run can be made in pieces. The end of every run writes OUT/table.md, OUT/results.json and
OUT/plot.svg from all results there are. With --int8: the same for int8 forms (int8.py), into OUT/results8/, OUT/table8.md.
"""
import argparse
import json
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

import convert
import int8
import models
import report
from engines import ROOT, fitted

HERE = pathlib.Path(__file__).resolve().parent


class Worker:
    """A process with one engine; `ready` is its first answer, or what went wrong."""

    def __init__(self, name, network, path, threads, folder):
        self.name, self.arrays = name, None
        self.out, self.words = pathlib.Path(folder) / f"{name}.npz", pathlib.Path(folder) / f"{name}.log"
        command = [sys.executable, HERE / "worker.py", name, path, network.feeds_path, threads, self.out]
        with open(self.words, "w") as words:
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True)
        self.ready = self.answer()
        if "error" in self.ready:
            self.close()
        else:
            self.arrays = list(numpy.load(self.out).values())
            self.process.send_signal(signal.SIGSTOP)

    def answer(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        code = self.process.wait()
        last = (self.words.read_text(errors="replace").strip() or "no words").splitlines()[-1]
        return {"error": (f"killed by signal {-code}" if code < 0 else f"exit code {code}") + f": {last[-200:]}"}

    def burst(self, seconds):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        answer = self.answer()
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def close(self):
        self.process.kill()
        self.process.wait()


def error_of(expected, got):
    """The largest error relative to the largest expected value; infinite when shapes can't be brought together."""
    if expected.size != got.size:
        return float("inf")
    squeezed = got.reshape([dim for dim in got.shape if dim != 1])
    try:
        got = fitted(squeezed, [dim for dim in expected.shape if dim != 1])
    except ValueError:
        pass  # an engine that flattens
    scale = max(float(numpy.abs(expected).max(initial=0)), 1e-9)
    return float(numpy.abs(expected.astype(float).ravel() - got.astype(float).ravel()).max(initial=0)) / scale


def difference(reference, outputs):
    """Engines order outputs differently: each expected output counts with the one that fits it best."""
    return max(min((error_of(expected, got) for got in outputs), default=float("inf")) for expected in reference)


def start(network, threads, options, folder):
    """Every engine `options.starts` times, one after the other; the last process stays. Of times and memory the least counts."""
    row, workers = {}, {}
    for name in options.engines:
        path, problem = (int8 if options.int8 else convert).result_of(name, network, options.converted)
        row[name] = {"error": problem} if not path else {"path": path, "starts": []}
    for _ in range(options.starts):
        for name, ready in row.items():
            if "error" in ready:
                continue
            if name in workers:
                workers.pop(name).close()
            worker = Worker(name, network, ready["path"], threads, folder)
            if worker.arrays is None:
                row[name] = worker.ready
            else:
                ready["starts"].append(worker.ready)
                workers[name] = worker
    for name in workers:
        starts = row[name]["starts"]
        row[name] = {**min(starts, key=report.start_of), "peak_mb": min(one["peak_mb"] for one in starts), "n_starts": len(starts)}
    return row, list(workers.values())


def check(row, workers):
    """Against the engine that most others agree with, onnxruntime where there are several."""
    def followers(judge):
        agree = sum(difference(judge.arrays, worker.arrays) < report.AGREES for worker in workers)
        return agree, judge.name == "onnxruntime"
    judge = max(workers, key=followers, default=None)
    for worker in workers:
        row[worker.name]["difference"] = difference(judge.arrays, worker.arrays)


def measure(network, threads, options):
    with tempfile.TemporaryDirectory() as folder:
        row, workers = start(network, threads, options, folder)
        try:
            if options.int8:
                int8.check(row, workers, network)
            else:
                check(row, workers)
            if options.starts_only:
                return {"network": network.name, "threads": threads, "engines": row}
            bursts = {worker.name: [] for worker in workers}
            for _ in range(options.rounds):
                for worker in random.sample(workers, len(workers)):
                    if worker.name not in bursts:
                        continue
                    result = worker.burst(options.burst)
                    if "error" in result:
                        row[worker.name] = result
                        del bursts[worker.name]
                    else:
                        bursts[worker.name].append(result)
            for name, results in bursts.items():
                row[name]["ms"] = statistics.median(result["median"] for result in results)
                row[name]["best_ms"] = min(result["best"] for result in results)
        finally:
            for worker in workers:
                worker.close()
    return {"network": network.name, "threads": threads, "macs": macs_of(network), "engines": row}


def macs_of(network):
    """Multiply-adds of one run as pith counts them, Winograd or not; None when unknown."""
    shapes = [word for name, array in network.feeds().items() for word in ("--shape", f"{name}={'x'.join(map(str, array.shape))}")]
    done = subprocess.run([ROOT / "build/pith", "info", "--json", network.path, *shapes], capture_output=True, text=True)
    return json.loads(done.stdout).get("macs") if done.returncode == 0 else None


def peak_of(options):
    """GFLOP/s of one core, measured once per output folder."""
    stored = options.out / "peak.json"
    if not stored.exists():
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "peak"
            subprocess.run(["cc", "-O3", "-march=native", "-ffp-contract=fast", "-o", program, HERE / "peak.c"], check=True)
            stored.write_text(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
    return json.loads(stored.read_text())


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    parser.add_argument("--threads", default="1,2", help="comma list")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--burst", type=float, default=0.1, help="seconds per engine and round")
    parser.add_argument("--starts", type=int, default=3, help="processes per engine for load, first run and memory; the least counts")
    parser.add_argument("--starts-only", action="store_true", help="measure those anew and keep the other times of stored results")
    parser.add_argument("--quick", action="store_true", help="5 rounds of 30 ms")
    parser.add_argument("--only", default="", help="regular expression over the names of networks")
    parser.add_argument("--engines", default=",".join(report.ENGINES), help="comma list; pith is always in")
    parser.add_argument("--int8", action="store_true", help="int8 forms of the networks instead")
    parser.add_argument("--again", action="store_true", help="measure (and convert what failed) again")
    parser.add_argument("--prepare", action="store_true", help="convert only")
    parser.add_argument("--report", action="store_true", help="write the tables and the plot only")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/peers")
    parser.add_argument("--networks", type=pathlib.Path, default=ROOT / "build/networks")
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    parser.add_argument("--onnx2tf", type=pathlib.Path, help="converter for LiteRT, of an environment that has it")
    options = parser.parse_args()
    options.out = options.out.resolve()
    options.converted = options.out / "converted"
    if options.int8:
        options.engines = ",".join(int8.ENGINES)
    options.engines = ["pith"] + [name for name in options.engines.split(",") if name != "pith"]
    if options.quick:
        options.rounds, options.burst = 5, 0.03
    options.results = options.out / ("results8" if options.int8 else "results")
    options.results.mkdir(parents=True, exist_ok=True)
    return options


def main():
    options = parsed()
    chosen = [models.network(path, options.out) for path in options.models] or \
        models.comparison_set(options.networks, options.shared, options.out)
    chosen = [network for network in chosen if re.search(options.only, network.name)]
    if not chosen:
        sys.exit("no network fits: give MODEL.onnx, or make the comparison set with bench/networks/make.py")
    for network in chosen if not options.report else []:
        for engine in options.engines:
            if engine in convert.FILES:
                convert.convert(engine, network, options)
        if options.int8:
            convert.convert("mnn", network, options)
            int8.prepare(network, options)
    if options.prepare:
        return
    for network in chosen if not options.report else []:
        for threads in map(int, options.threads.split(",")):
            stored = options.results / f"{network.name}.{threads}.json"
            if options.starts_only and not stored.exists():
                print(f"{network.name}, {threads} thread(s): no stored result whose starts could be measured anew", file=sys.stderr)
            elif options.starts_only:
                row = json.loads(stored.read_text())
                for name, result in measure(network, threads, options)["engines"].items():
                    before = {} if "error" in result else row["engines"].get(name, {})
                    row["engines"][name] = {**{key: value for key, value in before.items() if key != "error"}, **result}
                stored.write_text(json.dumps(row, indent=1))
                print(report.start_line(row), flush=True)
            elif not stored.exists() or options.again:
                row = measure(network, threads, options)
                row["time"] = time.strftime("%Y-%m-%dT%H:%M:%S")
                stored.write_text(json.dumps(row, indent=1))
                print((int8 if options.int8 else report).line(row), flush=True)
    if options.int8:
        int8.write(options.out)
    else:
        report.write(options.out, peak_of(options))


main()
