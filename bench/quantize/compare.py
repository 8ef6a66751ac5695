#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""int8 by pith and by ONNX Runtime's quantiser, from the same calibration samples, judged on other data; as Markdown tables.

Steps, each of which goes on where it was left (results are kept by network and file in the folder):
  make   quantised files: `pith quantize` with different options, ONNX Runtime's calibrators
  judge  runs them beside the float network
  time   least times of the files in turns, one thread: on a quiet machine alone
  table  writes tables.md
`pith quantize` without options (file "default") times the network while it decides: made on a quiet machine, too. Everything
else doesn't depend on the machine:

    run.sh --steps make,judge --files int8,drop,ort ; run.sh --steps make --files default ; run.sh --steps judge,time,table
"""
import argparse
import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import os
import pathlib
import re
import sys
import time

import judge
import make
import networks
import spread
import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings/python"))
import pith  # noqa: E402

# entropy was the best calibrator for no network: "ort_entropy" makes it nonetheless
GROUPS = {"ort": ["ort_minmax", "ort_percentile"], "ort_tensor": ["ort_tensor_minmax", "ort_tensor_percentile"],
          "ruined": ["tensor", "raw_tensor", "raw_channel"]}
TIMED_ORT = "ort_minmax"     # calibrators differ in scales, not in what runs
# where one scale per tensor is known to ruin networks, and networks that are made so
RUINED = ("mobilenet_v2", "mobilenet_v1_0.25", "prisma", "ppocr_rec", "mlperf_kws")
SPREAD = (("mlperf_kws", False), ("resnet20", False), ("mobilenet_v2", False), ("mobilenet_v2", True))
BITS4 = ("mlperf_kws", "resnet20", "mobilenet_v2")


def thinned(network, most):
    """Its views; every n-th where there are more."""
    evaluation, groups, labels = network.judged()
    kept = range(0, len(evaluation), -(-len(evaluation) // most))
    return networks.Lazy(kept, evaluation.__getitem__), [groups[i] for i in kept], [labels[i] for i in kept] if labels is not None else None


def spread_networks(known, folder):
    """The same networks with channels of different ranges; float outputs stay what they are."""
    folder = folder / "spread"
    folder.mkdir(parents=True, exist_ok=True)
    for name, relu in SPREAD:
        base = known[name]
        for sigma in (0.0, 1.0, 1.5) if relu else (1.0, 1.5):
            path = folder / f"{name}{'_relu' if relu else ''}_spread{sigma:g}.onnx"
            if not path.exists():
                spread.spread(base.path, path, sigma, relu)
            yield dataclasses.replace(base, name=path.stem, path=path, options={**base.options, "spread": sigma},
                                      views=functools.partial(thinned, base, 900))


def all_networks(settings):
    """By name."""
    known = {network.name: network for network in networks.networks(settings.shared, ROOT)}
    return known | {network.name: network for network in spread_networks(known, settings.output)}


def has(network, variant):
    """Is this file wanted for this network?"""
    ruined = network.name in RUINED or "spread" in network.options
    if variant.startswith("bits4"):
        return network.name in BITS4
    if variant in GROUPS["ruined"] or variant in GROUPS["ort_tensor"]:
        return ruined
    return "spread" not in network.options or variant in ("int8", "ort_minmax", "ort_percentile")


def start_worker(cores):
    """With several jobs each has a core of its own, so that times which a quantiser measures are those of a core alone."""
    core = cores.get() if cores else None
    if core is not None:
        os.sched_setaffinity(0, {core})


def make_one(name, variant, settings):
    return make.make(all_networks(settings)[name], variant, settings)


def judge_one(name, variants, settings):
    network = all_networks(settings)[name]
    return judge.judge(dataclasses.replace(network, views=functools.partial(thinned, network, settings.most)), variants, settings, pith)


def in_turn(tasks, settings):
    """Runs (function, arguments) on --jobs cores; begins none after --seconds."""
    end, cores = time.monotonic() + settings.seconds, None
    if settings.jobs > 1:
        cores = multiprocessing.Manager().Queue()
        for core in sorted(os.sched_getaffinity(0))[:settings.jobs]:
            cores.put(core)
    with concurrent.futures.ProcessPoolExecutor(settings.jobs, initializer=start_worker, initargs=(cores,)) as pool:
        running, left = set(), list(tasks)
        while running or (left and time.monotonic() < end):
            while left and len(running) < settings.jobs and time.monotonic() < end:
                function, *given = left.pop(0)
                running.add(pool.submit(function, *given, settings))
            done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                print(future.exception() or future.result(), flush=True)
    if left:
        print(f"{len(left)} left: run it again", flush=True)


def files_to_make(known, settings):
    for variant in settings.files:
        for network in known:
            exists = make.file_of(settings.output, network, variant).with_suffix(".json").exists() or (
                make.error_of(settings.output, network, variant).exists())
            if has(network, variant) and (settings.again or not exists):
                yield make_one, network.name, variant


def files_to_judge(known, settings):
    for network in known:
        missing = [v for v in [*make.PITH, *make.ORT] if judge.is_missing(settings.output, network, v)]
        if missing:
            yield judge_one, network.name, missing


def time_all(known, settings):
    end = time.monotonic() + settings.seconds
    for network in known:
        path = settings.output / "times" / f"{network.name}.json"
        path.parent.mkdir(exist_ok=True)
        if "spread" in network.options or (path.exists() and not settings.again) or time.monotonic() > end:
            continue
        variants = [v for v in ("int8", "default", "drop", TIMED_ORT) if make.file_of(settings.output, network, v).exists()]
        path.write_text(json.dumps(judge.time_network(network, variants, settings, pith)))
        print(network.name, path.read_text(), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared", help="folder of real models and data")
    parser.add_argument("--steps", default="make,judge,time,table", help="with commas")
    parser.add_argument("--files", default="int8,default,drop,ort,ruined,ort_tensor,bits4,bits4_uniform", help="which to make, with commas")
    parser.add_argument("--only", default="", help="regular expression of names")
    parser.add_argument("--again", action="store_true", help="also what has a result")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin nothing after this time")
    parser.add_argument("--jobs", type=int, default=1, help="at the same time, each on a core of its own")
    parser.add_argument("--most", type=int, default=10000, help="samples to judge with, spread over all; the same for all files of a network")
    parser.add_argument("--pith", type=pathlib.Path, default=ROOT / "build/pith")
    parser.add_argument("--library", type=pathlib.Path, default=ROOT / "build/libpith.so")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "build/quantize")
    parser.add_argument("extra", nargs="*", help="more options of pith quantize for all files, after --")
    settings = parser.parse_args()
    settings.files = [v for name in settings.files.split(",") for v in GROUPS.get(name, [name])]
    known = [n for n in all_networks(settings).values() if re.search(settings.only, n.name)]
    for step in settings.steps.split(","):
        if step == "time":
            time_all(known, settings)
        elif step == "table":
            (settings.output / "tables.md").write_text(tables.everything(settings.output, list(all_networks(settings).values()), RUINED))
        else:
            in_turn({"make": files_to_make, "judge": files_to_judge}[step](known, settings), settings)


if __name__ == "__main__":
    main()
