#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Profiles: table, JSON, trace, report, and the file that keeps the machine's limits.
. "$(dirname "$0")/support.inc"
PITH_CACHE_DIR=$work/kept
export PITH_CACHE_DIR

run 0 profile tiny.onnx --shape x=2x3 --rounds 5
has out "measured now, kept in $work/kept/machine-"
has out "most is alive at step"
has out "operator, kernel"
has out "bound by"
has out "conversions between channels-first and channels-last remain"
run 0 profile tiny.onnx --shape x=2x3 --rounds 5 --all --json --trace trace.json --html report.html
has out "measured before, kept in $work/kept/machine-"
for key in machine run operators steps blocks median_ms limit_share bound kernel live_bytes hz f32_flops_per_s; do
    has out "\"$key\": "
done
has trace.json '"ph": "X"'
has report.html '<svg id="roofline"'
has report.html '"model": "tiny.onnx"'
if command -v python3 >/dev/null; then
    what="trace and report as JSON"
    if python3 - <<'END'
import json, re
trace = json.load(open("trace.json"))
events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
assert events and all(e["dur"] >= 0 and e["ts"] >= 0 and isinstance(e["tid"], int) and e["name"] for e in events), events
for thread in {e["tid"] for e in events}:  # parts of one thread follow one another
    ends = sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e["tid"] == thread)
    assert all(a[1] <= b[0] + 1e-3 for a, b in zip(ends, ends[1:])), ends
page = open("report.html", encoding="utf-8").read()
(data,) = re.findall(r'<script id="profile" type="application/json">(.*?)</script>', page, re.S)
report, printed = json.loads(data), json.load(open("out"))
assert report["model"] == printed["model"] and len(report["steps"]) == len(printed["steps"]) > 0
assert all(step["median_ms"] > 0 for step in report["steps"])
assert abs(sum(step["median_ms"] for step in printed["steps"]) - printed["run"]["steps_ms"]) < 1e-6
assert not re.search(r'(src|href)="https?:', page), "the page needs no network"
END
    then pass; else fail "$what"; fi
else
    skip "trace and report as JSON: no python3"
fi
sed -i '2s/.*/hz nonsense/' kept/machine-*.txt
run 0 profile tiny.onnx --shape x=2x3 --rounds 5
has out "measured now, kept in"
run 0 profile tiny.onnx --shape x=2x3 --rounds 5 --remeasure --no-cache --no-counters --threads 2
has out "measured now, not kept"
has out "switched off"
run 2 profile tiny.onnx --shape x=2x3 --rounds 5 --html nowhere/report.html
has err "can't write 'nowhere/report.html'"
run 2 profile odd.onnx
has err "Frobnicate"
# Inputs from files, packed weights, plain sums.
printf '\000\000\200\077\000\000\000\100\000\000\100\100' > three.raw
mkdir packs
run 0 profile tiny.onnx three.raw --shape x=1x3 --rounds 2 --cache packs --exact
has out "x=1x3"
if [ "$(ls packs | wc -l)" = 1 ]; then pass; else fail "one file of packed weights"; fi
run 2 profile tiny.onnx other.onnx
has err "'other.onnx' is no file of inputs"
# Products in float16: not with --exact; the portable kernel has them everywhere.
run 2 run tiny.onnx --shape x=2x3 --float16 --exact
has err "contradict each other"
{ printf 'pith-graph 1\ngraph "half"\ninput %%x:f32[4,32]\nconst %%w:f32[32,16] = hex '
  i=0
  while [ $i -lt 512 ]; do
      printf '0000803f'
      i=$((i + 1))
  done
  printf '\n%%y:f32[4,16] = matmul(%%x, %%w)\noutput %%y\n'; } > half.txt
run 0 profile half.txt --float16 --isa portable --why --rounds 1
has out "matmul gemm_f16_1x8 "
has out "float16 products, as the model's options allow"
# What is said of convolutions: transposed ones have none, and the reason against Winograd stays.
{ printf 'pith-graph 1\ngraph "halves"\ninput %%x:f32[1,9,9,32]\n'
  for w in 'w:f32[32,32,3,3]' 'v:f32[32,32,2,2]'; do
      n=1024
      case $w in w*) n=9216 ;; *) n=4096 ;; esac
      printf 'const %%%s = hex ' "$w"
      awk -v n=$n 'BEGIN { for (i = 0; i < n; i++) printf "0000803c"; print "" }'
  done
  printf '%%y:f32[1,?,?,32] = conv(%%x, %%w) strides=[2,2] channels_last=1\n'
  printf '%%z:f32[1,?,?,32] = conv_transpose(%%y, %%v) strides=[2,2] channels_last=1\noutput %%z\n'; } > halves.txt
run 0 profile halves.txt --float16 --isa portable --why --rounds 1
has out "Winograd is for 3x3 filters of stride 1 with channels enough; float16 products, as"
has out "float32: transposed convolutions have no float16 products"
"$pith" profile half.txt --float16 --why --rounds 1 > out 2>&1
if grep -q 'as the model.s options allow' out && [ "$(uname -m)" = x86_64 ]; then
    run 0 profile half.txt --float16 --isa avx2 --why --rounds 1
    has out "the cap on instruction sets excludes float16 products"
else
    skip "float16 under a cap: this CPU has none without it"
fi
run 0 profile half.txt --isa portable --rounds 1
if grep -q gemm_f16 out; then fail "float16 was not asked for"; else pass; fi
run 0 compare half.txt half.txt --isa portable --float16-b --atol 0.1
finish
