/* SPDX-License-Identifier: Apache-2.0 */
/* com.microsoft's MultiHeadAttention as pith's attention: what it does before it (bias, widening of the mask) becomes
 * nodes of its own in front. */
#include "graph/attrs.h"
#include "ops/shared_attention.h"

/* Appends a node with one output. */
static pith_status add_node(pith_source *source, const char *op, pith_value *a, pith_value *b, pith_value **output_out)
{
    pith_value *inputs[2] = { a, b };
    pith_node *node = NULL;
    PITH_TRY(pithi_graph_add_value(source->graph, NULL, output_out));
    return pithi_graph_insert_node(source->graph, NULL, pithi_op_find(op), source->name, inputs, b ? 2 : 1, output_out,
                                   1, &node);
}

static pith_value *input_of(const pith_source *source, int index)
{
    return index < source->n_inputs ? source->inputs[index] : NULL;
}

static pith_status refuse_inputs(pith_ctx *ctx, const pith_source *source, int first, int end, const char *const *names)
{
    for (int i = first; i < end; i++) {
        PITH_CHECK(ctx, !input_of(source, i), PITH_STATUS_UNSUPPORTED, "input '%s' of %s is not implemented",
                   names[i - first], source->type);
    }
    return PITH_OK;
}

/* operand += its third of a constant bias [3 * hidden]. */
static pith_status add_bias(pith_ctx *ctx, pith_source *source, const pith_value *bias, int third, pith_value **operand)
{
    const pith_tensor *all = bias->constant;
    PITH_CHECK(ctx, all && all->shape.rank == 1 && all->shape.dims[0] % 3 == 0, PITH_STATUS_UNSUPPORTED,
               "the bias of %s must be a constant of three equal thirds", source->type);
    pith_tensor part = *all;
    part.shape.dims[0] /= 3;
    part.data = (char *)all->data + (size_t)third * pith_tensor_bytes(&part);
    pith_value *value = NULL;
    PITH_TRY(pithi_graph_add_constant(source->graph, NULL, &part, &value));
    return add_node(source, "add", *operand, value, operand);
}

/* A mask [batch, keys] of integers, 0 where a key is hidden, becomes bool [batch, 1, 1, keys]. */
static pith_status widen_mask(pith_ctx *ctx, pith_source *source, pith_value *mask, pith_value **mask_out)
{
    static const int64_t axes[2] = { 1, 2 };
    pith_value *axes_value = NULL, *is_seen = NULL;
    PITH_CHECK(ctx, mask->has_shape && mask->shape.rank == 2, PITH_STATUS_UNSUPPORTED,
               "%s takes masks of keys with rank 2 only, known in the file", source->type);
    PITH_TRY(pithi_graph_add_s64s(source->graph, axes, 2, &axes_value));
    PITH_TRY(add_node(source, "cast", mask, NULL, &is_seen));
    PITH_TRY(pithi_attr_set_int(ctx, is_seen->producer, "to", PITH_DTYPE_BOOL));
    return add_node(source, "unsqueeze", is_seen, axes_value, mask_out);
}

/* Attributes that both have; hidden keys get -inf here, mask_filter_value there, which differs only for rows
 * that may see nothing. */
static pith_status read_attrs(pith_ctx *ctx, pith_source *source, pithi_attention_attrs *attrs)
{
    const pith_source_attr *n_heads = pithi_source_attr(source, "num_heads");
    const pith_source_attr *is_causal = pithi_source_attr(source, "unidirectional");
    pithi_source_attr(source, "mask_filter_value");
    PITH_CHECK(ctx, n_heads && n_heads->kind == PITH_SOURCE_INT && n_heads->i > 0, PITH_STATUS_FORMAT,
               "attribute 'num_heads' is missing");
    attrs->q_num_heads = n_heads->i;
    attrs->kv_num_heads = n_heads->i;
    attrs->is_causal = is_causal && is_causal->i != 0;
    return PITH_OK;
}

/* Sets the inputs of attention; a mask of keys and an added bias can't be there both. */
static pith_status set_inputs(pith_ctx *ctx, pith_source *source, pith_value *const operands[PAST_V + 1],
                              pith_value *key_mask)
{
    pith_value *mask = operands[MASK];
    PITH_CHECK(ctx, !mask || !key_mask, PITH_STATUS_UNSUPPORTED, "%s with a mask of keys and an attention bias",
               source->type);
    if (key_mask) {
        PITH_TRY(widen_mask(ctx, source, key_mask, &mask));
    }
    memcpy(source->inputs, operands, (PAST_V + 1) * sizeof *operands);
    source->inputs[MASK] = mask;
    source->n_inputs = PAST_V + 1;
    return PITH_OK;
}

/* query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value, ... */
pith_status pithi_attention_map_multi_head(pith_ctx *ctx, pith_source *source, void *attrs)
{
    static const char *const later[] = { "past_sequence_length", "cache_indirection" };
    pith_value *operands[PAST_V + 1] = { input_of(source, 0), input_of(source, 1), input_of(source, 2),
                                         input_of(source, 5), input_of(source, 6), input_of(source, 7) };
    PITH_TRY(read_attrs(ctx, source, attrs));
    PITH_TRY(refuse_inputs(ctx, source, 8, 10, later));
    PITH_CHECK(ctx, operands[Q] && operands[K] && operands[V], PITH_STATUS_UNSUPPORTED, "%s with packed operands",
               source->type);
    for (int i = 0; i < 3 && input_of(source, 3); i++) {
        PITH_TRY(add_bias(ctx, source, input_of(source, 3), i, &operands[i]));
    }
    return set_inputs(ctx, source, operands, input_of(source, 4));
}
