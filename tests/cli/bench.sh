#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Benchmarks: the keys of the JSON that scripts rely on, sweeps, and baselines.
. "$(dirname "$0")/support.inc"

run 0 bench tiny.onnx --threads 1 --shape x=2x3 --runs 40 --json
cp out baseline.json
for key in median_ms p10_ms p90_ms p99_ms min_ms mean_ms std_ms throughput_per_s load_ms first_run_ms peak_rss_bytes \
           threads runs isa model shapes samples_ms; do
    has out "\"$key\": "
done
has out '"x": [2, 3]'
has out '"runs": 40,'
run 0 bench tiny.onnx --threads 1,2 --shape x:2,3 --runs 5
has out "2 threads take"
run 0 bench tiny.onnx -t 1,2 --max-secs 0 --json
has out '"threads": 2,'
has out '"runs": 3,'
if "$pith" version | grep -q 'jansson  *built in'; then
    run 0 bench tiny.onnx --threads 1 --shape x=2x3 --runs 40 --baseline baseline.json --json
    has out '"verdict": "'
    # A second for each run: no noise makes up for that.
    echo '{"model": "tiny.onnx", "threads": 1, "median_ms": 1e3, "samples_ms": [1e3, 1001, 999, 1e3]}' > slow.json
    run 0 bench tiny.onnx --threads 1 --shape x=2x3 --runs 40 --baseline slow.json
    has out "1 thread: faster than the baseline of 1000 ms"
    has err "the baseline was taken with"
    run 2 bench tiny.onnx --threads 1 --runs 3 --baseline tiny.onnx
    has err "baseline 'tiny.onnx': can't read the JSON"
    echo '{"median_ms": 1}' > cut.json
    run 2 bench tiny.onnx --threads 1 --runs 3 --baseline cut.json
    has err "not written by 'pith bench --json'"
else
    run 2 bench tiny.onnx --threads 1 --runs 3 --baseline baseline.json
    has err "jansson"
    skip "baselines: jansson is not built in"
fi
mkdir packs
for i in 1 2; do
    run 0 bench tiny.onnx --threads 1 --shape x=2x3 --runs 3 --cache packs
done
[ "$(ls packs | wc -l)" = 1 ] && pass || fail "one file of packed weights"
finish
