# SPDX-License-Identifier: Apache-2.0
"""Runs quantised files on samples that they were not calibrated with, beside the float network, and keeps facts (metrics.py)
of each sample; then least times of the same files, in turns.

The float network is run by ONNX Runtime, pith's files by pith and those of ONNX Runtime's quantiser by ONNX Runtime.
"""
import pickle
import random
import statistics
import time

import onnxruntime

import detection
import make
import metrics

N_CHECKED = 40      # samples on which pith's file runs in ONNX Runtime as well


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def in_ort(path):
    loaded = session(path)
    return lambda sample: loaded.run(None, sample)


def in_pith(pith, path, library, names):
    model = pith.Model(str(path), threads=1, library=str(library))

    def run(sample):
        outputs = model.run(sample)
        return [outputs[name] for name in names]
    return run


def facts_of(network, reference, output, label):
    """Of one sample."""
    facts = {"signal_noise": metrics.signal_noise(reference, output)}
    score = metrics.AGREEMENT[network.kind][2]
    if score:
        facts["agreement"] = score(reference, output, network.options)
    if network.kind in detection.DECODERS:
        facts["boxes"] = detection.detect(network.kind, output)
    if label is not None:
        facts["top1"] = metrics.right(output, label)
    return facts


def path_of(folder, network, variant):
    return folder / "facts" / f"{network.name}.{variant}.pkl"


def is_missing(folder, network, variant):
    facts, model = path_of(folder, network, variant), make.file_of(folder, network, variant)
    return model.exists() and not make.error_of(folder, network, variant).exists() and not (facts.exists() and facts.stat().st_mtime > model.stat().st_mtime)


def judge(network, variants, settings, pith):
    """Facts of the variants' files, and of the float network itself."""
    evaluation, groups, labels = network.judged()
    names = [o.name for o in session(network.path).get_outputs()]
    reference = in_ort(network.path)
    runners = {"float": reference}
    for variant in variants:
        path = make.file_of(settings.output, network, variant)
        try:
            runners[variant] = in_pith(pith, path, settings.library, names) if variant in make.PITH else in_ort(path)
        except Exception as error:      # ONNX Runtime's quantiser makes files that it can't load
            make.error_of(settings.output, network, variant).write_text(f"{type(error).__name__}: {error}"[:500])
    checked = in_ort(make.file_of(settings.output, network, "default")) if "default" in variants else None
    kept = {variant: {} for variant in [*runners, "default_in_ort"]}
    for i in range(len(evaluation)):
        sample, label = evaluation[i], labels[i] if labels is not None else None
        wanted = reference(sample)
        tried = {variant: run(sample) if variant != "float" else wanted for variant, run in runners.items()}
        if checked and i % max(len(evaluation) // N_CHECKED, 1) == 0:
            tried["default_in_ort"] = checked(sample)
        for variant, output in tried.items():
            for name, fact in facts_of(network, wanted, output, label).items():
                kept[variant].setdefault(name, []).append(fact)
    if not checked:
        del kept["default_in_ort"]
    for variant, facts in kept.items():
        path = path_of(settings.output, network, variant)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps({"facts": facts, "groups": groups}))
    return f"{network.name}: judged {', '.join(variants)} on {len(evaluation)} samples"


def ort_runner(path, sample):
    loaded = session(path)
    binding = loaded.io_binding()
    for name, array in sample.items():
        binding.bind_cpu_input(name, array)
    for output in loaded.get_outputs():
        binding.bind_output(output.name)
    return lambda: loaded.run_with_iobinding(binding)


def pith_runner(pith, path, sample, library):
    model = pith.Model(str(path), threads=1, library=str(library))
    model.bind(sample)
    return model.execute


def least_ms(run, seconds):
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def time_network(network, variants, settings, pith, rounds=5, burst=0.03):
    """Milliseconds of float32 and of each variant in its own engine, one thread: medians over rounds of the shortest run."""
    sample = network.make()[1][0]
    runs = {"float": pith_runner(pith, network.path, sample, settings.library)}
    for variant in variants:
        path = make.file_of(settings.output, network, variant)
        try:
            runs[variant] = pith_runner(pith, path, sample, settings.library) if variant in make.PITH else ort_runner(path, sample)
        except Exception as error:
            print(f"{network.name} {variant}: {error}"[:200])
    bursts = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name in random.sample(list(runs), len(runs)):
            bursts[name].append(least_ms(runs[name], burst))
    return {name: statistics.median(times) for name, times in bursts.items()}
