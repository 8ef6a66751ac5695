/* SPDX-License-Identifier: Apache-2.0 */
/* top_k: the k largest (or smallest) elements along `axis` in order, and where they were; of equal elements
 * the first ones. ONNX TopK. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"
#include "ops/shared_order.h"

typedef struct top_k_attrs {
    int64_t axis, largest;
    int64_t sorted; /* 0 leaves the order open: pith always sorts */
} top_k_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_INT(top_k_attrs, axis, "axis", -1),
    PITH_ATTR_INT(top_k_attrs, largest, "largest", 1),
    PITH_ATTR_INT(top_k_attrs, sorted, "sorted", 1),
};

/* One line of x along the axis, and where its results go. */
typedef struct top_k_line {
    int64_t n, k, step, from, to;
} top_k_line;

static top_k_line line_at(const pith_run *run, int64_t index)
{
    const top_k_attrs *attrs = run->attrs;
    const pith_shape *x = &run->inputs[0].shape;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis);
    top_k_line line = { .n = x->dims[axis], .k = pithi_tensor_get_s64(&run->inputs[1], 0) };
    line.step = pithi_dims_product(x, axis + 1, x->rank);
    line.from = index / line.step * line.n * line.step + index % line.step;
    line.to = index / line.step * line.k * line.step + index % line.step;
    return line;
}

static int64_t count_lines(const pith_run *run)
{
    const top_k_attrs *attrs = run->attrs;
    const pith_shape *x = &run->inputs[0].shape;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis);
    return pithi_dims_product(x, 0, axis) * pithi_dims_product(x, axis + 1, x->rank);
}

static int64_t key_at(const pith_run *run, const top_k_line *line, int64_t i)
{
    const top_k_attrs *attrs = run->attrs;
    int64_t key = pithi_order_key(&run->inputs[0], line->from + i * line->step);
    return attrs->largest ? key : ~key;
}

static void put(const pith_run *run, const top_k_line *line, int64_t place, int64_t index)
{
    size_t n_bytes = pith_dtype_bytes(run->inputs[0].dtype);
    int64_t to = line->to + place * line->step;
    if (run->outputs[0].data) {
        memcpy((char *)run->outputs[0].data + (size_t)to * n_bytes,
               (const char *)run->inputs[0].data + (size_t)(line->from + index * line->step) * n_bytes, n_bytes);
    }
    if (pithi_has_operand(run->outputs, run->n_outputs, 1)) {
        ((int64_t *)run->outputs[1].data)[to] = index;
    }
}

/* Each time the first element that comes after the one found before. */
static void ref(const pith_run *run)
{
    int64_t n_lines = count_lines(run);
    for (int64_t i = 0; i < n_lines; i++) {
        top_k_line line = line_at(run, i);
        pithi_ranked last = { INT64_MAX, -1 };
        for (int64_t place = 0; place < line.k; place++) {
            pithi_ranked best = { INT64_MIN, INT64_MAX };
            for (int64_t k = 0; k < line.n; k++) {
                int64_t key = key_at(run, &line, k);
                bool is_new = key < last.key || (key == last.key && k > last.index);
                if (is_new && (key > best.key || best.index == INT64_MAX)) {
                    best = (pithi_ranked){ key, k };
                }
            }
            put(run, &line, place, best.index);
            last = best;
        }
    }
}

/* The k best so far, the worst of them on top: few elements of a long line get past it. */
static void select_best(const pith_run *run, const top_k_line *line, pithi_ranked *items)
{
    for (int64_t i = 0; i < line->k; i++) {
        items[i] = (pithi_ranked){ ~key_at(run, line, i), -i };
    }
    pithi_heap_make(items, line->k);
    bool is_plain_f32 = run->inputs[0].dtype == PITH_DTYPE_F32 && ((const top_k_attrs *)run->attrs)->largest;
    const float *x = (const float *)run->inputs[0].data + line->from;
    float bar = 0.0f;
    bool has_bar = false;
    for (int64_t i = line->k; i < line->n && line->k > 0; i++) {
        if (has_bar && x[i * line->step] <= bar) { /* false for NaN, which is above everything */
            continue;
        }
        int64_t key = ~key_at(run, line, i);
        if (key < items[0].key) {
            pithi_heap_replace(items, line->k, (pithi_ranked){ key, -i });
        }
        if (is_plain_f32) {
            bar = x[-items[0].index * line->step];
            has_bar = true;
        }
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    pithi_ranked *items = part->scratch;
    int64_t begin, end;
    pithi_part_range(part, count_lines(run), &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        top_k_line line = line_at(run, i);
        select_best(run, &line, items);
        for (int64_t place = line.k - 1; place >= 0; place--) {
            put(run, &line, place, -pithi_heap_pop(items, place + 1).index);
        }
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    const top_k_attrs *attrs = prepare->attrs;
    const pith_shape *x = &prepare->inputs[0].shape;
    int axis = (int)(attrs->axis < 0 ? attrs->axis + x->rank : attrs->axis);
    prepare->use_run = true;
    bool has_values = pithi_has_operand(prepare->outputs, prepare->n_outputs, 0);
    prepare->scratch_bytes = (size_t)prepare->outputs[has_values ? 0 : 1].shape.dims[axis] * sizeof(pithi_ranked);
    prepare->max_parts = (int)pithi_min_s64(pith_shape_elements(x) / pithi_max_s64(x->dims[axis], 1),
                                            pithi_copy_max_parts((int64_t)pith_tensor_bytes(&prepare->inputs[0])));
    prepare->max_parts = prepare->max_parts < 1 ? 1 : prepare->max_parts;
    prepare->kernel = "heap";
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const top_k_attrs *attrs = infer->attrs;
    const pith_tensor *x = &infer->inputs[0];
    int64_t k = 0;
    int axis;
    PITH_TRY(pithi_infer_axis(infer, attrs->axis, x->shape.rank, &axis));
    PITH_TRY(pithi_infer_int(infer, 1, &k));
    PITH_CHECK(infer->ctx, k >= 0 && k <= x->shape.dims[axis], PITH_STATUS_SHAPE,
               "k is %lld, but axis %d has %lld elements", (long long)k, axis, (long long)x->shape.dims[axis]);
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = i == 0 ? x->dtype : PITH_DTYPE_S64;
        infer->outputs[i].shape = x->shape;
        infer->outputs[i].shape.dims[axis] = k;
    }
    return PITH_OK;
}

/* Before opset 10 k was an attribute. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx, (void)attrs;
    return pithi_source_attr_to_input(source, "k", 1);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_NUMBER, PITH_ONE },
                                            { "k", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = {
    { "values", PITH_DTYPES_NUMBER, PITH_ONE }, { "indices", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE }
};
static const pith_spelling spellings[] = { { "onnx", "", "TopK", 1, map_1 }, { "onnx", "", "TopK", 10, NULL } };
static const char *const samples[] = {
    "f32[3,7] s64[1]{3}",
    "s8[4,5,2] s64[1]{2} | axis=1 largest=0",
    "f32[70,60] s64[]{70} | axis=0 largest=0",
    "u64[9]{0:4} s64[1]{9}",
    "f16[2,3] s64[1]{0}", "f32[3,90]{0:5} s64[1]{9}",
    "f32[0,4] s64[1]{2}",
};

const pith_op pith_op_top_k = {
    .head = { "top_k", 1, PITH_ATTRS(attr_table, top_k_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
