/* SPDX-License-Identifier: Apache-2.0 */
/* flex_attention: y = probabilities v per head, the last part of ai.onnx.preview FlexAttention:
 *   y = prob_mod(softmax(score_mod(scale q k^T))) v
 * The spelling puts flex_scores, softmax and the nodes of the modifiers in front. */
#include "ops/sample.h"
#include "ops/shared_flex.h"

static void rows(const pith_run *run, const pith_part *part)
{
    const pith_tensor *p = &run->inputs[0], *v = &run->inputs[1];
    const int64_t n_keys = p->shape.dims[3], size = v->shape.dims[3];
    int64_t begin, end;
    pithi_flex_rows(run, part, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        const int64_t head = pithi_flex_head(run, row);
        for (int64_t i = 0; i < size; i++) {
            double sum = 0.0;
            for (int64_t j = 0; j < n_keys; j++) {
                sum += pithi_tensor_get_f64(p, row * n_keys + j) *
                       pithi_tensor_get_f64(v, (head * n_keys + j) * size + i);
            }
            pithi_tensor_set_f64(&run->outputs[0], row * size + i, sum);
        }
    }
}

static void ref(const pith_run *run)
{
    rows(run, NULL);
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *p = &infer->inputs[0].shape;
    PITH_TRY(pithi_infer_flex(infer, 3, 2));
    infer->outputs[0].dtype = infer->inputs[1].dtype;
    infer->outputs[0].shape = (pith_shape){ 4, { p->dims[0], p->dims[1], p->dims[2], infer->inputs[1].shape.dims[3] } };
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    cost->macs = (uint64_t)pith_shape_elements(&infer->inputs[0].shape) * (uint64_t)infer->inputs[1].shape.dims[3];
}

/* ---- import ------------------------------------------------------------------------------- */

/* A node of one output on *value, which becomes its output. */
static pith_status add_unary(pith_source *source, const char *op, pith_value **value, pith_node **node_out)
{
    pith_value *output = NULL;
    PITH_TRY(pithi_graph_add_value(source->graph, NULL, &output));
    PITH_TRY(pithi_graph_insert_node(source->graph, NULL, op ? pithi_op_find(op) : NULL, source->name, value, 1,
                                     &output, 1, node_out));
    (*node_out)->source_op = source->type;
    *value = output;
    return PITH_OK;
}

/* Puts the nodes of modifier `name`, if there is one, behind *value. */
static pith_status add_modifier(pith_ctx *ctx, pith_source *source, const char *name, pith_value **value)
{
    pith_source_attr *attr = pithi_source_attr(source, name);
    pith_value *const input = *value;
    pith_node *place = NULL, *copy = NULL;
    if (!attr) {
        return PITH_OK;
    }
    PITH_CHECK(ctx, attr->kind == PITH_SOURCE_GRAPH && attr->graph && attr->graph->n_inputs == 1 &&
               attr->graph->n_outputs == 1, PITH_STATUS_FORMAT, "'%s' is no graph with one input and one output", name);
    PITH_TRY(add_unary(source, NULL, value, &place));
    PITH_TRY(add_unary(source, "identity", value, &copy)); /* takes over what comes out of the body */
    PITH_TRY(pithi_graph_inline(source->graph, place, attr->graph, &input));
    attr->graph = NULL;
    return PITH_OK;
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    pith_node *node = NULL;
    pith_value *v = NULL, *scores = NULL;
    PITH_CHECK(ctx, source->n_inputs == 3 && source->inputs[0] && source->inputs[1] && source->inputs[2],
               PITH_STATUS_FORMAT, "FlexAttention has %d inputs, not 3", source->n_inputs);
    v = source->inputs[2];
    PITH_TRY(pithi_graph_add_value(source->graph, NULL, &scores));
    PITH_TRY(pithi_graph_insert_node(source->graph, NULL, pithi_op_find("flex_scores"), source->name, source->inputs, 2,
                                     &scores, 1, &node));
    node->source_op = source->type;
    PITH_TRY(pithi_op_take_attrs(ctx, node->op, true, source, node->attrs));
    PITH_TRY(add_modifier(ctx, source, "score_mod", &scores));
    PITH_TRY(add_unary(source, "softmax", &scores, &node));
    PITH_TRY(add_modifier(ctx, source, "prob_mod", &scores));
    source->inputs[0] = scores;
    source->inputs[1] = v;
    source->n_inputs = 2;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "p", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "v", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.preview", "FlexAttention", 1, map } };
static const char *const samples[] = { "f32[2,4,3,7] f32[2,2,7,5]", "f32[1,2,3,2] f16[1,2,2,4]",
                                       "f64[1,1,2,0] f64[1,1,0,3]", "f32[0,2,3,4] f32[0,1,4,2]" };

const pith_op pith_op_flex_attention = {
    .head = { "flex_attention", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = pithi_flex_prepare, .run = rows,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
