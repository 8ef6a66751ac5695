/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of dynamically quantised products become floats where they are made: matmul_integer and conv_integer with
 * factors, and with a row (a channel's number) that is added. No bit changes. */
#include "passes/fuse_dynamic.h"

/* One element, or one for each channel where y has its channels. */
static bool is_channel_list(const pithi_dynamic *d, const pith_value *value)
{
    const pith_tensor *list = value ? value->constant : NULL;
    const int rank = d->is_conv ? d->sums->inputs[1]->shape.rank : 1;
    for (int i = 0; list && i < list->shape.rank; i++) {
        const bool is_channel = list->shape.rank - 1 - i == d->channel_from_end;
        if (list->shape.dims[i] != 1 && !(is_channel && list->shape.dims[i] == d->n_channels)) {
            return false;
        }
    }
    return list && list->dtype == PITH_DTYPE_F32 && list->shape.rank <= rank;
}

/* An operator that takes factors, without any so far. */
static bool read_sums(pith_node *sums, pithi_dynamic *d)
{
    const pith_tensor *w = pithi_constant_input(sums, 1);
    *d = (pithi_dynamic){ .sums = sums, .is_conv = pithi_is(sums, "conv_integer") };
    if (!w || (d->is_conv ? w->shape.rank < 3 : w->shape.rank != 2)) {
        return false;
    }
    d->n_channels = w->shape.dims[d->is_conv ? 0 : 1];
    d->channel_from_end = d->is_conv ? w->shape.rank - 2 : 0;
    return true;
}

static pith_node *sums_behind(const pith_value *value)
{
    pith_node *product = pithi_sole_producer(value, "matmul_integer");
    return product ? product : pithi_sole_producer(value, "conv_integer");
}

static bool read_factors(const pith_node *factors, pithi_dynamic *d)
{
    const pith_node *quantize = d->sums->inputs[0]->producer;
    if (!pithi_is(factors, "mul") || factors->n_inputs != 2 || !pithi_has_no_activation(factors) ||
        !pithi_is(quantize, "dynamic_quantize_linear") || quantize->n_outputs < 3) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (factors->inputs[i] && factors->inputs[i] == quantize->outputs[1] &&
            is_channel_list(d, factors->inputs[1 - i])) {
            d->scale = factors->inputs[i];
            d->factor = factors->inputs[1 - i];
            d->x = quantize->inputs[0];
            return true;
        }
    }
    return false;
}

bool pithi_dynamic_of(const pith_node *mul, pithi_dynamic *d)
{
    for (int i = 0; i < 2 && pithi_is(mul, "mul") && mul->n_inputs == 2 && pithi_has_no_activation(mul); i++) {
        const pith_node *cast = pithi_sole_producer(mul->inputs[i], "cast");
        pith_node *sums = cast && pithi_is_cast_to_f32(cast) ? sums_behind(cast->inputs[0]) : NULL;
        const pith_value *factors = mul->inputs[1 - i];
        if (sums && sums->n_inputs <= 4 && factors && read_sums(sums, d) && read_factors(factors->producer, d)) {
            return true;
        }
    }
    return false;
}

/* `node` becomes the operator of `sums` with more inputs. */
static pith_status become(pith_graph *graph, pith_node *node, const pith_node *sums, pith_value *const *inputs,
                          int n_inputs, bool *changed)
{
    const void *attrs = sums->attrs;
    const pith_op_head *head = pithi_op_head(sums->op);
    *changed = true;
    PITH_TRY(pithi_become(graph, node, head->name, inputs, n_inputs));
    return pithi_attrs_copy(head, attrs, &graph->arena, node->attrs);
}

static pith_status fuse_factors(pith_graph *graph, pith_node *mul, bool *changed)
{
    pithi_dynamic d;
    if (!pithi_dynamic_of(mul, &d)) {
        return PITH_OK;
    }
    pith_value *inputs[] = { d.sums->inputs[0], d.sums->inputs[1], pithi_node_input(d.sums, 2),
                             pithi_node_input(d.sums, 3), d.scale, d.factor };
    return become(graph, mul, d.sums, inputs, PITH_COUNT(inputs), changed);
}

static pith_status fuse_offset(pith_graph *graph, pith_node *add, int operand, bool *changed)
{
    pith_node *sums = sums_behind(add->inputs[operand]);
    pith_value *list = add->inputs[1 - operand];
    pithi_dynamic d;
    if (!sums || sums->n_inputs != 6 || !pithi_has_no_activation(sums) || !read_sums(sums, &d) ||
        !is_channel_list(&d, list) || pith_shape_elements(&list->constant->shape) != d.n_channels) {
        return PITH_OK;
    }
    const pith_activation *from = pithi_activation_of(add);
    const pith_activation activation = from ? *from : (pith_activation){ 0 };
    pith_value *inputs[7];
    memcpy(inputs, sums->inputs, 6 * sizeof *inputs);
    inputs[6] = list;
    PITH_TRY(become(graph, add, sums, inputs, PITH_COUNT(inputs), changed));
    *pithi_activation_of(add) = activation;
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        bool changed = false;
        PITH_TRY(fuse_factors(graph, node, &changed));
        for (int i = 0; i < 2 && pithi_is(node, "add") && node->n_inputs == 2 && !changed; i++) {
            PITH_TRY(fuse_offset(graph, node, i, &changed));
        }
        *n_changes += changed; /* uses aren't counted anew: dead nodes still count, which only keeps more apart */
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_dynamic = {
    "fuse_dynamic",
    PITH_STAGE_MODEL,
    "makes floats of the sums of dynamically quantised products where they are made",
    run,
};
