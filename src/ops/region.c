/* SPDX-License-Identifier: Apache-2.0 */
/* region: elementwise functions one after the other, on tiles that stay in the first cache, so that what passes between
 * them doesn't go through memory. Inputs broadcast as in numpy. Made by pass fuse_region; no file has it. The kernels
 * are those of the separate operators, and so are the bits. */
#include "ops/region.h"
#include "kernels/vbinary_f32.h"
#include "ops/shared_broadcast.h"
#include "ops/shared_unary.h"

#define TILE_BYTES ((int64_t)24 << 10) /* of all that an instruction or the next may touch */
#define LEAST_TILE 256                 /* elements; shorter calls would cost more than memory does */
#define MAX_TILE 4096
#define MAX_VALUES (PITHI_REGION_INPUTS + PITHI_REGION_INSTRUCTIONS)

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_INTS(pithi_region_attrs, program, "program"),
    PITH_ATTR_FLOATS(pithi_region_attrs, parameters, "parameters"),
    PITH_ATTR_INTS(pithi_region_attrs, results, "results"),
};

/* ---- program ---------------------------------------------------------------------------------- */

typedef struct instruction {
    int function, a, b;
    float alpha, beta;
} instruction;

static int count_instructions(const pithi_region_attrs *attrs) { return attrs->program.n_items / PITHI_REGION_WORDS; }

static instruction instruction_at(const pithi_region_attrs *attrs, int index)
{
    const int64_t *words = attrs->program.items + PITHI_REGION_WORDS * index;
    instruction found = { (int)words[0], (int)words[1], (int)words[2], 0.0f, 0.0f };
    if (attrs->parameters.n_items > 0) {
        found.alpha = attrs->parameters.items[2 * index];
        found.beta = attrs->parameters.items[2 * index + 1];
    }
    return found;
}

static bool is_binary(const instruction *i) { return i->function >= PITHI_REGION_BINARY; }

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
        const bool takes_two = words[0] >= PITHI_REGION_BINARY;
        fits = words[0] >= 0 && words[0] < (takes_two ? PITHI_REGION_BINARY + PITH_VBINARY_COUNT : PITH_VUNARY_COUNT) &&
               words[1] >= 0 && words[1] < n_values && (!takes_two || (words[2] >= 0 && words[2] < n_values));
    }
    for (int k = 0; fits && k < attrs->results.n_items; k++) {
        const int64_t result = attrs->results.items[k];
        fits = result >= 0 && result < n - 1 && output_of(attrs, (int)result) == k + 1;
    }
    return fits;
}

static pith_status infer(pith_infer *infer)
{
    PITH_CHECK(infer->ctx, is_program(infer->attrs, infer->n_inputs, infer->n_outputs), PITH_STATUS_FORMAT,
               "program, parameters and results don't fit each other, %d inputs and %d outputs", infer->n_inputs,
               infer->n_outputs);
    PITH_TRY(pithi_infer_broadcast(infer, &infer->outputs[0].shape));
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = PITH_DTYPE_F32;
        infer->outputs[i].shape = infer->outputs[0].shape;
    }
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    cost->flops = (uint64_t)pith_shape_elements(&infer->outputs[0].shape) * (uint64_t)count_instructions(infer->attrs);
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

/* Results of the instructions are rounded as if they were stored. */
static void ref(const pith_run *run)
{
    const pithi_region_attrs *attrs = run->attrs;
    const pith_shape *shape = &run->outputs[0].shape;
    for (int64_t at = 0; at < pith_shape_elements(shape); at++) {
        double values[MAX_VALUES];
        for (int i = 0; i < run->n_inputs; i++) {
            const pith_tensor *x = &run->inputs[i];
            values[i] = pithi_tensor_get_f64(x, pithi_broadcast_offset(&x->shape, shape, at));
        }
        for (int i = 0; i < count_instructions(attrs); i++) {
            const instruction it = instruction_at(attrs, i);
            const pith_activation f = { .kind = it.function, .alpha = it.alpha, .beta = it.beta };
            const int output = output_of(attrs, i);
            const double value = is_binary(&it) ? binary_f64(it.function - PITHI_REGION_BINARY, values[it.a],
                                                             values[it.b])
                                                : pithi_activation_f64(&f, values[it.a]);
            values[run->n_inputs + i] = (double)(float)value;
            if (output >= 0 && run->outputs[output].data) {
                ((float *)run->outputs[output].data)[at] = (float)value;
            }
        }
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
    pithi_rows *rows;
} feed;

typedef struct step {
    pith_vunary_f32_fn *unary;
    pith_vbinary_f32_fn *binary; /* NULL: unary */
    int a, b;                    /* values */
    int output, slot;            /* where the result goes: an output, or -1 and a slot of scratch */
    float alpha, beta;
} step;

typedef struct region {
    int64_t n_elements, n_tiles;
    int64_t row, tile; /* elements: no tile goes beyond a row, which is all of them if nothing needs shorter ones */
    int64_t stride;    /* floats from slot to slot */
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
        const int other = it.a == input ? it.b : it.a;
        const bool reads = it.a == input || (is_binary(&it) && it.b == input);
        const bool has_vector =
            is_binary(&it) && (other >= n_inputs || pith_shape_elements(&inputs[other].shape) == n_elements);
        if (reads && !has_vector) {
            return false;
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

static pith_status set_feeds(pith_prepare *prepare, region *r)
{
    const pith_tensor *y = &prepare->outputs[0];
    for (int i = 0; i < r->n_inputs; i++) {
        const pith_tensor *x = &prepare->inputs[i];
        const int64_t n = pith_shape_elements(&x->shape);
        const bool single = can_be_single(prepare->attrs, prepare->inputs, r->n_inputs, i, r->n_elements);
        feed *f = &r->feeds[i];
        *f = (feed){ .kind = n == 1 && single ? FEED_SINGLE : FEED_WHOLE };
        if (f->kind == FEED_WHOLE && n != r->n_elements) {
            void *block = NULL;
            PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(pithi_rows), &block));
            pithi_rows *rows = block;
            pithi_rows_init(rows, x, 1, y);
            *f = (feed){ FEED_SPREAD, period_of(&x->shape, &y->shape), r->n_slots++, rows };
            if (single && rows->strides[0][rows->rank - 1] == 0 && rows->row_length >= LEAST_TILE && r->row > 0) {
                f->kind = FEED_RUN;
                r->row = pithi_min_s64(r->row, rows->row_length);
            }
        }
    }
    for (int i = 0; i < r->n_inputs; i++) { /* the shortest rows need not divide the others */
        feed *f = &r->feeds[i];
        f->kind = f->kind == FEED_RUN && f->rows->row_length % r->row != 0 ? FEED_SPREAD : f->kind;
    }
    return PITH_OK;
}

/* Instructions whose operands die in them leave their slot to the result. */
static void assign_slots(const pithi_region_attrs *attrs, region *r)
{
    int last_use[MAX_VALUES] = { 0 };
    bool is_free[MAX_VALUES] = { false };
    for (int i = 0; i < r->n_steps; i++) {
        const instruction it = instruction_at(attrs, i);
        last_use[it.a] = i;
        last_use[is_binary(&it) ? it.b : it.a] = i;
    }
    for (int i = 0; i < r->n_steps; i++) {
        const int operands[2] = { r->steps[i].a, r->steps[i].binary ? r->steps[i].b : r->steps[i].a };
        for (int k = 0; k < 2; k++) {
            const step *from = operands[k] >= r->n_inputs ? &r->steps[operands[k] - r->n_inputs] : NULL;
            if (from && from->output < 0 && last_use[operands[k]] == i) {
                is_free[from->slot] = true;
            }
        }
        int slot = 0;
        while (slot < r->n_slots && !is_free[slot]) {
            slot++;
        }
        if (r->steps[i].output < 0) {
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
        *s = (step){ .a = it.a, .b = it.b, .output = is_wanted ? output : -1, .alpha = it.alpha, .beta = it.beta };
        if (is_binary(&it)) {
            const bool repeats_a = it.a < r->n_inputs && repeats(&r->feeds[it.a]);
            const bool repeats_b = it.b < r->n_inputs && repeats(&r->feeds[it.b]);
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
    r->tile = r->tile / longest * longest;
    r->stride = (r->tile + 15) / 16 * 16;
    r->n_tiles = r->n_elements ? r->n_elements / r->row * pithi_div_up(r->row, r->tile) : 0;
}

static pith_status prepare(pith_prepare *prepare)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(region), &block));
    region *r = block;
    r->n_elements = pith_shape_elements(&prepare->outputs[0].shape);
    r->row = r->n_elements;
    r->n_inputs = prepare->n_inputs;
    r->n_steps = count_instructions(prepare->attrs);
    PITH_TRY(set_feeds(prepare, r));
    if (!set_steps(prepare, r)) {
        return PITH_OK;
    }
    assign_slots(prepare->attrs, r);
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
static const float *feed_tile(const region *r, const feed *f, const float *x, float *slot, int64_t at, int64_t n,
                              bool is_first)
{
    if (f->kind == FEED_WHOLE || f->kind == FEED_SINGLE) {
        return f->kind == FEED_WHOLE ? x + at : x;
    }
    if (f->kind == FEED_RUN) {
        pithi_rows_spread_f32(f->rows, x, at, 1, slot);
        return slot;
    }
    const int64_t begin = f->period ? at % f->period : 0;
    if (f->period && begin + n <= f->period) {
        return x + begin;
    }
    if (is_first || f->period == 0 || r->tile % f->period != 0 || r->row != r->n_elements) {
        pithi_rows_spread_f32(f->rows, x, at, n, slot);
    }
    return slot;
}

static void run(const pith_run *run, const pith_part *part)
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
            float *y = s->output >= 0 ? (float *)run->outputs[s->output].data + at : scratch + s->slot * r->stride;
            if (s->binary) {
                s->binary(values[s->a], values[s->b], y, (size_t)n);
            } else {
                s->unary(values[s->a], y, (size_t)n, s->alpha, s->beta);
            }
            values[r->n_inputs + i] = y;
        }
    }
}

/* ---- record ----------------------------------------------------------------------------------- */

#define FLOATS PITH_DTYPES(PITH_DTYPE_F32)
static const pith_operand_spec inputs[] = { { "x", FLOATS, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "y", FLOATS, PITH_VARIADIC } };
static const char *const samples[] = {
    "f32[3,40,33] f32[33] f32[3,40,33] | program=[66,0,1,64,3,2,3,4,-1]",
    "f32[2,70,64] f32[2,1,64] f32[1] f32[70,1] | program=[66,0,1,64,4,2,65,5,3,70,6,0]",
    "f32[1,600] f32[9,600] f32[] | program=[13,0,-1,66,3,1,66,2,4,4,5,-1] parameters=[0,0,0,0,0,0,-0.5,0.5]",
    "f32[] f32[1] f32[700] | program=[64,0,1,9,3,-1,66,4,2]",
    "f32[2,1,4] f32[2,300,1] | program=[68,0,1,69,0,2]",
    "f32[0,4] f32[4] | program=[64,0,1,3,2,-1]",
    "f32[4,700] f32[4,1] f32[4,1] f32[700] | program=[65,0,1,66,4,2,66,5,3,64,6,0]",
    "f32[2,3,10,90] f32[2,3,1,1] f32[2,1,1,1] f32[10,1] f32[90] | program=[65,0,1,65,2,5,64,6,3,67,7,4,64,8,0]",
    "f32[3,2,257] f32[3,1,1] f32[3,2,1] f32[2,1] | program=[66,1,0,66,4,2,64,5,3,66,6,1]",
};

const pith_op pith_op_region = {
    .head = { "region", 1, PITH_ATTRS(attrs_table, pithi_region_attrs) },
    .flags = PITH_OP_INPLACE_ANY, /* output 0 is made by the last instruction */
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .prepare = prepare, .run = run,
    .cost = cost,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
