/* SPDX-License-Identifier: Apache-2.0 */
/* string_concat: y = a followed by b, numpy broadcasting. ONNX StringConcat. */
#include "ops/sample.h"
#include "ops/shared_broadcast.h"

static void ref(const pith_run *run)
{
    const pith_tensor *a = &run->inputs[0], *b = &run->inputs[1];
    const pith_shape *to = &run->outputs[0].shape;
    pith_string *y = run->outputs[0].data;
    for (int64_t i = 0; i < pith_shape_elements(to); i++) {
        const pith_string *x = (const pith_string *)a->data + pithi_broadcast_offset(&a->shape, to, i);
        const pith_string *z = (const pith_string *)b->data + pithi_broadcast_offset(&b->shape, to, i);
        char *text = pithi_run_alloc(run, x->n_bytes + z->n_bytes, 1);
        if (!text) {
            return;
        }
        memcpy(text, x->n_bytes ? x->data : "", x->n_bytes);
        memcpy(text + x->n_bytes, z->n_bytes ? z->data : "", z->n_bytes);
        y[i] = (pith_string){ text, x->n_bytes + z->n_bytes };
    }
}

static pith_status infer(pith_infer *infer)
{
    infer->outputs[0].dtype = PITH_DTYPE_STRING;
    return pithi_infer_broadcast(infer, &infer->outputs[0].shape);
}

static const pith_operand_spec inputs[] = { { "a", PITH_DTYPES_STRING, PITH_ONE },
                                            { "b", PITH_DTYPES_STRING, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STRING, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "StringConcat", 20, NULL } };
static const char *const samples[] = { "string[2,3] string[3]", "string[] string[0]", "string[2]{a,b} string[2,1]" };

const pith_op pith_op_string_concat = {
    .head = { "string_concat", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
