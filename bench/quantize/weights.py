#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Weights alone in few bits: accuracy, size and time of networks that `pith quantize --weights` makes.

    weights.py SHARED LIBRARY TOOL FOLDER NETWORK... [--formats F[@METHOD]...]
    weights.py SHARED LIBRARY TOOL FOLDER --stories            the small language model: perplexity, agreement, greedy text

Networks are those of networks.py. Times are the least of interleaved runs on one thread, float first; they mean something
on a quiet machine alone.
"""
import argparse
import pathlib
import subprocess
import sys
import time

import numpy

import networks

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings/python"))
import pith  # noqa: E402

FORMATS = ["int8", "int4", "int4:group=32", "int4:group=32@gptq", "int4:group=32@awq", "palette4", "float16", "float8e4m3"]


def quantize(tool, model, form, samples, folder):
    weights, _, method = form.partition("@")
    calib, out = folder / "calib", folder / f"{model.stem}.{form.replace(':', '_').replace('=', '')}.onnx"
    calib.mkdir(parents=True, exist_ok=True)
    for old in calib.iterdir():
        old.unlink()
    for i, sample in enumerate(samples):
        numpy.savez(calib / f"{i:04d}.npz", **sample)
    subprocess.run([tool, "quantize", model, "--calib", calib, "-n", str(len(samples)), "--weights", weights,
                    "--method", method or "rtn", "-o", out], check=True, capture_output=True)
    return out


def outputs(model, samples):
    return numpy.array([next(iter(model.run(s).values())).ravel() for s in samples])


def least_ms(models, sample, rounds=5):
    least = [1e9] * len(models)
    for m in models:
        m.bind(sample)
        m.execute()
    for _ in range(rounds):
        for i, m in enumerate(models):
            for _ in range(3):
                start = time.perf_counter()
                m.execute()
                least[i] = min(least[i], 1e3 * (time.perf_counter() - start))
    return least


def classifier(network, formats, args):
    calibration, evaluation, labels = network.make()
    paths = [network.path] + [quantize(args.tool, network.path, f, calibration[:128], args.folder) for f in formats]
    models = [pith.Model(str(p), threads=1, library=args.library) for p in paths]
    all_scores = [outputs(m, evaluation) for m in models]
    chosen = [scores.argmax(-1) for scores in all_scores]
    background = int(all_scores[0].shape[-1] == 1001)  # a class in front of those that the labels count
    for form, path, model, classes in zip(["float32"] + formats, paths, models, chosen):
        ms = least_ms([models[0], model], evaluation[0])
        top1 = f"{100 * numpy.mean(classes == numpy.array(labels) + background):6.2f}" if labels is not None else "     -"
        print(f"| {network.name} | {form} | {top1} | {100 * numpy.mean(classes == chosen[0]):6.2f} | "
              f"{path.stat().st_size / 1024:8.0f} | {ms[0]:.3f} | {ms[1]:.3f} |", flush=True)


def stories(formats, args):
    """Texts are drawn from the float model itself: its perplexity on them is the least there can be."""
    path = args.shared / "models/stories260k/stories260k_T32.onnx"
    float_model = pith.Model(str(path), threads=1, library=args.library)
    generator, texts = numpy.random.default_rng(5), []

    def logits(model, tokens):
        return model.run({"tokens": tokens[None]})["logits"][0]

    for _ in range(160):
        tokens = numpy.zeros(32, numpy.int64)
        tokens[0] = 1
        for i in range(1, 32):
            p = numpy.exp(logits(float_model, tokens)[i - 1].astype(float))
            tokens[i] = generator.choice(512, p=p / p.sum())
        texts.append(tokens)
    paths = [path] + [quantize(args.tool, path, f, [{"tokens": t[None]} for t in texts[:64]], args.folder) for f in formats]
    known = numpy.load(args.shared / "models/stories260k/greedy60.npz")["tokens"][:32]
    reference = None
    for form, file in zip(["float32"] + formats, paths):
        model = pith.Model(str(file), threads=1, library=args.library)
        all_logits = numpy.stack([logits(model, t) for t in texts[64:]]).astype(float)
        reference = all_logits if reference is None else reference
        log_p = all_logits - numpy.log(numpy.exp(all_logits).sum(-1, keepdims=True))
        loss = -numpy.take_along_axis(log_p[:, :-1], numpy.array(texts[64:])[:, 1:, None], -1).mean()
        greedy = int((logits(model, known).argmax(-1)[:-1] == known[1:]).sum())
        print(f"| {form} | {numpy.exp(loss):.3f} | {100 * numpy.mean(all_logits.argmax(-1) == reference.argmax(-1)):.2f} | "
              f"{greedy} of 31 | {file.stat().st_size / 1024:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=pathlib.Path)
    parser.add_argument("library")
    parser.add_argument("tool")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--formats", nargs="+", default=FORMATS)
    parser.add_argument("--stories", action="store_true")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if args.stories:
        stories(args.formats, args)
    for network in networks.networks(args.shared, ROOT) if args.networks else []:
        if network.name in args.networks:
            classifier(network, args.formats, args)


if __name__ == "__main__":
    main()
