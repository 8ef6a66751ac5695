/* SPDX-License-Identifier: Apache-2.0 */
/* not: y = not x. ONNX Not. */
#include "ops/shared_unary.h"

static void apply(const pith_run *run, int64_t begin, int64_t end)
{
    const uint8_t *x = run->inputs[0].data;
    uint8_t *y = run->outputs[0].data;
    for (int64_t i = begin; i < end; i++) {
        y[i] = x[i] == 0;
    }
}

static void ref(const pith_run *run)
{
    apply(run, 0, pith_shape_elements(&run->outputs[0].shape));
}

static void run(const pith_run *run, const pith_part *part)
{
    int64_t begin, end;
    pithi_part_elements(part, pith_shape_elements(&run->outputs[0].shape), &begin, &end);
    apply(run, begin, end);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Not", 1, NULL },
};
static const char *const samples[] = { "bool[2,33]", "bool[]", "bool[0,3]" };

const pith_op pith_op_not = {
    .head = { "not", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = pithi_x_bool, .n_inputs = 1,
    .outputs = pithi_y_bool, .n_outputs = 1,
    .infer = pithi_infer_same,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
