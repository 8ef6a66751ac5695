/* SPDX-License-Identifier: Apache-2.0 */
/* Every operator that can be rewritten for channels-last operands, on its samples: permuted inputs must give the
 * permuted outputs. */
#include <stdlib.h>

#include "ops/sample.h"
#include "support/test.h"

#define MAX_OPERANDS 16

typedef struct layout_case {
    pith_sample sample;
    pith_tensor inputs[MAX_OPERANDS], outputs[MAX_OPERANDS];
} layout_case;

/* dims[0], spatial..., channels */
static pith_shape channels_last(const pith_shape *shape)
{
    pith_shape last = *shape;
    for (int i = 1; i < shape->rank; i++) {
        last.dims[i] = shape->dims[i + 1 < shape->rank ? i + 1 : 1];
    }
    return last;
}

static void permute(const pith_tensor *plain, pith_tensor *last)
{
    const pith_shape *shape = &plain->shape;
    size_t n_bytes = pith_dtype_bytes(plain->dtype);
    int64_t n_channels = shape->dims[1], n_pixels = 1;
    for (int i = 2; i < shape->rank; i++) {
        n_pixels *= shape->dims[i];
    }
    for (int64_t i = 0; i < shape->dims[0] * n_channels * n_pixels; i++) {
        int64_t pixel = i % n_pixels, channel = i / n_pixels % n_channels, image = i / n_pixels / n_channels;
        memcpy((char *)last->data + (size_t)((image * n_pixels + pixel) * n_channels + channel) * n_bytes,
               (char *)plain->data + (size_t)i * n_bytes, n_bytes);
    }
}

static pith_tensor allocate(pith_dtype dtype, const pith_shape *shape)
{
    pith_tensor tensor = { .dtype = dtype, .shape = *shape };
    tensor.data = dtype == PITH_DTYPE_NONE ? NULL : calloc(1, pith_tensor_bytes(&tensor) + 1);
    return tensor;
}

/* As the layout pass sees it. */
static bool carries_layout(const pith_node *node, int index)
{
    int rank = node->inputs[0]->shape.rank;
    if (!node->inputs[index] || node->inputs[index]->shape.rank != rank) {
        return false;
    }
    return index == 0 || (node->op->layout == PITH_LAYOUT_LAST ? index == node->op->residual_input_plus_1 - 1 : true);
}

static bool is_candidate(const pith_node *node)
{
    const pith_value *x = node->n_inputs > 0 ? node->inputs[0] : NULL;
    if (!x || x->shape.rank < 3 || x->shape.rank > 5) {
        return false;
    }
    for (int i = 0; i < node->op->head.n_attrs; i++) {
        const pith_attr_spec *spec = &node->op->head.attrs[i];
        if (pithi_same_text(spec->name, "channels_last") && *(int64_t *)(void *)((char *)node->attrs + spec->offset)) {
            return false;
        }
    }
    for (int i = 0; i < node->n_inputs; i++) {
        if (carries_layout(node, i) && node->inputs[i]->constant) {
            return false;
        }
    }
    return true;
}

static bool compute(pith_test *test, layout_case *c)
{
    const pith_node *node = c->sample.node;
    pith_infer infer = { .ctx = test->ctx,
                         .node = node,
                         .attrs = node->attrs,
                         .inputs = c->inputs,
                         .n_inputs = node->n_inputs,
                         .outputs = c->outputs,
                         .n_outputs = node->n_outputs };
    pith_status status = pithi_op_infer(&infer);
    TEST_OK(test, status);
    for (int i = 0; i < node->n_outputs && status == PITH_OK; i++) {
        c->outputs[i] = allocate(c->outputs[i].dtype, &c->outputs[i].shape);
    }
    return status == PITH_OK &&
           pithi_op_eval(test->ctx, node, c->inputs, node->n_inputs, c->outputs, node->n_outputs) == PITH_OK;
}

/* Operands of both cases; constants that the rewriting made are read from the graph. */
static void fill_inputs(pith_test *test, layout_case *plain, layout_case *last)
{
    const pith_node *node = last->sample.node;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *before = i < plain->sample.node->n_inputs ? plain->sample.node->inputs[i] : NULL;
        const pith_value *value = node->inputs[i];
        if (before) {
            plain->inputs[i] = allocate(before->dtype, &before->shape);
            if (before->constant) {
                memcpy(plain->inputs[i].data, before->constant->data, pith_tensor_bytes(&plain->inputs[i]));
            } else {
                pith_test_fill(test, &plain->inputs[i], plain->sample.low[i], plain->sample.high[i], false);
            }
        }
        if (value) {
            last->inputs[i] = allocate(value->dtype, value->constant ? &value->constant->shape : &value->shape);
            const void *data = value->constant ? value->constant->data : plain->inputs[i].data;
            memcpy(last->inputs[i].data, data, pith_tensor_bytes(&last->inputs[i]));
        }
        if (before && carries_layout(plain->sample.node, i)) {
            permute(&plain->inputs[i], &last->inputs[i]);
        }
    }
}

static void compare(pith_test *test, const layout_case *plain, const layout_case *last)
{
    for (int i = 0; i < plain->sample.node->n_outputs; i++) {
        const pith_tensor *wanted = &plain->outputs[i], *got = &last->outputs[i];
        bool is_permuted = wanted->shape.rank == plain->outputs[0].shape.rank;
        pith_shape shape = is_permuted ? channels_last(&wanted->shape) : wanted->shape;
        char text[PITHI_SHAPE_TEXT_BYTES], other[PITHI_SHAPE_TEXT_BYTES];
        TEST_CHECK_MESSAGE(test, pith_shape_equal(&shape, &got->shape), "output %d has shape %s, not %s", i,
                           pithi_shape_text(&got->shape, text), pithi_shape_text(&shape, other));
        if (!pith_shape_equal(&shape, &got->shape)) {
            continue;
        }
        pith_tensor permuted = allocate(wanted->dtype, &shape);
        if (is_permuted) {
            permute(wanted, &permuted);
        } else {
            memcpy(permuted.data, wanted->data, pith_tensor_bytes(wanted));
        }
        TEST_CHECK_MESSAGE(test, pith_test_difference(got, &permuted) <= 1e-6, "output %d differs", i);
        free(permuted.data);
    }
}

static void release(layout_case *c)
{
    for (int i = 0; i < MAX_OPERANDS; i++) {
        free(c->inputs[i].data);
        free(c->outputs[i].data);
    }
    pithi_graph_destroy(c->sample.graph);
}

/* False if the sample says nothing about layout. */
static bool check_sample(pith_test *test, const pith_op *op, const char *text)
{
    layout_case plain = { 0 }, last = { 0 };
    bool is_checked = false;
    TEST_OK(test, pithi_sample_parse(test->ctx, op, text, &plain.sample));
    TEST_OK(test, pithi_sample_parse(test->ctx, op, text, &last.sample));
    if (plain.sample.graph && last.sample.graph && is_candidate(plain.sample.node) &&
        op->to_channels_last(last.sample.graph, last.sample.node)) {
        for (int i = 0; i < plain.sample.node->n_inputs; i++) {
            if (carries_layout(plain.sample.node, i)) {
                last.sample.node->inputs[i]->shape = channels_last(&plain.sample.node->inputs[i]->shape);
            }
        }
        fill_inputs(test, &plain, &last);
        is_checked = compute(test, &plain) && compute(test, &last);
        if (is_checked && plain.outputs[0].shape.rank == plain.inputs[0].shape.rank) {
            compare(test, &plain, &last);
        }
    }
    release(&plain);
    release(&last);
    return is_checked;
}

void test_channels_last(pith_test *test)
{
    for (int i = 0; i < pithi_op_count(); i++) {
        const pith_op *op = pithi_op_at(i);
        bool is_checked = false;
        if (!op->to_channels_last) {
            continue;
        }
        pith_test_case(test, "%s", op->head.name);
        for (int k = 0; k < op->n_samples; k++) {
            is_checked = check_sample(test, op, op->samples[k]) || is_checked;
        }
        TEST_CHECK_MESSAGE(test, is_checked, "no sample of rank 3 to 5 can be rewritten");
    }
}
