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

/* Group g of its outputs as a matrix; the arrays live in `arena`. */
static pith_status make_matrix(const pithi_moments *p, const pithi_weight_format *format, int64_t g, pithi_arena *arena,
                               pithi_nbits_matrix *m)
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

static pith_status round_group(pithi_quant *quant, const pithi_moments *p, int64_t g, const pithi_nbits_matrix *m)
{
    const pith_weight_method method = p->h ? quant->options->weight_method : PITH_WEIGHT_NEAREST;
    const double *h = p->h ? p->h + g * p->k * p->k : NULL;
    pithi_nbits_nearest(m, NULL);
    if (method == PITH_WEIGHT_NEAREST) {
        return PITH_OK;
    }
    if (method == PITH_WEIGHT_AWQ) {
        return pithi_awq_clip(quant->ctx, m, h);
    }
    const double before = pithi_nbits_error(m, h);
    void *copy = NULL;
    const size_t n_bytes = (size_t)(p->k * p->k) * sizeof(double);
    PITH_TRY(pithi_alloc_raw(quant->ctx, n_bytes, &copy));
    memcpy(copy, h, n_bytes);
    pith_status status = pithi_gptq(quant->ctx, m, copy, NULL);
    pithi_free(quant->ctx, copy);
    if (status != PITH_OK || !(pithi_nbits_error(m, h) <= before)) { /* nearest is no worse, and always possible */
        pith_ctx_clear_error(quant->ctx);
        pithi_nbits_nearest(m, NULL);
    }
    return PITH_OK;
}

static pith_status round_product(pithi_quant *quant, const pithi_moments *p, const pithi_weight_format *format)
{
    pithi_quant_layer *layer = &quant->layers[p->node->index];
    pithi_arena arena = { .ctx = quant->ctx };
    pith_status status = PITH_OK;
    layer->format = *format;
    if (format->kind != PITHI_WEIGHT_INT && format->kind != PITHI_WEIGHT_PALETTE) {
        return PITH_OK;
    }
    PITH_TRY(new_rounded(quant, p, format, &layer->rounded));
    if (format->kind == PITHI_WEIGHT_PALETTE) {
        return pithi_palette(quant->ctx, p->weights.tensor->data, pith_shape_elements(&p->weights.tensor->shape),
                             1 << format->bits, (float *)(uintptr_t)layer->rounded.scales,
                             (int16_t *)(uintptr_t)layer->rounded.q, NULL);
    }
    for (int64_t g = 0; g < p->groups && status == PITH_OK; g++) {
        pithi_nbits_matrix m;
        status = make_matrix(p, format, g, &arena, &m);
        status = status == PITH_OK ? round_group(quant, p, g, &m) : status;
        if (status == PITH_OK) {
            scatter(p, &m, g, &layer->rounded);
        }
    }
    pithi_arena_deinit(&arena);
    return status;
}

/* ---- activation-aware scales ----------------------------------------------------------------- */

/* The constant operand of a mul that is a factor per channel of its result. */
static int factor_operand(const pith_node *node, int64_t k)
{
    for (int i = 0; pithi_is(node, "mul") && i < 2; i++) {
        const pith_tensor *c = pithi_constant_input(node, i);
        if (c && c->dtype == PITH_DTYPE_F32 && c->shape.rank > 0 && c->shape.dims[c->shape.rank - 1] == k &&
            pith_shape_elements(&c->shape) == k) {
            return i;
        }
    }
    return -1;
}

static pith_status scaled_constant(pith_graph *graph, const pith_tensor *from, const float *factors, bool divides,
                                   pith_value **value_out)
{
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &from->shape, &to, value_out));
    for (int64_t i = 0; i < pith_shape_elements(&from->shape); i++) {
        const float x = ((const float *)from->data)[i];
        ((float *)to.data)[i] = divides ? x / factors[i] : x * factors[i];
    }
    return PITH_OK;
}

/* What makes the products' input divides it by the factors, or a mul in front of them does. */
static pith_status divide_input(pithi_quant *quant, pithi_moments *const *products, int n, const float *factors)
{
    pith_graph *graph = quant->graph;
    pith_value *x = products[0]->node->inputs[0], *constant = NULL, *bias = NULL;
    pith_node *maker = x->producer;
    const int64_t k = products[0]->k;
    const int operand = maker ? factor_operand(maker, k) : -1;
    const bool is_norm = pithi_is(maker, "layer_normalization") && pithi_constant_input(maker, 1) &&
                         pith_shape_elements(&maker->inputs[1]->constant->shape) == k &&
                         (!pithi_node_input(maker, 2) || pithi_constant_input(maker, 2));
    if (x->n_uses == n && operand >= 0) {
        PITH_TRY(scaled_constant(graph, maker->inputs[operand]->constant, factors, true, &constant));
        pithi_set_input(maker, operand, constant);
        return PITH_OK;
    }
    if (x->n_uses == n && is_norm && maker->outputs[0] == x) {
        PITH_TRY(scaled_constant(graph, maker->inputs[1]->constant, factors, true, &constant));
        pithi_set_input(maker, 1, constant);
        if (pithi_node_input(maker, 2)) {
            PITH_TRY(scaled_constant(graph, maker->inputs[2]->constant, factors, true, &bias));
            pithi_set_input(maker, 2, bias);
        }
        return PITH_OK;
    }
    const pith_shape shape = { 1, { k } };
    pith_tensor to;
    pith_node *mul = NULL;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, &constant));
    for (int64_t i = 0; i < k; i++) {
        ((float *)to.data)[i] = 1.0f / factors[i];
    }
    PITH_TRY(pithi_insert(graph, products[0]->node, "mul", (pith_value *[]){ x, constant }, 2, &mul));
    mul->name = "";
    mul->outputs[0]->dtype = x->dtype;
    mul->outputs[0]->has_shape = x->has_shape;
    mul->outputs[0]->shape = x->shape;
    for (int i = 0; i < n; i++) {
        pithi_set_input(products[i]->node, 0, mul->outputs[0]);
    }
    return PITH_OK;
}

static pith_status multiply_weights(pithi_quant *quant, pithi_moments *p, const float *factors)
{
    pith_value *value = NULL;
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(quant->graph, NULL, PITH_DTYPE_F32, &p->weights.tensor->shape, &to, &value));
    for (int64_t i = 0; i < p->n_rows * p->k; i++) {
        const int64_t at = pithi_moments_place(p, i / p->k, i % p->k);
        ((float *)to.data)[at] = ((const float *)p->weights.tensor->data)[at] * factors[i % p->k];
    }
    pithi_set_input(p->node, 1, value);
    p->weights.tensor = value->constant;
    for (int64_t i = 0; i < p->k * p->k; i++) {
        p->h[i] /= (double)factors[i / p->k] * (double)factors[i % p->k];
    }
    return PITH_OK;
}

/* Products of matrices that read the same value are scaled together. */
static pith_status scale_together(pithi_quant *quant, pithi_moments *const *products, int n,
                                  const pithi_weight_format *format)
{
    pithi_arena arena = { .ctx = quant->ctx };
    pith_status status = PITH_OK;
    void *matrices = NULL, *factors = NULL;
    double alpha = 0.0;
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)n, sizeof(pithi_nbits_matrix), &matrices), done);
    PITH_TRY_GOTO(pithi_arena_array(&arena, (size_t)products[0]->k, sizeof(float), &factors), done);
    for (int i = 0; i < n; i++) {
        PITH_TRY_GOTO(make_matrix(products[i], format, 0, &arena, (pithi_nbits_matrix *)matrices + i), done);
    }
    PITH_TRY_GOTO(pithi_awq_scale(quant->ctx, matrices, n, products[0]->h, products[0]->magnitudes, factors, &alpha),
                  done);
    if (alpha > 0.0) {
        PITH_TRY_GOTO(divide_input(quant, products, n, factors), done);
        for (int i = 0; i < n; i++) {
            PITH_TRY_GOTO(multiply_weights(quant, products[i], factors), done);
        }
    }
done:
    pithi_arena_deinit(&arena);
    return status;
}

static pith_status scale_all(pithi_quant *quant, pithi_moments *all, int n, const pithi_weight_format *format)
{
    void *block = NULL, *flags = NULL;
    pith_status status = PITH_OK;
    PITH_TRY_GOTO(pithi_alloc_array(quant->ctx, (size_t)n, sizeof(pithi_moments *), &block), done);
    PITH_TRY_GOTO(pithi_alloc_array(quant->ctx, (size_t)n, sizeof(bool), &flags), done);
    pithi_moments **group = block;
    for (int i = 0; i < n; i++) {
        const pith_value *x = all[i].node->inputs[0];
        int count = 0;
        for (int j = i; j < n && all[i].h && !pithi_is(all[i].node, "conv"); j++) {
            if (!((bool *)flags)[j] && all[j].node->inputs[0] == x && all[j].h && all[j].k == all[i].k &&
                !pithi_is(all[j].node, "conv")) {
                ((bool *)flags)[j] = true;
                group[count++] = &all[j];
            }
        }
        if (count > 0) {
            PITH_TRY_GOTO(scale_together(quant, group, count, format), done);
        }
        pithi_quant_tell(quant, "activation-aware scales", i + 1, n);
    }
done:
    pithi_free(quant->ctx, flags);
    pithi_free(quant->ctx, block);
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

static pith_status round_all(pithi_quant *quant, pithi_moments *list, int n, const pithi_weight_format *format)
{
    for (int i = 0; i < n; i++) {
        PITH_TRY_AT(quant->ctx, round_product(quant, &list[i], format), "node '%s'", list[i].node->name);
        pithi_quant_tell(quant, "weights", i + 1, n);
    }
    return PITH_OK;
}

/* Numbers of nodes change where mul was inserted; everything is looked up again. */
static pith_status select_again(pithi_quant *quant)
{
    PITH_TRY(pithi_quant_select(quant));
    pithi_quant_forget_tensors(quant);
    return PITH_OK;
}

/* Some products at a time, since their second moments are large. */
static pith_status apply_method(pithi_quant *quant, pithi_moments *list, int n, const pithi_weight_format *format)
{
    const bool is_awq = quant->options->weight_method == PITH_WEIGHT_AWQ;
    void *layers = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)n, sizeof(pithi_quant_layer), &layers));
    for (int first = 0; first < n; first += TOGETHER) {
        const int count = n - first < TOGETHER ? n - first : TOGETHER;
        pithi_arena arena = { .ctx = quant->ctx };
        pith_status status = pithi_moments_collect(quant, list + first, count, &arena);
        if (status == PITH_OK && is_awq) {
            status = scale_all(quant, list + first, count, format);
            pithi_quant_number(quant->graph);
        }
        if (status == PITH_OK && is_awq) {
            status = select_again(quant);
        }
        if (status == PITH_OK) {
            status = round_all(quant, list + first, count, format);
        }
        for (int i = first; i < first + count && status == PITH_OK; i++) {
            ((pithi_quant_layer *)layers)[i] = quant->layers[list[i].node->index];
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

pith_status pithi_quant_weights_only(pithi_quant *quant, pith_quantize_report *report)
{
    static const char *const names[] = { "nearest", "gptq", "awq" };
    const pith_weight_method method = quant->options->weight_method;
    pithi_weight_format format;
    pithi_quant_error nearest, better;
    pithi_moments *list = NULL;
    int n = 0;
    PITH_TRY(pithi_quant_read_weights(quant->ctx, quant->options->weights, &format));
    PITH_CHECK(quant->ctx, method == PITH_WEIGHT_NEAREST || format.kind == PITHI_WEIGHT_INT, PITH_STATUS_ARG,
               "method %s is for integers, not for weights '%s'", names[method], quant->options->weights);
    pithi_quant_forget_tensors(quant);
    PITH_TRY(pithi_quant_calibrate(quant));
    if (format.kind != PITHI_WEIGHT_F32) {
        PITH_TRY(insert_tables(quant, &format));
        PITH_TRY(select_again(quant));
    }
    PITH_TRY(list_products(quant, &list, &n));
    count_bytes(list, n, &format, report);
    for (const pith_node *node = quant->graph->first; node; node = node->next) { /* 8 bits per row or nothing */
        const bool is_int8 = format.kind == PITHI_WEIGHT_INT && format.bits == 8 && !format.group && !format.has_zeros;
        if (pithi_quant_is_recurrent(quant, node) && !is_int8) {
            quant->layers[node->index].format.kind = PITHI_WEIGHT_F32;
        }
    }
    PITH_TRY(round_all(quant, list, n, &format));
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &nearest));
    quant->score = nearest.score;
    if (method == PITH_WEIGHT_NEAREST) {
        return PITH_OK;
    }
    pithi_quant_layer *kept = quant->layers;
    const int n_nodes = quant->n_nodes;
    void *copy = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)n_nodes, sizeof *kept, &copy));
    memcpy(copy, kept, (size_t)n_nodes * sizeof *kept);
    PITH_TRY(apply_method(quant, list, n, &format));
    PITH_TRY(pithi_quant_measure(quant, quant->n_held, &better));
    const bool is_kept = better.score >= nearest.score || method == PITH_WEIGHT_AWQ;
    if (!is_kept) {
        memcpy(quant->layers, copy, (size_t)n_nodes * sizeof *kept);
    }
    quant->score = is_kept ? better.score : nearest.score;
    pithi_quant_note(quant, names[method], nearest.score, better.score, is_kept);
    return PITH_OK;
}
