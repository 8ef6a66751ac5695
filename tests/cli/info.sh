#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What info says about a tiny model, and about one with an unknown operator.
. "$(dirname "$0")/support.inc"

run 0 info tiny.onnx
head -n 5 out > head
is head <<END
tiny.onnx: onnx, opset 13, IR 8
input    x                            f32   ?x3  (? = n)  assumed 1x3
output   y                            f32   ?x2  (? = n)  here 1x2
ops      2 nodes: matmul 1, relu 1
params   6 (24 B)
END
has out "compute  6 MACs"
run 0 info tiny.onnx --shape x=4x3 --json
has out '"params": 6,'
has out '"macs": 24,'
has out '"arena_bytes": '
has out '"arena_lower_bound_bytes": '
has out '"x": [4, 3]'
has out '"unsupported": []'
run 2 info tiny.onnx --shape z=4x3
has err "no input 'z'; nearest is 'x'"
run 0 info tiny.onnx --shape x=4x5
has out "cost     unknown:"

run 0 info tiny.onnx --dim n=5 --json
has out '"x": [5, 3]'
has out '"session_bytes": '
run 2 info tiny.onnx --dim m=5
has err "no input with a dimension called 'm'"
run 0 info tiny.onnx --dim n=5
has out "given 5x3"
has out "here 5x2"
has out "everything that one session allocates"
run 0 info tiny.onnx --layers
has out "matmul"
run 0 info tiny.onnx --layers --json
has out '"weight_bytes": 24,'
run 0 info tiny.onnx --ops
has out "all 2 nodes run"
run 1 info tiny.onnx --ops --shape x=4x5
has out "1 of 2 nodes would not run"
has out "tiny.onnx: node "
run 1 info odd.onnx --ops
has out "Frobnicate"
run 1 info odd.onnx --ops --json
has out '"runs": false'
has out '"node": "odd",'
run 2 run tiny.onnx --random 1 --max-memory 10K
has err "pith_limits.max_memory_bytes (--max-memory) raises it"
run 2 info tiny.onnx --max-memory lots
has err "takes a number such as 1000, 512M or 2G"

run 0 info tiny.onnx --text
has out 'pith-graph 1'
has out 'input %x:f32[n,3]'
has out '%h = matmul(%x, %w)'
cp out tiny.txt
run 0 run tiny.txt --random 1
sed 1d out > from_text
run 0 run tiny.onnx --random 1
sed 1d out > from_onnx
is from_text < from_onnx
run 0 info tiny.txt --text
is tiny.txt < out
run 0 info tiny.onnx --text --after plan --dim n=2
has out '%y:f32[2,2] = matmul(%x, %w)'
run 0 info odd.onnx --text
has out '%y:f32[2] = "odd.domain.Frobnicate"(%x) !name="odd"'
run 2 info tiny.onnx --text --after dinner
has err "--after takes file, passes or plan"

run 0 info tiny.onnx --svg tiny.svg
has tiny.svg '>matmul</text>'
has tiny.svg '>weight f32[3,2]</text>'
has tiny.svg '>f32[n,3]</text>'
if tail -n 1 tiny.svg | grep -q '^</svg>$'; then pass; else fail "tiny.svg is cut off"; fi
run 0 info tiny.onnx --dot --after plan --dim n=4
has out 'digraph g {'
has out 'label="f32[4,3]"'
run 0 info odd.onnx --svg odd.svg
has odd.svg 'fill="#ff8080"'
run 2 info tiny.onnx --svg /nowhere/tiny.svg
has err "can't write"

run 0 info odd.onnx
has out "unsupported nodes: 1"
has out "Frobnicate"
has out "cost     unknown: the model has unsupported nodes"
run 0 info odd.onnx --json
has out '"node": "odd"'
has out '"macs": null,'
run 2 run odd.onnx
has err "Frobnicate"
run 0 info --operators
has out "transpose "
has out "Transpose 1"
run 0 info --operators --json
has out '"name": "cast",'
has out '"f8e4m3fnuz",'
run 2 info --operators tiny.onnx
has err "--ops lists what a model needs"
printf 'pith-graph 1\ngraph "g"\ninput %%"\\x1b[31mx":f32[1]\n%%y = neg(%%"\\x1b[31mx")\noutput %%y\n' > red.txt
run 0 info red.txt
has out 'input    ?[31mx'
if grep -q "$(printf '\033')" out; then fail "a name steers the terminal"; else pass; fi
finish
