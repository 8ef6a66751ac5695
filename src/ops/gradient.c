/* SPDX-License-Identifier: Apache-2.0 */
/* gradient: y_i = x_i. It ends the nodes that its spelling, ai.onnx.preview.training Gradient, puts in front: the
 * derivatives of a value of the graph (shared_gradient.h). */
#include "ops/sample.h"
#include "ops/shared_gradient.h"

static void ref(const pith_run *run)
{
    for (int i = 0; i < run->n_outputs; i++) {
        if (run->outputs[i].data && run->outputs[i].data != run->inputs[i].data) {
            memcpy(run->outputs[i].data, run->inputs[i].data, pith_tensor_bytes(&run->inputs[i]));
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    PITH_CHECK(infer->ctx, infer->n_outputs <= infer->n_inputs, PITH_STATUS_FORMAT, "%d outputs for %d inputs",
               infer->n_outputs, infer->n_inputs);
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = infer->inputs[i].dtype;
        infer->outputs[i].shape = infer->inputs[i].shape;
    }
    return PITH_OK;
}

/* y doesn't depend on x: 0 for every element. */
static pith_value *zeros_like(pithi_gradient *g, pith_value *x)
{
    return pithi_gradient_2(g, "expand", pithi_gradient_number(g, 0.0, x), pithi_gradient_1(g, "shape", x));
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    pithi_gradient g = { .ctx = ctx, .graph = source->graph, .name = source->name, .source_op = source->type };
    const pith_source_attr *xs = pithi_source_attr(source, "xs"), *zs = pithi_source_attr(source, "zs");
    const pith_source_attr *y = pithi_source_attr(source, "y");
    void *block = NULL;
    PITH_CHECK(ctx, xs && xs->kind == PITH_SOURCE_STRINGS && y && y->kind == PITH_SOURCE_STRING &&
               (!zs || zs->kind == PITH_SOURCE_STRINGS), PITH_STATUS_FORMAT, "'xs' or 'y' is missing");
    PITH_CHECK(ctx, source->n_inputs == xs->n_items + (zs ? zs->n_items : 0), PITH_STATUS_FORMAT,
               "there are %d inputs for %d names in 'xs' and 'zs'", source->n_inputs,
               xs->n_items + (zs ? zs->n_items : 0));
    PITH_TRY(pithi_arena_array(&source->graph->arena, (size_t)xs->n_items + 1, sizeof(pith_value *), &block));
    pith_value **gradients = block;
    PITH_TRY(pithi_gradient_build(&g, xs, zs, y->s, source->inputs, gradients));
    for (int i = 0; i < xs->n_items; i++) {
        source->inputs[i] = gradients[i] ? gradients[i] : zeros_like(&g, source->inputs[i]);
    }
    source->n_inputs = xs->n_items;
    return g.status;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_VARIADIC } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.preview.training", "Gradient", 1, map } };
static const char *const samples[] = { "f32[2,3] f64[4] | | 2", "f16[3] f32[0] | | 1" };

const pith_op pith_op_gradient = {
    .head = { "gradient", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
