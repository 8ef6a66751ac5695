#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Benchmarks: the keys of the JSON that scripts rely on, sweeps, and baselines.
. "$(dirname "$0")/support.inc"

run 0 bench tiny.onnx --threads 1 --shape x=2x3 --runs 40 --json
cp out baseline.json
for key in median_ms p10_ms p50_ms p90_ms p95_ms p99_ms min_ms mean_ms std_ms throughput_per_s load_ms first_run_ms peak_rss_bytes \
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
# Several models in turn: one matrix product of 64 rows against one that does it twenty times.
product() {
    printf 'pith-graph 1\ngraph "g"\ninput %%x:f32[64,64]\n%%y0:f32[64,64] = matmul(%%x, %%x)\n'
    i=0
    while [ $i -lt "$1" ]; do
        printf '%%y%s:f32[64,64] = matmul(%%y%s, %%x)\n' $((i + 1)) $i
        i=$((i + 1))
    done
    printf 'output %%y%s\n' $i
}
product 0 > little.txt
product 40 > much.txt
run 0 bench much.txt little.txt --threads 1 --runs 30
has out "1 thread: little.txt takes 0."
has out "times the time of much.txt (95 % interval 0."
has out "): faster"
has out "p50       min       p10       p90       p95       p99"
run 0 bench much.txt little.txt much.txt --threads 1,2 --runs 30 --json
what="results of three models with two numbers of threads"
if [ "$(grep -c '"model": ".*.txt",' out)" = 10 ]; then pass; else fail "$what"; fi # six of them, and four comparisons
has out '"against": {'
has out '"verdict": "faster"'
run 0 bench much.txt little.txt --threads 1 --runs 30 --csv
what="table of two models"
if [ "$(tr -d '\r' < out | awk -F, 'NF == 18' | wc -l)" = 3 ]; then pass; else fail "$what: not 3 lines of 18"; fi
has out 'model,threads,runs,p50_ms,'
has out '"little.txt",1,30,'
run 2 bench much.txt little.txt --baseline baseline.json
has err "--baseline is for one model"
# Inputs from files.
printf '\000\000\200\077\000\000\000\100\000\000\100\100' > three.raw
run 0 bench tiny.onnx three.raw --shape x=1x3 --threads 1 --runs 3 --json
has out '"inputs": "three.raw"'
has out '"x": [1, 3]'
run 0 bench tiny.onnx --input x=three.raw --shape x=1x3 --threads 1 --runs 3
has out "x=1x3 from x=three.raw"
run 2 bench tiny.onnx three.raw three.raw --shape x=1x3
has err "one file of inputs is measured"
run 2 bench tiny.onnx --input z=three.raw
has err "no input 'z'"
if "$pith" version | grep -q 'libpng  *built in'; then
    picture=$root/models/text_line/samples/sans_title.png
    run 0 bench "$root/models/text_line/text_line.onnx" "$picture" --threads 1 --runs 3
    has out "1x1x32x"
    has out " from $picture"
else
    skip "pictures: libpng is not built in"
fi
finish
