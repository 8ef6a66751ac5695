#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Comparisons with stored results and between models, with their exit codes.
. "$(dirname "$0")/support.inc"

run 0 run tiny.onnx --random 3 --shape x=2x3 -o tiny.npz
run 0 run other.onnx --random 3 --shape x=2x3 -o other.npz
run 0 compare tiny.onnx tiny.npz
run 1 compare tiny.onnx other.npz
has out "OUT  y"
has out "different: 0 of 1 outputs within tolerance"
run 0 compare tiny.onnx other.npz --rtol 0.5
run 1 compare tiny.onnx other.npz --json
has out '"within_tolerance": false'

# TensorProto: dims [1, 3], f32, raw [1, 2, 3]; dims [1, 2], [5, 8]
mkdir -p data/test_data_set_0 data/test_data_set_1 empty
printf '\010\001\010\003\020\001\112\014\000\000\200?\000\000\000@\000\000@@' > data/test_data_set_0/input_0.pb
printf '\010\001\010\002\020\001\112\010\000\000\240@\000\000\000A' > data/test_data_set_0/output_0.pb
cp data/test_data_set_0/* data/test_data_set_1
run 0 compare tiny.onnx data
has out "equal: 2 of 2 outputs within tolerance"
run 0 compare tiny.onnx data/test_data_set_0
has out "equal: 1 of 1 outputs within tolerance"
run 1 compare other.onnx data/test_data_set_0
has out "worst is element 1: 8.75, expected 8"
run 1 compare other.onnx data/test_data_set_0 --json
has out '"max_abs_error": 0.75,'
has out '"max_rel_error": 0.09375,'
has out '"mean_abs_error": 0.375,'
has out '"sqnr_db": 21.99'
run 2 compare tiny.onnx empty
has err "no output_K.pb"
cp data/test_data_set_0/input_0.pb data/test_data_set_1/input_1.pb
run 2 compare tiny.onnx data
has err "the model has only 1 inputs"
rm data/test_data_set_1/input_*.pb
run 2 compare tiny.onnx data
has err "input 'x' (f32, ?x3) of 'tiny.onnx' is missing"
printf 'abc' > data/test_data_set_0/output_0.pb
run 2 compare tiny.onnx data
has err "output_0.pb': pb:"

run 0 compare tiny.onnx tiny.onnx --shape x=5x3
has out "equal"
run 1 compare other.onnx tiny.onnx --shape x=5x3 --disable-passes all
has out "first inner value that differs"
has out ": h"
run 0 compare tiny.onnx tiny.onnx --isa portable --seed 5 --json
has out '"first_different_node": null'
run 2 compare tiny.onnx odd.onnx
has err "Frobnicate"
run 2 compare tiny.onnx
has err "a model and what to compare it with are needed"

# Real networks, where they are: results that another runtime stored.
shared=$root/../shared/models
if [ -d "$shared" ] && "$pith" version | grep -q 'zlib  *built in'; then
    for model in ultraface/version-RFB-320 cifar_resnet/resnet20 ppocr/en_number_mobile_v2.0_rec_infer; do
        run 0 compare "$shared/$model.onnx" "$shared/$model.io.npz"
    done
    run 0 compare "$shared/mnist8/model.onnx" "$shared/mnist8"
    has out "3 of 3 outputs within tolerance"
else
    skip "real networks or zlib are not there"
fi
finish
