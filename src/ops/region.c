/* SPDX-License-Identifier: Apache-2.0 */
/* region: elementwise functions one after the other, on tiles that stay in the first cache, so that what passes between
 * them doesn't go through memory. Inputs broadcast as in numpy. Made by pass fuse_region; no file has it. The kernels
 * are those of the separate operators, and so are the bits. */
#include "ops/region.h"
#include "kernels/vbinary_f32.h"
#include "ops/shared_broadcast.h"
#include "ops/shared_copy.h"
#include "ops/shared_reduce.h"
#include "ops/shared_unary.h"

#define TILE_BYTES ((int64_t)24 << 10) /* of all that an instruction or the next may touch */
#define LEAST_TILE 256                 /* elements; shorter calls would cost more than memory does */
#define MAX_TILE 4096
#define MAX_VALUES (PITHI_REGION_INPUTS + PITHI_REGION_INSTRUCTIONS)

const pith_attr_spec pithi_region_attrs_table[6] = {
    PITH_ATTR_INTS(pithi_region_attrs, program, "program"),
    PITH_ATTR_FLOATS(pithi_region_attrs, parameters, "parameters"),
    PITH_ATTR_INTS(pithi_region_attrs, results, "results"),
    PITH_ATTR_INT(pithi_region_attrs, reduce, "reduce", 0),
    PITH_ATTR_INT(pithi_region_attrs, reduced, "reduced", 0),
    PITH_ATTR_INT(pithi_region_attrs, keepdims, "keepdims", 0),
};

/* ---- program ---------------------------------------------------------------------------------- */

typedef struct instruction {
    int function, n_operands, operands[PITHI_REGION_OPERANDS];
    float alpha, beta;
} instruction;

static int count_instructions(const pithi_region_attrs *attrs) { return attrs->program.n_items / PITHI_REGION_WORDS; }

static int n_operands_of(int64_t function)
{
    switch (function) {
    case PITHI_REGION_WHERE: return 3;
    case PITHI_REGION_NOT:
    case PITHI_REGION_TO_BOOL:
    case PITHI_REGION_SIGN:
    case PITHI_REGION_POWER:
    case PITHI_REGION_SCALE: return 1;
    default: return function >= PITHI_REGION_BINARY ? 2 : 1;
    }
}

static bool is_function(int64_t function)
{
    return (function >= 0 && function < PITH_VUNARY_COUNT) ||
           (function >= PITHI_REGION_BINARY && function < PITHI_REGION_BINARY + PITH_VBINARY_COUNT) ||
           (function >= PITHI_REGION_EQUAL && function < PITHI_REGION_END);
}

static bool makes_bool(const instruction *i)
{
    return i->function >= PITHI_REGION_EQUAL && i->function <= PITHI_REGION_TO_BOOL;
}

static instruction instruction_at(const pithi_region_attrs *attrs, int index)
{
    const int64_t *words = attrs->program.items + PITHI_REGION_WORDS * index;
    instruction found = { .function = (int)words[0], .n_operands = n_operands_of(words[0]) };
    for (int k = 0; k < PITHI_REGION_OPERANDS; k++) {
        found.operands[k] = (int)words[1 + k];
    }
    if (attrs->parameters.n_items > 0) {
        found.alpha = attrs->parameters.items[2 * index];
        found.beta = attrs->parameters.items[2 * index + 1];
    }
    return found;
}

static bool is_binary(const instruction *i)
{
    return i->function >= PITHI_REGION_BINARY && i->function < PITHI_REGION_EQUAL;
}

/* Output that instruction `index` makes, or -1. */
static int output_of(const pithi_region_attrs *attrs, int index)
{
    if (index == count_instructions(attrs) - 1) {
        return 0;
    }
    for (int k = 0; k < attrs->results.n_items; k++) {
        if (attrs->results.items[k] == index) {
            return k + 1;
        }
    }
    return -1;
}

static bool is_program(const pithi_region_attrs *attrs, int n_inputs, int n_outputs)
{
    const int n = count_instructions(attrs);
    bool fits = n > 0 && n <= PITHI_REGION_INSTRUCTIONS && attrs->program.n_items == n * PITHI_REGION_WORDS &&
                (attrs->parameters.n_items == 0 || attrs->parameters.n_items == 2 * n) &&
                n_inputs <= PITHI_REGION_INPUTS && n_outputs <= PITHI_REGION_OUTPUTS &&
                attrs->results.n_items == n_outputs - 1;
    for (int i = 0; fits && i < n; i++) {
        const int64_t *words = attrs->program.items + PITHI_REGION_WORDS * i, n_values = n_inputs + i;
        fits = is_function(words[0]);
        for (int k = 0; fits && k < n_operands_of(words[0]); k++) {
            fits = words[1 + k] >= 0 && words[1 + k] < n_values;
        }
    }
    for (int k = 0; fits && k < attrs->results.n_items; k++) {
        const int64_t result = attrs->results.items[k];
        fits = result >= 0 && result < n - 1 && output_of(attrs, (int)result) == k + 1;
    }
    return fits;
}

static bool reduces(const pithi_region_attrs *attrs) { return attrs->reduce > 0; }

/* Elements that output 0 has one of. */
static int64_t row_of(const pithi_region_attrs *attrs, const pith_shape *whole)
{
    return reduces(attrs) ? pithi_dims_product(whole, whole->rank - (int)attrs->reduced, whole->rank) : 1;
}

/* What the inputs broadcast to; they do. */
static pith_shape whole_of(const pith_tensor *inputs, int n_inputs)
{
    pith_shape whole = { 0 };
    for (int i = 0; i < n_inputs; i++) {
        whole.rank = inputs[i].shape.rank > whole.rank ? inputs[i].shape.rank : whole.rank;
    }
    for (int d = 0; d < whole.rank; d++) {
        whole.dims[d] = 1;
        for (int i = 0; i < n_inputs; i++) {
            const int at = d - whole.rank + inputs[i].shape.rank;
            whole.dims[d] = at >= 0 && inputs[i].shape.dims[at] != 1 ? inputs[i].shape.dims[at] : whole.dims[d];
        }
    }
    return whole;
}

static pith_status infer_reduced(pith_infer *infer, const pithi_region_attrs *attrs, const pith_shape *whole)
{
    const bool is_kind = attrs->reduce <= PITHI_REDUCE_LOG_SUM + 1 && attrs->reduce != PITHI_REDUCE_PROD + 1;
    pith_shape *y = &infer->outputs[0].shape;
    PITH_CHECK(infer->ctx, is_kind && attrs->reduced >= 1 && attrs->reduced <= whole->rank &&
               infer->outputs[0].dtype == PITH_DTYPE_F32, PITH_STATUS_FORMAT,
               "reduction %lld over %lld of %d dimensions", (long long)attrs->reduce, (long long)attrs->reduced,
               whole->rank);
    PITH_TRY(pithi_shape_check(infer->ctx, whole, PITH_DTYPE_F32, NULL)); /* the reference stores it */
    const int64_t row = row_of(attrs, whole);
    PITH_CHECK(infer->ctx, row > 0 && row <= PITHI_REGION_MOST_ROW, PITH_STATUS_SHAPE,
               "%lld elements are reduced to one; 1 to %d can be", (long long)row, PITHI_REGION_MOST_ROW);
    for (int d = whole->rank - (int)attrs->reduced; d < whole->rank; d++) {
        y->dims[d] = 1;
    }
    y->rank -= attrs->keepdims ? 0 : (int)attrs->reduced;
    return PITH_OK;
}

pith_status pithi_region_infer(pith_infer *infer)
{
    const bool is_reducing = pithi_same_text(infer->node->op->head.name, "region_reduce");
    PITH_CHECK(infer->ctx, is_reducing == reduces(infer->attrs), PITH_STATUS_FORMAT,
               "'reduce' is for region_reduce, which needs it");
    PITH_CHECK(infer->ctx, is_program(infer->attrs, infer->n_inputs, infer->n_outputs), PITH_STATUS_FORMAT,
               "program, parameters and results don't fit each other, %d inputs and %d outputs", infer->n_inputs,
               infer->n_outputs);
    PITH_TRY(pithi_infer_broadcast(infer, &infer->outputs[0].shape));
    for (int i = 0; i < infer->n_outputs; i++) {
        const pithi_region_attrs *attrs = infer->attrs;
        const int last = count_instructions(attrs) - 1;
        const instruction it = instruction_at(attrs, i == 0 ? last : (int)attrs->results.items[i - 1]);
        infer->outputs[i].dtype = makes_bool(&it) ? PITH_DTYPE_BOOL : PITH_DTYPE_F32;
        infer->outputs[i].shape = infer->outputs[0].shape;
    }
    const pith_shape whole = infer->outputs[0].shape;
    return reduces(infer->attrs) ? infer_reduced(infer, infer->attrs, &whole) : PITH_OK;
}

void pithi_region_cost(const pith_infer *infer, pith_cost *cost)
{
    const pith_shape whole = whole_of(infer->inputs, infer->n_inputs);
    const int n = count_instructions(infer->attrs) + reduces(infer->attrs);
    cost->flops = (uint64_t)pith_shape_elements(&whole) * (uint64_t)n;
}

/* ---- reference -------------------------------------------------------------------------------- */

static double binary_f64(int kind, double a, double b)
{
    switch (kind) {
    case PITH_VBINARY_ADD: return a + b;
    case PITH_VBINARY_SUB: return a - b;
    case PITH_VBINARY_MUL: return a * b;
    case PITH_VBINARY_DIV: return a / b;
    case PITH_VBINARY_MIN: return a < b || isnan(a) ? a : b;
    case PITH_VBINARY_MAX: return a > b || isnan(a) ? a : b;
    default: return a < 0.0 ? a * b : a; /* PITH_VBINARY_PRELU */
    }
}

static double value_f64(const instruction *it, const double *values)
{
    const pith_activation f = { .kind = it->function, .alpha = it->alpha, .beta = it->beta };
    double x[PITHI_REGION_OPERANDS] = { 0 };
    for (int k = 0; k < it->n_operands; k++) {
        x[k] = values[it->operands[k]];
    }
    return is_binary(it)                          ? binary_f64(it->function - PITHI_REGION_BINARY, x[0], x[1])
           : it->function >= PITHI_REGION_EQUAL ? pithi_region_f64(it->function, it->alpha, x)
                                                  : pithi_activation_f64(&f, x[0]);
}

size_t pithi_region_ref_bytes(const pith_run *run)
{
    const pith_shape whole = whole_of(run->inputs, run->n_inputs);
    return (size_t)pith_shape_elements(&whole) * sizeof(float);
}

/* Results of the instructions are rounded as if they were stored; the last one's is, where it is to be reduced. */
void pithi_region_ref(const pith_run *run)
{
    const pithi_region_attrs *attrs = run->attrs;
    const pith_shape whole = whole_of(run->inputs, run->n_inputs), *shape = &whole;
    pith_tensor last = reduces(attrs) ? (pith_tensor){ PITH_DTYPE_F32, whole, run->shared } : run->outputs[0];
    for (int64_t at = 0; at < pith_shape_elements(shape); at++) {
        double values[MAX_VALUES];
        for (int i = 0; i < run->n_inputs; i++) {
            const pith_tensor *x = &run->inputs[i];
            values[i] = pithi_tensor_get_f64(x, pithi_broadcast_offset(&x->shape, shape, at));
        }
        for (int i = 0; i < count_instructions(attrs); i++) {
            const instruction it = instruction_at(attrs, i);
            const int output = output_of(attrs, i);
            const double value = (double)(float)value_f64(&it, values);
            values[run->n_inputs + i] = value;
            pith_tensor *y = output < 0 ? NULL : output == 0 ? &last : &run->outputs[output];
            if (y && y->data) {
                pithi_tensor_set_f64(y, at, value);
            }
        }
    }
    if (reduces(attrs) && run->outputs[0].data) {
        const uint32_t mask = ((1u << attrs->reduced) - 1u) << (whole.rank - (int)attrs->reduced);
        pithi_reduce_ref_mask(&last, mask, (pithi_reduce_kind)(attrs->reduce - 1), &run->outputs[0]);
    }
}

/* ---- prepare ---------------------------------------------------------------------------------- */

typedef enum feed_kind {
    FEED_WHOLE,  /* as many elements as the outputs: read where it lies */
    FEED_SINGLE, /* one value, which kernels repeat */
    FEED_RUN,    /* one value for each row of outputs: tiles end with rows, and kernels repeat it */
    FEED_SPREAD  /* broadcast into a buffer, unless a tile lies in one stretch of it */
} feed_kind;

typedef struct feed {
    feed_kind kind;
    int64_t period; /* SPREAD: element i of the outputs sees element i % period; 0: it is not so simple */
    int slot;
    bool is_bool; /* bytes, which become floats */
    pithi_rows *rows;
} feed;

typedef struct step {
    pith_vunary_f32_fn *unary;
    pith_vbinary_f32_fn *binary; /* neither: a function of this file */
    int function, n_operands, operands[PITHI_REGION_OPERANDS]; /* values */
    int output, slot;            /* where the result goes: an output, or -1 and a slot of scratch */
    bool is_bool;                /* the output: floats of the slot become bytes */
    bool is_reduced;             /* the output: rows of the slot become one each */
    float alpha, beta;
} step;

typedef struct region {
    int64_t n_elements, n_tiles;
    int64_t row, tile; /* elements: no tile goes beyond a row, which is all of them if nothing needs shorter ones */
    int64_t stride;    /* floats from slot to slot */
    int64_t reduced;       /* elements that output 0 has one of; 1: it isn't reduced */
    const void *reduction; /* for pithi_reduce_rows() */
    int n_inputs, n_steps, n_slots;
    feed feeds[PITHI_REGION_INPUTS];
    step steps[PITHI_REGION_INSTRUCTIONS];
} region;

/* A kernel repeats one value where its other operand is a vector. */
static bool can_be_single(const pithi_region_attrs *attrs, const pith_tensor *inputs, int n_inputs, int input,
                          int64_t n_elements)
{
    for (int i = 0; i < count_instructions(attrs); i++) {
        const instruction it = instruction_at(attrs, i);
        const int other = it.operands[0] == input ? it.operands[1] : it.operands[0];
        const bool has_vector =
            is_binary(&it) && (other >= n_inputs || pith_shape_elements(&inputs[other].shape) == n_elements);
        for (int k = 0; k < it.n_operands; k++) {
            if (it.operands[k] == input && !has_vector) {
                return false;
            }
        }
    }
    return true;
}

/* Elements of a shape that repeats as a whole along `to`; 0: it has broadcast dimensions behind others. */
static int64_t period_of(const pith_shape *shape, const pith_shape *to)
{
    int first = 0;
    while (first < shape->rank && shape->dims[first] == 1) {
        first++;
    }
    for (int i = first; i < shape->rank; i++) {
        if (shape->dims[i] != to->dims[i + to->rank - shape->rank]) {
            return 0;
        }
    }
    return pith_shape_elements(shape);
}

static pith_status set_feeds(pith_prepare *prepare, region *r, const pith_tensor *y)
{
    for (int i = 0; i < r->n_inputs; i++) {
        const pith_tensor *x = &prepare->inputs[i];
        const int64_t n = pith_shape_elements(&x->shape);
        const bool is_bool = x->dtype == PITH_DTYPE_BOOL;
        const bool single = !is_bool && can_be_single(prepare->attrs, prepare->inputs, r->n_inputs, i, r->n_elements);
        feed *f = &r->feeds[i];
        *f = (feed){ .kind = n == 1 && single ? FEED_SINGLE : FEED_WHOLE };
        if (f->kind == FEED_WHOLE && (n != r->n_elements || is_bool)) {
            void *block = NULL;
            PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_rows), &block));
            pithi_rows *rows = block;
            pithi_rows_init(rows, x, 1, y);
            *f = (feed){ FEED_SPREAD, period_of(&x->shape, &y->shape), r->n_slots++, is_bool, rows };
            if (single && rows->strides[0][rows->rank - 1] == 0 && rows->row_length >= LEAST_TILE && r->row > 0) {
                f->kind = FEED_RUN;
                r->row = pithi_min_s64(r->row, rows->row_length);
            }
        }
    }
    r->row = r->row % r->reduced != 0 ? r->n_elements : r->row; /* what is reduced to one lies in one tile */
    for (int i = 0; i < r->n_inputs; i++) { /* the shortest rows need not divide the others */
        feed *f = &r->feeds[i];
        const bool fits = r->row > 0 && f->kind == FEED_RUN && f->rows->row_length % r->row == 0;
        f->kind = f->kind == FEED_RUN && !fits ? FEED_SPREAD : f->kind;
    }
    return PITH_OK;
}

static bool has_slot(const step *s) { return s->output < 0 || s->is_bool || s->is_reduced; }

/* Instructions whose operands die in them leave their slot to the result. */
static void assign_slots(region *r)
{
    int last_use[MAX_VALUES] = { 0 };
    bool is_free[MAX_VALUES] = { false };
    for (int i = 0; i < r->n_steps; i++) {
        for (int k = 0; k < r->steps[i].n_operands; k++) {
            last_use[r->steps[i].operands[k]] = i;
        }
    }
    for (int i = 0; i < r->n_steps; i++) {
        for (int k = 0; k < r->steps[i].n_operands; k++) {
            const int operand = r->steps[i].operands[k];
            const step *from = operand >= r->n_inputs ? &r->steps[operand - r->n_inputs] : NULL;
            if (from && has_slot(from) && last_use[operand] == i) {
                is_free[from->slot] = true;
            }
        }
        int slot = 0;
        while (slot < r->n_slots && !is_free[slot]) {
            slot++;
        }
        if (has_slot(&r->steps[i])) {
            r->steps[i].slot = slot;
            is_free[slot] = false;
            r->n_slots = slot == r->n_slots ? slot + 1 : r->n_slots;
        }
    }
}

static bool repeats(const feed *f) { return f->kind == FEED_SINGLE || f->kind == FEED_RUN; }

static bool set_steps(const pith_prepare *prepare, region *r)
{
    const pith_vunary_f32 *unary = pithi_vunary_f32(prepare->isa_limit);
    const pith_vbinary_f32 *binary = pithi_vbinary_f32(prepare->isa_limit);
    for (int i = 0; i < r->n_steps; i++) {
        const instruction it = instruction_at(prepare->attrs, i);
        const int output = output_of(prepare->attrs, i);
        const bool is_wanted = output >= 0 && prepare->outputs[output].dtype != PITH_DTYPE_NONE;
        step *s = &r->steps[i];
        *s = (step){ .function = it.function, .n_operands = it.n_operands, .output = is_wanted ? output : -1,
                     .is_bool = is_wanted && makes_bool(&it), .is_reduced = output == 0 && r->reduction,
                     .alpha = it.alpha, .beta = it.beta };
        memcpy(s->operands, it.operands, sizeof s->operands);
        if (it.function >= PITHI_REGION_EQUAL) {
            continue;
        }
        if (is_binary(&it)) {
            const int a = it.operands[0], b = it.operands[1];
            const bool repeats_a = a < r->n_inputs && repeats(&r->feeds[a]);
            const bool repeats_b = b < r->n_inputs && repeats(&r->feeds[b]);
            const int form = repeats_a ? PITH_VBINARY_SV : repeats_b ? PITH_VBINARY_VS : PITH_VBINARY_VV;
            s->binary = binary->functions[it.function - PITHI_REGION_BINARY][form];
        } else {
            s->unary = unary->functions[it.function];
        }
        if (!s->binary && !s->unary) {
            return false;
        }
    }
    return true;
}

/* Tiles of whole periods need what repeats to be spread only once. */
static void set_tile(region *r, int n_outputs)
{
    int64_t n_vectors = r->n_slots + n_outputs, longest = 1;
    for (int i = 0; i < r->n_inputs; i++) {
        n_vectors += r->feeds[i].kind == FEED_WHOLE;
    }
    const int64_t room = TILE_BYTES / (int64_t)sizeof(float) / n_vectors;
    r->tile = pithi_max_s64(LEAST_TILE, pithi_min_s64(room / 16 * 16, MAX_TILE));
    for (int i = 0; i < r->n_inputs; i++) {
        const int64_t period = r->feeds[i].period;
        longest = period > longest && period <= r->tile ? period : longest;
    }
    if (r->reduced > 1) {
        longest = r->reduced;
        r->tile = pithi_max_s64(r->tile, longest);
    }
    r->tile = r->tile / longest * longest;
    r->stride = (r->tile + 15) / 16 * 16;
    r->n_tiles = r->n_elements ? r->n_elements / r->row * pithi_div_up(r->row, r->tile) : 0;
}

pith_status pithi_region_prepare(pith_prepare *prepare)
{
    void *block = NULL;
    const pithi_region_attrs *attrs = prepare->attrs;
    const pith_tensor whole = { .dtype = PITH_DTYPE_F32, .shape = whole_of(prepare->inputs, prepare->n_inputs) };
    const int64_t reduced = row_of(attrs, &whole.shape);
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(region), &block));
    region *r = block;
    r->n_elements = pith_shape_elements(&whole.shape);
    r->reduced = reduced;
    if (reduces(attrs)) {
        PITH_TRY(pithi_reduce_rows_prepare(prepare, (pithi_reduce_kind)(attrs->reduce - 1), reduced, &r->reduction));
    }
    r->row = r->n_elements;
    r->n_inputs = prepare->n_inputs;
    r->n_steps = count_instructions(prepare->attrs);
    PITH_TRY(set_feeds(prepare, r, &whole));
    if (!set_steps(prepare, r)) {
        return PITH_OK;
    }
    assign_slots(r);
    set_tile(r, prepare->n_outputs);
    const int parts = pithi_element_parts(r->n_elements * r->n_steps);
    prepare->state = r;
    prepare->max_parts = (int)pithi_max_s64(1, pithi_min_s64(r->n_tiles, parts));
    prepare->scratch_bytes = (size_t)(r->n_slots * r->stride) * sizeof(float);
    prepare->kernel = prepare->node->source_op; /* says more than a kernel's name: "mul+add+relu" */
    prepare->use_run = true;
    return pithi_arena_format(prepare->arena, &prepare->why,
                              "%d functions on tiles of %lld elements, which stay in the first cache", r->n_steps,
                              (long long)r->tile);
}

/* ---- run -------------------------------------------------------------------------------------- */

/* Where the tile of `n` elements from `at` on begins in input `f`. */
static const float *feed_tile(const region *r, const feed *f, const void *data, float *slot, int64_t at, int64_t n,
                              bool is_first)
{
    const float *x = data;
    if (f->kind == FEED_WHOLE || f->kind == FEED_SINGLE) {
        return f->kind == FEED_WHOLE ? x + at : x;
    }
    if (f->kind == FEED_RUN) {
        pithi_rows_spread_f32(f->rows, x, at, 1, slot);
        return slot;
    }
    const int64_t begin = f->period ? at % f->period : 0;
    if (f->period && begin + n <= f->period && !f->is_bool) {
        return x + begin;
    }
    if (is_first || f->period == 0 || r->tile % f->period != 0 || r->row != r->n_elements) {
        pithi_rows_spread_f32(f->rows, x, at, n, slot);
    }
    return slot;
}

static void run_step(const step *s, const float *const *values, float *y, size_t n)
{
    const float *x[PITHI_REGION_OPERANDS] = { 0 };
    for (int k = 0; k < s->n_operands; k++) {
        x[k] = values[s->operands[k]];
    }
    if (s->binary) {
        s->binary(x[0], x[1], y, n);
    } else if (s->unary) {
        s->unary(x[0], y, n, s->alpha, s->beta);
    } else {
        pithi_region_apply(s->function, s->alpha, x, y, n);
    }
}

/* The tile of an output that is made from the slot. */
static void store(const region *r, const step *s, const float *from, void *output, int64_t at, int64_t n)
{
    uint8_t *bytes = s->is_bool ? (uint8_t *)output + at : NULL;
    for (int64_t k = 0; bytes && k < n; k++) {
        bytes[k] = from[k] != 0.0f;
    }
    if (s->is_reduced && s->output >= 0) {
        pithi_reduce_rows(r->reduction, from, n / r->reduced, (float *)output + at / r->reduced);
    }
}

void pithi_region_run(const pith_run *run, const pith_part *part)
{
    const region *r = run->state;
    const float *values[MAX_VALUES];
    float *scratch = part->scratch;
    int64_t begin, end;
    const int64_t per_row = pithi_div_up(r->row, r->tile);
    pithi_part_range(part, r->n_tiles, &begin, &end);
    for (int64_t tile = begin; tile < end; tile++) {
        const int64_t in_row = tile % per_row * r->tile, at = tile / per_row * r->row + in_row;
        const int64_t n = pithi_min_s64(r->tile, r->row - in_row);
        for (int i = 0; i < r->n_inputs; i++) {
            float *slot = scratch + r->feeds[i].slot * r->stride;
            values[i] = feed_tile(r, &r->feeds[i], run->inputs[i].data, slot, at, n, tile == begin);
        }
        for (int i = 0; i < r->n_steps; i++) {
            const step *s = &r->steps[i];
            float *y = has_slot(s) ? scratch + s->slot * r->stride : (float *)run->outputs[s->output].data + at;
            run_step(s, values, y, (size_t)n);
            values[r->n_inputs + i] = y;
            store(r, s, y, s->output >= 0 ? run->outputs[s->output].data : NULL, at, n);
        }
    }
}

/* ---- record ----------------------------------------------------------------------------------- */

#define FLOATS (PITH_DTYPES(PITH_DTYPE_F32) | PITH_DTYPES_BOOL)
const pith_operand_spec pithi_region_inputs[1] = { { "x", FLOATS, PITH_VARIADIC } };
const pith_operand_spec pithi_region_outputs[1] = { { "y", FLOATS, PITH_VARIADIC } };
static const char *const samples[] = {
    "f32[3,40,33] f32[33] f32[3,40,33] | program=[66,0,1,-1,64,3,2,-1,3,4,-1,-1]",
    "f32[2,70,64] f32[2,1,64] f32[1] f32[70,1] | program=[66,0,1,-1,64,4,2,-1,65,5,3,-1,70,6,0,-1]",
    "f32[1,600] f32[9,600] f32[] | program=[13,0,-1,-1,66,3,1,-1,66,2,4,-1,4,5,-1,-1] "
    "parameters=[0,0,0,0,0,0,-0.5,0.5]",
    "f32[] f32[1] f32[700] | program=[64,0,1,-1,9,3,-1,-1,66,4,2,-1]",
    "f32[2,1,4] f32[2,300,1] | program=[68,0,1,-1,69,0,2,-1]",
    "f32[0,4] f32[4] | program=[64,0,1,-1,3,2,-1,-1]",
    "f32[4,700] f32[4,1] f32[4,1] f32[700] | program=[65,0,1,-1,66,4,2,-1,66,5,3,-1,64,6,0,-1]",
    "f32[2,3,10,90] f32[2,3,1,1] f32[2,1,1,1] f32[10,1] f32[90] | "
    "program=[65,0,1,-1,65,2,5,-1,64,6,3,-1,67,7,4,-1,64,8,0,-1]",
    "f32[3,2,257] f32[3,1,1] f32[3,2,1] f32[2,1] | program=[66,1,0,-1,66,4,2,-1,64,5,3,-1,66,6,1,-1]",
    "f32[3,700] bool[3,700] f32[]{-1e9} | program=[138,1,0,2]",
    "bool[40,1] f32[40,90] bool[90] f32[1,90] | program=[133,0,2,-1,131,1,3,-1,135,4,5,-1,138,6,1,3] results=[2] | 2",
    "f32[5,70] f32[70] | program=[129,0,1,-1,0,2,-1,-1,136,2,-1,-1,141,3,-1,-1,66,5,0,-1,137,6,-1,-1,134,4,7,-1] "
    "parameters=[0,0,0,0,0,0,-0.5,0,0,0,0,0,0,0]",
    "f32[2,300]{0.5:2} f32[2,1] | "
    "program=[140,0,-1,-1,139,1,-1,-1,66,2,3,-1,130,4,0,-1,132,4,0,-1,128,5,6,-1,138,7,4,0] "
    "parameters=[-1.5,0,0,0,0,0,0,0,0,0,0,0,0,0]",
};

const pith_op pith_op_region = {
    .head = { "region", 1, PITH_ATTRS(pithi_region_attrs_table, pithi_region_attrs) },
    .flags = PITH_OP_INPLACE_ANY, /* output 0 is made by the last instruction */
    PITHI_REGION_RECORD,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
