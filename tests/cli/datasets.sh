#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Data sets: which class a folder is, IDX files of every kind, samples without class.
. "$(dirname "$0")/support.inc"

# classes N: a network that gives back N numbers; its inputs are .raw files.
classes() {
    printf 'pith-graph 1\ngraph "same"\ninput %%x:f32[1,%s]\n%%y:f32[1,%s] = identity(%%x)\noutput %%y\n' "$1" "$1" > same.txt
}

# one CLASS N FILE: N floats, a 1 at the class.
one() {
    mkdir -p "$(dirname "$3")"
    i=0
    while [ $i -lt "$2" ]; do
        if [ $i = "$1" ]; then printf '\000\000\200\077'; else printf '\000\000\000\000'; fi
        i=$((i + 1))
    done > "$3"
}

hasnt() { if grep -qF -e "$2" "$1"; then fail "$what: '$2' in $1"; else pass; fi; }

# Twelve folders named by number: 10 comes behind 9.
classes 12
for k in 0 1 2 3 4 5 6 7 8 9 10 11; do one $k 12 numbers/$k/a.raw; done
mkdir -p numbers/.hidden numbers/__MACOSX
one 0 12 numbers/__MACOSX/a.raw
run 0 evaluate same.txt --data numbers --json
has out '"n": 12,'
has out '"top1": 1,'
has out '"class_rule": "number"'
what="folders in JSON"
tr -d ' \n' < out > flat
has flat '{"folder":"10","class":10},{"folder":"11","class":11}]'
run 0 evaluate same.txt --data numbers
has out 'folders are classes by the numbers that they are called: 0 = 0, 1 = 1, 2 = 2, ..., 11 = 11'

# Gaps are gaps, also with one folder alone.
for k in 3 7; do one $k 12 gaps/$k/a.raw; done
run 0 evaluate same.txt --data gaps --json
has out '"top1": 1,'
one 7 12 single/007/a.raw
run 0 evaluate same.txt --data single --json
has out '"top1": 1,'
one 7 12 gaps/07/a.raw
run 2 evaluate same.txt --data gaps
has err "folders '07' and '7' are the same class, 7"
rm -r gaps/07
one 3 12 gaps/12/a.raw
run 2 evaluate same.txt --data gaps
has err "folder '12' is class 12, the model's first output has 12 elements"

# Names of the list of labels, in other spellings; neither order nor completeness matters.
printf 'n01440764 tench, Tinca tinca\nn01443537 goldfish\ngreat white shark, Carcharodon\n3 hammerhead\n' > labels.txt
classes 4
for pair in 1:n01443537 2:great_white_shark 0:Tench 3:hammerhead; do one "${pair%%:*}" 4 named/"${pair#*:}"/a.raw; done
run 0 evaluate same.txt --data named --set labels=labels.txt --json
has out '"top1": 1,'
has out '"class_rule": "label"'
rm -r named/Tench
run 0 evaluate same.txt --data named --set labels=labels.txt
has out 'top-1                 100.00 %'
has out 'by the list of labels: great_white_shark = 2, hammerhead = 3, n01443537 = 1'
one 0 4 named/whale/a.raw
run 2 evaluate same.txt --data named --set labels=labels.txt
has err "folder 'whale' is no class of the list of labels, but 'n01443537' is"
printf 'crane\ncrane\nbird\nfish\n' > labels.txt
one 0 4 twice/crane/a.raw
one 2 4 twice/bird/a.raw
run 2 evaluate same.txt --data twice --set labels=labels.txt
has err "folder 'crane' could be several classes"

# Others in order, with numbers in names as numbers; synsets are names.
classes 3
one 0 3 order/class2/a.raw
one 1 3 order/class10/a.raw
one 2 3 order/other/a.raw
mkdir order/class1
run 0 evaluate same.txt --data order
has out 'top-1                 100.00 %'
has out 'by order of their names, numbers as numbers: class2 = 0, class10 = 1, other = 2'
has err "folder 'class1' has no samples and counts as no class"
rm -r order/class10
run 0 evaluate same.txt --data order
has err "2 folders count as classes 0 to 1 of 3 by the order of their names"
mkdir plain
one 0 3 plain/n01440764/a.raw
one 1 3 plain/n01443537/a.raw
one 2 3 plain/n01484850/a.raw
run 0 evaluate same.txt --data plain
has out 'top-1                 100.00 %'
hasnt out 'folders are classes'

# A sample without class is named, and what to do about it.
one 0 3 files/0_a.raw
one 1 3 files/1_b.raw
one 1 3 files/c.raw
run 2 evaluate same.txt --data files
has err "'files/c.raw' has no class, 2 of 3 samples have one; a file's name begins with its class and '_' (7_c.raw)"
run 2 evaluate same.txt --data files --metric top1
has err "'files/c.raw' has no class"
run 2 evaluate same.txt --data files/0_a.raw --metric top1
has err "data set 'files/0_a.raw' has no labels"
run 2 quantize same.txt --calib files -o same.int8.onnx # nothing in it can be, but the data are read
has err "classes aren't used: 'files/c.raw' has none, 2 of 3 samples have one"

# IDX: two pictures of 3 x 4 pixels, of which the brightest is the class in the first, the second brightest in the
# second.
cat > grid.txt <<'END'
pith-graph 1
graph "grid"
input %x:f32[1,1,3,4]
%y:f32[1,1,3,4] = identity(%x)
output %y
END
pixels='\000\000\377\000\000\000\000\000\000\000\000\000\000\000\000\000\000\200\000\000\000\000\000\377'
mkdir idx
printf '\000\000\010\003\000\000\000\002\000\000\000\003\000\000\000\004'"$pixels" > idx/t10k-images.idx3-ubyte
printf '\000\000\010\001\000\000\000\002\002\005' > idx/t10k-labels.idx1-ubyte
run 0 evaluate grid.txt --data idx --json
has out '"n": 2,'
has out '"top1": 0.5,'
has out '"top5": 1,'
(cd idx && "$pith" evaluate ../grid.txt --data t10k-images.idx3-ubyte --json) > out 2> err
has out '"top1": 0.5,'
if "$pith" version | grep -q 'zlib  *built in' && command -v gzip >/dev/null; then
    mkdir packed
    for name in images.idx3 labels.idx1; do gzip -c idx/t10k-$name-ubyte > packed/t10k-$name-ubyte.gz; done
    run 0 evaluate grid.txt --data packed --json
    has out '"top1": 0.5,'
    cp idx/* packed
    run 0 evaluate grid.txt --data packed --json
    has out '"top1": 0.5,'
    head -c 20 packed/t10k-labels.idx1-ubyte.gz > cut && mv cut packed/t10k-labels.idx1-ubyte.gz
    rm packed/*-ubyte
    run 2 evaluate grid.txt --data packed
    has err "no labels"
else
    skip "IDX in gzip: no zlib or gzip"
fi
# A packed file that is no IDX is none of the data, with or without zlib.
one 1 3 beside/1/a.raw
printf '\037\213\010\000\000\000\000\000\000\003\003\000\000\000\000\000\000\000\000\000' > beside/images.tar.gz
run 0 evaluate same.txt --data beside --json
has out '"top1": 1,'
# Training and test data side by side: each has its use. The former has labels that are all right.
cp idx/t10k-images.idx3-ubyte idx/train-images-idx3-ubyte
printf '\000\000\010\001\000\000\000\002\002\013' > idx/train-labels-idx1-ubyte
run 0 evaluate grid.txt --data idx --json
has out '"top1": 0.5,'
has err "of 2 data sets in 'idx', 't10k-images.idx3-ubyte' is taken for judging"
run 2 quantize grid.txt --calib idx -o grid.int8.onnx
has err "of 2 data sets in 'idx', 'train-images-idx3-ubyte' is taken for calibration"
run 0 evaluate grid.txt --data idx/train-images-idx3-ubyte --json
has out '"top1": 1,'
cp idx/train-images-idx3-ubyte idx/test-images-idx3-ubyte
run 2 evaluate grid.txt --data idx
has err "3 IDX files hold samples, such as 't10k-images.idx3-ubyte'"
printf '\000\000\010\001\000\000\000\003\002\013\001' > idx/test-labels-idx1-ubyte
run 2 evaluate grid.txt --data idx/test-images-idx3-ubyte
has err "3 labels for 2 samples"
# What is behind "images" in a name counts as what is in front of it: labels of the test are not those of the training.
mkdir behind
cp idx/t10k-images.idx3-ubyte behind/images-test.idx3
cp idx/t10k-images.idx3-ubyte behind/images-train.idx3
cp idx/t10k-labels.idx1-ubyte behind/labels-test.idx1
cp idx/train-labels-idx1-ubyte behind/labels-train.idx1
run 0 evaluate grid.txt --data behind --json
has out '"top1": 0.5,'
run 0 evaluate grid.txt --data behind/images-train.idx3 --json
has out '"top1": 1,'
rm behind/labels-train.idx1
run 2 evaluate grid.txt --data behind/images-train.idx3
has err "no labels"
cp idx/train-labels-idx1-ubyte behind/test-labels-idx2-int
run 2 evaluate grid.txt --data behind/images-test.idx3
has err "'labels-test.idx1' and 'test-labels-idx2-int' could both be the labels of 'images-test.idx3'"
# More sets than anybody has.
mkdir many
i=0
while [ $i -lt 257 ]; do
    cp idx/t10k-images.idx3-ubyte many/set$i
    i=$((i + 1))
done
run 2 evaluate grid.txt --data many
has err "more than 256 IDX files of samples"
# Rank 4: channels before and behind pixels; labels of 32 bits with more than the class, as QMNIST has them.
colours() { printf 'pith-graph 1\ngraph "c"\ninput %%x:f32[1,3,1,2]\n%%y:f32[1,3,1,2] = identity(%%x)\noutput %%y\n'; }
colours > colours.txt
mkdir last first
printf '\000\000\010\004\000\000\000\001\000\000\000\001\000\000\000\002\000\000\000\003\001\002\003\004\377\006' > last/images
printf '\000\000\010\004\000\000\000\001\000\000\000\003\000\000\000\001\000\000\000\002\001\004\002\377\003\006' > first/images
for name in last first; do
    printf '\000\000\014\002\000\000\000\001\000\000\000\002\000\000\000\003\000\001\000\000' > $name/labels
    run 0 evaluate colours.txt --data $name --json
    has out '"top1": 1,'
done
# Floats are arrays: big-endian 1.5 and -2 for two numbers.
classes 2
mkdir floats
printf '\000\000\015\002\000\000\000\002\000\000\000\002\077\300\000\000\300\000\000\000\300\000\000\000\077\300\000\000' > floats/features
printf '\000\000\010\001\000\000\000\002\000\001' > floats/labels
run 0 evaluate same.txt --data floats --json
has out '"top1": 1,'
# Labels may be floats: 0 and 1, 0 and NaN, 0 and 1e30, 0 and 1.5.
for pair in '\077\200\000\000:1' '\177\300\000\000:nan' '\161\111\362\312:1e+30' '\077\300\000\000:1.5'; do
    printf '\000\000\015\001\000\000\000\002\000\000\000\000'"${pair%%:*}" > floats/labels
    if [ "${pair#*:}" = 1 ]; then
        run 0 evaluate same.txt --data floats --json
        has out '"top1": 1,'
    else
        run 2 evaluate same.txt --data floats
        has err "label ${pair#*:} of sample 1 is no whole number"
    fi
done
printf '\000\000\010\001\000\000\000\002\000\001' > floats/labels
run 2 evaluate same.txt --data floats/labels
has err "these are no samples"
head -c 30 idx/train-images-idx3-ubyte > floats/features
run 2 evaluate same.txt --data floats
has err "bytes of elements, the sizes want 24"
finish
