/* SPDX-License-Identifier: Apache-2.0 */
/* Times the convolutions of whole networks, layer by layer in the order of the network, so that every layer finds
 * the caches as the one before has left them:
 *
 *   bench_conv [mobilenet_v2|resnet18|direct|FILE] [ISA]
 *
 * FILE has a sample of conv (see src/ops/sample.h) in each line; direct: layers of MobileNetV1, ResNet-50 and VGG-16
 * without Winograd, to be compared with the peak of multiply-adds, which is measured in each round; each runs twice,
 * and the second time counts: then its input lies in L2 or L3, as the layer before leaves it. One thread,
 * channels-last, constant weights, activations and residuals fused. Per layer the best of the rounds; the sum is that
 * of the best round. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/peak_f32.h"
#include "ops/sample.h"
#include "pith/status.h"
#include "platform/platform.h"

#define MAX_LAYERS 80
#define N_ROUNDS 60

typedef struct layer {
    char text[160];
    pith_sample sample;
    pith_tensor inputs[4], output;
    pith_prepare prepare;
    int n_inputs;
    uint64_t best_ns;
    double macs;
} layer;

typedef struct network {
    pith_ctx *ctx;
    pithi_arena arena;
    layer layers[MAX_LAYERS];
    int n_layers;
    int height, channels; /* where the network is built */
    int is_exact;         /* no Winograd; layers stand for themselves */
} network;

static void fail(const char *what, pith_ctx *ctx)
{
    printf("%s: %s\n", what, ctx ? pith_ctx_error(ctx) : "");
    exit(1);
}

static void add_layer(network *net, int out_channels, int kernel, int stride, int group, int activation, bool residual)
{
    layer *l = &net->layers[net->n_layers++];
    int out = (net->height + stride - 1) / stride, pad = kernel / 2;
    char added[48] = "";
    if (residual) {
        snprintf(added, sizeof added, " f32[1,%d,%d,%d]", out, out, out_channels);
    }
    snprintf(l->text, sizeof l->text,
             "f32[1,%d,%d,%d] f32[%d,%d,%d,%d] f32[%d]%s | channels_last=1 group=%d strides=[%d,%d] pads=[%d,%d,%d,%d] "
             "activation=%d activation_beta=6",
             net->height, net->height, net->channels, out_channels, net->channels / group, kernel, kernel, out_channels,
             added, group, stride, stride, pad, pad, pad, pad, activation);
    net->height = out;
    net->channels = out_channels;
}

static void build_mobilenet_v2(network *net)
{
    static const int stages[7][4] = {
        /* expansion, channels, repeats, first stride: Sandler et al. 2018, table 2 */
        { 1, 16, 1, 1 }, { 6, 24, 2, 2 },  { 6, 32, 3, 2 },  { 6, 64, 4, 2 },
        { 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 },
    };
    net->height = 224;
    net->channels = 3;
    add_layer(net, 32, 3, 2, 1, 4, false);
    for (int s = 0; s < 7; s++) {
        for (int i = 0; i < stages[s][2]; i++) {
            int in = net->channels, wide = in * stages[s][0];
            if (wide != in) {
                add_layer(net, wide, 1, 1, 1, 4, false);
            }
            add_layer(net, wide, 3, i ? 1 : stages[s][3], wide, 4, false);
            add_layer(net, stages[s][1], 1, 1, 1, 0, i > 0);
        }
    }
    add_layer(net, 1280, 1, 1, 1, 4, false);
}

static void build_resnet18(network *net)
{
    net->height = 224;
    net->channels = 3;
    add_layer(net, 64, 7, 2, 1, 3, false);
    net->height = 56; /* behind the pooling */
    for (int s = 0; s < 4; s++) {
        for (int i = 0; i < 2; i++) {
            int stride = s && !i ? 2 : 1, in = net->channels, height = net->height;
            add_layer(net, 64 << s, 3, stride, 1, 3, false);
            add_layer(net, 64 << s, 3, 1, 1, 3, true);
            if (stride == 2) { /* the projection beside the two */
                int after = net->height;
                net->height = height;
                net->channels = in;
                add_layer(net, 64 << s, 1, 2, 1, 0, false);
                net->height = after;
            }
        }
    }
}

static void build_direct(network *net)
{
    static const int layers[][4] = { /* height, channels in and out, kernel */
        { 56, 64, 128, 1 },   { 28, 128, 256, 1 },  { 28, 256, 256, 1 },  { 14, 256, 512, 1 }, { 14, 512, 512, 1 },
        { 56, 64, 64, 1 },    { 56, 64, 256, 1 },   { 56, 256, 64, 1 },   { 28, 128, 512, 1 }, { 28, 512, 128, 1 },
        { 14, 256, 1024, 1 }, { 14, 1024, 256, 1 }, { 56, 64, 64, 3 },    { 28, 128, 128, 3 }, { 14, 256, 256, 3 },
        { 224, 64, 64, 3 },   { 112, 64, 128, 3 },  { 56, 128, 256, 3 },  { 28, 512, 512, 3 }, { 14, 512, 512, 3 },
    };
    net->is_exact = 1;
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        net->height = layers[i][0];
        net->channels = layers[i][1];
        add_layer(net, layers[i][2], layers[i][3], 1, 1, 3, false);
    }
}

static void read_network(network *net, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        fail(path, NULL);
    }
    while (net->n_layers < MAX_LAYERS && fgets(net->layers[net->n_layers].text, sizeof net->layers[0].text, file)) {
        char *text = net->layers[net->n_layers++].text;
        text[strcspn(text, "\n")] = '\0';
    }
    fclose(file);
}

static void fill(pith_tensor *tensor)
{
    tensor->data = aligned_alloc(64, pithi_align_up(pith_tensor_bytes(tensor) + 1, 64));
    for (int64_t i = 0; i < pith_shape_elements(&tensor->shape); i++) {
        ((float *)tensor->data)[i] = (float)((uint64_t)i * 2654435761u % 1000u) / 5000.0f - 0.1f;
    }
}

/* `previous`: the layer whose output has the shape of this input, or NULL. */
static void prepare_layer(network *net, layer *l, const layer *previous, int isa)
{
    pith_status status = pithi_sample_parse(net->ctx, pithi_op_find("conv"), l->text, &l->sample);
    if (status != PITH_OK) {
        fail(l->text, net->ctx);
    }
    const pith_node *node = l->sample.node;
    l->n_inputs = node->n_inputs;
    pith_tensor known[4];
    for (int i = 0; i < node->n_inputs; i++) {
        l->inputs[i] = (pith_tensor){ .dtype = node->inputs[i]->dtype, .shape = node->inputs[i]->shape };
        if (i == 0 && previous && pith_shape_equal(&previous->output.shape, &l->inputs[0].shape)) {
            l->inputs[0] = previous->output;
        } else {
            fill(&l->inputs[i]);
        }
        known[i] = l->inputs[i];
        known[i].data = i == 1 || i == 2 ? known[i].data : NULL;
    }
    pith_infer infer = { .ctx = net->ctx,
                         .node = node,
                         .attrs = node->attrs,
                         .inputs = known,
                         .n_inputs = node->n_inputs,
                         .outputs = &l->output,
                         .n_outputs = 1 };
    pith_cost cost;
    if (pithi_op_infer(&infer) != PITH_OK) {
        fail(l->text, net->ctx);
    }
    pithi_op_cost(&infer, &cost);
    fill(&l->output);
    l->macs = (double)cost.macs;
    l->best_ns = UINT64_MAX;
    l->prepare = (pith_prepare){ .ctx = net->ctx, .node = node, .attrs = node->attrs, .inputs = known,
                                 .n_inputs = node->n_inputs, .outputs = &l->output, .n_outputs = 1, .isa_limit = isa,
                                 .n_threads = 1, .is_exact = net->is_exact, .arena = &net->arena, .max_parts = 1,
                                 .n_phases = 1 };
    if (node->op->prepare(&l->prepare) != PITH_OK || !l->prepare.use_run) {
        fail(l->text, net->ctx);
    }
}

static uint64_t run_round(network *net, void *scratch, void *shared)
{
    uint64_t start = pithi_clock_ns(), before = start;
    for (int i = 0; i < net->n_layers; i++) {
        layer *l = &net->layers[i];
        pith_run run = { .node = l->sample.node, .attrs = l->sample.node->attrs, .state = l->prepare.state,
                         .inputs = l->inputs, .n_inputs = l->n_inputs, .outputs = &l->output, .n_outputs = 1,
                         .shared = shared };
        for (int again = 0; again <= net->is_exact; again++) {
            before = again ? pithi_clock_ns() : before;
            for (int phase = 0; phase < l->prepare.n_phases; phase++) {
                l->sample.node->op->run(&run, &(pith_part){ 0, 1, phase, scratch, false });
            }
        }
        uint64_t now = pithi_clock_ns();
        l->best_ns = now - before < l->best_ns ? now - before : l->best_ns;
        before = now;
    }
    return before - start;
}

/* GFLOP/s of multiply-adds in registers, now. */
static double peak_speed(int isa)
{
    const pith_peak_f32 *peak = pithi_peak_f32(isa);
    const size_t n_rounds = 20000;
    volatile float sink;
    uint64_t start = pithi_clock_ns();
    sink = peak->multiply_add(n_rounds);
    (void)sink;
    return 2.0 * peak->n_lanes * peak->n_chains * (double)n_rounds / (double)(pithi_clock_ns() - start);
}

static void print_network(const network *net, uint64_t best_ns, double peak)
{
    double macs = 0.0, sum_ms = 0.0;
    for (int i = 0; i < net->n_layers; i++) {
        const layer *l = &net->layers[i];
        const pith_shape *x = &l->inputs[0].shape, *w = &l->inputs[1].shape, *y = &l->output.shape;
        macs += l->macs;
        sum_ms += (double)l->best_ns * 1e-6;
        printf("%3lldx%-3lld %4lld -> %4lld  %lldx%lld%s%s  %7.3f ms  %6.1f GFLOP/s %4.0f %%\n",
               (long long)y->dims[1],
               (long long)y->dims[2], (long long)x->dims[3], (long long)y->dims[3], (long long)w->dims[2],
               (long long)w->dims[3], x->dims[1] != y->dims[1] ? "/2" : "  ",
               w->dims[1] == 1   ? " depthwise"
               : l->n_inputs > 3 ? " residual "
                                 : "          ",
               (double)l->best_ns * 1e-6, 2.0 * l->macs / (double)l->best_ns,
               200.0 * l->macs / (double)l->best_ns / peak);
    }
    if (!net->is_exact) {
        printf("best round %.3f ms, %.1f GFLOP/s; ", (double)best_ns * 1e-6, 2.0 * macs / (double)best_ns);
    }
    printf("sum of best layers %.3f ms; peak %.1f GFLOP/s\n", sum_ms, peak);
}

int main(int argc, char **argv)
{
    static network net;
    int isa = argc > 2 ? pithi_isa_find(argv[2]) : -1;
    if (pith_ctx_create(NULL, &net.ctx) != PITH_OK) {
        fail("no context", NULL);
    }
    net.arena.ctx = net.ctx;
    if (argc > 1 && pithi_same_text(argv[1], "resnet18")) {
        build_resnet18(&net);
    } else if (argc > 1 && pithi_same_text(argv[1], "direct")) {
        build_direct(&net);
    } else if (argc > 1 && !pithi_same_text(argv[1], "mobilenet_v2")) {
        read_network(&net, argv[1]);
    } else {
        build_mobilenet_v2(&net);
    }
    size_t scratch_bytes = 1, shared_bytes = 1;
    for (int i = 0; i < net.n_layers; i++) {
        prepare_layer(&net, &net.layers[i], i ? &net.layers[i - 1] : NULL, isa);
        const pith_prepare *prepare = &net.layers[i].prepare;
        scratch_bytes = prepare->scratch_bytes > scratch_bytes ? prepare->scratch_bytes : scratch_bytes;
        shared_bytes = prepare->shared_bytes > shared_bytes ? prepare->shared_bytes : shared_bytes;
    }
    void *scratch = aligned_alloc(64, pithi_align_up(scratch_bytes, 64)),
         *shared = aligned_alloc(64, pithi_align_up(shared_bytes, 64));
    uint64_t best_ns = UINT64_MAX;
    double peak = 0.0;
    for (int i = 0; i < N_ROUNDS; i++) {
        double speed = peak_speed(isa);
        peak = speed > peak ? speed : peak;
        uint64_t ns = run_round(&net, scratch, shared);
        best_ns = ns < best_ns ? ns : best_ns;
    }
    print_network(&net, best_ns, peak);
    free(scratch);
    free(shared);
    return 0; /* the operating system takes back the rest */
}
