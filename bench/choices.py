#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far the kernels that pith chooses by estimate are from the fastest of those that fit: tunes every network given
(`pith tune` times all ways for each step, then the whole) and prints what the choice by timing gains."""
import argparse
import json
import pathlib
import subprocess
import tempfile


def tune(pith, network, threads, seconds):
    with tempfile.TemporaryDirectory() as folder:
        command = [pith, "tune", str(network), "--json", "--threads", str(threads), "--max-secs", str(seconds),
                   "--output", str(pathlib.Path(folder) / "choices.tune")]
        result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        return None, (result.stderr.strip().splitlines() or ["no words"])[-1]
    return json.loads(result.stdout), None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pith", help="the program")
    parser.add_argument("networks", nargs="+", type=pathlib.Path, help="ONNX files")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-secs", type=float, default=8.0, help="time for each network (default 8)")
    parser.add_argument("--limit", type=float, default=3.0, help="percent from which on a network counts (default 3)")
    arguments = parser.parse_args()
    far = []
    print(f"{'network':40} {'steps':>6} {'changed':>8} {'estimate ms':>12} {'timed ms':>10} {'gain':>7} {'turns won':>10}")
    for network in arguments.networks:
        report, error = tune(arguments.pith, network, arguments.threads, arguments.max_secs)
        if error:
            print(f"{network.stem:40} {error}")
            continue
        gain = 100.0 * (1.0 - report["tuned_ms"] / report["default_ms"]) if report["tuned_ms"] else 0.0
        print(f"{network.stem:40} {report['steps']:6} {report['changed']:8} {report['default_ms']:12.3f} "
              f"{report['tuned_ms']:10.3f} {gain:5.1f} % {report['turns_won']:5}/{report['turns']}", flush=True)
        far += [network.stem] if gain > arguments.limit and report["is_kept"] else []
    print(f"{len(far)} of {len(arguments.networks)} gain more than {arguments.limit:g} %" + (": " + ", ".join(far) if far else ""))


if __name__ == "__main__":
    main()
