/* SPDX-License-Identifier: Apache-2.0 */
/* Values outside of runs: built by callers, read from files, written to files. */
#include "exec/internal.h"
#include "export/export.h"
#include "graph/object.h"
#include "import/onnx/onnx.h"

struct pith_object_store {
    pith_ctx *ctx;
    pith_graph *graph; /* its arena holds everything */
    pithi_bytes bytes; /* last written */
};

pith_status pith_object_store_create(pith_ctx *ctx, pith_object_store **store_out)
{
    void *block = NULL;
    PITH_TRY(pithi_alloc(ctx, sizeof(pith_object_store), &block));
    pith_object_store *store = block;
    store->ctx = store->bytes.ctx = ctx;
    pith_status status = pithi_graph_create(ctx, &store->graph);
    if (status != PITH_OK) {
        pithi_free(ctx, store);
        return status;
    }
    *store_out = store;
    return PITH_OK;
}

void pith_object_store_destroy(pith_object_store *store)
{
    if (store) {
        pithi_graph_destroy(store->graph);
        pithi_free(store->ctx, store->bytes.data);
        pithi_free(store->ctx, store);
    }
}

pith_status pith_object_make(pith_object_store *store, const pith_type *type, const pith_tensor *items, size_t n_items,
                             const pith_tensor *keys, pith_tensor *value_out)
{
    pith_object object = { .type = type, .n_items = n_items, .items = items };
    pith_handle handle = { &object, 0 };
    pith_tensor view = pith_object_view(&handle);
    object.keys = keys ? *keys : (pith_tensor){ 0 };
    return pith_object_copy(store, &view, value_out);
}

pith_status pith_object_copy(pith_object_store *store, const pith_tensor *value, pith_tensor *copy_out)
{
    pith_tensor copy; /* what is copied may lie at copy_out */
    PITH_TRY(pithi_value_copy(&store->graph->arena, value, PITHI_WHOLE, &copy));
    *copy_out = copy;
    return PITH_OK;
}

pith_status pith_object_read_onnx(pith_object_store *store, const void *data, size_t n_bytes, const pith_type *type,
                                  pith_tensor *value_out)
{
    pith_ctx *ctx = store->ctx;
    const char *problem = NULL;
    void *copy = NULL;
    PITH_TRY(pithi_arena_alloc(&store->graph->arena, n_bytes + 1, &copy)); /* strings stay where they are */
    if (n_bytes > 0) {
        memcpy(copy, data, n_bytes);
    }
    pithi_import_info info = { 0 }; /* stays empty: without a folder no other file is read */
    pithi_onnx onnx = { .ctx = ctx, .file = { .ctx = ctx, .origin = copy }, .folder = "", .main = store->graph,
                        .info = &info };
    pithi_pb_span message = { copy, n_bytes, 1 };
    if (type && type->kind != PITH_KIND_TENSOR) {
        PITH_TRY_AT(ctx, pithi_onnx_value(&onnx, store->graph, &message, type, value_out), "value");
        return PITH_OK;
    }
    PITH_TRY_AT(ctx, pithi_onnx_tensor(&onnx, store->graph, &message, value_out, NULL, &problem), "value");
    PITH_CHECK(ctx, !problem, PITH_STATUS_UNSUPPORTED, "%s", problem);
    return PITH_OK;
}

pith_status pith_object_write_onnx(pith_object_store *store, const pith_tensor *value, const void **data_out,
                                   size_t *n_bytes_out)
{
    store->bytes.n_bytes = 0;
    PITH_TRY(pithi_export_onnx_value(value, &store->bytes));
    *data_out = store->bytes.data;
    *n_bytes_out = store->bytes.n_bytes;
    return PITH_OK;
}
