/* SPDX-License-Identifier: Apache-2.0 */
/* unique: the different slices of x along `axis` (elements of flattened x without it), sorted or in order of
 * first appearance; where each first stood, which one each slice is, and how often each occurs. ONNX Unique. */
#include "graph/object.h"
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_order.h"

#define NO_AXIS (-1000) /* flattened */

typedef struct unique_attrs {
    int64_t axis, sorted;
} unique_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(unique_attrs, axis, "axis", NO_AXIS),
    PITH_ATTR_INT(unique_attrs, sorted, "sorted", 1),
};

typedef struct unique_view {
    const pith_tensor *x;
    int64_t outer, n, inner; /* slices are [outer, inner], n of them */
} unique_view;

static unique_view view_of(const unique_attrs *attrs, const pith_tensor *x)
{
    if (attrs->axis == NO_AXIS) {
        return (unique_view){ x, 1, pith_shape_elements(&x->shape), 1 };
    }
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->shape.rank : attrs->axis);
    return (unique_view){ x, pithi_dims_product(&x->shape, 0, axis), x->shape.dims[axis],
                          pithi_dims_product(&x->shape, axis + 1, x->shape.rank) };
}

/* Below, equal (0) or above, by the first element that differs; complex numbers by the real part first. */
static int compare(const unique_view *view, int64_t a, int64_t b)
{
    for (int64_t i = 0; i < view->outer * view->inner; i++) {
        int64_t base = i / view->inner * view->n * view->inner + i % view->inner;
        if (view->x->dtype == PITH_DTYPE_STRING) {
            const pith_string *strings = view->x->data;
            int order = pithi_string_order(&strings[base + a * view->inner], &strings[base + b * view->inner]);
            if (order != 0) {
                return order;
            }
            continue;
        }
        if (PITH_DTYPES(view->x->dtype) & PITH_DTYPES_COMPLEX) {
            const pith_tensor parts = pithi_tensor_parts(view->x);
            const unique_view twice = { &parts, 1, view->n * view->outer * view->inner, 2 };
            int order = compare(&twice, base + a * view->inner, base + b * view->inner);
            if (order != 0) {
                return order;
            }
            continue;
        }
        int64_t key_a = pithi_order_key(view->x, base + a * view->inner);
        int64_t key_b = pithi_order_key(view->x, base + b * view->inner);
        if (key_a != key_b) {
            return key_a < key_b ? -1 : 1;
        }
    }
    return 0;
}

/* Slices sorted, equal ones by index, by a heap with the last one on top. */
static bool comes_after(const unique_view *view, int64_t a, int64_t b)
{
    int order = compare(view, a, b);
    return order != 0 ? order > 0 : a > b;
}

static void sift_down(const unique_view *view, int64_t *order, int64_t n, int64_t at)
{
    int64_t moving = order[at];
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        child += child + 1 < n && comes_after(view, order[child + 1], order[child]);
        if (!comes_after(view, order[child], moving)) {
            break;
        }
        order[at] = order[child];
        at = child;
    }
    order[at] = moving;
}

static void sort_slices(const unique_view *view, int64_t *order)
{
    for (int64_t i = 0; i < view->n; i++) {
        order[i] = i;
    }
    for (int64_t at = view->n / 2 - 1; at >= 0; at--) {
        sift_down(view, order, view->n, at);
    }
    for (int64_t n = view->n - 1; n > 0; n--) {
        int64_t last = order[0];
        order[0] = order[n];
        order[n] = last;
        sift_down(view, order, n, 0);
    }
}

/* True if the slice at place i of the order differs from the one before. */
static bool starts_group(const unique_view *view, const int64_t *order, int64_t i)
{
    return i == 0 || compare(view, order[i - 1], order[i]) != 0;
}

/* Of each slice the number of its group: by value, or by first appearance. first: slice that a group begins with. */
static void number_groups(const unique_view *view, bool is_sorted, const int64_t *order, int64_t *group_of,
                          int64_t *first)
{
    int64_t group = -1;
    for (int64_t i = 0; i < view->n; i++) {
        if (starts_group(view, order, i)) {
            first[++group] = order[i];
        }
        group_of[order[i]] = is_sorted ? group : first[group];
    }
    for (int64_t i = 0, n_groups = 0; i < view->n && !is_sorted; i++) { /* first slices get their numbers in passing */
        bool is_new = group_of[i] == i;
        first[n_groups] = is_new ? i : first[n_groups];
        group_of[i] = is_new ? n_groups++ : group_of[group_of[i]];
    }
}

static void copy_slice(const pith_run *run, const unique_view *view, int64_t from, int64_t to)
{
    int64_t size = view->inner * view->outer;
    int64_t n_out = size > 0 ? pith_shape_elements(&run->outputs[0].shape) / size : 0;
    size_t n_bytes = (size_t)view->inner * pith_dtype_bytes(view->x->dtype);
    for (int64_t i = 0; i < view->outer && n_bytes > 0; i++) {
        memcpy((char *)run->outputs[0].data + (size_t)(i * n_out + to) * n_bytes,
               (const char *)view->x->data + (size_t)(i * view->n + from) * n_bytes, n_bytes);
    }
}

/* work: three numbers for each slice. */
static void find_unique(const pith_run *run, int64_t *work)
{
    const unique_attrs *attrs = run->attrs;
    unique_view view = view_of(attrs, &run->inputs[0]);
    int64_t *order = work, *group_of = work + view.n, *first = work + 2 * view.n, *lists[4] = { NULL };
    for (int i = 1; i < run->n_outputs; i++) {
        lists[i] = run->outputs[i].data;
    }
    sort_slices(&view, order);
    number_groups(&view, attrs->sorted != 0, order, group_of, first);
    for (int64_t i = 0; lists[3] && i < run->outputs[3].shape.dims[0]; i++) {
        lists[3][i] = 0;
    }
    for (int64_t i = 0; i < view.n; i++) {
        int64_t group = group_of[i];
        if (first[group] == i && run->outputs[0].data) {
            copy_slice(run, &view, i, group);
        }
        if (first[group] == i && lists[1]) {
            lists[1][group] = i;
        }
        if (lists[2]) {
            lists[2][i] = group;
        }
        if (lists[3]) {
            lists[3][group]++;
        }
    }
}

static size_t ref_bytes(const pith_run *run)
{
    return (size_t)view_of(run->attrs, &run->inputs[0]).n * 3 * sizeof(int64_t);
}

static void ref(const pith_run *run)
{
    find_unique(run, run->shared);
}

static void run_part(const pith_run *run, const pith_part *part)
{
    (void)part; /* one part */
    find_unique(run, run->shared);
}

static pith_status prepare(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->shared_bytes = (size_t)view_of(prepare->attrs, &prepare->inputs[0]).n * 3 * sizeof(int64_t);
    prepare->kernel = "sort";
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const unique_attrs *attrs = infer->attrs;
    const pith_tensor *x = &infer->inputs[0];
    int axis = 0;
    int64_t n_unique = 0;
    if (attrs->axis != NO_AXIS) {
        PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->shape.rank, &axis));
    }
    if (!pithi_has_value(x)) {
        return pithi_infer_need_value(infer, 0);
    }
    unique_view view = view_of(attrs, x);
    void *order = NULL;
    PITH_TRY(pithi_alloc_array(infer->ctx, (size_t)view.n, sizeof(int64_t), &order));
    sort_slices(&view, order);
    for (int64_t i = 0; i < view.n; i++) {
        n_unique += starts_group(&view, order, i);
    }
    pithi_free(infer->ctx, order);
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = i == 0 ? x->dtype : PITH_DTYPE_S64;
        infer->outputs[i].shape = (pith_shape){ 1, { i == 2 ? view.n : n_unique } };
    }
    if (attrs->axis != NO_AXIS) {
        infer->outputs[0].shape = x->shape;
        infer->outputs[0].shape.dims[axis] = n_unique;
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_operand_spec outputs[] = {
    { "y", PITH_DTYPES_MOVED, PITH_ONE },
    { "indices", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL },
    { "inverse_indices", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL },
    { "counts", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL },
};
static const pith_spelling spellings[] = { { "onnx", "", "Unique", 11, NULL } };
static const char *const samples[] = { "f32[6]{2,1,1,3,4,3} | | 4", "s8[3,4]{0:2} | sorted=0 | 4",
                                       "s64[4,2]{0:2} | axis=0 | 4", "bool[2,3] | axis=-1", "f32[0] | | 4",
                                       "string[5]{b,a,,b,ab} | | 4", "string[2,2]{b,a,b,a} | axis=0 sorted=0 | 4",

                                       "c64[5] | | 4" };

const pith_op pith_op_unique = {
    .head = { "unique", 1, PITH_ATTRS(attr_table, unique_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .ref_bytes = ref_bytes,
    .prepare = prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
