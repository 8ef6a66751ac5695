#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What info says about a tiny model, and about one with an unknown operator.
. "$(dirname "$0")/support.inc"

run 0 info tiny.onnx
head -n 5 out > head
is head <<END
tiny.onnx: onnx, opset 13, IR 8
input    x                            f32   ?x3  (? = n)  assumed 1x3
output   y                            f32   ?x2  (? = n)
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

run 0 info odd.onnx
has out "unsupported nodes: 1"
has out "Frobnicate"
has out "cost     unknown: the model has unsupported nodes"
run 0 info odd.onnx --json
has out '"node": "odd"'
has out '"macs": null,'
run 2 run odd.onnx
has err "Frobnicate"
finish
