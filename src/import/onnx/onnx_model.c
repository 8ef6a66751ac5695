/* SPDX-License-Identifier: Apache-2.0 */
/* ModelProto: versions, operator sets, functions, and the way into the main graph. */
#include "import/onnx/onnx.h"

#include "base/ctx.h"

#define MAX_OPSETS 1000 /* domains that a model or function may import */
#define FIRST_IR_WITH_OPSETS 3 /* models before are of opset 1 */

void pithi_import_info_deinit(pith_ctx *ctx, pithi_import_info *info)
{
    for (size_t i = 0; i < info->n_external_files; i++) {
        pithi_file_unmap(&info->external_files[i]);
    }
    pithi_free(ctx, info->external_files);
    pithi_free(ctx, info->locations);
    *info = (pithi_import_info){ 0 };
}

pith_status pithi_onnx_text(pith_ctx *ctx, pithi_arena *arena, const pithi_pb_span *span, const char *what,
                            const char **text_out)
{
    PITH_CHECK(ctx, !span->n_bytes || !memchr(span->data, 0, span->n_bytes), PITH_STATUS_FORMAT,
               "%s '%.*s...' contains a zero byte", what, PITHI_PB_TEXT(span));
    return pithi_arena_text(arena, span->n_bytes ? (const char *)span->data : "", span->n_bytes, text_out);
}

/* ---- operator sets ------------------------------------------------------------------------- */

static bool is_default_domain(const pithi_pb_span *domain)
{
    return domain->n_bytes == 0 || pithi_pb_is(domain, "ai.onnx");
}

static bool same_domain(const pithi_pb_span *a, const pithi_pb_span *b)
{
    return (is_default_domain(a) && is_default_domain(b)) || pithi_pb_same(a, b);
}

static pith_status check_opset(pithi_onnx *onnx, const pithi_onnx_opsets *opsets, const pithi_onnx_opset *opset)
{
    PITH_CHECK(onnx->ctx, opset->version >= 1, PITH_STATUS_FORMAT,
               "opset_import of domain '%.*s' has version %lld; versions begin with 1", PITHI_PB_TEXT(&opset->domain),
               (long long)opset->version);
    PITH_CHECK(onnx->ctx, !is_default_domain(&opset->domain) || opset->version <= PITHI_ONNX_MAX_OPSET,
               PITH_STATUS_UNSUPPORTED,
               "the model uses opset %lld, this version of pith knows opsets up to %d; export with an older opset, or "
               "use a newer pith", (long long)opset->version, PITHI_ONNX_MAX_OPSET);
    for (size_t i = 0; i < opsets->count; i++) {
        PITH_CHECK(onnx->ctx, !same_domain(&opsets->items[i].domain, &opset->domain) ||
                                  opsets->items[i].version == opset->version,
                   PITH_STATUS_FORMAT, "domain '%.*s' is imported with versions %lld and %lld",
                   PITHI_PB_TEXT(&opset->domain), (long long)opsets->items[i].version, (long long)opset->version);
    }
    PITH_CHECK(onnx->ctx, opsets->count < MAX_OPSETS, PITH_STATUS_LIMIT, "more than %d operator sets are imported",
               MAX_OPSETS);
    return PITH_OK;
}

pith_status pithi_onnx_add_opset(pithi_onnx *onnx, pithi_onnx_opsets *opsets, const pithi_pb_span *message)
{
    pithi_pb pb;
    pithi_pb_field field;
    pithi_onnx_opset opset = { .version = 0 };
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        if (field.number == OPSET_DOMAIN) {
            PITH_TRY(pithi_pb_get_span(&pb, &field, "domain", &opset.domain));
        } else if (field.number == OPSET_VERSION) {
            PITH_TRY(pithi_pb_get_s64(&pb, &field, "version", &opset.version));
        }
    }
    PITH_TRY(pb.status);
    PITH_TRY(check_opset(onnx, opsets, &opset));
    void *items = opsets->items;
    pith_status status = pithi_grow(onnx->ctx, &items, &opsets->capacity, opsets->count + 1, sizeof opset);
    opsets->items = items;
    PITH_TRY(status);
    opsets->items[opsets->count++] = opset;
    return PITH_OK;
}

int64_t pithi_onnx_opset_of(const pithi_onnx_scope *scope, const pithi_pb_span *domain)
{
    for (size_t i = 0; i < scope->opsets->count; i++) {
        if (same_domain(&scope->opsets->items[i].domain, domain)) {
            return scope->opsets->items[i].version;
        }
    }
    return 0;
}

/* ---- model --------------------------------------------------------------------------------- */

typedef struct model_fields {
    int64_t ir_version;
    pithi_pb_span producer, producer_version, graph;
} model_fields;

static pith_status read_field(pithi_onnx *onnx, const pithi_pb *pb, const pithi_pb_field *field, model_fields *model)
{
    pithi_pb_span message;
    switch (field->number) {
    case MODEL_IR_VERSION: return pithi_pb_get_s64(pb, field, "ir_version", &model->ir_version);
    case MODEL_PRODUCER_NAME: return pithi_pb_get_span(pb, field, "producer_name", &model->producer);
    case MODEL_PRODUCER_VERSION: return pithi_pb_get_span(pb, field, "producer_version", &model->producer_version);
    case MODEL_GRAPH:
        PITH_CHECK(onnx->ctx, !model->graph.data, PITH_STATUS_FORMAT, "the model has two graphs");
        return pithi_pb_get_span(pb, field, "graph", &model->graph);
    case MODEL_OPSET_IMPORT:
        PITH_TRY(pithi_pb_get_span(pb, field, "opset_import", &message));
        return pithi_onnx_add_opset(onnx, &onnx->opsets, &message);
    case MODEL_FUNCTIONS:
        PITH_TRY(pithi_pb_get_span(pb, field, "functions", &message));
        PITH_TRY_AT(onnx->ctx, pithi_onnx_function_add(onnx, &message), "function #%zu", onnx->n_functions);
        return PITH_OK;
    default: return PITH_OK;
    }
}

static pith_status check_model(pithi_onnx *onnx, const model_fields *model)
{
    PITH_CHECK(onnx->ctx, model->ir_version != 0, PITH_STATUS_FORMAT,
               "there is no ir_version, which every ONNX model begins with (is this an ONNX file?)");
    PITH_CHECK(onnx->ctx, model->ir_version >= PITHI_ONNX_MIN_IR && model->ir_version <= PITHI_ONNX_MAX_IR,
               PITH_STATUS_UNSUPPORTED, "the file has IR version %lld, pith reads versions %d to %d; %s",
               (long long)model->ir_version, PITHI_ONNX_MIN_IR, PITHI_ONNX_MAX_IR,
               "save it with an older IR version, or use a newer pith");
    PITH_CHECK(onnx->ctx, model->graph.data, PITH_STATUS_FORMAT, "the model has no graph");
    if (model->ir_version < FIRST_IR_WITH_OPSETS && onnx->opsets.count == 0) {
        static const unsigned char opset_1[] = { OPSET_VERSION << 3, 1 };
        const pithi_pb_span implied = { opset_1, sizeof opset_1, 1 };
        PITH_TRY(pithi_onnx_add_opset(onnx, &onnx->opsets, &implied));
    }
    PITH_CHECK(onnx->ctx, onnx->opsets.count > 0, PITH_STATUS_FORMAT,
               "the model imports no operator set; every model names versions in opset_import "
               "(onnx.helper.make_opsetid)");
    return PITH_OK;
}

static pith_status describe(pithi_onnx *onnx, const model_fields *model)
{
    const char *name = NULL, *version = NULL;
    pithi_arena *arena = &onnx->main->arena;
    PITH_TRY(pithi_onnx_text(onnx->ctx, arena, &model->producer, "producer_name", &name));
    PITH_TRY(pithi_onnx_text(onnx->ctx, arena, &model->producer_version, "producer_version", &version));
    PITH_TRY(pithi_arena_format(arena, &onnx->info->producer, "%s%s%s", name, *name && *version ? " " : "", version));
    static const pithi_pb_span default_domain = { 0 };
    pithi_onnx_scope scope = { .opsets = &onnx->opsets };
    onnx->info->format = "onnx";
    onnx->info->ir_version = model->ir_version;
    onnx->info->opset = pithi_onnx_opset_of(&scope, &default_domain);
    return PITH_OK;
}

static pith_status import_model(pithi_onnx *onnx, const pithi_pb_span *message)
{
    pithi_pb pb;
    pithi_pb_field field;
    model_fields model = { 0 };
    const char *problem = NULL;
    PITH_TRY(pithi_pb_open(&onnx->file, message, &pb));
    while (pithi_pb_next(&pb, &field)) {
        PITH_TRY(read_field(onnx, &pb, &field, &model));
    }
    PITH_TRY(pb.status);
    PITH_TRY(check_model(onnx, &model));
    PITH_TRY(pithi_onnx_functions_sort(onnx));
    PITH_TRY(describe(onnx, &model));
    PITH_TRY(pithi_onnx_graph(onnx, NULL, &model.graph, onnx->main, &problem));
    PITH_CHECK(onnx->ctx, !problem, PITH_STATUS_UNSUPPORTED, "%s", problem);
    return pithi_onnx_align(onnx);
}

static void release_tables(pithi_onnx *onnx)
{
    for (size_t i = 0; i < onnx->n_functions; i++) {
        pithi_free(onnx->ctx, onnx->functions[i].opsets.items);
    }
    pithi_free(onnx->ctx, onnx->functions);
    pithi_free(onnx->ctx, onnx->opsets.items);
}

pith_status pithi_import_onnx(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder,
                              pithi_import_info *info, pith_graph **graph_out)
{
    pithi_onnx onnx = { .ctx = ctx, .folder = folder, .info = info };
    onnx.file = (pithi_pb){ .ctx = ctx, .origin = data, .end = (const unsigned char *)data + n_bytes };
    pithi_pb_span model = { data, n_bytes, 1 };
    pith_status status = PITH_OK;

    PITH_TRY_GOTO(pithi_graph_create(ctx, &onnx.main), done);
    PITH_TRY_GOTO(import_model(&onnx, &model), done);
    *graph_out = onnx.main;
    onnx.main = NULL;
done:
    release_tables(&onnx);
    if (status != PITH_OK) {
        pithi_add_place(ctx, "import onnx");
        pithi_import_info_deinit(ctx, info);
    }
    pithi_graph_destroy(onnx.main);
    return status;
}
