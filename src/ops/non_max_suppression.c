/* SPDX-License-Identifier: Apache-2.0 */
/* non_max_suppression: for each batch and class, boxes by falling score, leaving out those that overlap a
 * box already taken by more than iou_threshold. Result: rows [batch, class, box]. ONNX NonMaxSuppression. */
#include "ops/sample.h"
#include "ops/shared_index.h"
#include "ops/shared_order.h"

typedef struct nms_attrs {
    int64_t center_point_box;
} nms_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_INT(nms_attrs, center_point_box, "center_point_box", 0) };

typedef struct nms_task {
    const float *boxes, *scores;
    int64_t n_batches, n_classes, n_boxes, max_boxes;
    float iou_threshold, score_threshold;
    bool has_score_threshold, is_centered;
} nms_task;

static nms_task read_task(const nms_attrs *attrs, const pith_tensor *inputs, int n_inputs)
{
    nms_task task = { .boxes = inputs[0].data, .scores = inputs[1].data, .is_centered = attrs->center_point_box != 0 };
    task.n_batches = inputs[1].shape.dims[0];
    task.n_classes = inputs[1].shape.dims[1];
    task.n_boxes = inputs[1].shape.dims[2];
    task.max_boxes = pithi_has_operand(inputs, n_inputs, 2) ? pithi_tensor_get_s64(&inputs[2], 0) : 0;
    task.iou_threshold = pithi_has_operand(inputs, n_inputs, 3) ? *(const float *)inputs[3].data : 0.0f;
    task.has_score_threshold = pithi_has_operand(inputs, n_inputs, 4);
    task.score_threshold = task.has_score_threshold ? *(const float *)inputs[4].data : 0.0f;
    return task;
}

/* Low and high corner of one axis (0 or 1) of a box. */
static void read_side(const nms_task *task, const float *box, int axis, float *low, float *high)
{
    float a = task->is_centered ? box[axis] - box[2 + axis] / 2.0f : box[axis];
    float b = task->is_centered ? box[axis] + box[2 + axis] / 2.0f : box[2 + axis];
    *low = a < b ? a : b;
    *high = a < b ? b : a;
}

static bool overlaps(const nms_task *task, const float *a, const float *b)
{
    float area_a = 1.0f, area_b = 1.0f, common = 1.0f;
    for (int axis = 0; axis < 2; axis++) {
        float low_a, high_a, low_b, high_b;
        read_side(task, a, axis, &low_a, &high_a);
        read_side(task, b, axis, &low_b, &high_b);
        float low = low_a > low_b ? low_a : low_b, high = high_a < high_b ? high_a : high_b;
        if (!(high > low)) {
            return false; /* most pairs are far from each other */
        }
        area_a *= high_a - low_a;
        area_b *= high_b - low_b;
        common *= high - low;
    }
    return common / (area_a + area_b - common) > task->iou_threshold;
}

/* Candidates of one class, best on top; scores at or below the threshold are out. */
static int64_t fill_heap(const nms_task *task, const pith_tensor *scores, int64_t offset, pithi_ranked *heap)
{
    int64_t n_items = 0;
    for (int64_t i = 0; i < task->n_boxes; i++) {
        if (!task->has_score_threshold || task->scores[offset + i] > task->score_threshold) {
            heap[n_items++] = (pithi_ranked){ pithi_order_key(scores, offset + i), i };
        }
    }
    pithi_heap_make(heap, n_items);
    return n_items;
}

/* Taken boxes of one class: written as rows, and kept at the end of the heap's memory, which shrinks faster than
 * they grow. Returns how many. */
static int64_t select_boxes(const nms_task *task, const pith_tensor *scores, int64_t batch, int64_t class_index,
                            pithi_ranked *heap, int64_t *rows)
{
    if (task->n_boxes == 0) {
        return 0;
    }
    const float *boxes = task->boxes + batch * task->n_boxes * 4;
    int64_t n_items = fill_heap(task, scores, (batch * task->n_classes + class_index) * task->n_boxes, heap),
            n_taken = 0;
    pithi_ranked *taken_end = heap + task->n_boxes;
    while (n_items > 0 && n_taken < task->max_boxes) {
        int64_t box = pithi_heap_pop(heap, n_items--).index;
        bool is_free = true;
        for (int64_t i = 1; i <= n_taken && is_free; i++) {
            is_free = !overlaps(task, boxes + taken_end[-i].index * 4, boxes + box * 4);
        }
        if (is_free) {
            n_taken++;
            taken_end[-n_taken].index = box;
            if (rows) {
                int64_t *row = rows + (n_taken - 1) * 3;
                row[0] = batch, row[1] = class_index, row[2] = box;
            }
        }
    }
    return n_taken;
}

static int64_t select_all(const nms_task *task, const pith_tensor *scores, pithi_ranked *heap, int64_t *rows)
{
    int64_t n_rows = 0;
    for (int64_t batch = 0; batch < task->n_batches; batch++) {
        for (int64_t k = 0; k < task->n_classes; k++) {
            n_rows += select_boxes(task, scores, batch, k, heap, rows ? rows + n_rows * 3 : NULL);
        }
    }
    return n_rows;
}

/* Without memory of its own: walks the boxes of a class in order of their scores by searching for the next. */
static void ref(const pith_run *run)
{
    nms_task task = read_task(run->attrs, run->inputs, run->n_inputs);
    int64_t *rows = run->outputs[0].data, n_rows = 0, total = run->outputs[0].shape.dims[0];
    for (int64_t line = 0; line < task.n_batches * task.n_classes && n_rows < total; line++) {
        const float *boxes = task.boxes + line / task.n_classes * task.n_boxes * 4;
        int64_t first_row = n_rows;
        pithi_ranked last = { INT64_MAX, -1 };
        for (int64_t step = 0; step < task.n_boxes && n_rows - first_row < task.max_boxes && n_rows < total; step++) {
            pithi_ranked best = { INT64_MIN, -1 };
            for (int64_t i = 0; i < task.n_boxes; i++) {
                int64_t key = pithi_order_key(&run->inputs[1], line * task.n_boxes + i);
                bool is_next = key < last.key || (key == last.key && i > last.index);
                best = is_next && (key > best.key || best.index < 0) ? (pithi_ranked){ key, i } : best;
            }
            last = best;
            bool is_taken = !task.has_score_threshold ||
                            task.scores[line * task.n_boxes + best.index] > task.score_threshold;
            for (int64_t i = first_row; i < n_rows && is_taken; i++) {
                is_taken = !overlaps(&task, boxes + rows[i * 3 + 2] * 4, boxes + best.index * 4);
            }
            if (is_taken) {
                rows[n_rows * 3] = line / task.n_classes;
                rows[n_rows * 3 + 1] = line % task.n_classes;
                rows[n_rows * 3 + 2] = best.index;
                n_rows++;
            }
        }
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    nms_task task = read_task(run->attrs, run->inputs, run->n_inputs);
    select_all(&task, &run->inputs[1], part->scratch, run->outputs[0].data);
}

static pith_status prepare(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->scratch_bytes = (size_t)prepare->inputs[1].shape.dims[2] * sizeof(pithi_ranked);
    prepare->kernel = "heap";
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *boxes = &infer->inputs[0].shape, *scores = &infer->inputs[1].shape;
    PITH_CHECK(infer->ctx,
               boxes->rank == 3 && scores->rank == 3 && boxes->dims[2] == 4 &&
                   boxes->dims[0] == scores->dims[0] && boxes->dims[1] == scores->dims[2],
               PITH_STATUS_SHAPE, "boxes must be [batches, boxes, 4] and scores [batches, classes, boxes]");
    for (int i = 0; i < infer->n_inputs; i++) {
        if (infer->inputs[i].dtype == PITH_DTYPE_NONE) {
            continue;
        }
        PITH_CHECK(infer->ctx, i < 2 || pith_shape_elements(&infer->inputs[i].shape) == 1, PITH_STATUS_SHAPE,
                   "input %d must be one number", i);
        if (!pithi_has_value(&infer->inputs[i])) {
            return pithi_infer_need_value(infer, i);
        }
    }
    void *heap = NULL;
    nms_task task = read_task(infer->attrs, infer->inputs, infer->n_inputs);
    PITH_TRY(pithi_alloc_array(infer->ctx, (size_t)task.n_boxes, sizeof(pithi_ranked), &heap));
    infer->outputs[0].dtype = PITH_DTYPE_S64;
    infer->outputs[0].shape = (pith_shape){ 2, { select_all(&task, &infer->inputs[1], heap, NULL), 3 } };
    pithi_free(infer->ctx, heap);
    return PITH_OK;
}

#define F32 PITH_DTYPES(PITH_DTYPE_F32)
static const pith_operand_spec inputs[] = {
    { "boxes", F32, PITH_ONE },
    { "scores", F32, PITH_ONE },
    { "max_output_boxes_per_class", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL },
    { "iou_threshold", F32, PITH_OPTIONAL },
    { "score_threshold", F32, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "selected_indices", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "NonMaxSuppression", 10, NULL } };
static const char *const samples[] = {
    "f32[2,40,4]{0:3} f32[2,3,40]{0:1} s64[]{7} f32[]{0.3} f32[]{0.2}",
    "f32[1,9,4]{0:1} f32[1,1,9]{0:1}",
    "f32[1,30,4]{1:2} f32[1,2,30] s64[1]{100} f32[1]{0.5} | center_point_box=1",
    "f32[1,0,4] f32[1,2,0] s64[]{3}",
};

const pith_op pith_op_non_max_suppression = {
    .head = { "non_max_suppression", 1, PITH_ATTRS(attr_table, nms_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
