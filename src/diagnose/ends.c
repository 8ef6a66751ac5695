/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs and outputs: which of them belong together, and one type for both networks. */
#include "diagnose/diagnose.h"

/* ---- inputs that belong together ------------------------------------------------------------ */

static size_t find_name(pith_value *const *values, size_t from, size_t n, const char *name)
{
    while (from < n && !pithi_same_text(values[from]->name, name)) {
        from++;
    }
    return from;
}

/* By name, else the first that has another name than all inputs of the float network. */
static size_t find_input(const pith_graph *graph, const pith_graph *twin, size_t index)
{
    size_t k = find_name(twin->inputs, index, twin->n_inputs, graph->inputs[index]->name);
    if (k == twin->n_inputs) {
        for (k = index; k < twin->n_inputs; k++) {
            if (find_name(graph->inputs, 0, graph->n_inputs, twin->inputs[k]->name) == graph->n_inputs) {
                break;
            }
        }
    }
    return k;
}

/* An input that only the float network reads is one of the twin that nothing reads. */
static pith_status add_input(pith_graph *twin, const pith_value *like)
{
    pith_value *value = NULL;
    PITH_TRY(pithi_graph_add_value(twin, like->name, &value));
    value->dtype = like->dtype;
    value->has_shape = like->has_shape;
    value->shape = like->shape;
    return pithi_graph_add_input(twin, value);
}

static pith_status join_inputs(pithi_diagnosis *job)
{
    const pith_graph *graph = job->graph;
    pith_graph *twin = job->given;
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const size_t k = find_input(graph, twin, i);
        if (k == twin->n_inputs) {
            PITH_TRY(add_input(twin, graph->inputs[i]));
        }
        pith_value *found = twin->inputs[k];
        memmove(&twin->inputs[i + 1], &twin->inputs[i], (k - i) * sizeof(pith_value *));
        twin->inputs[i] = found;
    }
    PITH_CHECK(job->ctx, twin->n_inputs == graph->n_inputs, PITH_STATUS_ARG,
               "the quantised network has %zu inputs, the float one %zu: it lacks '%s'; samples have the float one's",
               twin->n_inputs, graph->n_inputs, twin->inputs[graph->n_inputs]->name);
    return PITH_OK;
}

/* ---- outputs that belong together ----------------------------------------------------------- */

/* -1: not known before it runs. */
static int64_t known_elements(const pith_value *value)
{
    int64_t n = value->has_shape ? 1 : -1;
    for (int i = 0; value->has_shape && i < value->shape.rank && n >= 0; i++) {
        n = value->shape.dims[i] >= 0 ? n * value->shape.dims[i] : -1;
    }
    return n;
}

typedef enum joining { SAME_NAME, SAME_STEM, SAME_PLACE, N_JOININGS } joining;

static bool fits(const pith_value *f, const pith_value *t, joining how, bool are_as_many)
{
    const size_t n_f = pithi_diag_stem(f->name), n_t = pithi_diag_stem(t->name);
    const int64_t n = known_elements(f), n_twin = known_elements(t);
    return how == SAME_NAME   ? pithi_same_text(f->name, t->name)
           : how == SAME_STEM ? n_f == n_t && memcmp(f->name, t->name, n_f) == 0
           : n < 0 || n_twin < 0 ? are_as_many
                                 : n == n_twin;
}

static int join_some(const pithi_diagnosis *job, joining how, int *partner, bool *is_taken)
{
    const pith_graph *f = job->graph, *t = job->given;
    const bool are_as_many = f->n_outputs == t->n_outputs;
    int n = 0;
    for (size_t i = 0; i < f->n_outputs; i++) {
        for (size_t k = 0; k < t->n_outputs && partner[i] < 0; k++) {
            if (!is_taken[k] && fits(f->outputs[i], t->outputs[k], how, are_as_many)) {
                partner[i] = (int)k;
                is_taken[k] = true;
                n++;
            }
        }
    }
    return n;
}

static pith_status join_outputs(pithi_diagnosis *job)
{
    const size_t n = job->graph->n_outputs;
    void *numbers = NULL, *is_taken = NULL;
    int n_joined = 0;
    PITH_TRY(pithi_arena_array(&job->arena, 3 * n + 1, sizeof(int), &numbers));
    PITH_TRY(pithi_arena_array(&job->arena, job->given->n_outputs + 1, sizeof(bool), &is_taken));
    int *partner = numbers;
    job->output_float = partner + n;
    job->output_of = partner + 2 * n;
    for (size_t i = 0; i < n; i++) {
        partner[i] = -1;
    }
    for (joining how = SAME_NAME; how < N_JOININGS; how++) {
        if (how != SAME_PLACE || n_joined == 0) { /* names that some have are names that all have */
            n_joined += join_some(job, how, partner, is_taken);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (partner[i] >= 0) {
            job->output_float[job->n_outputs] = (int)i;
            job->output_of[job->n_outputs++] = partner[i];
        }
    }
    return PITH_OK;
}

pith_status pithi_diag_join_ends(pithi_diagnosis *job)
{
    PITH_TRY(join_inputs(job));
    return join_outputs(job);
}

/* ---- types ---------------------------------------------------------------------------------- */

/* The file may not tell it of what quantize_linear makes. */
static pith_dtype dtype_of(const pith_value *value)
{
    const bool is_rounded = value->dtype == PITH_DTYPE_NONE && pithi_is(value->producer, "quantize_linear");
    const pith_tensor *zero = is_rounded ? pithi_constant_input(value->producer, 2) : NULL;
    return zero ? zero->dtype : is_rounded ? PITH_DTYPE_U8 : value->dtype;
}

static bool is_code(pith_dtype dtype) { return pithi_diag_bits(dtype) == 8 || pithi_diag_bits(dtype) == 16; }

typedef struct step {
    double scale;
    int64_t zero;
} step;

static bool read_step(const pith_node *node, int operand, step *found)
{
    const pith_tensor *scale = pithi_constant_input(node, operand + 1), *zero = pithi_constant_input(node, operand + 2);
    if (!scale || pith_shape_elements(&scale->shape) != 1 || (!zero && pithi_node_input(node, operand + 2))) {
        return false;
    }
    *found = (step){ pithi_tensor_get_f64(scale, 0), zero ? pithi_tensor_get_s64(zero, 0) : 0 };
    return true;
}

/* Of the first node behind the integers that knows it; nodes may move them before. */
static bool find_step(const pith_graph *graph, const pith_value *value, step *found)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        const int operand = pithi_diag_operand(node, value);
        const bool moves = (pithi_diag_moves(node) || pithi_is(node, "identity")) && node->inputs[0] == value;
        if ((operand >= 0 && read_step(node, operand, found)) ||
            (moves && node->outputs[0] && find_step(graph, node->outputs[0], found))) {
            return true;
        }
    }
    return false;
}

static pith_status new_scalar(pith_graph *graph, pith_dtype dtype, double number, pith_value **value_out)
{
    const pith_shape scalar = { 0 };
    pith_tensor tensor;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, dtype, &scalar, &tensor, value_out));
    pithi_tensor_set_f64(&tensor, 0, number);
    return PITH_OK;
}

/* `value`, `scale` and `zero`: the operands of a node that rounds. */
static pith_status make_operands(pith_graph *graph, pith_value *value, pith_dtype dtype, const step *found,
                                 pith_value *operands[3])
{
    operands[0] = value;
    PITH_TRY(new_scalar(graph, PITH_DTYPE_F32, found->scale, &operands[1]));
    return new_scalar(graph, dtype, (double)found->zero, &operands[2]);
}

static pith_status refuse(const pithi_diagnosis *job, const char *kind, const pith_value *value, const char *other)
{
    PITH_FAIL(job->ctx, PITH_STATUS_ARG,
              "%s '%s' of the quantised network is %s, %s in the float one, and no node behind or in front of it "
              "tells its scale and zero point; give %s_scale and %s_zero (pith diagnose --%s-scale and --%s-zero)",
              kind, value->name, pith_dtype_name(value->dtype), other, kind, kind, kind, kind);
}

static pith_status put_node(pith_graph *graph, pith_node *before, const char *name, pith_value *const *operands, int n,
                            pith_value *result, pith_node **node_out)
{
    const pith_op *op = pithi_op_find(name);
    PITH_CHECK(graph->ctx, op, PITH_STATUS_INTERNAL, "the build lacks %s", name);
    return pithi_graph_insert_node(graph, before, op, "", operands, n, &result, 1, node_out);
}

static pith_status put_cast(pith_graph *graph, pith_node *before, pith_value *from, pith_value *to)
{
    pith_node *node = NULL;
    PITH_TRY(put_node(graph, before, "cast", &from, 1, to, &node));
    return pithi_attr_set_int(graph->ctx, node, "to", (int64_t)to->dtype);
}

/* A fresh input takes the name, and a node or two make the old one of it. */
static pith_status type_input(pithi_diagnosis *job, size_t index)
{
    pith_graph *twin = job->twin;
    pith_value *value = twin->inputs[index], *fresh = NULL, *real = NULL;
    pith_node *first = twin->first;
    const pith_dtype wanted = job->graph->inputs[index]->dtype;
    const char *name = value->name;
    step found = { job->options->input_scale, job->options->input_zero };
    if (value->dtype == wanted) {
        return PITH_OK;
    }
    const bool rounds = is_code(value->dtype);
    if (rounds ? found.scale <= 0.0 && !find_step(twin, value, &found)
               : !pithi_dtype_is_float(value->dtype) && pithi_dtype_is_float(wanted)) {
        return refuse(job, "input", value, pith_dtype_name(wanted));
    }
    PITH_TRY(pithi_arena_format(&twin->arena, &value->name, "%s_quantized", name));
    PITH_TRY(pithi_graph_add_value(twin, name, &fresh));
    fresh->dtype = wanted;
    fresh->has_shape = value->has_shape;
    fresh->shape = value->shape;
    memcpy(fresh->symbols, value->symbols, sizeof fresh->symbols);
    twin->inputs[index] = fresh;
    if (!rounds) {
        return put_cast(twin, first, fresh, value);
    }
    real = fresh;
    if (wanted != PITH_DTYPE_F32) {
        PITH_TRY(pithi_graph_add_value(twin, NULL, &real));
        real->dtype = PITH_DTYPE_F32;
        PITH_TRY(put_cast(twin, first, fresh, real));
    }
    pith_value *operands[3];
    PITH_TRY(make_operands(twin, real, value->dtype, &found, operands));
    return put_node(twin, first, "quantize_linear", operands, 3, value, NULL);
}

pith_status pithi_diag_type_inputs(pithi_diagnosis *job)
{
    for (size_t i = 0; i < job->twin->n_inputs; i++) {
        PITH_TRY(type_input(job, i));
    }
    return PITH_OK;
}

pith_status pithi_diag_type_outputs(pithi_diagnosis *job)
{
    pith_graph *twin = job->twin;
    for (int i = 0; i < job->n_outputs; i++) {
        const size_t index = (size_t)job->output_of[i];
        const pith_value *wanted = job->graph->outputs[job->output_float[i]];
        pith_value *value = twin->outputs[index], *operands[3], *result = NULL;
        step found = { job->options->output_scale, job->options->output_zero };
        const pith_dtype dtype = dtype_of(value);
        if (!is_code(dtype) || dtype == wanted->dtype) {
            continue;
        }
        if (found.scale <= 0.0 &&
            !(pithi_is(value->producer, "quantize_linear") && read_step(value->producer, 0, &found))) {
            return refuse(job, "output", value, pith_dtype_name(wanted->dtype));
        }
        PITH_TRY(make_operands(twin, value, dtype, &found, operands));
        PITH_TRY(pithi_diag_dq(twin, NULL, operands, -1, &result));
        pithi_graph_set_output(twin, index, result);
    }
    return PITH_OK;
}
