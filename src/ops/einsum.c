/* SPDX-License-Identifier: Apache-2.0 */
/* einsum: sum of products over labelled dimensions. ONNX Einsum, numpy.einsum.
 *
 * Two float operands go through the product kernel: labels fall into batch (A, B, output), m (A, output),
 * n (B, output) and k (A, B); tables hold the offset of every index in every operand, so any order of labels,
 * diagonals included, is a gather into the kernel's packing. Everything else is the reference. */
#include <math.h>

#include "kernels/gemm_f32.h"
#include "kernels/transpose.h"
#include "ops/sample.h"
#include "ops/shared_einsum.h"

typedef struct einsum_attrs {
    const char *equation;
} einsum_attrs;

static const pith_attr_spec table[] = { PITH_ATTR_REQUIRED_STRING(einsum_attrs, equation, "equation") };

/* ---- reference ---------------------------------------------------------------------------- */

typedef struct ref_walk {
    int n_outer, n_inner; /* labels of the output, labels that are summed */
    int labels[PITHI_EINSUM_LABELS];
    int64_t index[PITHI_EINSUM_LABELS];
} ref_walk;

/* Next index over labels [first, end) of the walk, last one fastest; false at the end. */
static bool step_index(const pithi_einsum *einsum, ref_walk *walk, int first, int end)
{
    for (int i = end - 1; i >= first; i--) {
        int label = walk->labels[i];
        if (++walk->index[label] < einsum->dims[label]) {
            return true;
        }
        walk->index[label] = 0;
    }
    return false;
}

static int64_t offset_of(const pithi_einsum_term *term, const pith_shape *shape, const int64_t *index)
{
    int64_t offset = 0;
    for (int i = 0; i < term->rank; i++) {
        offset = offset * shape->dims[i] + (shape->dims[i] == 1 ? 0 : index[term->labels[i]]);
    }
    return offset;
}

/* Sums products over the inner labels at the present outer index. */
static void sum_products(const pith_run *run, const pithi_einsum *einsum, ref_walk *walk, int64_t output_index)
{
    bool is_float = pithi_dtype_is_float(run->outputs[0].dtype);
    double sum = 0.0;
    uint64_t integer_sum = 0; /* wraps like the type */
    do {
        double product = 1.0;
        uint64_t integer_product = 1;
        for (int i = 0; i < einsum->n_operands; i++) {
            int64_t at = offset_of(&einsum->operands[i], &run->inputs[i].shape, walk->index);
            if (is_float) {
                product *= pithi_tensor_get_f64(&run->inputs[i], at);
            } else {
                integer_product *= (uint64_t)pithi_tensor_get_s64(&run->inputs[i], at);
            }
        }
        sum += product;
        integer_sum += integer_product;
    } while (step_index(einsum, walk, walk->n_outer, walk->n_outer + walk->n_inner));
    if (is_float) {
        pithi_tensor_set_f64(&run->outputs[0], output_index, sum);
    } else {
        pithi_tensor_set_s64(&run->outputs[0], output_index, (int64_t)integer_sum);
    }
}

static void ref(const pith_run *run)
{
    const einsum_attrs *attrs = run->attrs;
    const char *error = NULL;
    pithi_einsum einsum;
    if (!pithi_einsum_read(attrs->equation, run->inputs, run->n_inputs, &einsum, &error)) {
        pithi_run_fault(run, "equation '%s': %s", attrs->equation, error);
        return;
    }
    ref_walk walk = { .n_outer = einsum.output.rank };
    bool is_empty_sum = false;
    for (int i = 0; i < einsum.output.rank; i++) {
        walk.labels[i] = einsum.output.labels[i];
    }
    for (int label = 0; label < PITHI_EINSUM_LABELS; label++) {
        if (einsum.dims[label] >= 0 && !memchr(einsum.output.labels, label, (size_t)einsum.output.rank)) {
            walk.labels[walk.n_outer + walk.n_inner++] = label;
            is_empty_sum = is_empty_sum || einsum.dims[label] == 0;
        }
    }
    int64_t count = pith_shape_elements(&run->outputs[0].shape);
    if (is_empty_sum || count == 0) {
        memset(run->outputs[0].data, 0, pith_tensor_bytes(&run->outputs[0]));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        sum_products(run, &einsum, &walk, i);
        step_index(&einsum, &walk, 0, walk.n_outer);
    }
}

/* ---- products ----------------------------------------------------------------------------- */

#define ROW_BLOCK 32 /* rows of one kernel call */

typedef enum role { BATCH, ROWS, COLUMNS, DEPTH, N_ROLES } role;

/* Offsets in A, B and C (the output) for every index of a role. */
typedef struct offsets {
    int64_t n;
    const int64_t *a, *b, *c;
} offsets;

typedef struct product {
    const pith_gemm_f32 *kernel;
    pith_transpose_fn *transpose;
    const float *packed; /* a constant B, packed once; NULL: phase 0 packs it */
    offsets roles[N_ROLES];
    int a_input; /* 0, or 1 when the operands are swapped */
    bool is_a_direct, is_b_direct, is_c_dense; /* A and B lie dense along k, C along n */
    int64_t n_panels, n_row_blocks, strip_columns;
    size_t panel_floats;
} product;

static bool term_has(const pithi_einsum_term *term, int label)
{
    return memchr(term->labels, label, (size_t)term->rank) != NULL;
}

/* The role of a label; false if it is summed within one operand only. */
static bool role_of(const pithi_einsum *einsum, int a_input, int label, role *role_out)
{
    bool in_a = term_has(&einsum->operands[a_input], label), in_b = term_has(&einsum->operands[1 - a_input], label);
    bool in_c = term_has(&einsum->output, label);
    *role_out = in_a && in_b ? (in_c ? BATCH : DEPTH) : in_a ? ROWS : COLUMNS;
    return in_c || (in_a && in_b);
}

/* Puts a label as the new fastest dimension under the offsets of its role. */
static pith_status extend_offsets(pithi_arena *arena, offsets *list, int64_t dim, const int64_t strides[3])
{
    const int64_t **arrays[3] = { &list->a, &list->b, &list->c };
    for (int i = 0; i < 3; i++) {
        void *block = NULL;
        PITH_TRY(pithi_arena_array(arena, (size_t)(list->n * dim), sizeof(int64_t), &block));
        int64_t *longer = block;
        for (int64_t k = 0; k < list->n * dim; k++) {
            longer[k] = (*arrays[i])[k / dim] + k % dim * strides[i];
        }
        *arrays[i] = longer;
    }
    list->n *= dim;
    return PITH_OK;
}

static bool is_dense(const int64_t *list, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (list[i] != i) {
            return false;
        }
    }
    return true;
}

/* Labels in the order of the output, then those of A that are summed: innermost last. */
static pith_status fill_offsets(pith_prepare *prepare, const pithi_einsum *einsum, product *p)
{
    static const int64_t zero[1] = { 0 }; /* the offsets of a role without labels */
    const pithi_einsum_term *orders[2] = { &einsum->output, &einsum->operands[p->a_input] };
    const pith_tensor *a = &prepare->inputs[p->a_input], *b = &prepare->inputs[1 - p->a_input];
    bool is_done[PITHI_EINSUM_LABELS] = { false };
    for (int i = 0; i < N_ROLES; i++) {
        p->roles[i] = (offsets){ 1, zero, zero, zero };
    }
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < orders[i]->rank; k++) {
            int label = orders[i]->labels[k];
            role to = BATCH;
            role_of(einsum, p->a_input, label, &to);
            if (is_done[label]) {
                continue;
            }
            is_done[label] = true;
            int64_t strides[3] = { pithi_einsum_stride(&einsum->operands[p->a_input], &a->shape, label),
                                   pithi_einsum_stride(&einsum->operands[1 - p->a_input], &b->shape, label),
                                   pithi_einsum_stride(&einsum->output, &prepare->outputs[0].shape, label) };
            PITH_TRY(extend_offsets(prepare->arena, &p->roles[to], einsum->dims[label], strides));
        }
    }
    p->is_a_direct = is_dense(p->roles[DEPTH].a, p->roles[DEPTH].n);
    p->is_b_direct = is_dense(p->roles[DEPTH].b, p->roles[DEPTH].n);
    p->is_c_dense = is_dense(p->roles[COLUMNS].c, p->roles[COLUMNS].n);
    return PITH_OK;
}

/* True if the equation is a batched product; sets which input is A: the output's last label belongs to B. */
static bool as_product(const pith_prepare *prepare, const pithi_einsum *einsum, int *a_input)
{
    if (einsum->n_operands != 2 || prepare->outputs[0].dtype != PITH_DTYPE_F32) {
        return false;
    }
    int rank = einsum->output.rank, last = rank ? einsum->output.labels[rank - 1] : -1;
    *a_input = last >= 0 && term_has(&einsum->operands[0], last) && !term_has(&einsum->operands[1], last);
    for (int label = 0; label < PITHI_EINSUM_LABELS; label++) {
        role unused;
        if (einsum->dims[label] == 0 || (einsum->dims[label] > 0 && !role_of(einsum, *a_input, label, &unused))) {
            return false;
        }
    }
    return true;
}

/* ---- packing of B ------------------------------------------------------------------------- */

/* True if items [first, first + n) of a list have one distance. */
static bool is_even(const int64_t *list, int64_t first, int64_t n, int64_t *stride_out)
{
    int64_t stride = n > 1 ? list[first + 1] - list[first] : 1;
    for (int64_t i = first + 2; i < first + n; i++) {
        if (list[i] - list[i - 1] != stride) {
            return false;
        }
    }
    *stride_out = stride;
    return true;
}

/* Panel `panel` of batch item `batch` of B, gathered into the kernel's packing. */
static void pack_panel(const product *p, const float *b, int64_t batch, int64_t panel, float *packed)
{
    const offsets *columns = &p->roles[COLUMNS], *depth = &p->roles[DEPTH];
    int64_t nr = p->kernel->nr, first = panel * nr, n = pithi_min_s64(nr, columns->n - first), stride = 0;
    bool is_regular = is_even(columns->b, first, n, &stride);
    b += p->roles[BATCH].b[batch];
    if (n < nr) {
        memset(packed, 0, (size_t)(depth->n * nr) * sizeof *packed);
    }
    if (is_regular && p->is_b_direct) {
        p->transpose(b + columns->b[first], stride, packed, nr, n, depth->n);
        return;
    }
    for (int64_t k = 0; k < depth->n; k++) {
        const float *from = b + depth->b[k];
        if (is_regular && stride == 1) {
            memcpy(packed + k * nr, from + columns->b[first], (size_t)n * sizeof *packed);
            continue;
        }
        for (int64_t i = 0; i < n; i++) {
            packed[k * nr + i] = from[columns->b[first + i]];
        }
    }
}

typedef struct pack_job {
    const product *p;
    const float *b;
} pack_job;

static void fill_packed(void *user, void *block)
{
    const pack_job *job = user;
    for (int64_t i = 0; i < job->p->roles[BATCH].n * job->p->n_panels; i++) {
        pack_panel(job->p, job->b, i / job->p->n_panels, i % job->p->n_panels,
                   (float *)block + (size_t)i * job->p->panel_floats);
    }
}

/* Shape and equation decide how a constant is packed; both go into the key. */
static pith_status pack_constant(pith_prepare *prepare, product *p, size_t n_bytes)
{
    const char *equation = ((const einsum_attrs *)prepare->attrs)->equation;
    const pith_tensor *b = &prepare->inputs[1 - p->a_input], *a = &prepare->inputs[p->a_input];
    pack_job job = { p, b->data };
    uint64_t key = pithi_hash(PITHI_HASH_START, equation, strlen(equation));
    key = pithi_hash(key, a->shape.dims, (size_t)a->shape.rank * sizeof *a->shape.dims);
    key = pithi_hash(key, b->shape.dims, (size_t)b->shape.rank * sizeof *b->shape.dims);
    const void *block = NULL;
    PITH_TRY(pithi_prepare_pack(prepare, b->data, key, n_bytes, fill_packed, &job, &block));
    p->packed = block;
    return PITH_OK;
}

static pith_status prepare(pith_prepare *prepare)
{
    const char *error = NULL;
    pithi_einsum einsum;
    int a_input = 0;
    if (!pithi_einsum_read(((const einsum_attrs *)prepare->attrs)->equation, prepare->inputs, prepare->n_inputs,
                           &einsum, &error) ||
        !as_product(prepare, &einsum, &a_input)) {
        return PITH_OK;
    }
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(product), &block));
    product *p = block;
    p->kernel = pithi_gemm_f32(prepare->isa_limit);
    p->transpose = pithi_transpose_find(prepare->isa_limit, 2);
    p->a_input = a_input;
    PITH_TRY(fill_offsets(prepare, &einsum, p));
    p->strip_columns = (int64_t)p->kernel->nr * p->kernel->nv_max;
    p->n_panels = pithi_div_up(p->roles[COLUMNS].n, p->kernel->nr);
    p->n_row_blocks = pithi_div_up(p->roles[ROWS].n, ROW_BLOCK);
    p->panel_floats = (size_t)(p->roles[DEPTH].n * p->kernel->nr);
    prepare->use_run = true;
    prepare->state = p;
    prepare->max_parts = (int)pithi_min_s64(p->roles[BATCH].n * p->n_row_blocks, 1 << 20);
    size_t packed_bytes = (size_t)(p->roles[BATCH].n * p->n_panels) * p->panel_floats * sizeof(float);
    if (prepare->inputs[1 - a_input].data) {
        PITH_TRY(pack_constant(prepare, p, packed_bytes));
    } else {
        prepare->n_phases = 2;
        prepare->shared_bytes = packed_bytes;
    }
    prepare->scratch_bytes = (size_t)(ROW_BLOCK * (p->roles[DEPTH].n + p->strip_columns)) * sizeof(float);
    prepare->kernel = p->kernel->head.name;
    return PITH_OK;
}

/* Pointers to rows [first, first + n) of A, gathered into `scratch` unless they are dense. */
static void find_rows(const product *p, const float *a, int64_t first, int n, float *scratch, const float **rows)
{
    const offsets *depth = &p->roles[DEPTH];
    for (int m = 0; m < n; m++) {
        const float *row = a + p->roles[ROWS].a[first + m];
        rows[m] = row;
        if (!p->is_a_direct) {
            for (int64_t k = 0; k < depth->n; k++) {
                scratch[k] = row[depth->a[k]];
            }
            rows[m] = scratch;
            scratch += depth->n;
        }
    }
}

/* Columns of one tile, put to their places in the output. */
static void scatter(const product *p, const pith_gemm_f32_tile *tile, int64_t first_row, int64_t first_column, float *c)
{
    for (int m = 0; m < tile->mr; m++) {
        float *row = c + p->roles[ROWS].c[first_row + m];
        for (int n = 0; n < tile->n_columns; n++) {
            row[p->roles[COLUMNS].c[first_column + n]] = tile->c[(size_t)m * tile->c_stride + (size_t)n];
        }
    }
}

/* True if rows [first, first + n) of C have one distance and their columns are dense. */
static bool is_c_direct(const product *p, int64_t first, int n, size_t *stride_out)
{
    int64_t stride = 0;
    bool is_direct = p->is_c_dense && is_even(p->roles[ROWS].c, first, n, &stride) && stride >= 0;
    *stride_out = (size_t)stride;
    return is_direct;
}

/* Phase 1: a block of rows of one batch item against all columns; at once where C can be written in place, else
 * through a strip of scratch. */
static void multiply_rows(const product *p, const pith_run *run, int64_t batch, int64_t block, float *scratch)
{
    static const ptrdiff_t no_offset[1] = { 0 };
    const float *rows[ROW_BLOCK];
    int64_t first = block * ROW_BLOCK, n_columns = p->roles[COLUMNS].n;
    int mr = (int)pithi_min_s64(ROW_BLOCK, p->roles[ROWS].n - first);
    float *c = (float *)run->outputs[0].data + p->roles[BATCH].c[batch];
    const float *packed =
        (p->packed ? p->packed : (const float *)run->shared) + (size_t)(batch * p->n_panels) * p->panel_floats;
    size_t c_stride = 0;
    bool is_direct = is_c_direct(p, first, mr, &c_stride);
    int64_t step = is_direct ? n_columns : p->strip_columns;
    find_rows(p, (const float *)run->inputs[p->a_input].data + p->roles[BATCH].a[batch], first, mr, scratch, rows);
    pith_gemm_f32_tile tile = { .a_rows = rows, .segment_offsets = no_offset, .n_segments = 1,
                                .segment_length = (size_t)p->roles[DEPTH].n, .b_row_stride = (size_t)p->kernel->nr,
                                .b_panel_stride = p->panel_floats, .c_stride = is_direct ? c_stride : (size_t)step,
                                .mr = mr, .lo = -INFINITY, .hi = INFINITY };
    for (int64_t n = 0; n < n_columns; n += step) {
        tile.n_columns = (int)pithi_min_s64(step, n_columns - n);
        tile.b = packed + (size_t)(n / p->kernel->nr) * p->panel_floats;
        tile.c = is_direct ? c + p->roles[ROWS].c[first] : scratch + ROW_BLOCK * p->roles[DEPTH].n;
        p->kernel->tile(&tile);
        if (!is_direct) {
            scatter(p, &tile, first, n, c);
        }
    }
}

static void run(const pith_run *run, const pith_part *part)
{
    const product *p = run->state;
    bool is_packing = part->phase == 0 && !p->packed;
    int64_t n_inner = is_packing ? p->n_panels : p->n_row_blocks, begin, end;
    pithi_part_range(part, p->roles[BATCH].n * n_inner, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        if (is_packing) {
            pack_panel(p, run->inputs[1 - p->a_input].data, i / n_inner, i % n_inner,
                       (float *)run->shared + (size_t)i * p->panel_floats);
        } else {
            multiply_rows(p, run, i / n_inner, i % n_inner, part->scratch);
        }
    }
}

/* ---- shape -------------------------------------------------------------------------------- */

static pith_status infer(pith_infer *infer)
{
    const einsum_attrs *attrs = infer->attrs;
    const char *error = NULL;
    pithi_einsum einsum;
    PITH_CHECK(infer->ctx, pithi_einsum_read(attrs->equation, infer->inputs, infer->n_inputs, &einsum, &error),
               PITH_STATUS_SHAPE, "equation '%s' with %d operands: %s", attrs->equation, infer->n_inputs, error);
    for (int i = 1; i < infer->n_inputs; i++) {
        PITH_CHECK(infer->ctx, infer->inputs[i].dtype == infer->inputs[0].dtype, PITH_STATUS_DTYPE,
                   "operand %d has dtype %s, the first one has %s", i, pith_dtype_name(infer->inputs[i].dtype),
                   pith_dtype_name(infer->inputs[0].dtype));
    }
    pith_shape *shape = &infer->outputs[0].shape;
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    shape->rank = einsum.output.rank;
    for (int i = 0; i < shape->rank; i++) {
        shape->dims[i] = einsum.dims[einsum.output.labels[i]];
    }
    return PITH_OK;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const char *error = NULL;
    pithi_einsum einsum;
    if (pithi_einsum_read(((const einsum_attrs *)infer->attrs)->equation, infer->inputs, infer->n_inputs, &einsum,
                          &error)) {
        cost->macs = 1;
        for (int i = 0; i < PITHI_EINSUM_LABELS; i++) {
            cost->macs *= einsum.dims[i] >= 0 ? (uint64_t)einsum.dims[i] : 1;
        }
    }
}

static const pith_operand_spec inputs[] = { { "operands", PITH_DTYPES_NUMBER, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Einsum", 12, NULL } };
static const char *const samples[] = {
    "f32[3,5] f32[5,4] | equation=ij,jk->ik",
    "f32[3,5] f32[5,2]{1,2,3,4,5,6,7,8,9,10} | equation=ij,jk->ik",
    "f32[2,7,3,5] f32[2,19,3,5] | equation=bqhd,bkhd->bhqk",
    "f32[2,3,7,19] f32[2,19,3,5] | equation=bhqk,bkhd->bqhd",
    "f32[2,3,3] f32[3,17] | equation=...ii,ij->...ij",
    "f32[3,4] f32[5] | equation=ij,k",
    "f32[1,4,5] f32[3,5,2] | equation=bij,bjk->kib",
    "s32[3,3] | equation=ii",
    "f32[2,3] f32[0] | equation=ij,k->ij",
    "f32[2,3] f32[3,4] f32[4] | equation=ij,jk,k->i",
    "f32[2,0] f32[0,3] | equation=ij,jk",
};

const pith_op pith_op_einsum = {
    .head = { "einsum", 1, PITH_ATTRS(table, einsum_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare, .run = run,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
