# SPDX-License-Identifier: Apache-2.0
"""Every network of the comparison set: `pith quantize`, then float32 against int8, interleaved, as a Markdown table.

Quantises with the stored inputs and the plainest settings (min-max ranges, nothing tried), since only speed is measured here."""
import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bindings/python"), str(ROOT / "bench/peers")]
import models  # noqa: E402
import pith  # noqa: E402

OPTIONS = "--observer min-max --no-bias-correction --no-equalization --no-mix -n 1 -t 1 --json".split()


def quantise(program, network, folder):
    """Path of the int8 network, and the nodes that stay float; (None, reason) where that fails."""
    out, samples = folder / f"{network.name}.onnx", folder / f"{network.name}.npz"
    numpy.savez(samples, **network.feeds())
    done = subprocess.run([program, "quantize", network.path, "--calib", samples, "-o", out, *OPTIONS],
                          capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1]
    report = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{"):])[0]
    return out, report.get("float_nodes") or []


def best_ms(session, seconds):
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        session.execute()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def measure(paths, feeds, options):
    """Medians over the rounds of each model's shortest run."""
    sessions = [pith.Model(str(path), threads=options.threads, library=options.library) for path in paths]
    for session in sessions:
        session.bind(feeds)
        session.execute()
    bursts = [[] for _ in sessions]
    for _ in range(options.rounds):
        for i in random.sample(range(len(sessions)), len(sessions)):
            bursts[i].append(best_ms(sessions[i], options.burst))
    return [statistics.median(burst) for burst in bursts]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder with pith and libpith.so")
    parser.add_argument("--networks", type=pathlib.Path, default=ROOT / "build/networks", help="of bench/networks/make.py")
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    parser.add_argument("--out", type=pathlib.Path, help="folder for int8 networks (default: BUILD/int8)")
    parser.add_argument("--keep", action="store_true", help="measure int8 networks of an earlier run")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--burst", type=float, default=0.03, help="seconds")
    parser.add_argument("--only", nargs="*", default=[], help="parts of names")
    options = parser.parse_args()
    options.library = str(options.build / "libpith.so")
    out = options.out or options.build / "int8"
    out.mkdir(parents=True, exist_ok=True)
    ratios = []
    print("| network | float32 ms | int8 ms | ratio | float nodes left |\n|---|---|---|---|---|")
    for network in models.comparison_set(options.networks, options.shared, out):
        if options.only and not any(part in network.name for part in options.only):
            continue
        path, left = (out / f"{network.name}.onnx", []) if options.keep else quantise(options.build / "pith", network, out)
        if not path or not path.exists():
            print(f"| {network.name} | - | - | - | {left or 'not quantised'} |", flush=True)
            continue
        floats, ints = measure([network.path, path], network.feeds(), options)
        ratios.append(floats / ints)
        print(f"| {network.name} | {floats:.3f} | {ints:.3f} | {ratios[-1]:.2f} | {len(left)} |", flush=True)
    if ratios:
        print(f"\nGeometric mean {numpy.exp(numpy.mean(numpy.log(ratios))):.2f} of {len(ratios)}; "
              f"slower: {sum(ratio < 1 for ratio in ratios)}.")


if __name__ == "__main__":
    main()
