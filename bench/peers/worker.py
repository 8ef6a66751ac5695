# SPDX-License-Identifier: Apache-2.0
"""One engine with one model in one process, driven by compare.py over pipes: worker.py ENGINE MODEL FEEDS.npz THREADS OUT.npz

Writes one line of JSON when ready (times, memory, size of the libraries), then answers each line "SECONDS" with the times of
one burst. The engine's own words go to standard error.
"""
import json
import os
import statistics
import sys
import time

import numpy

from engines import ENGINES


def mapped_files():
    with open("/proc/self/maps") as maps:
        return {line.split()[5] for line in maps if ".so" in line and len(line.split()) > 5}


def memory_mb(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":")) / 1024


def burst(engine, seconds):
    """One run to warm up, then as many as fit; at least one."""
    engine.execute()
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        engine.execute()
        times.append((time.perf_counter() - start) * 1e3)
    return {"median": statistics.median(times), "best": min(times), "n": len(times)}


def main():
    name, model, feeds_path, threads, out = sys.argv[1:6]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**values):
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    feeds = {key[3:]: value for key, value in numpy.load(feeds_path).items() if key.startswith("in/")}
    engine, before, start_mb = ENGINES[name](), mapped_files(), memory_mb("VmRSS")
    try:
        times = [time.perf_counter()]
        for step in (engine.load_library, lambda: engine.load(model, feeds, int(threads)), engine.execute):
            step()
            times.append(time.perf_counter())
        peak_mb = memory_mb("VmHWM")
        library_mb = sum(os.path.getsize(path) for path in mapped_files() - before if os.path.exists(path)) / 1e6
        numpy.savez(out, *engine.outputs())
    except Exception as error:  # what a peer can't do is part of the result
        answer(error=f"{type(error).__name__}: {error}"[:300])
        return
    answer(import_ms=(times[1] - times[0]) * 1e3, load_ms=(times[2] - times[1]) * 1e3, first_ms=(times[3] - times[2]) * 1e3,
           peak_mb=peak_mb - start_mb, library_mb=library_mb)
    for line in sys.stdin:
        answer(**burst(engine, float(line)))


main()
