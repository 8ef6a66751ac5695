/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_target.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ctx.h"
#include "export/text/text.h"
#include "pith/pith.h"
#include "import/pith/pith.h"
#include "support/onnx_models.h"
#include "support/package_seal.h"

#define MAX_INPUTS 8
#define MAX_ITERATIONS 64u
#define MAX_OPERATIONS 2000000u /* per run, so that an input takes milliseconds */

static void fail(const char *what, const pith_ctx *ctx)
{
    fprintf(stderr, "fuzz: %s: %s\n", what, pith_ctx_error(ctx));
    abort();
}

static int import_and_print(pith_ctx *ctx, const uint8_t *data, size_t n_bytes)
{
    pith_imported imported;
    pith_graph *clone = NULL;
    pithi_text text = { .ctx = ctx };
    int reached = 0;
    if (pith_import_bytes(ctx, data, n_bytes, "", &imported) == PITH_OK) {
        reached = 1;
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

/* Values that are at home nowhere in particular: small ones mostly, so that indices hit, and the ends of ranges. */
static double any_value(uint64_t *random)
{
    static const double ends[] = { NAN,          INFINITY,      -INFINITY, 1e30, -1e30,
                                   2147483647.0, -2147483648.0, -1.0,      0.5,  1e-40 };
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    uint32_t dice = (uint32_t)(*random >> 33);
    return dice % 32 == 0 ? ends[dice / 32 % PITH_COUNT(ends)] : (double)(dice / 32 % 4) - (double)(dice % 32 == 1);
}

static void set_element(pith_tensor *tensor, int64_t index, uint64_t *seed)
{
    static const pith_string strings[] = { { "", 0 }, { "a", 1 }, { " b c ", 5 }, { "-1.5", 4 }, { "\xc3\xa9,A", 4 },
                                           { "\xff\0x", 3 } };
    double value = any_value(seed);
    if (tensor->dtype == PITH_DTYPE_STRING) {
        int64_t pick = pithi_f64_to_s64(value) % PITH_COUNT(strings);
        ((pith_string *)tensor->data)[index] = strings[pick < 0 ? -pick : pick];
    } else {
        pithi_tensor_set_f64(tensor, index, value);
    }
}

/* None to two items; tensors are lists of two. */
static bool make_object(pith_object_store *store, const pith_type *type, uint64_t *seed, pith_tensor *value_out)
{
    uint64_t room[3][2 * sizeof(pith_string)] = { { 0 } };
    pith_tensor items[2], keys = { type->dtype, { 1, { 2 } }, room[2] };
    size_t n_items = (size_t)pithi_f64_to_s64(fabs(any_value(seed))) % (type->kind == PITH_KIND_OPTIONAL ? 2 : 3);
    for (size_t i = 0; i < 2; i++) {
        items[i] = (pith_tensor){ type->element->dtype, { 1, { 2 } }, room[i] };
        for (int k = 0; k < 2 && type->element->kind == PITH_KIND_TENSOR; k++) {
            set_element(&items[i], k, seed);
        }
        if (type->element->kind != PITH_KIND_TENSOR && !make_object(store, type->element, seed, &items[i])) {
            return false;
        }
        set_element(&keys, (int64_t)i, seed);
    }
    keys.shape.dims[0] = (int64_t)n_items;
    return pith_object_make(store, type, items, n_items, type->kind == PITH_KIND_MAP ? &keys : NULL, value_out) ==
           PITH_OK;
}

static bool fill_inputs(pith_ctx *ctx, const pith_model *model, const pith_shape *shapes, uint64_t seed,
                        pith_object_store *store, pith_tensor *inputs)
{
    for (int i = 0; i < pith_model_n_inputs(model); i++) {
        const pith_type *type = pith_model_input(model, i)->type;
        size_t n_bytes = 0;
        if (type) {
            if (!make_object(store, type, &seed, &inputs[i])) {
                return false;
            }
            continue;
        }
        inputs[i] = (pith_tensor){ .dtype = pith_model_input(model, i)->dtype, .shape = shapes[i] };
        if (pithi_shape_check(ctx, &shapes[i], inputs[i].dtype, &n_bytes) != PITH_OK ||
            pithi_alloc(ctx, n_bytes, &inputs[i].data) != PITH_OK) {
            return false;
        }
        for (int64_t k = 0; k < pith_shape_elements(&shapes[i]); k++) {
            set_element(&inputs[i], k, &seed);
        }
    }
    return true;
}

/* Every byte of the results is looked at, so that sanitizers see it. */
static unsigned volatile sum_of_bytes;

static void look_at_bytes(const void *data, size_t n_bytes)
{
    for (size_t k = 0; k < n_bytes; k++) {
        sum_of_bytes += ((const unsigned char *)data)[k];
    }
}

static void look_at(const pith_tensor *value)
{
    const pith_object *object = pith_object_of(value);
    if (!object) {
        look_at_bytes(value->data, pith_tensor_bytes(value));
    }
    for (int64_t i = 0; value->dtype == PITH_DTYPE_STRING && i < pith_shape_elements(&value->shape); i++) {
        const pith_string *string = (const pith_string *)value->data + i;
        look_at_bytes(string->data, string->n_bytes);
    }
    for (size_t i = 0; object && i < object->n_items; i++) {
        look_at(&object->items[i]);
    }
    if (object && object->type->kind == PITH_KIND_MAP) {
        look_at(&object->keys);
    }
}

/* Three workers on one thread, so that runs can be repeated: parts come backwards, and workers in turn. */
static void run_backwards(void *user, int n_parts, void (*part)(void *context, int i, int worker), void *context)
{
    (void)user;
    for (int i = n_parts - 1; i >= 0; i--) {
        part(context, i, i % 3);
    }
}

static bool run_twice(pith_ctx *ctx, pith_model *model, const pith_shape *shapes, uint64_t seed)
{
    static const pith_thread_pool three = { 3, run_backwards, NULL };
    const pith_session_options options = { .n_threads = 1, .steady_threads = 1, .pool = seed % 2 ? &three : NULL };
    pith_tensor inputs[MAX_INPUTS] = { 0 };
    pith_session *session = NULL;
    int n_runs = 0;
    pith_object_store *store = NULL;
    bool is_ready =
        pith_object_store_create(ctx, &store) == PITH_OK && fill_inputs(ctx, model, shapes, seed, store, inputs) &&
        pith_session_create(model, &options, &session) == PITH_OK;
    for (int run = 0; run < 2 && is_ready; run++) { /* the second one reuses plans and memory */
        if (pith_session_run(session, inputs, pith_model_n_inputs(model)) != PITH_OK) {
            break;
        }
        n_runs++;
        for (int i = 0; i < pith_model_n_outputs(model); i++) {
            const pith_tensor *output = pith_session_output(session, i);
            look_at(output);
        }
    }
    pith_session_destroy(session);
    for (int i = 0; i < MAX_INPUTS; i++) {
        if (inputs[i].dtype != PITH_DTYPE_OBJECT) {
            pithi_free(ctx, inputs[i].data);
        }
    }
    pith_object_store_destroy(store);
    return n_runs == 2;
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

static int plan_and_run(pith_ctx *ctx, const uint8_t *data, size_t n_bytes)
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
    pith_status status = is_small ? pith_model_cost(model, shapes, 1, &report) : PITH_STATUS_LIMIT;
    if (status == PITH_OK || status == PITH_STATUS_STATE) { /* STATE: shapes depend on values of inputs */
        pith_ctx_clear_error(ctx);
        reached = 2;
        reached += run_twice(ctx, model, shapes, (uint64_t)n_bytes);
    }
    pith_model_destroy(model);
    return reached;
}

/* What can be read can be printed, and that reads back to itself. */
static int import_text(pith_ctx *ctx, const uint8_t *data, size_t n_bytes)
{
    pithi_text text = { .ctx = ctx }, again = { .ctx = ctx };
    pithi_import_info info = { 0 }, info_again = { 0 };
    pith_graph *graph = NULL, *back = NULL;
    int reached = 0;
    if (pithi_import_text(ctx, data, n_bytes, "", &info, &graph) == PITH_OK) {
        reached = 1;
        if (pithi_graph_verify(graph) != PITH_OK) {
            fail("the graph that was read is broken", ctx);
        }
        if (pithi_export_text(graph, NULL, 0, &text) == PITH_OK) {
            if (pithi_import_text(ctx, text.data, text.n_bytes, "", &info_again, &back) != PITH_OK ||
                pithi_export_text(back, NULL, 0, &again) != PITH_OK || strcmp(text.data, again.data) != 0) {
                fail("the text does not read back to itself", ctx);
            }
        }
    }
    pithi_graph_destroy(back);
    pithi_graph_destroy(graph);
    pithi_import_info_deinit(ctx, &info);
    pithi_import_info_deinit(ctx, &info_again);
    pithi_text_deinit(&text);
    pithi_text_deinit(&again);
    return reached;
}

/* What can be read can be written, and that is written again as the same bytes. */
static int import_package(pith_ctx *ctx, const uint8_t *data, size_t n_bytes)
{
    pithi_import_info info = { 0 };
    pith_graph *graph = NULL;
    void *once = NULL, *twice = NULL;
    size_t n_once = 0, n_twice = 0;
    int reached = 0;
    if (pithi_is_package(data, n_bytes) && pithi_import(ctx, data, n_bytes, "", &info, &graph) == PITH_OK) {
        reached = 1;
        if (pithi_graph_verify(graph) != PITH_OK) {
            fail("the graph that was read is broken", ctx);
        }
        if (pith_package_write(ctx, data, n_bytes, NULL, &once, &n_once) == PITH_OK &&
            (pith_package_write(ctx, once, n_once, NULL, &twice, &n_twice) != PITH_OK || n_once != n_twice ||
             memcmp(once, twice, n_once) != 0)) {
            fail("the file does not write back to itself", ctx);
        }
    }
    pithi_graph_destroy(graph);
    pithi_import_info_deinit(ctx, &info);
    pith_free_bytes(ctx, once);
    pith_free_bytes(ctx, twice);
    return reached;
}

static int fuzz(const uint8_t *data, size_t n_bytes, int (*import)(pith_ctx *, const uint8_t *, size_t))
{
    pith_ctx *ctx = NULL;
    if (pith_ctx_create(NULL, &ctx) != PITH_OK) {
        return 0;
    }
    ctx->limits = (pith_limits){ .max_file_bytes = 1 << 20, .max_tensor_bytes = 1 << 14, .max_memory_bytes = 1 << 25,
                                 .max_nodes = 200, .max_nesting = 24, .max_operations = MAX_OPERATIONS,
                                 .max_iterations = MAX_ITERATIONS };
    int reached = import(ctx, data, n_bytes);
    pith_ctx_clear_error(ctx);
    reached = reached ? plan_and_run(ctx, data, n_bytes) : 0;
    if (pith_ctx_memory_bytes(ctx) != 0) {
        fail("memory is lost", ctx);
    }
    pith_ctx_destroy(ctx);
    return reached;
}

int pith_fuzz_onnx(const uint8_t *data, size_t n_bytes) { return fuzz(data, n_bytes, import_and_print); }

int pith_fuzz_text(const uint8_t *data, size_t n_bytes) { return fuzz(data, n_bytes, import_text); }

int pith_fuzz_package(const uint8_t *data, size_t n_bytes)
{
    unsigned char *copy = malloc(n_bytes + !n_bytes);
    memcpy(copy, data, n_bytes);
    pith_package_seal(copy, n_bytes);
    int reached = fuzz(copy, n_bytes, import_package);
    free(copy);
    return reached;
}
