/* SPDX-License-Identifier: Apache-2.0 */
/* Times one operator on samples of ops/sample.h, prepared run against reference:
 *
 *   bench_op OPERATOR "SAMPLE"... [-isa NAME] [-ways]     e.g. bench_op add "f32[1,64,56,56] f32[64,1,1]"
 *
 * -ways: every way that the operator has (see docs/tune.md) instead of the reference, in turns, with
 * all operands but the first constant.
 * One thread, best of the rounds; bytes are those of all operands, each counted once. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernel.h"
#include "ops/sample.h"
#include "platform/platform.h"

#define MAX_OPERANDS 16
#define N_ROUNDS 200
#define MAX_NS 300000000u

typedef struct bench {
    pith_ctx *ctx;
    pith_sample sample;
    pith_tensor inputs[MAX_OPERANDS], known[MAX_OPERANDS], outputs[MAX_OPERANDS];
    pithi_arena arena;
    double n_bytes;
} bench;

typedef struct options {
    int isa;
    bool all_ways;
} options;

static void fail(bench *b, const char *what)
{
    printf("%s: %s\n", what, pith_ctx_error(b->ctx));
    exit(1);
}

static pith_tensor allocate(bench *b, pith_tensor like)
{
    like.data = aligned_alloc(PITH_ALIGNMENT, pithi_align_up(pith_tensor_bytes(&like) + 1, PITH_ALIGNMENT));
    memset(like.data, 0, pith_tensor_bytes(&like));
    b->n_bytes += (double)pith_tensor_bytes(&like);
    return like;
}

static void fill(pith_tensor *tensor, double low, double high)
{
    uint32_t random = 1;
    for (int64_t i = 0; i < pith_shape_elements(&tensor->shape); i++) {
        random = random * 1664525u + 1013904223u; /* Numerical Recipes */
        pithi_tensor_set_f64(tensor, i, low + (high - low) * (double)(random >> 8) * 0x1p-24);
    }
}

static void setup(bench *b, const pith_op *op, const char *text, bool are_constant)
{
    if (pithi_sample_parse(b->ctx, op, text, &b->sample) != PITH_OK) {
        fail(b, "sample");
    }
    const pith_node *node = b->sample.node;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *value = node->inputs[i];
        if (value) {
            const pith_tensor unknown = { .dtype = value->dtype, .shape = value->shape };
            b->known[i] = value->constant ? *value->constant : unknown;
            b->inputs[i] = value->constant ? *value->constant : allocate(b, b->known[i]);
        }
        if (value && !value->constant) {
            fill(&b->inputs[i], b->sample.low[i], b->sample.high[i]);
            b->known[i].data = are_constant && i > 0 ? b->inputs[i].data : NULL;
        }
    }
    pith_infer infer = { .ctx = b->ctx, .node = node, .attrs = node->attrs, .inputs = b->known,
                         .n_inputs = node->n_inputs, .outputs = b->outputs, .n_outputs = node->n_outputs };
    if (pithi_op_infer(&infer) != PITH_OK) {
        fail(b, "infer");
    }
    for (int i = 0; i < node->n_outputs; i++) {
        b->outputs[i] = allocate(b, b->outputs[i]);
    }
}

static void report(const bench *b, const char *name, uint64_t best)
{
    const double n_elements = (double)pith_shape_elements(&b->outputs[0].shape);
    printf("  %-28s %10.2f us  %7.2f ns per output  %6.2f GB/s\n", name, (double)best * 1e-3, (double)best / n_elements,
           b->n_bytes / (double)best);
}

/* use_run false: the reference. */
static void measure(bench *b, const pith_prepare *prepare, bool use_run)
{
    const pith_node *node = b->sample.node;
    void *scratch = aligned_alloc(PITH_ALIGNMENT, pithi_align_up(prepare->scratch_bytes + 1, PITH_ALIGNMENT));
    void *shared = aligned_alloc(PITH_ALIGNMENT, pithi_align_up(prepare->shared_bytes + 1, PITH_ALIGNMENT));
    pithi_fault fault = { 0 };
    pith_run run = { .node = node, .attrs = node->attrs, .state = prepare->state, .inputs = b->inputs,
                     .n_inputs = node->n_inputs, .outputs = b->outputs, .n_outputs = node->n_outputs, .shared = shared,
                     .fault = &fault };
    uint64_t best = UINT64_MAX, start = pithi_clock_ns();
    for (int round = 0; round < N_ROUNDS && pithi_clock_ns() - start < MAX_NS; round++) {
        const uint64_t begin = pithi_clock_ns();
        for (int phase = 0; use_run && phase < prepare->n_phases; phase++) {
            pith_part part = { 0, 1, phase, scratch, false };
            node->op->run(&run, &part);
        }
        if (!use_run) {
            node->op->ref(&run);
        }
        const uint64_t time = pithi_clock_ns() - begin;
        best = time < best ? time : best;
    }
    report(b, !use_run ? "reference" : prepare->kernel ? prepare->kernel : "run", best);
    free(scratch);
    free(shared);
}

static pith_prepare prepare_way(bench *b, const pith_op *op, int isa, int choice)
{
    const pith_node *node = b->sample.node;
    pith_prepare prepare = { .ctx = b->ctx,
                             .node = node,
                             .attrs = node->attrs,
                             .inputs = b->known,
                             .n_inputs = node->n_inputs,
                             .outputs = b->outputs,
                             .n_outputs = node->n_outputs,
                             .isa_limit = isa,
                             .n_threads = 1,
                             .arena = &b->arena,
                             .max_parts = 1,
                             .n_phases = 1,
                             .choice = choice };
    if (op->prepare && op->prepare(&prepare) != PITH_OK) {
        fail(b, "prepare");
    }
    return prepare;
}

static void bench_sample(pith_ctx *ctx, const pith_op *op, const char *text, const options *o)
{
    bench b = { .ctx = ctx, .arena = { .ctx = ctx } };
    setup(&b, op, text, o->all_ways);
    printf("%s %s\n", op->head.name, text);
    const pith_prepare prepare = prepare_way(&b, op, o->isa, 0);
    if (prepare.use_run && o->all_ways && prepare.why) {
        printf("  %s\n", prepare.why);
    }
    for (int turn = 0; turn < (o->all_ways ? 3 : 0); turn++) {
        for (int choice = 1; choice < prepare.n_choices; choice++) {
            const pith_prepare way = prepare_way(&b, op, o->isa, choice);
            measure(&b, &way, way.use_run);
        }
    }
    if (prepare.use_run && (!o->all_ways || prepare.n_choices < 2)) {
        measure(&b, &prepare, true);
    }
    if (!o->all_ways) {
        measure(&b, &prepare, false);
    }
    pithi_arena_deinit(&b.arena);
    pithi_graph_destroy(b.sample.graph);
}

int main(int argc, char **argv)
{
    pith_ctx *ctx = NULL;
    const pith_op *op = argc > 2 ? pithi_op_find(argv[1]) : NULL;
    options o = { .isa = -1 };
    int n_samples = 0;
    if (!op || pith_ctx_create(NULL, &ctx) != PITH_OK) {
        printf("usage: bench_op OPERATOR \"SAMPLE\"... [-isa NAME] [-ways]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        o.all_ways |= pithi_same_text(argv[i], "-ways");
        o.isa = i + 1 < argc && pithi_same_text(argv[i], "-isa") ? pithi_isa_find(argv[i + 1]) : o.isa;
        n_samples += argv[i][0] != '-' && !pithi_same_text(argv[i - 1], "-isa");
    }
    for (int i = 2; i < 2 + n_samples; i++) {
        bench_sample(ctx, op, argv[i], &o);
    }
    pith_ctx_destroy(ctx);
    return 0;
}
