#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Quantising and evaluating: the embedded recogniser, data sets of every kind, errors that name the way out.
. "$(dirname "$0")/support.inc"

model=$root/models/text_line/text_line.onnx
samples=$root/models/text_line/samples
cp "$model" line.onnx
cp "$root/models/text_line/text_line.preprocess" line.preprocess
cp "$root/models/text_line/text_line.labels.txt" .

if "$pith" version | grep -q 'libpng  *built in'; then
    run 0 quantize line.onnx --calib "$samples" -o line.int8.onnx --json
    for key in model output samples observer sqnr_db cosine nodes integer_nodes float_nodes weight_bytes float_weight_bytes \
               ms int8_ms float_ms drop drop_kind verified verified_apart layers choices tensors mixed_nodes \
               float_islands surprises; do
        has out "\"$key\": "
    done
    has out '"type": "u8"'
    run 0 info line.int8.onnx
    has out "quantize_linear"
    has out "stretch of float steps"
    run 0 profile line.int8.onnx --max-secs 0.1 --no-cache
    has out "of float steps in a quantised network"
    run 0 quantize line.onnx --calib "$samples" --observer min-max --keep-float LogSoftmax
    if grep -q "slower than the float network" err; then fail "slower than float"; else pass; fi
    has out "line.onnx -> line.int8.onnx"
    has out "observer  min-max"
    has out "worst tensors"
    run 0 run line.int8.onnx --preprocess line.preprocess "$samples"/*.png
else
    skip "pictures: libpng is not built in"
fi
run 0 quantize tiny.onnx --shape x=2x3 --int8 -o tiny.int8.onnx
has err "inputs are generated"
has out "nodes     2 of 2 compute in integers"
run 0 run tiny.int8.onnx --shape x=2x3 --random 1
run 2 quantize tiny.int8.onnx --shape x=2x3
has err "the network is quantised already"
"$pith" info tiny.onnx --text > tiny.txt
run 0 quantize tiny.txt --shape x=2x3 --int8 -o text.int8.onnx
if cmp -s tiny.int8.onnx text.int8.onnx; then pass; else fail "the text form of a model is quantised otherwise"; fi
run 0 quantize tiny.onnx --shape x=2x3 -o tiny.mixed.onnx
has out "mixes"
run 0 quantize tiny.onnx --shape x=2x3 --no-timing -o tiny.a.onnx
run 0 quantize tiny.onnx --shape x=2x3 --no-timing -o tiny.b.onnx
if cmp -s tiny.a.onnx tiny.b.onnx; then pass; else fail "without timing, files differ from run to run"; fi
run 2 quantize tiny.onnx --shape x=2x3 --max-size 10
has err "relax the limit on the size"
run 2 quantize tiny.onnx --shape x=2x3 --max-ms 1e-9
has err "relax the limit on the time"
run 0 quantize tiny.onnx --shape x=2x3 --max-drop 50% --no-timing -o tiny.a.onnx
run 0 quantize tiny.onnx --shape x=2x3 --max-drop 50 --no-timing -o tiny.b.onnx
if cmp -s tiny.a.onnx tiny.b.onnx; then pass; else fail "50% isn't 50 points"; fi
for drop in 0.5%% % 101%; do
    run 2 quantize tiny.onnx --shape x=2x3 --max-drop $drop
    has err "--max-drop takes"
done
run 2 quantize tiny.onnx --shape x=2x3 --max-ram 1 --max-drop 50
has err "relax the limit on the arena"
run 2 quantize tiny.onnx --shape x=2x3 --max-ms 1 --no-timing
has err "times are wanted"
for weights in int8 int4:group=2,asym int2 palette3 float16 bfloat16 float8e4m3 float8e5m2; do
    run 0 quantize tiny.onnx --shape x=2x3 --weights $weights -o tiny.few.onnx
    has out "weights   $weights"
    run 0 run tiny.few.onnx --shape x=2x3 --random 1
done
for method in gptq awq adaround; do
    run 0 quantize tiny.onnx --shape x=2x3 -w int4 --method $method
    has out "tiny.int4.onnx"
    has out "$method"
done
run 0 quantize tiny.onnx --shape x=2x3 --dynamic
has out "tiny.dynamic.onnx"
has out "weights   int8, activations in each run"
run 0 run tiny.dynamic.onnx --shape x=2x3 --random 1
run 2 quantize tiny.onnx --shape x=2x3 --dynamic --weights int4
has err "weights of 8 bits"
run 2 quantize tiny.onnx --shape x=2x3 --weights int9
has err "they are int2 to int8"
run 2 quantize tiny.onnx --shape x=2x3 --weights int4 --method best
has err "rtn, gptq, awq or adaround"
run 2 quantize tiny.onnx --shape x=2x3 --weights palette4 --method gptq
has err "are for integers"
run 2 quantize tiny.onnx --calib nowhere
has err "data set 'nowhere': no such file or folder"
run 2 quantize tiny.onnx --calib tiny.onnx
has err "this is none; a data set is a folder"
run 2 quantize tiny.onnx --shape x=2x3 --keep-float MatMul,Matmul
has err "'Matmul' is neither a node nor an operator of the network"
run 2 quantize tiny.onnx --shape x=2x3 -o nowhere/q.onnx
has err "can't write 'nowhere/q.onnx': No such file"
mkdir folder
run 2 quantize tiny.onnx --shape x=2x3 -o folder
has err "can't write 'folder': Is a directory"
cp tiny.onnx same.onnx
ln same.onnx hard.onnx
for name in same.onnx folder/../same.onnx hard.onnx; do
    run 2 quantize same.onnx --shape x=2x3 -o $name
    has err "'$name' and 'same.onnx' are the same file"
done
if cmp -s tiny.onnx same.onnx; then pass; else fail "a model was written over"; fi
# Asking whether a file can be written leaves all as it was.
ln -s nothing link
mkfifo pipe
echo kept > kept
chmod 0200 kept
for name in link pipe kept new; do
    run 2 quantize odd.onnx -o $name
    has err "odd.domain"
done
what="pith quantize odd.onnx"
if [ -L link ] && [ ! -e nothing ] && [ -p pipe ] && [ ! -e new ]; then pass; else fail "$what: files came or went"; fi
chmod 0600 kept
is kept <<END
kept
END
run 2 quantize tiny.onnx --observer best
has err "auto, min-max, percentile, mse, kl, aciq, average, moving-average, admm or emd"
run 2 quantize odd.onnx
has err "odd.domain"

# Three samples of tiny.onnx with labels: y = relu(x w), w = [[1, -1], [2, 0], [0, 3]].
if command -v python3 >/dev/null && python3 -c 'import numpy' 2>/dev/null; then
    python3 - <<'END'
import numpy, os
x = numpy.array([[1, 1, 0], [0, 0, 2], [3, 0, 0], [0, 1, 0]], "float32")
numpy.savez("data.npz", x=x, y=numpy.array([0, 1, 0, 1]))
for name, row in (("a", 0), ("b", 1)):
    os.makedirs(f"classes/{name}", exist_ok=True)
    numpy.save(f"classes/{name}/s.npy", x[row:row + 1])
os.makedirs("numbered", exist_ok=True)
numpy.save("numbered/1_first.npy", x[1:2])
numpy.save("numbered/0_second.npy", x[0:1])
os.makedirs("listed", exist_ok=True)
numpy.save("listed/9_first.npy", x[1:2])
numpy.save("listed/second.npy", x[0:1])
open("listed/y_labels.csv", "w").write("file,classes,class\r\nsecond.npy,2,0\r\n9_first.npy,2,1")
END
    python3 -c 'import numpy; x = numpy.load("data.npz")["x"]; numpy.save("all.npy", x); numpy.save("one.npy", x[:1]); \
x[2, 1] = numpy.nan; numpy.save("nan.npy", x); x = numpy.load("data.npz")["x"]; numpy.save("flat.npy", x[2]); \
numpy.save("wide.npy", x[:, :2]); numpy.savez("hot.npz", x_test=x, y_test=numpy.eye(2)[[0, 1, 0, 1]]); \
numpy.savez("row.npz", x=x, y=[[0, 1, 0, 1]]); numpy.savez("named.npz", target=x, labels=[0, 2, 0, 0])'
    run 0 evaluate tiny.onnx --data row.npz --json
    has out '"top1": 0.75,'
    printf 'pith-graph 1\ngraph "named"\ninput %%target:f32[?,3]\n%%s:f32[?,3] = relu(%%target)\noutput %%s\n' > named.txt
    run 0 evaluate named.txt --data named.npz --json
    has out '"top1": 0.75,'
    run 0 run tiny.onnx flat.npy
    has out "f32 1x2"
    run 0 evaluate tiny.onnx --data hot.npz --json
    has out '"top1": 0.75,'
    run 2 quantize tiny.onnx --calib wide.npy
    has err "calibration sample 0: input 'x': shape [1,2] given, the model wants [?,3]"
    run 0 quantize tiny.onnx --calib all.npy --int8 -o all.int8.onnx
    has out "on 4 calibration samples"
    has err "4 calibration samples: ranges and the report mean little"
    run 0 quantize tiny.onnx --calib one.npy --int8 -o one.int8.onnx
    run 2 quantize tiny.onnx --calib nan.npy --samples 2 --int8 -o nan.int8.onnx
    has err "sample 2 of the data: element 1 of input 'x' isn't a number (NaN)"
    printf 'pith-graph 1\ngraph "half"\ninput %%x:f16[?,3]\n%%y:f16[?,3] = relu(%%x)\noutput %%y\n' > half.txt
    run 2 diagnose half.txt half.txt --data nan.npy --samples 2
    has err "sample 2 of the data: element 1 of input 'x' isn't a number (NaN)"
    run 2 evaluate tiny.onnx --data all.npy
    has err "no labels"
    run 2 info all.npy
    has err "this is an array of NumPy"
    run 0 evaluate tiny.onnx --data data.npz --json
    has out '"n": 4,'
    has out '"top1": 0.75,'
    has out '"interval": ['
    run 0 evaluate tiny.onnx --data classes --against tiny.int8.onnx
    has out "top-1                 100.00 %"
    has out "same class from both  100.00 %"
    run 0 evaluate tiny.onnx --data numbered --json
    has out '"top1": 1,'
    mkdir -p outer/inner && cp -r numbered outer/inner/
    run 0 evaluate tiny.onnx --data outer --json
    has out '"top1": 1,'
    run 0 evaluate tiny.onnx --data listed --json
    has out '"top1": 1,'
    printf 'second.npy,2,zero\n9_first.npy,2,one\n' > listed/y_labels.csv
    run 2 evaluate tiny.onnx --data listed
    has err "line 2 ends with 'one', which is no class"
    run 2 evaluate tiny.onnx --data numbered --label-offset 7
    has err "--label-offset shifts labels"
else
    skip "data sets: no numpy"
fi
run 2 evaluate tiny.onnx
has err "--data is needed"
finish
