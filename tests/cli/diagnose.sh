#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Diagnosing: a network against its quantised form, the three forms of the report, repair, errors that name the way out.
. "$(dirname "$0")/support.inc"

run 0 quantize tiny.onnx --shape x=2x3 -o tiny.int8.onnx
run 0 diagnose tiny.onnx tiny.int8.onnx --shape x=2x3
has err "inputs are generated"
has out "tiny.int8.onnx against tiny.onnx, 8 samples"
has out "1 layers with weights"
run 0 diagnose tiny.onnx tiny.int8.onnx --shape x=2x3 --json --html report.html
for key in verdict outputs agreement float_ms ms bytes findings tensors layers unmatched unmatched_outputs float_nodes; do
    has out "\"$key\": "
done
has report.html '<script id="data" type="application/json">{'
if grep -q '@DATA@\|@STYLE@\|@SHARED@' report.html; then fail "marks are left in report.html"; else pass; fi

if command -v python3 >/dev/null; then
    what="report as JSON"
    if python3 - <<'END'
import json, re
page = open("report.html", encoding="utf-8").read()
(data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
report, printed = json.loads(data), json.load(open("out"))
assert report["verdict"] == printed["verdict"] and len(report["layers"]) == len(printed["layers"]) == 1
assert not re.search(r'(src|href)="https?:', page), "the page needs no network"
END
    then pass; else fail "$what"; fi
else
    skip "report as JSON: no python3"
fi

# The same nodes with one weight changed: the layer is named.
run 0 diagnose other.onnx tiny.onnx --shape x=2x3 --json
has out '"subject": "mul"'

# Nothing in common but the ends: only they are compared.
cat > ramp.txt <<'END'
pith-graph 1
graph "ramp"
input %x:f32[2,3]
const %k:f32[] = {0.5}
const %o:s64[2] = {0, 0}
const %e:s64[2] = {2, 2}
%m:f32[2,3] = mul(%x, %k)
%y:f32[2,2] = slice(%m, %o, %e)
output %y
END
run 0 diagnose tiny.onnx ramp.txt --shape x=2x3
has out "No layer of the float network"
has out "outputs    SQNR"
run 0 diagnose tiny.onnx ramp.txt --shape x=2x3 --repair -o nothing.onnx --json
has out '"outputs_only": true'
has out '"outputs_compared": 1'
[ -e nothing.onnx ] && fail "a repaired file without repairs" || pass
# Integers that nothing gives a scale.
sed 's/input %x:f32/input %q:u8/; s/^%m/%x:f32[2,3] = cast(%q) to=f32\n%m/' ramp.txt > codes.txt
run 2 diagnose tiny.onnx codes.txt --shape x=2x3
has err "--input-scale"
run 0 diagnose tiny.onnx codes.txt --shape x=2x3 --input-scale 0.02 --input-zero 128
run 2 diagnose tiny.onnx codes.txt --shape x=2x3 --input-zero 128
has err "go with --input-scale"

model=$root/models/text_line/text_line.onnx
samples=$root/models/text_line/samples
if "$pith" version | grep -q 'libpng  *built in'; then
    cp "$model" line.onnx
    cp "$root/models/text_line/text_line.preprocess" line.preprocess
    cp "$root/models/text_line/text_line.labels.txt" .
    # Calibrated with pixels that are a tenth of what they should be.
    run 0 quantize line.onnx --calib "$samples" --set scale=0.0008 --observer min-max --no-timing -o wrong.onnx
    run 0 diagnose line.onnx wrong.onnx --data "$samples" -n 4
    has out "ranges do not fit this data"
    has out "pith diagnose line.onnx wrong.onnx --data $samples --repair -o wrong.repaired.onnx"
    has out "calibration-data"
    run 0 diagnose line.onnx wrong.onnx --data "$samples" -n 4 --repair -o right.onnx
    has out "repaired   SQNR"
    run 0 diagnose line.onnx right.onnx --data "$samples" -n 4
    has out "The outputs are close to the float network's" # what 16 bits would still gain hangs on their time
    if grep -q "calibration-data" out; then fail "$what: the data are blamed after the repair"; else pass; fi
else
    skip "pictures: libpng is not built in"
fi
run 2 diagnose tiny.onnx
has err "two models are needed"
run 2 diagnose tiny.onnx tiny.int8.onnx --shape x=2x3 -o somewhere.onnx
has err "-o is for --repair"
run 2 diagnose tiny.onnx nowhere.onnx --shape x=2x3
has err "nowhere.onnx"
run 2 diagnose tiny.onnx odd.onnx --shape x=2x3
has err "odd.domain"
finish
