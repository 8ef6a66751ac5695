/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_copy.h"

#define GRAIN_BYTES 16384 /* of one unit of work: half a first-level cache */

pithi_copy pithi_copy_make(const pith_tensor *from, pith_tensor *to)
{
    return (pithi_copy){ .from = from->data, .to = to->data, .dtype = to->dtype,
                         .item_bytes = (int64_t)pith_dtype_bytes(to->dtype) };
}

void pithi_copy_add(pithi_copy *copy, int64_t dim, int64_t from_stride, int64_t to_stride)
{
    PITH_ASSERT(copy->rank < PITHI_COPY_MAX_RANK);
    copy->dims[copy->rank] = dim;
    copy->from_strides[copy->rank] = from_stride;
    copy->to_strides[copy->rank] = to_stride;
    copy->rank++;
}

void pithi_copy_move(pithi_copy *copy, int64_t from_items, int64_t to_items)
{
    copy->from += copy->from ? from_items * copy->item_bytes : 0; /* tensors of size zero may have no data */
    copy->to += copy->to ? to_items * copy->item_bytes : 0;
}

void pithi_row_strides(const pith_shape *shape, int64_t row_stride, int64_t strides_out[PITH_MAX_RANK])
{
    int64_t stride = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        strides_out[i] = stride;
        stride = i == shape->rank - 1 && row_stride ? row_stride : stride * shape->dims[i];
    }
}

void pithi_dense_strides(const pith_shape *shape, int64_t strides_out[PITH_MAX_RANK])
{
    pithi_row_strides(shape, 0, strides_out);
}

int64_t pithi_dims_product(const pith_shape *shape, int begin, int end)
{
    int64_t product = 1;
    for (int i = begin; i < end; i++) {
        product *= shape->dims[i];
    }
    return product;
}

pithi_copy pithi_copy_piece(const pithi_piece *p, int64_t first, int64_t n, int64_t *begin)
{
    const pith_shape *shape = &p->piece->shape;
    const int last = shape->rank - 1, axis = p->axis;
    int64_t piece[PITH_MAX_RANK], whole[PITH_MAX_RANK];
    pithi_row_strides(shape, p->piece_stride, piece);
    pithi_row_strides(&p->whole->shape, p->whole_stride, whole);
    const int64_t *from = p->is_cut ? whole : piece, *to = p->is_cut ? piece : whole;
    const int64_t piece_first = axis > 0 ? first * piece[axis - 1] : 0;
    const int64_t whole_first = (axis > 0 ? first * whole[axis - 1] : 0) + *begin * whole[axis];
    pithi_copy copy = pithi_copy_make(p->is_cut ? p->whole : p->piece, p->is_cut ? p->piece : p->whole);
    pithi_copy_move(&copy, p->is_cut ? whole_first : piece_first, p->is_cut ? piece_first : whole_first);
    pithi_copy_add(&copy, copy.from == copy.to ? 0 : n, axis > 0 ? from[axis - 1] : 0, axis > 0 ? to[axis - 1] : 0);
    pithi_copy_add(&copy, pithi_dims_product(shape, axis, last), last > 0 ? from[last - 1] : 0,
                   last > 0 ? to[last - 1] : 0);
    pithi_copy_add(&copy, shape->dims[last], 1, 1);
    *begin += shape->dims[axis];
    return copy;
}

static int64_t count_items(const pithi_copy *copy)
{
    int64_t count = 1;
    for (int i = 0; i < copy->rank; i++) {
        count *= copy->dims[i];
    }
    return count;
}

/* `n_items` of the last dimension; constants are folded by this, so words of 4 bytes are worth a loop. */
static void copy_plain_row(const pithi_copy *copy, int64_t from, int64_t to, int64_t n_items)
{
    const int64_t from_step = copy->rank > 0 ? copy->from_strides[copy->rank - 1] : 1;
    const int64_t to_step = copy->rank > 0 ? copy->to_strides[copy->rank - 1] : 1;
    const pith_tensor from_items = { .dtype = copy->dtype, .data = (void *)(uintptr_t)copy->from };
    pith_tensor to_items = { .dtype = copy->dtype, .data = copy->to };
    if (from_step == 1 && to_step == 1) {
        pithi_tensor_copy_elements(&to_items, to, &from_items, from, n_items);
        return;
    }
    for (int64_t i = 0; i < n_items; i++, from += from_step, to += to_step) {
        if (copy->item_bytes == 4) {
            memcpy((char *)copy->to + 4 * to, (const char *)copy->from + 4 * from, 4);
        } else {
            pithi_tensor_copy_elements(&to_items, to, &from_items, from, 1);
        }
    }
}

void pithi_copy_plain(const pithi_copy *copy)
{
    int64_t index[PITHI_COPY_MAX_RANK] = { 0 };
    const int last = copy->rank - 1;
    const int64_t n_items = copy->rank > 0 ? copy->dims[last] : 1;
    for (int64_t left = n_items ? count_items(copy) / n_items : 0; left > 0; left--) {
        int64_t from = 0, to = 0;
        for (int i = 0; i < last; i++) {
            from += index[i] * copy->from_strides[i];
            to += index[i] * copy->to_strides[i];
        }
        copy_plain_row(copy, from, to, n_items);
        for (int i = last - 1; i >= 0 && ++index[i] == copy->dims[i]; i--) {
            index[i] = 0;
        }
    }
}

/* What a plan's steps keep. */
typedef struct copy_kernels {
    pith_transpose_fn *transposes[PITH_TRANSPOSE_SIZES];
    pith_turns_fn *turns; /* of items of 4 bytes, or NULL */
} copy_kernels;

/* ---- planning ----------------------------------------------------------------------------- */

/* Outer dimensions stay in `copy`; inside lies either a loop of rows or a 2-D transposition. A grain is
 * a group of rows, a piece of one row, or a block of the transposition. Many dense transpositions of two rows (shuffled
 * channels) are rows as well, filled from two runs of items by turns. */
typedef struct copy_plan {
    pithi_copy copy;
    bool is_transposition;
    int64_t second_run;                              /* by turns: where it begins, in items; else 0 */
    int64_t row_bytes, piece_bytes;                  /* rows: */
    int64_t n_rows, from_step, to_step;              /* steps in items */
    int64_t n_cols;                                  /* transpositions: columns lie side by side in `from` */
    int64_t rows_per_grain, cols_per_grain;
    int64_t row_grains, col_grains;                  /* of one inner block; col_grains are pieces of rows */
} copy_plan;

static void drop_dim(pithi_copy *copy, int index)
{
    copy->rank--;
    for (int i = index; i < copy->rank; i++) {
        copy->dims[i] = copy->dims[i + 1];
        copy->from_strides[i] = copy->from_strides[i + 1];
        copy->to_strides[i] = copy->to_strides[i + 1];
    }
}

static void merge_dims(pithi_copy *copy)
{
    for (int i = copy->rank - 1; i >= 0; i--) {
        if (copy->dims[i] == 1) {
            drop_dim(copy, i);
        }
    }
    for (int i = copy->rank - 2; i >= 0; i--) {
        int64_t dim = copy->dims[i + 1];
        if (copy->from_strides[i] == copy->from_strides[i + 1] * dim &&
            copy->to_strides[i] == copy->to_strides[i + 1] * dim) {
            copy->dims[i + 1] *= copy->dims[i];
            drop_dim(copy, i);
        }
    }
}

static bool is_element_size(int64_t n_bytes)
{
    return n_bytes == 1 || n_bytes == 2 || n_bytes == 4 || n_bytes == 8;
}

/* A short innermost run of items becomes one bigger item, so that it can be transposed. */
static void widen_item(pithi_copy *copy)
{
    int last = copy->rank - 1;
    if (last < 1 || copy->from_strides[last] != 1 || copy->to_strides[last] != 1) {
        return;
    }
    int64_t dim = copy->dims[last];
    bool fits = is_element_size(dim * copy->item_bytes);
    uintptr_t misaligned = ((uintptr_t)copy->from | (uintptr_t)copy->to) % (uintptr_t)(dim * copy->item_bytes);
    for (int i = 0; i < last; i++) {
        fits = fits && copy->from_strides[i] % dim == 0 && copy->to_strides[i] % dim == 0;
    }
    if (!fits || misaligned != 0) {
        return;
    }
    for (int i = 0; i < last; i++) {
        copy->from_strides[i] /= dim;
        copy->to_strides[i] /= dim;
    }
    copy->item_bytes *= dim;
    copy->rank--;
}

/* A call for each of many small transpositions would cost more than its work. */
static bool plan_turns(copy_plan *plan)
{
    pithi_copy *copy = &plan->copy;
    const int last = copy->rank - 1;
    if (plan->n_rows != 2 || plan->to_step != 2 || last < 0 || (copy->item_bytes != 1 && copy->item_bytes != 4)) {
        return false;
    }
    plan->is_transposition = false;
    plan->second_run = plan->from_step;
    plan->row_bytes = plan->piece_bytes = 2 * plan->n_cols * copy->item_bytes;
    plan->n_rows = copy->dims[last];
    plan->from_step = copy->from_strides[last];
    plan->to_step = copy->to_strides[last];
    copy->rank--;
    plan->rows_per_grain = pithi_max_s64(GRAIN_BYTES / plan->row_bytes, 1);
    plan->row_grains = pithi_div_up(plan->n_rows, plan->rows_per_grain);
    plan->col_grains = 1;
    return true;
}

static bool plan_transposition(copy_plan *plan)
{
    pithi_copy *copy = &plan->copy;
    int last = copy->rank - 1;
    if (last < 1 || copy->to_strides[last] != 1 || !is_element_size(copy->item_bytes)) {
        return false;
    }
    for (int i = 0; i < last; i++) {
        if (copy->from_strides[i] != 1 || copy->from_strides[last] == 0) {
            continue;
        }
        plan->is_transposition = true;
        plan->n_rows = copy->dims[last];
        plan->n_cols = copy->dims[i];
        plan->from_step = copy->from_strides[last];
        plan->to_step = copy->to_strides[i];
        copy->rank--;
        drop_dim(copy, i);
        if (plan_turns(plan)) {
            return true;
        }
        int64_t items = GRAIN_BYTES / copy->item_bytes;
        bool by_rows = plan->n_rows > plan->n_cols;
        int64_t other = by_rows ? plan->n_cols : plan->n_rows;
        int64_t length = pithi_max_s64(items / other / 16, 1) * 16; /* whole tiles */
        plan->rows_per_grain = by_rows ? length : plan->n_rows;
        plan->cols_per_grain = by_rows ? plan->n_cols : length;
        plan->row_grains = pithi_div_up(plan->n_rows, plan->rows_per_grain);
        plan->col_grains = pithi_div_up(plan->n_cols, plan->cols_per_grain);
        return true;
    }
    return false;
}

static void plan_rows(copy_plan *plan)
{
    pithi_copy *copy = &plan->copy;
    plan->row_bytes = copy->item_bytes;
    int last = copy->rank - 1;
    if (last >= 0 && copy->from_strides[last] == 1 && copy->to_strides[last] == 1) {
        plan->row_bytes *= copy->dims[last];
        copy->rank = last--;
    }
    plan->n_rows = 1;
    if (last >= 0) {
        plan->n_rows = copy->dims[last];
        plan->from_step = copy->from_strides[last];
        plan->to_step = copy->to_strides[last];
        copy->rank--;
    }
    plan->piece_bytes = pithi_min_s64(plan->row_bytes, GRAIN_BYTES);
    plan->rows_per_grain = pithi_max_s64(GRAIN_BYTES / plan->row_bytes, 1);
    plan->row_grains = pithi_div_up(plan->n_rows, plan->rows_per_grain);
    plan->col_grains = pithi_div_up(plan->row_bytes, plan->piece_bytes);
}

static copy_plan make_plan(const pithi_copy *copy)
{
    copy_plan plan = { .copy = *copy };
    merge_dims(&plan.copy);
    widen_item(&plan.copy);
    if (!plan_transposition(&plan)) {
        plan_rows(&plan);
    }
    return plan;
}

/* ---- copying ------------------------------------------------------------------------------ */

void pithi_fill_items(void *to, const void *item, int64_t item_bytes, int64_t count)
{
    int64_t n_bytes = item_bytes * count;
    if (n_bytes == 0) {
        return;
    }
    if (item_bytes == 4 && count < 16) {
        for (int64_t i = 0; i < count; i++) {
            memcpy((char *)to + 4 * i, item, 4);
        }
        return;
    }
    memcpy(to, item, (size_t)item_bytes);
    for (int64_t done = item_bytes; done < n_bytes; done *= 2) {
        memcpy((char *)to + done, to, (size_t)pithi_min_s64(done, n_bytes - done));
    }
}

/* With a constant number of bytes memcpy becomes one move. */
#define COPY_ROWS(n_bytes)                                                                         \
    for (int64_t i = 0; i < count; i++) {                                                          \
        memcpy(to + i * to_step, from + i * from_step, (n_bytes));                                 \
    }                                                                                              \
    break

/* First and last n_bytes, which together are the row. */
#define COPY_ENDS(n_bytes)                                                                         \
    for (int64_t i = 0; i < count; i++) {                                                          \
        memcpy(to + i * to_step, from + i * from_step, (n_bytes));                                 \
        memcpy(to + i * to_step + row_bytes - (n_bytes), from + i * from_step + row_bytes - (n_bytes), (n_bytes)); \
    }                                                                                              \
    break

/* Every second item, as compilers vectorise it: halves of shuffled channels, Focus layers. */
#define DEFINE_EVERY_SECOND(type)                                                                  \
    static void every_second_##type(const void *from, void *to, int64_t count)                     \
    {                                                                                              \
        const type *restrict x = from;                                                             \
        type *restrict y = to;                                                                     \
        for (int64_t i = 0; i < count; i++) {                                                      \
            y[i] = x[2 * i];                                                                       \
        }                                                                                          \
    }
DEFINE_EVERY_SECOND(uint8_t)
DEFINE_EVERY_SECOND(uint32_t)

/* y = a[0], b[0], a[1], b[1], ...; in blocks of n items, which compilers make vector words of. */
#define TURNS(type, n)                                                                             \
    for (; i + (n) <= count; i += (n)) {                                                           \
        type left[n], right[n], mixed[2 * (n)];                                                    \
        memcpy(left, a + i, sizeof left);                                                          \
        memcpy(right, b + i, sizeof right);                                                        \
        for (int k = 0; k < (n); k++) {                                                            \
            mixed[2 * k] = left[k];                                                                \
            mixed[2 * k + 1] = right[k];                                                           \
        }                                                                                          \
        memcpy(y + 2 * i, mixed, sizeof mixed);                                                    \
    }
#define DEFINE_TURNS(type, n)                                                                      \
    static void turns_##type(const void *from, int64_t second_run, void *to, int64_t count)        \
    {                                                                                              \
        const type *a = from, *b = a + second_run;                                                 \
        type *y = to;                                                                              \
        int64_t i = 0;                                                                             \
        TURNS(type, 2 * (n))                                                                       \
        TURNS(type, n)                                                                             \
        TURNS(type, 1)                                                                             \
    }
DEFINE_TURNS(uint8_t, 8)
DEFINE_TURNS(uint32_t, 4)

static void copy_rows(const char *from, int64_t from_step, char *to, int64_t to_step, int64_t row_bytes, int64_t count)
{
    if (from_step == 0 && to_step == row_bytes) {
        pithi_fill_items(to, from, row_bytes, count);
        return;
    }
    if (row_bytes == 4 && from_step == 8 && to_step == 4 && ((uintptr_t)from | (uintptr_t)to) % 4 == 0) {
        every_second_uint32_t(from, to, count);
        return;
    }
    if (row_bytes == 1 && from_step == 2 && to_step == 1) {
        every_second_uint8_t(from, to, count);
        return;
    }
    switch (row_bytes) {
    case 1: COPY_ROWS(1);
    case 2: COPY_ROWS(2);
    case 3: COPY_ROWS(3);
    case 4: COPY_ROWS(4);
    case 8: COPY_ROWS(8);
    case 16: COPY_ROWS(16);
    case 32: COPY_ROWS(32);
    case 64: COPY_ROWS(64);
    default:
        if (row_bytes < 8 || row_bytes > 128) {
            COPY_ROWS((size_t)row_bytes);
        } else if (row_bytes < 16) {
            COPY_ENDS(8);
        } else if (row_bytes < 32) {
            COPY_ENDS(16);
        } else if (row_bytes < 64) {
            COPY_ENDS(32);
        } else {
            COPY_ENDS(64);
        }
    }
}

static void copy_grain(const copy_plan *plan, const copy_kernels *kernels, const char *from, char *to,
                       int64_t grain)
{
    int64_t item_bytes = plan->copy.item_bytes;
    int64_t row = grain / plan->col_grains * plan->rows_per_grain;
    int64_t n_rows = pithi_min_s64(plan->rows_per_grain, plan->n_rows - row);
    int64_t col_grain = grain % plan->col_grains;
    if (plan->is_transposition) {
        int64_t col = col_grain * plan->cols_per_grain;
        int64_t n_cols = pithi_min_s64(plan->cols_per_grain, plan->n_cols - col);
        kernels->transposes[item_bytes == 1 ? 0 : item_bytes == 2 ? 1 : item_bytes == 4 ? 2 : 3](
            from + (row * plan->from_step + col) * item_bytes, plan->from_step,
            to + (col * plan->to_step + row) * item_bytes, plan->to_step, n_rows, n_cols);
        return;
    }
    if (plan->second_run) {
        const int64_t count = plan->row_bytes / 2 / item_bytes;
        from += row * plan->from_step * item_bytes;
        to += row * plan->to_step * item_bytes;
        if (item_bytes == 4 && kernels->turns) {
            kernels->turns(from, plan->second_run, plan->from_step, to, plan->to_step, n_rows, count);
            return;
        }
        for (; n_rows > 0; n_rows--, from += plan->from_step * item_bytes, to += plan->to_step * item_bytes) {
            (item_bytes == 1 ? turns_uint8_t : turns_uint32_t)(from, plan->second_run, to, count);
        }
        return;
    }
    int64_t piece = col_grain * plan->piece_bytes;
    int64_t n_bytes = pithi_min_s64(plan->piece_bytes, plan->row_bytes - piece);
    int64_t from_step = plan->from_step * item_bytes, to_step = plan->to_step * item_bytes;
    copy_rows(from + row * from_step + piece, from_step, to + row * to_step + piece, to_step, n_bytes, n_rows);
}

void pithi_copy_part(const pithi_copy *copy, const void *state, const pith_part *part)
{
    if (count_items(copy) == 0) {
        return;
    }
    copy_plan plan = make_plan(copy);
    const pithi_copy *outer = &plan.copy;
    int64_t inner_grains = plan.row_grains * plan.col_grains;
    int64_t begin, end;
    pithi_part_range(part, count_items(outer) * inner_grains, &begin, &end);
    int64_t index[PITHI_COPY_MAX_RANK] = { 0 }, rest = begin / inner_grains, grain = begin % inner_grains;
    const char *from = outer->from;
    char *to = outer->to;
    for (int i = outer->rank - 1; i >= 0; i--) {
        index[i] = rest % outer->dims[i];
        rest /= outer->dims[i];
        from += index[i] * outer->from_strides[i] * outer->item_bytes;
        to += index[i] * outer->to_strides[i] * outer->item_bytes;
    }
    for (int64_t done = begin; done < end; done++) {
        copy_grain(&plan, state, from, to, grain);
        if (++grain < inner_grains) {
            continue;
        }
        grain = 0;
        for (int i = outer->rank - 1; i >= 0; i--) {
            from += outer->from_strides[i] * outer->item_bytes;
            to += outer->to_strides[i] * outer->item_bytes;
            if (++index[i] < outer->dims[i]) {
                break;
            }
            from -= outer->dims[i] * outer->from_strides[i] * outer->item_bytes;
            to -= outer->dims[i] * outer->to_strides[i] * outer->item_bytes;
            index[i] = 0;
        }
    }
}

void pithi_copy_same(const pith_run *run)
{
    size_t n_bytes = pith_tensor_bytes(&run->inputs[0]);
    if (n_bytes > 0 && run->outputs[0].data != run->inputs[0].data) {
        memmove(run->outputs[0].data, run->inputs[0].data, n_bytes);
    }
}

void pithi_copy_same_part(const pith_run *run, const pith_part *part)
{
    const char *from = run->inputs[0].data;
    char *to = run->outputs[0].data;
    int64_t begin, end;
    pithi_part_range(part, (int64_t)pith_tensor_bytes(&run->inputs[0]), &begin, &end);
    if (end > begin && to != from) {
        memcpy(to + begin, from + begin, (size_t)(end - begin));
    }
}

pith_status pithi_copy_prepare_parts(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->kernel = "rows";
    prepare->max_parts = pithi_copy_max_parts((int64_t)pith_tensor_bytes(&prepare->outputs[0]));
    return PITH_OK;
}

int pithi_copy_max_parts(int64_t n_bytes)
{
    return (int)pithi_max_s64(pithi_min_s64(n_bytes / GRAIN_BYTES, 1024), 1);
}

bool pithi_copy_takes_window(const pith_node *node, int index)
{
    (void)index;
    return pith_dtype_bytes(node->inputs[0]->dtype) > 0;
}

void pithi_copy_ref(const pith_run *run, pithi_copy (*describe)(const pith_run *run))
{
    const pithi_copy copy = describe(run);
    pithi_copy_plain(&copy);
}

void pithi_copy_run(const pith_run *run, const pith_part *part, pithi_copy (*describe)(const pith_run *run))
{
    const pithi_copy copy = describe(run);
    pithi_copy_part(&copy, run->state, part);
}

pith_status pithi_copy_prepare(pith_prepare *prepare)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(copy_kernels), &block));
    copy_kernels *kernels = block;
    int64_t n_bytes = 0;
    if (pith_dtype_bytes(prepare->inputs[0].dtype) == 0) {
        return PITH_OK; /* elements of less than a byte */
    }
    for (int i = 0; i < PITH_TRANSPOSE_SIZES; i++) {
        kernels->transposes[i] = pithi_transpose_find(prepare->isa_limit, i);
    }
    kernels->turns =
        ((const pith_transpose *)pithi_kernel_find("transpose", prepare->isa_limit)->records)->turns;
    for (int i = 0; i < prepare->n_outputs; i++) {
        n_bytes += prepare->outputs[i].dtype == PITH_DTYPE_NONE ? 0 : (int64_t)pith_tensor_bytes(&prepare->outputs[i]);
    }
    prepare->state = kernels;
    prepare->use_run = true;
    prepare->max_parts = pithi_copy_max_parts(n_bytes);
    prepare->kernel = "copy";
    return PITH_OK;
}
