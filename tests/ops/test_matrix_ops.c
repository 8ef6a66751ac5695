/* SPDX-License-Identifier: Apache-2.0 */
/* conv, conv_transpose, matmul and gemm on random shapes and attributes, with weights that are constant or not, cut
 * for one and for many threads: the fast path against the reference, and against itself in other parts. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernel.h"
#include "ops/sample.h"
#include "support/test.h"

#define N_CASES 150
#define MAX_INPUTS 4
#define TOLERANCE 3e-5 /* sums of at most about 600 products of numbers below 2 */
/* In float16: a run of 32 steps is off by about 32^0.5 * 3e-4 there (rms), 600 products are 19 runs: 7e-3, and 5 sigma
 * are more than the largest of all outputs. */
#define HALF_TOLERANCE 4e-2

static int pick(pith_test *test, int low, int high)
{
    return low + (int)(pith_test_random(test) % (uint64_t)(high - low + 1));
}

static void add_list(pithi_text *text, const char *name, const int *items, int n_items)
{
    pithi_text_add(text, " %s=[", name);
    for (int i = 0; i < n_items; i++) {
        pithi_text_add(text, "%s%d", i ? "," : "", items[i]);
    }
    pithi_text_add(text, "]");
}

static void add_activation(pith_test *test, pithi_text *text)
{
    static const char *const words[] = { "", " activation=3", " activation=4 activation_alpha=-1 activation_beta=2" };
    pithi_text_add(text, "%s", words[pick(test, 0, 2)]);
}

static void add_pads(pith_test *test, pithi_text *text, int rank)
{
    static const char *const words[] = { "SAME_UPPER", "SAME_LOWER", "VALID" };
    int pads[6], kind = pick(test, 0, 5);
    for (int i = 0; i < 2 * rank; i++) {
        pads[i] = pick(test, 0, 2);
    }
    if (kind < 3) {
        pithi_text_add(text, " auto_pad=%s", words[kind]);
    } else if (kind < 5) {
        add_list(text, "pads", pads, 2 * rank);
    }
}

/* Depthwise, grouped or plain, 1 to 3 spatial dimensions, in either layout. */
static void write_conv(pith_test *test, pithi_text *text, bool is_transposed)
{
    int rank = pick(test, 0, 4) ? 2 : pick(test, 1, 3), last = pick(test, 0, 2) > 0, kind = pick(test, 0, 3);
    int group = kind == 0 ? pick(test, 2, 40) : kind == 1 ? pick(test, 2, 3) : 1;
    int in_each = kind == 0 ? 1 : pick(test, 1, rank == 2 ? 40 : 6),
        out_each = kind == 0 ? pick(test, 1, 2) : pick(test, 1, 60);
    int spatial[3], kernel[3], strides[3], dilations[3];
    for (int i = 0; i < rank; i++) {
        kernel[i] = pick(test, 0, 1) ? 3 : pick(test, 1, rank == 2 ? 5 : 3);
        strides[i] = pick(test, 1, 3);
        dilations[i] = pick(test, 0, 3) ? 1 : 2;
        spatial[i] = (kernel[i] - 1) * dilations[i] + pick(test, 1, rank == 2 ? 10 : 4);
    }
    pithi_text_add(text, "f32[%d", pick(test, 1, 2));
    if (!last) {
        pithi_text_add(text, ",%d", group * in_each);
    }
    for (int i = 0; i < rank; i++) {
        pithi_text_add(text, ",%d", spatial[i]);
    }
    if (last) {
        pithi_text_add(text, ",%d", group * in_each);
    }
    pithi_text_add(text, "] f32[%d,%d", group * (is_transposed ? in_each : out_each),
                   is_transposed ? out_each : in_each);
    for (int i = 0; i < rank; i++) {
        pithi_text_add(text, ",%d", kernel[i]);
    }
    if (pick(test, 0, 1)) {
        pithi_text_add(text, "] f32[%d", group * out_each);
    }
    pithi_text_add(text, "] | channels_last=%d group=%d", last, group);
    add_list(text, "strides", strides, rank);
    add_list(text, "dilations", dilations, rank);
    add_pads(test, text, rank);
    add_activation(test, text);
}

/* What the transforms of kernels/winograd_f32.h take: 3x3, stride 1, many channels and pixels. */
static void write_winograd(pith_test *test, pithi_text *text)
{
    int h = pick(test, 10, 20), w = pick(test, 13, 20), in = pick(test, 32, 40), out = pick(test, 32, 130);
    int pads[4] = { pick(test, 0, 2), pick(test, 0, 2), pick(test, 0, 2), pick(test, 0, 2) };
    int out_h = h + pads[0] + pads[2] - 2, out_w = w + pads[1] + pads[3] - 2, batch = pick(test, 1, 2);
    bool last = pick(test, 0, 2) > 0;
    pithi_text_add(text, "f32[%d,%d,%d,%d] ", batch, last ? h : in, last ? w : h, last ? in : w);
    pithi_text_add(text, "f32[%d,%d,3,3] ", out, in);
    pithi_text_add(text, pick(test, 0, 1) ? "f32[%d]" : "-", out);
    if (pick(test, 0, 1)) {
        pithi_text_add(text, " f32[%d,%d,%d,%d]", batch, last ? out_h : out, last ? out_w : out_h, last ? out : out_w);
    }
    pithi_text_add(text, " | channels_last=%d", last);
    add_list(text, "pads", pads, 4);
    add_activation(test, text);
    pithi_text_add(text, "%s", pick(test, 0, 3) ? "" : " activation=8");
}

static void write_product(pith_test *test, pithi_text *text, bool is_gemm)
{
    int m = pick(test, 1, 70), n = pick(test, 1, 150), k = pick(test, 1, 90);
    int trans_a = pick(test, 0, 3) == 0, trans_b = pick(test, 0, 2) == 0, has_batch = !is_gemm && pick(test, 0, 1);
    m = pick(test, 0, 3) ? m : 1;
    if (m == 1 && pick(test, 0, 1)) { /* weights that are packed in strips */
        n = pick(test, 400, 600);
        k = pick(test, 180, 300);
    }
    pithi_text_add(text, "f32[%s%d,%d] ", has_batch ? "2,3," : "", trans_a ? k : m, trans_a ? m : k);
    pithi_text_add(text, "f32[%s%d,%d] ", has_batch && pick(test, 0, 1) ? "3," : "", trans_b ? n : k, trans_b ? k : n);
    switch (pick(test, 0, 4)) {
    case 0: pithi_text_add(text, "f32[%d]", n); break;
    case 1: pithi_text_add(text, "f32[%d,1]", m); break;
    case 2: pithi_text_add(text, "f32[%d,%d]", m, n); break;
    case 3: pithi_text_add(text, "f32[]"); break;
    default: pithi_text_add(text, "-"); break;
    }
    if (pick(test, 0, 2) == 0) {
        pithi_text_add(text, " f32[%s%d,%d]", has_batch ? "2,3," : "", m, n);
    }
    pithi_text_add(text, " | %s=%d %s=%d", is_gemm ? "transA" : "trans_a", trans_a, is_gemm ? "transB" : "trans_b",
                   trans_b);
    pithi_text_add(text, " alpha=%g beta=%g", pick(test, 0, 2) ? 1.0 : 0.5, pick(test, 0, 2) ? 1.0 : -0.25);
    add_activation(test, text);
}

typedef struct op_case {
    pith_sample sample;
    pith_tensor inputs[MAX_INPUTS], known[MAX_INPUTS], wanted, got, first;
    bool is_exact, allows_float16;
} op_case;

static void allocate(pith_tensor *tensor) { tensor->data = calloc(1, pith_tensor_bytes(tensor) + 1); }

static void setup(pith_test *test, op_case *c)
{
    const pith_node *node = c->sample.node;
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            c->inputs[i] = (pith_tensor){ .dtype = node->inputs[i]->dtype, .shape = node->inputs[i]->shape };
            allocate(&c->inputs[i]);
            pith_test_fill(test, &c->inputs[i], -1.0, 1.0, false);
        }
        c->known[i] = c->inputs[i];
        c->known[i].data = i > 0 && pick(test, 0, 1) ? c->inputs[i].data : NULL; /* a constant, or not */
    }
}

static void run_parts(const pith_run *run, const pith_prepare *prepare, int count)
{
    char *scratch = aligned_alloc(PITH_ALIGNMENT, pithi_align_up(prepare->scratch_bytes + 1, PITH_ALIGNMENT));
    int parts = count < prepare->max_parts ? count : prepare->max_parts;
    for (int phase = 0; phase < prepare->n_phases; phase++) {
        for (int index = parts - 1; index >= 0; index--) {
            memset(scratch, 0xa5, prepare->scratch_bytes);
            run->node->op->run(run, &(pith_part){ index, parts, phase, scratch, false });
        }
    }
    free(scratch);
}

static void check_run(pith_test *test, op_case *c, int isa, int n_threads, bool is_first)
{
    const pith_node *node = c->sample.node;
    pithi_arena arena = { .ctx = test->ctx };
    pith_prepare prepare = { .ctx = test->ctx, .node = node, .attrs = node->attrs, .inputs = c->known,
                             .n_inputs = node->n_inputs, .outputs = &c->wanted, .n_outputs = 1, .isa_limit = isa,
                             .n_threads = n_threads, .is_exact = c->is_exact,
                             .allows_float16 = c->allows_float16, .arena = &arena, .max_parts = 1,
                             .n_phases = 1 };
    TEST_OK(test, node->op->prepare(&prepare));
    TEST_CHECK(test, prepare.use_run);
    TEST_CHECK(test, !c->is_exact || !strstr(prepare.kernel, "winograd"));
    char *shared = aligned_alloc(PITH_ALIGNMENT, pithi_align_up(prepare.shared_bytes + 1, PITH_ALIGNMENT));
    memset(shared, 0xa5, prepare.shared_bytes);
    memset(c->got.data, 0x5a, pith_tensor_bytes(&c->got));
    pith_run run = { .node = node, .attrs = node->attrs, .state = prepare.state, .inputs = c->inputs,
                     .n_inputs = node->n_inputs, .outputs = &c->got, .n_outputs = 1, .shared = shared };
    run_parts(&run, &prepare, n_threads == 1 ? 1 : pick(test, 2, 40));
    double difference = pith_test_difference(&c->got, &c->wanted);
    TEST_CHECK(test, c->allows_float16 || !strstr(prepare.kernel, "gemm_f16"));
    TEST_CHECK(test, !c->allows_float16 || prepare.why);
    const double tolerance = strstr(prepare.kernel, "gemm_f16") ? HALF_TOLERANCE : TOLERANCE;
    TEST_CHECK_MESSAGE(test, difference <= tolerance, "off by %g with %s, %d threads", difference, prepare.kernel,
                       n_threads);
    if (is_first) {
        memcpy(c->first.data, c->got.data, pith_tensor_bytes(&c->got));
    }
    TEST_CHECK_MESSAGE(test, memcmp(c->first.data, c->got.data, pith_tensor_bytes(&c->got)) == 0,
                       "other bits with %s cut for %d threads", prepare.kernel, n_threads);
    free(shared);
    pithi_arena_deinit(&arena);
}

static void check_text(pith_test *test, const pith_op *op, const char *text)
{
    op_case c = { 0 };
    TEST_OK(test, pithi_sample_parse(test->ctx, op, text, &c.sample));
    if (!c.sample.graph) {
        return;
    }
    setup(test, &c);
    c.is_exact = pick(test, 0, 3) == 0;
    c.allows_float16 = !c.is_exact && pick(test, 0, 3) == 0;
    pith_infer infer = { .ctx = test->ctx, .node = c.sample.node, .attrs = c.sample.node->attrs, .inputs = c.known,
                         .n_inputs = c.sample.node->n_inputs, .outputs = &c.wanted, .n_outputs = 1 };
    pith_status status = pithi_op_infer(&infer);
    if (status == PITH_OK) {
        c.got = c.first = c.wanted;
        allocate(&c.wanted);
        allocate(&c.got);
        allocate(&c.first);
        TEST_OK(test, pithi_op_eval(test->ctx, c.sample.node, c.inputs, c.sample.node->n_inputs, &c.wanted, 1));
        for (int isa = 0; isa < pithi_isa_count(); isa++) {
            for (int n_threads = 1; n_threads < 8 && pithi_isa_is_available(isa); n_threads += 3) {
                /* ISAs from 1 on have fused multiply-adds */
                bool has_same_bits = c.is_exact && isa >= 2 && !strstr(text, "activation");
                check_run(test, &c, isa, n_threads, n_threads == 1 && !has_same_bits);
            }
        }
    } else { /* the generator doesn't avoid paddings that leave nothing */
        TEST_STATUS(test, status, PITH_STATUS_SHAPE, "padding");
    }
    for (int i = 0; i < MAX_INPUTS; i++) {
        free(c.inputs[i].data);
    }
    free(c.wanted.data);
    free(c.got.data);
    free(c.first.data);
    pithi_graph_destroy(c.sample.graph);
}

void test_matrix_ops(pith_test *test)
{
    static const char *const names[] = { "conv", "conv_transpose", "matmul", "gemm", "conv" };
    pith_test_case(test, "conv_transpose, as many columns as the stride, but apart");
    check_text(test, pithi_op_find("conv_transpose"),
               "f32[2,7,5,6] f32[7,9,3,2] | channels_last=0 strides=[2,2] dilations=[1,2] pads=[0,0,0,1]");
    check_text(test, pithi_op_find("conv_transpose"),
               "f32[1,4,6,5] f32[5,12,2,3] | channels_last=1 strides=[1,3] dilations=[1,2] pads=[0,0,0,2]");
    for (int kind = 0; kind < PITH_COUNT(names); kind++) {
        for (int i = 0; i < N_CASES; i++) {
            pithi_text text = { .ctx = test->ctx };
            pith_test_case(test, "%s %d", names[kind], i);
            if (kind == 4 && i >= N_CASES / 8) {
                test->case_open = false; /* these are large */
                break;
            }
            if (kind == 4) {
                write_winograd(test, &text);
            } else if (kind < 2) {
                write_conv(test, &text, kind == 1);
            } else {
                write_product(test, &text, kind == 3);
            }
            check_text(test, pithi_op_find(names[kind]), text.data);
            if (test->case_failed) {
                printf("  %s\n", text.data);
            }
            pithi_text_deinit(&text);
        }
    }
}
