/* SPDX-License-Identifier: Apache-2.0 */
/* pad: puts elements before and after x along each axis (or drops them where a pad is negative): a constant,
 * the nearest edge, the mirror image without (reflect), or x repeated (wrap). pads = all begins, then
 * all ends. ONNX Pad. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct pad_attrs {
    int64_t mode;
} pad_attrs;

enum { MODE_CONSTANT, MODE_REFLECT, MODE_EDGE, MODE_WRAP };
static const char *const modes[] = { "constant", "reflect", "edge", "wrap", NULL };
static const pith_attr_spec attr_table[] = { PITH_ATTR_CHOICE(pad_attrs, mode, "mode", MODE_CONSTANT, modes) };

/* How one axis of y reads x: y[before + i] = x[low + i] for 0 <= i < count; what lies outside is padding. */
typedef struct pad_axis {
    int64_t before, low, count, out;
} pad_axis;

static pad_axis make_axis(int64_t dim, int64_t begin, int64_t end)
{
    int64_t low = pithi_max_s64(-begin, 0), high = dim - pithi_max_s64(-end, 0);
    return (pad_axis){ pithi_max_s64(begin, 0), low, pithi_max_s64(high - low, 0), begin + dim + end };
}

/* Index in x for index `out` in y; -1 for a constant. */
static int64_t map_index(const pad_axis *axis, int64_t mode, int64_t out)
{
    int64_t i = out - axis->before, n = axis->count;
    if (i >= 0 && i < n) {
        return axis->low + i;
    }
    switch (mode) {
    case MODE_EDGE: return axis->low + (i < 0 ? 0 : n - 1);
    case MODE_WRAP: return axis->low + ((i % n) + n) % n;
    case MODE_REFLECT: {
        int64_t period = pithi_max_s64(2 * (n - 1), 1);
        int64_t k = ((i % period) + period) % period;
        return axis->low + pithi_min_s64(k, period - k) % n;
    }
    default: return -1;
    }
}

static void read_axes(const pith_tensor *inputs, int n_inputs, pad_axis axes[PITH_MAX_RANK])
{
    const pith_shape *shape = &inputs[0].shape;
    int n_axes = (int)pith_shape_elements(&inputs[1].shape) / 2;
    for (int i = 0; i < shape->rank; i++) {
        axes[i] = make_axis(shape->dims[i], 0, 0);
    }
    for (int i = 0; i < n_axes; i++) {
        int64_t axis = pithi_has_operand(inputs, n_inputs, 3) ? pithi_tensor_get_s64(&inputs[3], i) : i;
        axis += axis < 0 ? shape->rank : 0;
        axes[axis] = make_axis(shape->dims[axis], pithi_tensor_get_s64(&inputs[1], i),
                               pithi_tensor_get_s64(&inputs[1], i + n_axes));
    }
}

/* Room for the constant as an element of x's dtype. */
typedef struct pad_fill {
    uint64_t bits[2];
} pad_fill;

static pith_tensor read_fill(const pith_run *run, pad_fill *fill)
{
    *fill = (pad_fill){ { 0 } };
    pith_tensor element = { run->inputs[0].dtype, { 0 }, fill };
    if (!pithi_has_operand(run->inputs, run->n_inputs, 2)) {
        return element;
    }
    if (run->inputs[2].dtype == element.dtype) {
        pithi_tensor_copy_elements(&element, 0, &run->inputs[2], 0, 1);
    } else if (pithi_dtype_is_float(element.dtype)) { /* opset 1 wrote a float attribute */
        pithi_tensor_set_f64(&element, 0, pithi_tensor_get_f64(&run->inputs[2], 0));
    } else {
        pithi_tensor_set_s64(&element, 0, pithi_tensor_get_s64(&run->inputs[2], 0));
    }
    return element;
}

static void ref(const pith_run *run)
{
    const pad_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0];
    pith_tensor *y = &run->outputs[0];
    pad_axis axes[PITH_MAX_RANK];
    pad_fill fill;
    read_axes(run->inputs, run->n_inputs, axes);
    const pith_tensor element = read_fill(run, &fill);
    int64_t count = pith_shape_elements(&y->shape);
    for (int64_t position = 0; position < count; position++) {
        int64_t rest = position, offset = 0, stride = 1;
        for (int i = y->shape.rank - 1; i >= 0; i--) {
            int64_t index = map_index(&axes[i], attrs->mode, rest % y->shape.dims[i]);
            rest /= y->shape.dims[i];
            offset = index < 0 || offset < 0 ? -1 : offset + index * stride;
            stride *= x->shape.dims[i];
        }
        pithi_tensor_copy_elements(y, position, offset < 0 ? &element : x, offset < 0 ? 0 : offset, 1);
    }
}

/* ---- by rows ------------------------------------------------------------------------------ */

/* A row is one pass along the last padded axis, whose items are whole slices of the axes behind it. */
typedef struct pad_rows {
    pad_axis axes[PITH_MAX_RANK];
    int last;
    int64_t mode, item_bytes;
    const char *filler; /* one element repeated by constant rows */
    int64_t element_bytes;
} pad_rows;

static void fill_constant(const pad_rows *rows, char *to, int64_t n_items)
{
    pithi_fill_items(to, rows->filler, rows->element_bytes, n_items * rows->item_bytes / rows->element_bytes);
}

static void pad_ends(const pad_rows *rows, const char *from, char *to, int64_t begin, int64_t end)
{
    if (rows->mode == MODE_CONSTANT) {
        fill_constant(rows, to + begin * rows->item_bytes, end - begin);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        int64_t index = map_index(&rows->axes[rows->last], rows->mode, i);
        memcpy(to + i * rows->item_bytes, from + index * rows->item_bytes, (size_t)rows->item_bytes);
    }
}

static void pad_row(const pad_rows *rows, const char *from, char *to)
{
    const pad_axis *axis = &rows->axes[rows->last];
    int64_t inside = pithi_min_s64(axis->before, axis->out);
    int64_t count = pithi_min_s64(axis->count, axis->out - inside);
    pad_ends(rows, from, to, 0, inside);
    if (count > 0) {
        memcpy(to + inside * rows->item_bytes, from + axis->low * rows->item_bytes, (size_t)(count * rows->item_bytes));
    }
    pad_ends(rows, from, to, inside + count, axis->out);
}

static void run_part(const pith_run *run, const pith_part *part)
{
    const pad_attrs *attrs = run->attrs;
    const pith_tensor *x = &run->inputs[0], *y = &run->outputs[0];
    pad_fill fill;
    pad_rows rows = { .mode = attrs->mode, .filler = (const char *)&fill,
                      .element_bytes = (int64_t)pith_dtype_bytes(x->dtype) };
    read_axes(run->inputs, run->n_inputs, rows.axes);
    read_fill(run, &fill);
    for (int i = 1; i < x->shape.rank; i++) {
        const pad_axis *axis = &rows.axes[i];
        rows.last = axis->before || axis->low || axis->out != x->shape.dims[i] ? i : rows.last;
    }
    rows.item_bytes = rows.element_bytes * pithi_dims_product(&x->shape, rows.last + 1, x->shape.rank);
    int64_t begin, end, row_bytes = rows.axes[rows.last].out * rows.item_bytes;
    if (row_bytes == 0) {
        return;
    }
    pithi_part_range(part, pithi_dims_product(&y->shape, 0, rows.last), &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        int64_t rest = row, offset = 0, stride = rows.item_bytes * x->shape.dims[rows.last];
        for (int i = rows.last - 1; i >= 0; i--) {
            int64_t index = map_index(&rows.axes[i], attrs->mode, rest % y->shape.dims[i]);
            rest /= y->shape.dims[i];
            offset = index < 0 || offset < 0 ? -1 : offset + index * stride;
            stride *= x->shape.dims[i];
        }
        char *to = (char *)y->data + row * row_bytes;
        if (offset < 0) {
            fill_constant(&rows, to, rows.axes[rows.last].out);
        } else {
            pad_row(&rows, (const char *)x->data + offset, to);
        }
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    prepare->use_run = prepare->inputs[0].shape.rank > 0 && pith_dtype_bytes(prepare->inputs[0].dtype) > 0;
    prepare->max_parts = pithi_copy_max_parts((int64_t)pith_tensor_bytes(&prepare->outputs[0]));
    prepare->kernel = "copy";
    return PITH_OK;
}

/* ---- infer -------------------------------------------------------------------------------- */

static pith_status check_axis(pith_infer *infer, int axis, int64_t dim, int64_t begin, int64_t end)
{
    const pad_attrs *attrs = infer->attrs;
    const int64_t limit = INT64_C(1) << 60; /* keeps sums in range */
    PITH_CHECK(infer->ctx,
               begin < limit && end < limit && begin > -limit && end > -limit && dim + begin + end >= 0,
               PITH_STATUS_SHAPE, "pads %lld and %lld of axis %d with size %lld", (long long)begin,
               (long long)end, axis, (long long)dim);
    pad_axis pad = make_axis(dim, begin, end);
    PITH_CHECK(infer->ctx, attrs->mode == MODE_CONSTANT || pad.count > 0 || pad.out == 0, PITH_STATUS_SHAPE,
               "axis %d has nothing left to take the padding from (mode %s)", axis, modes[attrs->mode]);
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const pith_tensor *x = &infer->inputs[0], *pads = &infer->inputs[1];
    int axes[PITH_MAX_RANK], n_axes;
    pad_axis pad_axes[PITH_MAX_RANK];
    PITH_TRY(pithi_infer_axes(infer, 3, x->shape.rank, x->shape.rank, axes, &n_axes));
    PITH_CHECK(infer->ctx, pith_shape_elements(&pads->shape) == 2 * n_axes, PITH_STATUS_SHAPE,
               "%lld pads given, but %d axes need two each", (long long)pith_shape_elements(&pads->shape), n_axes);
    if (!pithi_has_value(pads)) {
        return pithi_infer_need_value(infer, 1);
    }
    PITH_CHECK(infer->ctx, !pithi_has_operand(infer->inputs, infer->n_inputs, 2) ||
                               pith_shape_elements(&infer->inputs[2].shape) == 1,
               PITH_STATUS_SHAPE, "the constant must be one element");
    for (int i = 0; i < n_axes; i++) {
        PITH_TRY(check_axis(infer, axes[i], x->shape.dims[axes[i]], pithi_tensor_get_s64(pads, i),
                            pithi_tensor_get_s64(pads, i + n_axes)));
    }
    read_axes(infer->inputs, infer->n_inputs, pad_axes);
    infer->outputs[0].dtype = x->dtype;
    infer->outputs[0].shape.rank = x->shape.rank;
    for (int i = 0; i < x->shape.rank; i++) {
        infer->outputs[0].shape.dims[i] = pad_axes[i].out;
    }
    return PITH_OK;
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    int rank = node->inputs[0]->shape.rank;
    return pithi_axes_input_channels_last(graph, node, 3, rank, rank);
}

static pith_status map_2(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx, (void)attrs;
    PITH_TRY(pithi_source_attr_to_input(source, "pads", 1));
    return pithi_source_attr_to_input(source, "value", 2);
}

static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    PITH_TRY(pithi_source_attr_to_input(source, "paddings", 1));
    return map_2(ctx, source, attrs);
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_STORED, PITH_ONE },
    { "pads", PITH_DTYPES_INDEX, PITH_ONE },
    { "constant_value", PITH_DTYPES_STORED, PITH_OPTIONAL },
    { "axes", PITH_DTYPES_INDEX, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "Pad", 1, map_1 }, { "onnx", "", "Pad", 2, map_2 }, { "onnx", "", "Pad", 11, NULL }
};
static const char *const samples[] = {
    "f32[2,3] s64[4]{1,0,2,3} f32[]{1.5}",
    "f32[1,2,5,4] s64[8]{0,0,2,1,0,0,1,3} | mode=reflect",
    "s8[4,5] s64[4]{1,7,2,6} | mode=wrap",
    "f32[3,5] s64[4]{-1,2,3,-2} s32[]{7}",
    "f32[1,40,40,12] s64[4]{1,2,1,3} - s64[2]{1,-2}",
    "f64[2,3,2] s64[2]{4,3} - s32[1]{1} | mode=edge",
    "f32[3,1] s64[4]{0,2,0,2} | mode=reflect",
    "s64[3] s64[2]{9,11} | mode=reflect",
    "s4[2,3] s64[4]{1,0,2,3} s4[]{-3}", "c64[3] s64[2]{1,2}", "u2[5] s64[2]{2,1} | mode=edge",
    "c128[2,2] s64[4]{1,0,0,1} | mode=wrap",
    "f32[0,2] s64[4]{1,0,2,0} f32[]{3}",
    "f32[2,3] s64[4]{0,0,0,0}",
    "string[2,3] s64[4]{1,0,2,3}", "string[3] s64[2]{1,2} string[]{x}",
};

const pith_op pith_op_pad = {
    .head = { "pad", 1, PITH_ATTRS(attr_table, pad_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
