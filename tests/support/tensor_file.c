/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tensor_file.h"

#include <math.h>
#include <stdio.h>

#include "graph/object.h"
#include "import/onnx/onnx.h"

pith_status pith_tensor_file_read_pb(pith_graph *graph, const char *path, pith_tensor *tensor_out)
{
    return pith_value_file_read_pb(graph, path, NULL, tensor_out);
}

pith_status pith_value_file_read_pb(pith_graph *graph, const char *path, const pith_type *type, pith_tensor *tensor_out)
{
    pith_ctx *ctx = graph->ctx;
    pithi_file file = { 0 };
    void *copy = NULL;
    const char *problem = NULL;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(pithi_file_map(ctx, path, &file), done);
    PITH_TRY_GOTO(pithi_arena_alloc(&graph->arena, file.n_bytes + 1, &copy), done);
    if (file.n_bytes > 0) {
        memcpy(copy, file.data, file.n_bytes);
    }
    pithi_import_info info = { 0 };
    pithi_onnx onnx = { .ctx = ctx, .file = { .ctx = ctx, .origin = copy }, .folder = "", .main = graph,
                        .info = &info };
    pithi_pb_span message = { copy, file.n_bytes, 1 };
    if (type) {
        status = pithi_onnx_value(&onnx, graph, &message, type, tensor_out);
    } else {
        status = pithi_onnx_tensor(&onnx, graph, &message, tensor_out, NULL, &problem);
    }
    if (status == PITH_OK && problem) {
        status = pithi_fail(ctx, PITH_STATUS_UNSUPPORTED, "%s", problem);
    }
done:
    pithi_file_unmap(&file);
    return status;
}

static bool objects_are_close(const pith_object *a, const pith_object *b, double rtol, double atol, char *message,
                              size_t message_bytes)
{
    char type_a[PITH_TYPE_TEXT_BYTES], type_b[PITH_TYPE_TEXT_BYTES];
    if (!a || !b || !pith_type_equal(a->type, b->type) || a->n_items != b->n_items) {
        snprintf(message, message_bytes, "%s of %zu items, wanted %s of %zu",
                 pith_type_text(a ? a->type : NULL, type_a), a ? a->n_items : 0,
                 pith_type_text(b ? b->type : NULL, type_b), b ? b->n_items : 0);
        return false;
    }
    bool is_close = true;
    for (size_t i = 0; i < a->n_items && is_close; i++) {
        is_close = pith_tensor_close(&a->items[i], &b->items[i], rtol, atol, message, message_bytes);
    }
    return is_close && (a->type->kind != PITH_KIND_MAP ||
                        pith_tensor_close(&a->keys, &b->keys, rtol, atol, message, message_bytes));
}

bool pith_tensor_close(const pith_tensor *a, const pith_tensor *b, double rtol, double atol, char *message,
                       size_t message_bytes)
{
    char shape_a[PITHI_SHAPE_TEXT_BYTES], shape_b[PITHI_SHAPE_TEXT_BYTES];
    if (a->dtype != b->dtype || !pith_shape_equal(&a->shape, &b->shape)) {
        snprintf(message, message_bytes, "%s%s, wanted %s%s", pith_dtype_name(a->dtype),
                 pithi_shape_text(&a->shape, shape_a), pith_dtype_name(b->dtype),
                 pithi_shape_text(&b->shape, shape_b));
        return false;
    }
    if (a->dtype == PITH_DTYPE_OBJECT) {
        return objects_are_close(pith_object_of(a), pith_object_of(b), rtol, atol, message, message_bytes);
    }
    const pith_tensor a_parts = pithi_tensor_parts(a), b_parts = pithi_tensor_parts(b);
    a = &a_parts;
    b = &b_parts;
    int64_t n_elements = pith_shape_elements(&a->shape), n_bad = 0, worst_at = 0;
    for (int64_t i = 0; i < n_elements && a->dtype == PITH_DTYPE_STRING; i++) {
        const pith_string *x = (const pith_string *)a->data + i, *y = (const pith_string *)b->data + i;
        if (!pithi_string_same(x, y)) {
            snprintf(message, message_bytes, "string %lld is '%.*s', wanted '%.*s'", (long long)i, (int)x->n_bytes,
                     x->data, (int)y->n_bytes, y->data);
            return false;
        }
    }
    double worst = -1;
    for (int64_t i = 0; i < n_elements; i++) {
        double x = pithi_tensor_get_f64(a, i), y = pithi_tensor_get_f64(b, i);
        bool is_close = x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= atol + rtol * fabs(y);
        if (!pithi_dtype_is_float(a->dtype)) {
            is_close = pithi_tensor_get_s64(a, i) == pithi_tensor_get_s64(b, i);
        }
        n_bad += !is_close;
        double gap = isnan(x - y) ? INFINITY : fabs(x - y);
        if (!is_close && gap > worst) {
            worst = gap;
            worst_at = i;
        }
    }
    if (n_bad > 0) {
        snprintf(message, message_bytes, "%lld of %lld elements differ, most element %lld: %.9g, wanted %.9g (%s%s)",
                 (long long)n_bad, (long long)n_elements, (long long)worst_at, pithi_tensor_get_f64(a, worst_at),
                 pithi_tensor_get_f64(b, worst_at), pith_dtype_name(a->dtype), pithi_shape_text(&a->shape, shape_a));
    }
    return n_bad == 0;
}
