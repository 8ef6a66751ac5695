/* SPDX-License-Identifier: Apache-2.0 */
/* `.pith` files: what a model takes from one beside its graph, and how one is made. */
#include "pith/package.h"

#include "base/ctx.h"
#include "exec/internal.h"
#include "export/text/text.h"
#include "import/pith/pith.h"
#include "kernels/kernel.h"
#include "pith_source_id.h"

/* ---- packed weights ----------------------------------------------------------------------- */

/* Packed by the same sources, of the same graph and weights. */
static uint64_t identity_of(const pith_model *model, const pithi_package *package)
{
    const uint64_t hashes[2] = { pithi_package_hash(package, pithi_package_find(package, "graph", "")),
                                 pithi_package_hash(package, pithi_package_find(package, "weights", "")) };
    static const char source[] = PITH_SOURCE_ID;
    uint64_t identity = pithi_hash(PITHI_HASH_START, source, sizeof source);
    identity = pithi_hash(identity, hashes, sizeof hashes);
    return pithi_model_pack_identity(model, identity);
}

/* Of another instruction set, build or choice of options they are no use, and weights are packed as usual. */
static pith_status take_packed(pith_model *model, const pithi_package *package)
{
    const int index = pithi_package_find(package, "packed", pith_ctx_isa(model->ctx));
    if (index < 0 || model->describe_only || model->cache_folder) {
        return PITH_OK;
    }
    if (!model->import.skips_hashes) {
        PITH_TRY(pithi_package_verify(model->ctx, package, index));
    }
    const pith_section section = pithi_package_section(package, index);
    if (pithi_pack_cache_borrow(model->program.packs, section.data, section.n_bytes, identity_of(model, package))) {
        model->package->uses_packed = 1;
        pithi_alloc_expect(model->ctx, 0); /* there is little to pack */
    }
    return PITH_OK;
}

/* ---- reading ------------------------------------------------------------------------------ */

static pith_status take_tuning(pith_model *model, const pithi_package *package)
{
    const int index = pithi_package_find(package, "tuning", "");
    if (index < 0 || model->tuning_file || model->tuning_note[0]) {
        return PITH_OK;
    }
    const pith_section section = pithi_package_section(package, index);
    return pithi_model_take_tuning(model, "the model's section 'tuning'", section.data, section.n_bytes);
}

/* Small sections are checked here, graph and weights where they are read. */
static pith_status list_sections(pith_model *model, const pithi_package *package)
{
    void *block = NULL, *rows = NULL;
    PITH_TRY(pithi_arena_alloc(&model->memory, sizeof(pith_package), &block));
    PITH_TRY(pithi_arena_array(&model->memory, (size_t)package->n_sections, sizeof(pith_section), &rows));
    pith_section *sections = rows;
    for (int i = 0; i < package->n_sections; i++) {
        sections[i] = pithi_package_section(package, i);
        if (pithi_package_find(package, sections[i].kind, sections[i].variant) == i &&
            !pithi_list_has("graph,weights,packed", sections[i].kind)) {
            PITH_TRY(pithi_package_verify(model->ctx, package, i));
        }
    }
    model->package = block;
    *model->package = (pith_package){ .major = package->major, .minor = package->minor, .sections = sections,
                                      .n_sections = package->n_sections };
    return PITH_OK;
}

pith_status pithi_model_open_package(pith_model *model, const void *data, size_t n_bytes)
{
    pithi_package package;
    if (!pithi_is_package(data, n_bytes)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_package_open(model->ctx, data, n_bytes, &package));
    PITH_TRY(list_sections(model, &package));
    PITH_TRY(take_tuning(model, &package));
    return take_packed(model, &package);
}

const pith_package *pith_model_package(const pith_model *model) { return model->package; }

/* ---- writing ------------------------------------------------------------------------------ */

/* A file in the making: the caller's sections, with graph and weights in front and packed weights behind. */
typedef struct maker {
    pith_ctx *ctx;
    const pith_package_options *options;
    pithi_text graph;
    pithi_weight_store weights;
    pith_section sections[PITHI_PACKAGE_MAX_SECTIONS];
    int n_sections;
    void *packed[PITHI_PACKAGE_MAX_SECTIONS]; /* to be freed */
    int n_packed;
    pithi_bytes file;
} maker;

static pith_status add_section(maker *m, const char *kind, const char *variant, const void *data, size_t n_bytes)
{
    PITH_CHECK(m->ctx, m->n_sections < PITHI_PACKAGE_MAX_SECTIONS, PITH_STATUS_LIMIT,
               "a file has at most %d sections", PITHI_PACKAGE_MAX_SECTIONS);
    m->sections[m->n_sections++] = (pith_section){ kind, variant, data, n_bytes, 0 };
    return PITH_OK;
}

static size_t constant_bytes(const pith_graph *graph)
{
    size_t sum = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_tensor *constant = graph->values[i]->constant;
        sum += constant && graph->values[i]->n_uses > 0 ? pith_tensor_bytes(constant) + PITH_ALIGNMENT : 0;
    }
    return sum;
}

static pith_status add_graph(maker *m, pith_graph *graph, const pithi_import_info *info)
{
    void *data = NULL;
    pithi_graph_count_uses(graph);
    PITH_TRY(pithi_grow(m->ctx, &data, &m->weights.bytes.capacity, constant_bytes(graph), 1));
    m->weights.bytes.data = data;
    PITH_TRY(pithi_export_packed_text(graph, info, &m->weights, &m->graph));
    PITH_TRY(add_section(m, "graph", "", m->graph.data, m->graph.n_bytes));
    return m->weights.bytes.n_bytes ? add_section(m, "weights", "", m->weights.bytes.data, m->weights.bytes.n_bytes)
                                    : PITH_OK;
}

static pith_status add_given(maker *m, const void *model, size_t n_bytes)
{
    pithi_import_info info = { 0 };
    pith_graph *graph = NULL;
    const char *folder = m->options->folder ? m->options->folder : "";
    PITH_TRY(pithi_import(m->ctx, model, n_bytes, folder, &info, &graph));
    pith_status status = add_graph(m, graph, &info);
    pithi_graph_destroy(graph);
    pithi_import_info_deinit(m->ctx, &info);
    for (int i = 0; i < m->options->n_sections && status == PITH_OK; i++) {
        const pith_section *given = &m->options->sections[i];
        status = add_section(m, given->kind, given->variant, given->data, given->n_bytes);
    }
    return status;
}

/* Plans the file so far as it will be planned where it is loaded. */
static pith_status pack(maker *m, const char *isa)
{
    pith_model *model = NULL;
    pithi_package package;
    pith_cost_report cost;
    pith_shape shapes[64];
    void *data = NULL;
    size_t n_bytes = 0;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_package_open(m->ctx, m->file.data, m->file.n_bytes, &package));
    PITH_TRY(pith_model_load_memory(m->ctx, m->file.data, m->file.n_bytes, NULL, &model));
    PITH_TRY_GOTO(pith_model_n_inputs(model) <= PITH_COUNT(shapes) || m->options->input_shapes
                      ? PITH_OK
                      : pithi_fail(m->ctx, PITH_STATUS_LIMIT, "the model has %d inputs; give input_shapes",
                                   pith_model_n_inputs(model)), done);
    for (int i = 0; i < pith_model_n_inputs(model) && !m->options->input_shapes; i++) {
        shapes[i] = pith_model_input(model, i)->shape;
    }
    pithi_pack_cache_record(model->program.packs, identity_of(model, &package));
    PITH_TRY_GOTO(pith_model_cost(model, m->options->input_shapes ? m->options->input_shapes : shapes, 1, &cost), done);
    PITH_TRY_GOTO(pithi_pack_cache_image(model->program.packs, &data, &n_bytes), done);
    m->packed[m->n_packed++] = data;
    status = add_section(m, "packed", isa, data, n_bytes);
done:
    pith_model_destroy(model);
    return status;
}

static pith_status pack_for(maker *m, const char *name)
{
    const int isa = pithi_same_text(name, "native") ? -1 : pithi_isa_find(name);
    if (isa < 0) { /* "native", or a name that the call refuses */
        PITH_TRY(pithi_same_text(name, "native") ? PITH_OK : pith_ctx_set_isa_limit(m->ctx, name));
        return pack(m, pith_ctx_isa(m->ctx));
    }
    PITH_CHECK(m->ctx, pithi_isa_is_available(isa), PITH_STATUS_UNSUPPORTED,
               "weights can't be packed for '%s': this CPU can't run it; leave it out, or pack on one that can", name);
    m->ctx->isa_limit = isa;
    return pack(m, pithi_isa_name(isa));
}

static pith_status pack_all(maker *m)
{
    const int former = m->ctx->isa_limit;
    pith_status status = PITH_OK;
    for (const char *at = m->options->pack; *at && status == PITH_OK;) {
        char name[64] = "";
        const size_t n = strcspn(at, ",");
        memcpy(name, at, n < sizeof name ? n : sizeof name - 1);
        status = pack_for(m, name);
        at += n + (at[n] == ',');
    }
    m->ctx->isa_limit = former;
    return status;
}

static pith_status make(maker *m, const void *model, size_t n_bytes)
{
    PITH_TRY(add_given(m, model, n_bytes));
    PITH_TRY(pithi_package_assemble(m->sections, m->n_sections, &m->file));
    if (!m->options->pack || !m->options->pack[0]) {
        return PITH_OK;
    }
    PITH_TRY_AT(m->ctx, pack_all(m), "packing weights");
    pithi_bytes base = m->file;
    m->file = (pithi_bytes){ .ctx = m->ctx };
    pith_status status = pithi_package_assemble(m->sections, m->n_sections, &m->file);
    pithi_free(m->ctx, base.data);
    return status;
}

pith_status pith_package_write(pith_ctx *ctx, const void *model, size_t n_bytes, const pith_package_options *options,
                               void **bytes_out, size_t *n_bytes_out)
{
    static const pith_package_options defaults = { 0 };
    maker m = { .ctx = ctx, .options = options ? options : &defaults, .graph = { .ctx = ctx },
                .weights = { .bytes = { .ctx = ctx } }, .file = { .ctx = ctx } };
    pith_status status = make(&m, model, n_bytes);
    pithi_text_deinit(&m.graph);
    pithi_weight_store_deinit(&m.weights);
    for (int i = 0; i < m.n_packed; i++) {
        pithi_free(ctx, m.packed[i]);
    }
    if (status != PITH_OK) {
        pithi_free(ctx, m.file.data);
        pithi_add_place(ctx, "writing a .pith file");
        return status;
    }
    *bytes_out = m.file.data;
    *n_bytes_out = m.file.n_bytes;
    return PITH_OK;
}
