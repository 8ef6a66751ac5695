/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_target.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ctx.h"
#include "pith/pith.h"
#include "support/onnx_models.h"

#define MAX_INPUTS 8
#define MAX_ITERATIONS 16
#define MAX_OPERATIONS 2000000u /* per run, so that an input takes milliseconds */

static void fail(const char *what, const pith_ctx *ctx)
{
    fprintf(stderr, "fuzz: %s: %s\n", what, pith_ctx_error(ctx));
    abort();
}

/* Loops run at most so often as their values say, which may be for ever: how many there are, and whether a constant
 * keeps them short. */
static int count_loops(const pith_graph *graph, bool *are_short)
{
    int n_loops = 0;
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (pithi_same_text(node->source_op, "Loop")) {
            const pith_value *count = node->n_inputs > 0 ? node->inputs[0] : NULL;
            const pith_tensor *known = count ? count->constant : NULL;
            n_loops++;
            *are_short &= known && pith_shape_elements(&known->shape) == 1 &&
                          pithi_tensor_get_s64(known, 0) <= MAX_ITERATIONS;
        }
        for (int i = 0; i < node->n_bodies; i++) {
            n_loops += count_loops(node->bodies[i], are_short);
        }
    }
    return n_loops;
}

static int import_and_print(pith_ctx *ctx, const uint8_t *data, size_t n_bytes, bool *ends_soon)
{
    pith_imported imported;
    pith_graph *clone = NULL;
    pithi_text text = { .ctx = ctx };
    int reached = 0;
    if (pith_import_bytes(ctx, data, n_bytes, "", &imported) == PITH_OK) {
        reached = 1;
        *ends_soon = true;
        *ends_soon = count_loops(imported.graph, ends_soon) <= 1 && *ends_soon;
        pithi_graph_print(imported.graph, &text);
        if (pithi_graph_verify(imported.graph) != PITH_OK) {
            fail("the imported graph is broken", ctx);
        }
        if (pithi_graph_clone(imported.graph, &clone) == PITH_OK && pithi_graph_verify(clone) != PITH_OK) {
            fail("the clone is broken", ctx);
        }
    }
    pithi_graph_destroy(clone);
    pithi_text_deinit(&text);
    pith_imported_deinit(&imported);
    return reached;
}

static bool fill_inputs(pith_ctx *ctx, const pith_model *model, const pith_shape *shapes, pith_tensor *inputs)
{
    for (int i = 0; i < pith_model_n_inputs(model); i++) {
        size_t n_bytes = 0;
        inputs[i] = (pith_tensor){ .dtype = pith_model_input(model, i)->dtype, .shape = shapes[i] };
        if (pithi_shape_check(ctx, &shapes[i], inputs[i].dtype, &n_bytes) != PITH_OK ||
            pithi_alloc(ctx, n_bytes, &inputs[i].data) != PITH_OK) {
            return false;
        }
        for (int64_t k = 0; k < pith_shape_elements(&shapes[i]); k++) {
            pithi_tensor_set_f64(&inputs[i], k, (double)(k % 2));
        }
    }
    return true;
}

static unsigned run_once(pith_ctx *ctx, pith_model *model, const pith_shape *shapes)
{
    static const pith_session_options options = { .n_threads = 1 };
    pith_tensor inputs[MAX_INPUTS] = { 0 };
    pith_session *session = NULL;
    unsigned sum = 0;
    bool is_ready =
        fill_inputs(ctx, model, shapes, inputs) && pith_session_create(model, &options, &session) == PITH_OK;
    for (int run = 0; run < 2 && is_ready; run++) { /* the second one reuses plans and memory */
        if (pith_session_run(session, inputs, pith_model_n_inputs(model)) != PITH_OK) {
            break;
        }
        for (int i = 0; i < pith_model_n_outputs(model); i++) {
            const pith_tensor *output = pith_session_output(session, i);
            for (size_t k = 0; k < pith_tensor_bytes(output); k++) {
                sum += ((const unsigned char *)output->data)[k];
            }
        }
    }
    pith_session_destroy(session);
    for (int i = 0; i < MAX_INPUTS; i++) {
        pithi_free(ctx, inputs[i].data);
    }
    return sum + 1;
}

/* Unknown dimensions and ranks get small sizes. */
static pith_shape small_shape(const pith_value_info *info)
{
    pith_shape shape = info->shape;
    shape.rank = shape.rank < 0 ? 1 : shape.rank;
    for (int k = 0; k < shape.rank; k++) {
        shape.dims[k] = info->shape.rank < 0 || shape.dims[k] < 0 ? 2 : shape.dims[k];
    }
    return shape;
}

static int plan_and_run(pith_ctx *ctx, const uint8_t *data, size_t n_bytes, bool ends_soon)
{
    pith_model *model = NULL;
    pith_shape shapes[MAX_INPUTS];
    pith_cost_report report;
    int reached = 1;
    if (pith_model_load_memory(ctx, data, n_bytes, NULL, &model) != PITH_OK) {
        return reached;
    }
    bool is_small = pith_model_n_inputs(model) <= MAX_INPUTS && pith_model_n_unsupported(model) == 0;
    for (int i = 0; is_small && i < pith_model_n_inputs(model); i++) {
        shapes[i] = small_shape(pith_model_input(model, i));
        is_small = pith_model_input(model, i)->dtype != PITH_DTYPE_NONE;
    }
    if (is_small && pith_model_cost(model, shapes, 1, &report) == PITH_OK) {
        reached = 2;
        if (report.macs + report.flops < MAX_OPERATIONS && ends_soon) {
            reached += run_once(ctx, model, shapes) > 0;
        }
    }
    pith_model_destroy(model);
    return reached;
}

int pith_fuzz_onnx(const uint8_t *data, size_t n_bytes)
{
    pith_ctx *ctx = NULL;
    if (pith_ctx_create(NULL, &ctx) != PITH_OK) {
        return 0;
    }
    ctx->limits = (pith_limits){ .max_file_bytes = 1 << 20, .max_tensor_bytes = 1 << 14, .max_memory_bytes = 1 << 25,
                                 .max_nodes = 200, .max_nesting = 24 };
    bool ends_soon = false;
    int reached = import_and_print(ctx, data, n_bytes, &ends_soon);
    pith_ctx_clear_error(ctx);
    reached = reached ? plan_and_run(ctx, data, n_bytes, ends_soon) : 0;
    if (pith_ctx_memory_bytes(ctx) != 0) {
        fail("memory is lost", ctx);
    }
    pith_ctx_destroy(ctx);
    return reached;
}
