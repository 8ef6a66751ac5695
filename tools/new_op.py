#!/usr/bin/env python3
"""Writes the skeleton of an operator file: tools/new_op.py NAME [OnnxName [since]].

The skeleton compiles, and fails its samples until the reference is written (docs/adding-an-operator.md)."""
import pathlib
import re
import sys

TEMPLATE = '''/* SPDX-License-Identifier: Apache-2.0 */
/* {name}: what it computes, as a formula. ONNX {onnx}. */
#include "ops/sample.h"

typedef struct {name}_attrs {{
    float alpha;
}} {name}_attrs;

static const pith_attr_spec table[] = {{ PITH_ATTR_FLOAT({name}_attrs, alpha, "alpha", 1.0) }};

/* ---- reference ---------------------------------------------------------------------------- */

static void ref(const pith_run *run)
{{
    const {name}_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    for (int64_t i = 0; i < pith_shape_elements(&y->shape); i++) {{
        pithi_tensor_set_f64(y, i, (double)attrs->alpha * pithi_tensor_get_f64(x, i));
    }}
    pithi_run_fault(run, "{name}: the reference isn't written yet");
}}

/* ---- shape -------------------------------------------------------------------------------- */

static pith_status infer(pith_infer *infer)
{{
    return pithi_infer_same(infer);
}}

/* ---- record ------------------------------------------------------------------------------- */

static const pith_operand_spec inputs[] = {{ {{ "x", PITH_DTYPES_FLOAT, PITH_ONE }} }};
static const pith_operand_spec outputs[] = {{ {{ "y", PITH_DTYPES_FLOAT, PITH_ONE }} }};
static const pith_spelling spellings[] = {{ {{ "onnx", "", "{onnx}", {since}, NULL }} }};
static const char *const samples[] = {{ "f32[2,3,17]", "f64[]", "f32[0,4] | alpha=0.5" }};

const pith_op pith_op_{name} = {{
    .head = {{ "{name}", 1, PITH_ATTRS(table, {name}_attrs) }},
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
}};
'''


def main():
    if not 2 <= len(sys.argv) <= 4 or not re.fullmatch(r"[a-z][a-z0-9_]*", sys.argv[1]):
        sys.exit(__doc__)
    name = sys.argv[1]
    onnx = sys.argv[2] if len(sys.argv) > 2 else "".join(word.capitalize() for word in name.split("_"))
    since = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    path = pathlib.Path(__file__).resolve().parent.parent / "src" / "ops" / f"{name}.c"
    if path.exists():
        sys.exit(f"{path} exists already")
    path.write_text(TEMPLATE.format(name=name, onnx=onnx, since=since))
    print(f"{path}: write the reference, then ninja -C build && build/pith_tests --filter all_ops")


main()
