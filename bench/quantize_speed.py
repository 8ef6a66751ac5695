# SPDX-License-Identifier: Apache-2.0
"""Every network of the comparison set: `pith quantize`, then float32 against int8, interleaved, as a Markdown table.

Quantises with the stored inputs and the plainest settings (everything int8, min-max ranges, no stage that only makes results more
exact), since only speed is measured here. Where others use the machine, `--prepare` writes the int8 networks, and `--keep` measures
them later."""
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

STAGES = "equalization,absorption,smoothing,splitting,relu6,refinement,rounding,adaround,bias-correction"
OPTIONS = f"--int8 --no-timing --observer min-max --without {STAGES} -n 1 -t 1 --json".split()


def quantise(program, network, folder):
    """Path of the int8 network, and the nodes that stay float; (None, reason) where that fails."""
    out, samples = int8_path(folder, network), folder / f"{network.name}.npz"
    numpy.savez(samples, **network.feeds())
    done = subprocess.run([program, "quantize", network.path, "--calib", samples, "-o", out, *OPTIONS],
                          capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1]
    out.with_suffix(".json").write_text(done.stdout[done.stdout.index("{"):])
    return out, float_nodes(out)


def int8_path(folder, network):
    return folder / f"{network.name}.onnx"


def float_nodes(path):
    """Of the report beside an int8 network."""
    report = path.with_suffix(".json")
    return json.JSONDecoder().raw_decode(report.read_text())[0].get("float_nodes") or [] if report.exists() else []


def plain(name):
    return name.replace("/", "_").replace(":", "_")


def bind(session, feeds):
    """Files of stored inputs may have names without slashes and colons."""
    by_name = {plain(name): array for name, array in feeds.items()}
    names = [tensor.name.decode() for tensor in session.inputs]
    session.bind({name: by_name[plain(name)] for name in names})


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
        bind(session, feeds)
        session.execute()
    bursts = [[] for _ in sessions]
    for _ in range(options.rounds):
        for i in random.sample(range(len(sessions)), len(sessions)):
            bursts[i].append(best_ms(sessions[i], options.burst))
    return [statistics.median(burst) for burst in bursts]


def wanted(options, out):
    networks = models.comparison_set(options.networks, options.shared, out)
    return [network for network in networks if not options.only or any(part in network.name for part in options.only)]


def prepare(options, out):
    for network in wanted(options, out):
        if not int8_path(out, network).exists():
            path, left = quantise(options.build / "pith", network, out)
            print(f"{network.name}: {f'{len(left)} nodes stay float' if path else left}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder with pith and libpith.so")
    parser.add_argument("--networks", type=pathlib.Path, default=ROOT / "build/networks", help="of bench/networks/make.py")
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    parser.add_argument("--out", type=pathlib.Path, help="folder for int8 networks (default: BUILD/int8)")
    parser.add_argument("--keep", action="store_true", help="measure int8 networks of an earlier run")
    parser.add_argument("--prepare", action="store_true", help="write int8 networks that are missing, measure nothing")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no network after this time; the last line says which is next")
    parser.add_argument("--after", default="", help="leave out networks up to this name")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--burst", type=float, default=0.03, help="seconds")
    parser.add_argument("--only", nargs="*", default=[], help="parts of names")
    options = parser.parse_args()
    options.library = str(options.build / "libpith.so")
    out = options.out or options.build / "int8"
    out.mkdir(parents=True, exist_ok=True)
    if options.prepare:
        return prepare(options, out)
    ratios, end, rest = [], time.perf_counter() + options.seconds, [network.name for network in wanted(options, out)]
    rest = rest[rest.index(options.after) + 1:] if options.after else rest
    print("| network | float32 ms | int8 ms | ratio | float nodes left |\n|---|---|---|---|---|")
    for network in wanted(options, out):
        if network.name not in rest:
            continue
        if time.perf_counter() > end:
            print(f"next: {network.name}")
            break
        kept = int8_path(out, network)
        path, left = (kept, float_nodes(kept) if kept.exists() else []) if options.keep else quantise(options.build / "pith", network, out)
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
