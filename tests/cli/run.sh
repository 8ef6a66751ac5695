#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs on files: raw, npz, named inputs; saved outputs; preprocessing files.
. "$(dirname "$0")/support.inc"

# x = [[1, 2, 3]] as little-endian floats: h = [5, 8] = y
printf '\000\000\200?\000\000\000@\000\000@@' > x.raw
run 0 run tiny.onnx x.raw -o y.npz
has out "y                        f32 1x2  min 5  max 8  mean 6.5"
run 0 run tiny.onnx -i x=x.raw --json
has out '"first": [5, 8]'
run 0 compare tiny.onnx y.npz
has out "equal: 1 of 1 outputs within tolerance"
run 0 run tiny.onnx y.npz
has out "min 5  max 8"
run 0 run tiny.onnx x.raw x.raw -o saved/
if [ -f saved/x.npz ]; then pass; else fail "saved/x.npz is missing"; fi
run 0 run tiny.onnx x.raw -o y.npy
if [ "$(head -c 6 y.npy | tail -c 5)" = NUMPY ]; then pass; else fail "y.npy is no npy file"; fi

run 0 run tiny.onnx
has err "no input was given: it is generated from seed 1"
has err "input 'x' is ?x3 in the model; 1x3 is assumed"
# Generated numbers of rows are those that the table has.
{ printf 'pith-graph 1\ngraph "rows"\ninput %%i:s64[1,6]\nconst %%t:u8[200] = hex '
  row=0
  while [ $row -lt 200 ]; do
      printf '%02x' $row
      row=$((row + 1))
  done
  printf '\n%%y:u8[1,6] = gather(%%t, %%i)\noutput %%y\n'; } > rows.txt
run 0 run rows.txt --random 1
has out "min 73  max 182"
run 0 run tiny.onnx --random 7 --shape x=2x3 --json
has out '"shape": [2, 2]'
cp out first
run 0 run tiny.onnx --random 7 --shape x=2x3 --threads 2 --json
if [ "$(grep first\": out)" = "$(grep first\": first)" ]; then pass; else fail "a seed gives other numbers"; fi

run 2 run tiny.onnx -i z=x.raw
has err "no input 'z'; nearest is 'x'"
run 2 run tiny.onnx missing.npy
has err "can't open 'missing.npy'"
run 2 run tiny.onnx tiny.onnx
has err "no tensor format has this ending"
printf '123' > short.raw
run 2 run tiny.onnx short.raw
has err "3 bytes can't fill the shape"
run 2 run tiny.onnx x.raw --task clasify
has err "unknown task 'clasify'"
run 2 run tiny.onnx x.raw x.raw -o y.npz
has err "give a folder"

printf 'task = classify\ntop = 1\nlabels = names\n' > tiny.preprocess
printf 'first\nsecond\n' > names
run 0 run tiny.onnx x.raw
has out " 95.26 %  second"
run 0 run tiny.onnx x.raw --task tensor
has out "min 5  max 8"
printf 'task = classify\nnonsense\n' > tiny.preprocess
run 2 run tiny.onnx x.raw
has err "'tiny.preprocess': line 2: 'nonsense' is no 'key = value'"
run 0 run tiny.onnx x.raw --preprocess /dev/null
rm tiny.preprocess
run 0 run tiny.onnx x.raw --save-preprocess --task classify --mean 1,2,3 --size 32xauto
what="saved preprocessing"
is tiny.preprocess <<END
size = 32xauto
mean = 1, 2, 3
task = classify
END

# A trained model reads text, if it is there.
model=$root/models/text_line/text_line.onnx
if [ -f "$model" ] && "$pith" version | grep -q 'libpng  *built in'; then
    run 0 run "$model" "$root"/models/text_line/samples/*.png --draw sheet.png --json
    has out '"beam": {'
    # Whole lines of truth.txt that were read without any mistake: most of them.
    n_right=0
    while IFS="$(printf '\t')" read -r file text; do
        grep -qF -e "\"text\": \"$(printf '%s' "$text" | sed 's/\\/\\\\/g; s/"/\\"/g')\"" out && n_right=$((n_right + 1))
    done < "$root/models/text_line/samples/truth.txt"
    n_lines=$(wc -l < "$root/models/text_line/samples/truth.txt")
    if [ $((2 * n_right)) -gt "$n_lines" ]; then pass; else fail "$n_right of $n_lines lines were read rightly"; fi
    if [ "$(head -c 4 sheet.png | tail -c 3)" = PNG ]; then pass; else fail "sheet.png is no PNG file"; fi
else
    skip "models/text_line or libpng is not there"
fi
finish
