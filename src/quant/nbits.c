/* SPDX-License-Identifier: Apache-2.0 */
/* Networks whose weights alone are stored in few bits: what the user asks for, products as matrices, and the method
 * that rounds them. Nearest rounding comes first; another method stays where the measured error falls. */
#include "quant/nbits.h"

#include <math.h>
#include <stdlib.h>

#include "ops/shared_quant.h"
#include "quant/moments.h"

#define TOGETHER 24          /* products whose inputs are looked at in one run over the samples */
#define MIN_TABLE 4096       /* elements of a gather's table */

/* ---- what is asked for ---------------------------------------------------------------------- */

static bool read_bits(const char *text, const char *prefix, int *bits_out, const char **rest_out)
{
    const size_t n = strlen(prefix);
    if (strncmp(text, prefix, n) != 0 || text[n] < '2' || text[n] > '8') {
        return false;
    }
    *bits_out = text[n] - '0';
    *rest_out = text + n + 1;
    return true;
}

static bool read_details(const char *rest, pithi_weight_format *format)
{
    while (*rest) {
        const size_t n = strcspn(rest + 1, ",");
        char *end = NULL;
        if (strncmp(rest + 1, "group=", 6) == 0) {
            format->group = strtoll(rest + 7, &end, 10);
            if (end != rest + 1 + n || format->group < 1 || format->group > 65536) {
                return false;
            }
        } else if (n == 4 && strncmp(rest + 1, "asym", 4) == 0) {
            format->has_zeros = true;
        } else if (n != 3 || strncmp(rest + 1, "sym", 3) != 0) {
            return false;
        }
        rest += 1 + n;
    }
    return true;
}

pith_status pithi_quant_read_weights(pith_ctx *ctx, const char *text, pithi_weight_format *format_out)
{
    static const struct {
        const char *name;
        pithi_weight_kind kind;
    } floats[] = { { "float32", PITHI_WEIGHT_F32 },       { "float16", PITHI_WEIGHT_F16 },
                   { "bfloat16", PITHI_WEIGHT_BF16 },     { "float8e4m3", PITHI_WEIGHT_F8E4M3 },
                   { "float8e5m2", PITHI_WEIGHT_F8E5M2 } };
    pithi_weight_format format = { 0 };
    const char *rest = text;
    bool is_known = false;
    for (int i = 0; i < PITH_COUNT(floats); i++) {
        if (pithi_same_text(text, floats[i].name)) {
            format.kind = floats[i].kind;
            is_known = true;
        }
    }
    if (!is_known && read_bits(text, "palette", &format.bits, &rest)) {
        format.kind = PITHI_WEIGHT_PALETTE;
        is_known = *rest == '\0';
    } else if (!is_known && read_bits(text, "int", &format.bits, &rest)) {
        format.kind = PITHI_WEIGHT_INT;
        is_known = *rest == '\0' || (*rest == ':' && read_details(rest, &format));
    }
    PITH_CHECK(ctx, is_known, PITH_STATUS_ARG,
               "weights '%.60s': they are int2 to int8 with details like int4:group=32,asym, palette2 to palette8, "
               "float16, bfloat16, float8e4m3 or float8e5m2", text);
    *format_out = format;
    return PITH_OK;
}

/* ---- one product ---------------------------------------------------------------------------- */

pith_status pithi_moments_matrix(const pithi_moments *p, const pithi_weight_format *format, int64_t g,
                                 pithi_arena *arena, pithi_nbits_matrix *m)
{
    const pithi_quant_scales where = pithi_quant_scales_of(&p->weights, format);
    void *w = NULL, *q = NULL, *scales = NULL, *zeros = NULL;
    *m = (pithi_nbits_matrix){ .n_rows = p->n_rows, .k = p->k, .group = where.block > 0 ? where.block : p->k,
                               .format = *format };
    if (where.block > 0 && p->window > 1 && p->k / p->window % where.block != 0) {
        m->group = p->k / p->window; /* blocks would run on into the next position: one scale for all of a position */
    }
    const size_t n = (size_t)(m->n_rows * m->k), n_scales = (size_t)(m->n_rows * pithi_nbits_n_groups(m));
    PITH_TRY(pithi_arena_array(arena, n, sizeof(float), &w));
    PITH_TRY(pithi_arena_array(arena, n, sizeof(int16_t), &q));
    PITH_TRY(pithi_arena_array(arena, n_scales, sizeof(float), &scales));
    PITH_TRY(pithi_arena_array(arena, n_scales, sizeof(int16_t), &zeros));
    for (int64_t i = 0; i < m->n_rows * m->k; i++) {
        const int64_t at = pithi_moments_place(p, g * m->n_rows + i / m->k, i % m->k);
        ((float *)w)[i] = ((const float *)p->weights.tensor->data)[at];
    }
    m->w = w;
    m->q = q;
    m->scales = scales;
    m->zeros = zeros;
    return PITH_OK;
}

/* Results back into the order of the file. */
static void scatter(const pithi_moments *p, const pithi_nbits_matrix *m, int64_t g, const pithi_quant_rounded *to)
{
    const pithi_quant_scales where = pithi_quant_scales_of(&p->weights, &m->format);
    const pithi_quant_rows rows = pithi_quant_rows_make(&p->weights.tensor->shape, &where.shape, where.axis,
                                                        where.block);
    for (int64_t i = 0; i < m->n_rows * m->k; i++) {
        const int64_t at = pithi_moments_place(p, g * m->n_rows + i / m->k, i % m->k);
        const int64_t scale = pithi_quant_scale_at(&rows, at);
        const int64_t from = i / m->k * pithi_nbits_n_groups(m) + i % m->k / m->group;
        ((int16_t *)(uintptr_t)to->q)[at] = m->q[i];
        ((float *)(uintptr_t)to->scales)[scale] = m->scales[from];
        if (to->zeros) {
            ((int16_t *)(uintptr_t)to->zeros)[scale] = m->zeros[from];
        }
    }
}

static pith_status new_rounded(pithi_quant *quant, const pithi_moments *p, const pithi_weight_format *format,
                               pithi_quant_rounded *rounded_out)
{
    const pithi_quant_scales where = pithi_quant_scales_of(&p->weights, format);
    const size_t n = (size_t)pith_shape_elements(&p->weights.tensor->shape);
    const size_t n_scales = format->kind == PITHI_WEIGHT_PALETTE ? (size_t)1 << format->bits
                                                                 : (size_t)pith_shape_elements(&where.shape);
    void *q = NULL, *scales = NULL, *zeros = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, n, sizeof(int16_t), &q));
    PITH_TRY(pithi_arena_array(&quant->arena, n_scales, sizeof(float), &scales));
    PITH_TRY(pithi_arena_array(&quant->arena, n_scales, sizeof(int16_t), &zeros));
    *rounded_out = (pithi_quant_rounded){ q, scales, format->has_zeros ? zeros : NULL };
    return PITH_OK;
}

/* GPTQ in the order of the columns and in that of their moments, each with scales that hold all and with those of the
 * least error: which is best differs from layer to layer. `m` holds the nearest integers, which stay where they are. */
static pith_status round_gptq(pithi_arena *arena, const pithi_nbits_matrix *m, const double *h)
{
    const size_t n = (size_t)(m->n_rows * m->k), n_scales = (size_t)(m->n_rows * pithi_nbits_n_groups(m));
    const size_t n_moments = (size_t)(m->k * m->k);
    pithi_nbits_matrix trial = *m;
    void *copy = NULL, *q = NULL, *scales = NULL, *zeros = NULL;
    double least = pithi_nbits_error(m, h);
    PITH_TRY(pithi_arena_array(arena, n_moments, sizeof(double), &copy));
    PITH_TRY(pithi_arena_array(arena, n, sizeof(int16_t), &q));
    PITH_TRY(pithi_arena_array(arena, n_scales, sizeof(float), &scales));
    PITH_TRY(pithi_arena_array(arena, n_scales, sizeof(int16_t), &zeros));
    trial.q = q;
    trial.scales = scales;
    trial.zeros = zeros;
    for (int i = 0; i < 4; i++) {
        const pithi_gptq_options options = { .act_order = i & 1, .clips = i & 2 };
        memcpy(copy, h, n_moments * sizeof(double));
        if (pithi_gptq(arena->ctx, &trial, copy, &options) != PITH_OK) {
            pith_ctx_clear_error(arena->ctx);
            continue;
        }
        const double error = pithi_nbits_error(&trial, h);
        if (error < least) {
            least = error;
            memcpy(m->q, q, n * sizeof *m->q);
            memcpy(m->scales, scales, n_scales * sizeof *m->scales);
            memcpy(m->zeros, zeros, n_scales * sizeof *m->zeros);
        }
    }
    return PITH_OK;
}

static pith_status round_group(pithi_quant *quant, const pithi_moments *p, pith_weight_method method, int64_t g,
                               pithi_arena *arena, const pithi_nbits_matrix *m)
{
    const double *h = p->h ? p->h + g * p->k * p->k : NULL;
    pithi_nbits_nearest(m, NULL);
    return !h || method == PITH_WEIGHT_NEAREST ? PITH_OK
           : method == PITH_WEIGHT_AWQ         ? pithi_awq_clip(quant->ctx, m, h)
                                               : round_gptq(arena, m, h);
}

static pith_status check_halves(pith_ctx *ctx, const pith_tensor *w, const pithi_weight_format *format)
{
    float largest = 0.0f;
    for (int64_t i = 0; format->kind == PITHI_WEIGHT_F16 && i < pith_shape_elements(&w->shape); i++) {
        largest = fmaxf(largest, fabsf(((const float *)w->data)[i]));
    }
    PITH_CHECK(ctx, largest < 65520.0f, PITH_STATUS_ARG,
               "a weight of %g as float16: the largest is 65504; bfloat16 has the range of float32", (double)largest);
    return PITH_OK;
}

/* `is_whole`: nearest rounding has scales that hold every weight. */
static pith_status round_product(pithi_quant *quant, const pithi_moments *p, const pithi_weight_format *format,
                                 pith_weight_method method, bool is_whole)
{
    pithi_quant_layer *layer = &quant->layers[p->node->index];
    pithi_arena arena = { .ctx = quant->ctx };
    pith_status status = PITH_OK;
    layer->format = *format;
    PITH_TRY(check_halves(quant->ctx, p->weights.tensor, format));
    if (format->kind != PITHI_WEIGHT_INT && format->kind != PITHI_WEIGHT_PALETTE) {
        return PITH_OK;
    }
    if (format->kind == PITHI_WEIGHT_INT && !is_whole && (method == PITH_WEIGHT_NEAREST || !p->h)) {
        return pithi_quant_round_nearest(&p->weights, format, NULL, false, &quant->arena, &layer->rounded);
    }
    PITH_TRY(new_rounded(quant, p, format, &layer->rounded));
    if (format->kind == PITHI_WEIGHT_PALETTE) {
        return pithi_palette(quant->ctx, p->weights.tensor->data, pith_shape_elements(&p->weights.tensor->shape),
                             1 << format->bits, (float *)(uintptr_t)layer->rounded.scales,
                             (int16_t *)(uintptr_t)layer->rounded.q, NULL);
    }
    for (int64_t g = 0; g < p->groups && status == PITH_OK; g++) {
        pithi_nbits_matrix m;
        status = pithi_moments_matrix(p, format, g, &arena, &m);
        status = status == PITH_OK ? round_group(quant, p, method, g, &arena, &m) : status;
        if (status == PITH_OK) {
            scatter(p, &m, g, &layer->rounded);
        }
    }
    pithi_arena_deinit(&arena);
    return status;
}

/* ---- the stage ------------------------------------------------------------------------------ */

/* Nothing but weights is quantised. */
void pithi_quant_forget_tensors(pithi_quant *quant)
{
    quant->n_tensors = 0;
    for (size_t i = 0; i < quant->graph->n_values; i++) {
        quant->tensor_of[i] = -1;
    }
}

/* Rows are picked as halves, and then widened. */
static pith_status insert_half_table(pith_graph *graph, pith_node *node, pith_dtype dtype)
{
    const pith_tensor *from = node->inputs[0]->constant;
    pith_value *halves = NULL, *picked = NULL, *result = node->outputs[0];
    pith_node *cast = NULL;
    pith_tensor to;
    const pith_op *op = pithi_op_find("cast");
    PITH_CHECK(graph->ctx, op, PITH_STATUS_INTERNAL, "this build lacks the operator cast");
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &from->shape, &to, &halves));
    for (int64_t i = 0; i < pith_shape_elements(&from->shape); i++) {
        pithi_tensor_set_f64(&to, i, (double)((const float *)from->data)[i]);
    }
    PITH_TRY(pithi_graph_add_value(graph, NULL, &picked));
    picked->dtype = dtype;
    picked->has_shape = result->has_shape;
    picked->shape = result->shape;
    pithi_set_input(node, 0, halves);
    node->outputs[0] = picked;
    picked->producer = node;
    result->producer = NULL;
    PITH_TRY(pithi_graph_insert_node(graph, node->next, op, "", &picked, 1, &result, 1, &cast));
    int64_t *field = pithi_attr_field(cast, "to", PITH_ATTR_KIND_CHOICE);
    PITH_CHECK(graph->ctx, field, PITH_STATUS_INTERNAL, "the operator cast has no attribute 'to'");
    *field = PITH_DTYPE_F32;
    return PITH_OK;
}

/* Tables of gather: halves, or integers to the nearest, of 8 bits where the format is no integer. */
static pith_status insert_tables(pithi_quant *quant, const pithi_weight_format *weights_format)
{
    const bool is_half = weights_format->kind == PITHI_WEIGHT_F16 || weights_format->kind == PITHI_WEIGHT_BF16;
    const bool is_int = weights_format->kind == PITHI_WEIGHT_INT;
    pithi_weight_format table_format = *weights_format; /* no method helps tables, so they keep 4 bits */
    table_format.kind = PITHI_WEIGHT_INT;
    table_format.bits = !is_int ? 8 : weights_format->bits < 4 ? 4 : weights_format->bits;
    const pithi_weight_format *format = &table_format;
    for (pith_node *node = quant->graph->first; node; node = node->next) {
        const pith_tensor *table = pithi_is(node, "gather") ? pithi_constant_input(node, 0) : NULL;
        if (!table || table->dtype != PITH_DTYPE_F32 || table->shape.rank != 2 || pithi_attr_int(node, "axis") != 0 ||
            pith_shape_elements(&table->shape) < MIN_TABLE || pithi_list_has(quant->options->keep_float, node->name) ||
            pithi_list_has(quant->options->keep_float, node->source_op)) {
            continue;
        }
        const pithi_quant_weights weights = { .tensor = table, .out_axis = 0, .in_axis = 1,
                                              .n_out = table->shape.dims[0], .groups = 1 };
        pithi_quant_rounded rounded;
        if (is_half) {
            const bool is_f16 = weights_format->kind == PITHI_WEIGHT_F16;
            PITH_TRY(insert_half_table(quant->graph, node, is_f16 ? PITH_DTYPE_F16 : PITH_DTYPE_BF16));
            continue;
        }
        PITH_TRY(pithi_quant_round_nearest(&weights, format, NULL, false, &quant->arena, &rounded));
        PITH_TRY(pithi_quant_insert_integers(quant->graph, node, 0, &weights, format, &rounded));
    }
    return PITH_OK;
}

/* One way of rounding all products. */
typedef struct try {
    const char *name;
    const pithi_weight_format *format;
    pith_weight_method method;
    bool is_whole; /* of the nearest: see round_product */
} try;

static pith_status list_products(pithi_quant *quant, pithi_moments **list_out, int *n_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)quant->n_nodes, sizeof(pithi_moments), &block));
    pithi_moments *list = block;
    int n = 0;
    for (pith_node *node = quant->graph->first; node; node = node->next) {
        if (quant->roles[node->index] == PITHI_QUANT_PRODUCT && pithi_moments_of(node, &list[n])) {
            n++;
        }
    }
    *list_out = list;
    *n_out = n;
    return PITH_OK;
}

/* Roles and layers of the graph as it is now. Recurrent weights have 8 bits per row or stay float. */
static pith_status select_layers(pithi_quant *quant, const pithi_weight_format *format)
{
    const bool is_int8 = format->kind == PITHI_WEIGHT_INT && format->bits == 8 && !format->group && !format->has_zeros;
    PITH_TRY(pithi_quant_select(quant));
    pithi_quant_forget_tensors(quant);
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        if (pithi_quant_is_recurrent(quant, node) && !is_int8) {
            quant->layers[node->index].format.kind = PITHI_WEIGHT_F32;
        }
    }
    return PITH_OK;
}

static pith_status round_all(pithi_quant *quant, pithi_moments *list, int n, const try *t)
{
    for (int i = 0; i < n; i++) {
        PITH_TRY_AT(quant->ctx, round_product(quant, &list[i], t->format, t->method, t->is_whole), "node '%s'",
                    list[i].node->name);
        pithi_quant_tell(quant, "weights", i + 1, n);
    }
    return PITH_OK;
}

/* Some products at a time, since their second moments are large; the last ones first: AWQ divides weights of products
 * in front, which must not be rounded yet. */
static pith_status apply_moments(pithi_quant *quant, pithi_moments *list, int n, const try *t, int *n_plain)
{
    const bool is_awq = t->method == PITH_WEIGHT_AWQ;
    void *layers = NULL;
    *n_plain = 0;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)n, sizeof(pithi_quant_layer), &layers));
    for (int first = (n - 1) / TOGETHER * TOGETHER; first >= 0 && n > 0; first -= TOGETHER) {
        const int count = n - first < TOGETHER ? n - first : TOGETHER;
        pithi_arena arena = { .ctx = quant->ctx };
        pith_status status = pithi_moments_collect(quant, list + first, count, &arena);
        if (status == PITH_OK && is_awq) {
            status = pithi_awq_edit(quant, list + first, count, t->format);
        }
        if (status == PITH_OK && is_awq) { /* numbers of nodes change where mul was inserted */
            status = select_layers(quant, t->format);
        }
        if (status == PITH_OK) {
            status = round_all(quant, list + first, count, t);
        }
        for (int i = first; i < first + count && status == PITH_OK; i++) {
            ((pithi_quant_layer *)layers)[i] = quant->layers[list[i].node->index];
            *n_plain += !list[i].h;
            list[i].h = NULL;
        }
        pithi_arena_deinit(&arena);
        PITH_TRY(status);
    }
    for (int i = 0; i < n; i++) {
        quant->layers[list[i].node->index] = ((pithi_quant_layer *)layers)[i];
    }
    return PITH_OK;
}

/* Layer after layer, on rows that they read in the network as it is quantised then. */
static pith_status learn(pithi_quant *quant, const pithi_moments *list, int n, const try *t, int *n_plain)
{
    for (int i = 0; i < n; i++) {
        quant->layers[list[i].node->index] = (pithi_quant_layer){ .format = *t->format };
    }
    quant->learns = true;
    PITH_TRY(pithi_quant_round_layers(quant));
    quant->learns = false;
    *n_plain = 0;
    for (int i = 0; i < n; i++) {
        *n_plain += !quant->layers[list[i].node->index].rounded.q;
    }
    return PITH_OK;
}

/* The score of what was rounded, with biases that take the mean errors if that helps: networks of few bits can only be
 * compared then. */
static pith_status measure_corrected(pithi_quant *quant, const pithi_weight_format *format,
                                     pith_quantize_report *report)
{
    const pith_quantize_options *options = quant->options;
    const bool is_coarse = format->bits > 0 && format->bits < 8;
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &quant->error));
    report->is_bias_corrected = 0;
    return is_coarse && !options->no_bias_correction && pithi_quant_wants(quant, "bias-correction")
               ? pithi_quant_try_correction(quant, report)
               : PITH_OK;
}

/* On a clone, which stays where the measured error falls. */
static pith_status attempt(pithi_quant *quant, const try *t, pith_quantize_report *report)
{
    const pithi_quant_error error = quant->error;
    const int n_stages = quant->n_stages, is_corrected = report->is_bias_corrected, n_plain = report->n_plain;
    const pithi_quant_state before = pithi_quant_save(quant);
    pithi_moments *list = NULL;
    pith_status status = PITH_OK;
    int n = 0;
    PITH_TRY(pithi_graph_clone(before.graph, &quant->graph));
    PITH_TRY_GOTO(select_layers(quant, t->format), failed);
    PITH_TRY_GOTO(list_products(quant, &list, &n), failed);
    PITH_TRY_GOTO(t->method == PITH_WEIGHT_NEAREST    ? round_all(quant, list, n, t)
                  : t->method == PITH_WEIGHT_ADAROUND ? learn(quant, list, n, t, &report->n_plain)
                                                      : apply_moments(quant, list, n, t, &report->n_plain),
                  failed);
    PITH_TRY_GOTO(measure_corrected(quant, t->format, report), failed);
    const bool is_kept = quant->error.score > error.score;
    quant->n_stages = n_stages;
    pithi_quant_note(quant, t->name, error.score, quant->error.score, is_kept);
    if (is_kept) {
        quant->older[quant->n_older++] = before.graph;
        return PITH_OK;
    }
failed: /* or not better: nothing of it is left */
    quant->error = error;
    report->is_bias_corrected = is_corrected;
    report->n_plain = n_plain;
    pithi_quant_restore(quant, &before);
    return status;
}

/* Bytes of the weights before and after. */
static void count_bytes(const pithi_moments *list, int n, const pithi_weight_format *format,
                        pith_quantize_report *report)
{
    for (int i = 0; i < n; i++) {
        const pithi_quant_scales where = pithi_quant_scales_of(&list[i].weights, format);
        const pithi_quant_layer layer = { .format = *format };
        const size_t n_scales = (size_t)pith_shape_elements(&where.shape);
        report->float_bytes += pith_tensor_bytes(list[i].weights.tensor);
        report->quantized_bytes += pithi_quant_code_bytes(&layer, list[i].weights.tensor);
        report->quantized_bytes += format->kind == PITHI_WEIGHT_INT       ? n_scales * sizeof(float)
                                   : format->kind == PITHI_WEIGHT_PALETTE ? ((size_t)1 << format->bits) * sizeof(float)
                                                                          : 0;
    }
}

/* Scales that hold every weight against those of the least error, then the method. */
static pith_status improve(pithi_quant *quant, const pithi_weight_format *format, pith_quantize_report *report)
{
    static const char *const names[] = { "whole ranges", "gptq", "awq", "adaround" };
    const pith_quantize_options *options = quant->options;
    const bool is_int = format->kind == PITHI_WEIGHT_INT, is_coarse = format->bits > 0 && format->bits < 8;
    const try whole = { names[PITH_WEIGHT_NEAREST], format, PITH_WEIGHT_NEAREST, true };
    const try method = { names[options->weight_method], format, options->weight_method, false };
    if (is_int && is_coarse) {
        PITH_TRY(attempt(quant, &whole, report));
    }
    if (method.method != PITH_WEIGHT_NEAREST) {
        PITH_TRY(attempt(quant, &method, report));
    }
    return PITH_OK;
}

pith_status pithi_quant_weights_only(pithi_quant *quant, pith_quantize_report *report)
{
    const pith_weight_method method = quant->options->weight_method;
    pithi_weight_format format;
    pithi_moments *list = NULL;
    int n = 0;
    PITH_TRY(pithi_quant_read_weights(quant->ctx, quant->options->weights, &format));
    PITH_CHECK(quant->ctx, method == PITH_WEIGHT_NEAREST || format.kind == PITHI_WEIGHT_INT, PITH_STATUS_ARG,
               "weight_method %d with weights '%s': gptq, awq and adaround are for integers", (int)method,
               quant->options->weights);
    pithi_quant_forget_tensors(quant);
    PITH_TRY(pithi_quant_calibrate(quant));
    if (format.kind != PITHI_WEIGHT_F32) {
        PITH_TRY(insert_tables(quant, &format));
    }
    PITH_TRY(select_layers(quant, &format));
    PITH_TRY(list_products(quant, &list, &n));
    count_bytes(list, n, &format, report);
    PITH_TRY(round_all(quant, list, n, &(try){ .format = &format }));
    PITH_TRY(measure_corrected(quant, &format, report));
    return improve(quant, &format, report);
}
