/* SPDX-License-Identifier: Apache-2.0 */
/* Weights stay where they lie unaligned in the file, unless someone reads them who can't; results have the same
 * bits. */
#include <stdio.h>
#include <stdlib.h>

#include "exec/internal.h"
#include "pith/pith.h"
#include "support/proto.h"
#include "support/test.h"

enum { N_SHIFTS = 4, N_INPUT = 2048 };

typedef struct sample {
    const char *input;    /* its shape; float32, or int64 with "s64" in front */
    const char *weights;  /* as "name shape", several with ";" */
    const char *nodes;    /* x to y */
    const char *last;     /* shape of y */
    bool stays;           /* all weights are read where they lie */
} sample;

/* Of 4096 bytes and more, which smaller ones aren't worth. */
static const sample samples[] = {
    { "1,32,7,9", "w 40,32,1,1", "node Conv x,w -> y", "1,40,7,9", true },
    { "1,16,8,8", "w 24,16,3,3", "node Conv x,w -> y { ints pads 1 1 1 1 }", "1,24,8,8", true },
    { "1,3,16,16", "w 24,3,5,5", "node Conv x,w -> y { ints strides 2 2 }", "1,24,6,6", true },
    { "1,128,4,4", "w 128,1,3,3", "node Conv x,w -> y { ints pads 1 1 1 1 ; int group 128 }", "1,128,4,4", true },
    { "1,16,4,4", "w 16,8,3,3", "node ConvTranspose x,w -> y { ints strides 2 2 }", "1,8,9,9", true },
    { "1,32,7,9", "w 40,32,1,1 ; v 1,40,7,9", "node Conv x,w -> z\nnode Add z,v -> y", "1,40,7,9", false },
    { "1,32,7,9", "w 40,32,1,1 ; s 40,1,1", "node Conv x,w -> z\nnode Mul z,s -> y", "1,40,7,9", false },
    { "20,32", "w 32,40", "node MatMul x,w -> y", "20,40", true },
    { "1,32", "w 32,40", "node MatMul x,w -> y", "1,40", true },
    { "20,32", "w 40,32", "node Gemm x,w -> y { int transB 1 ; float alpha 0.5 }", "20,40", true },
    { "32,20", "w 40,32", "node MatMul w,x -> y", "40,20", false },
    { "40,32", "w 32,40", "node MatMul x,w -> z\nnode Add z,v -> t\nnode MatMul t,w2 -> y", "40,32", true },
    { "9,1,32", "w 1,128,32 ; r 1,128,32", "node LSTM x,w,r -> y { int hidden_size 32 }", "9,1,1,32", true },
    { "9,2,32", "w 1,96,32 ; r 1,96,32", "node GRU x,w,r -> y { int hidden_size 32 }", "9,1,2,32", true },
    { "9,2,32", "w 1,40,32 ; r 1,40,40", "node RNN x,w,r -> y { int hidden_size 40 }", "9,1,2,40", true },
    { "s64 5", "w 40,32", "node Gather w,x -> y", "5,32", true },
    { "s64 5", "w 40,32", "node Gather w,x -> z\nnode MatMul z,w2 -> y", "5,40", true },
    { "40,32", "w 40,32", "node Add x,w -> y", "40,32", false },
    { "20,32", "w 40,32", "node Transpose w -> v { ints perm 1 0 }\nnode MatMul x,v -> y", "20,40", false },
    { "1", "w 40,32", "node Identity w -> z\nnode Mul z,x -> y", "40,32", false },
};

static int64_t elements_of(const char *shape)
{
    int64_t count = 1;
    for (const char *at = shape; *at; at = *at == ',' ? at + 1 : at) {
        count *= strtol(at, (char **)(uintptr_t)&at, 10);
    }
    return count;
}

static void add_weight(pith_test *test, char *text, size_t capacity, const char *name, const char *shape)
{
    size_t length = strlen(text);
    length += (size_t)snprintf(text + length, capacity - length, "weight %s f32[%s] raw", name, shape);
    for (int64_t i = 0; i < elements_of(shape) && length + 8 < capacity; i++) {
        length += (size_t)snprintf(text + length, capacity - length, " %d", (int)(i * 7 % 11 - 5));
    }
    TEST_CHECK(test, length + 8 < capacity);
    snprintf(text + length, capacity - length, "\n");
}

static bool describe(pith_test *test, const sample *s, pith_proto *model)
{
    static char text[1 << 16];
    const bool is_s64 = strncmp(s->input, "s64 ", 4) == 0;
    char name[16], shape[64];
    snprintf(text, sizeof text, "ir 8 ; opset 13 ; graph { input x %s[%s]\n", is_s64 ? "s64" : "f32",
             s->input + 4 * is_s64);
    for (const char *at = s->weights; at; at = strchr(at, ';') ? strchr(at, ';') + 1 : NULL) {
        TEST_CHECK(test, sscanf(at, " %15s %63s", name, shape) == 2);
        add_weight(test, text, sizeof text, name, shape);
    }
    if (strstr(s->nodes, "z,v") && !strstr(s->weights, "v ")) {
        add_weight(test, text, sizeof text, "v", "40");
    }
    if (strstr(s->nodes, "w2")) {
        add_weight(test, text, sizeof text, "w2", strstr(s->nodes, "t,w2") ? "40,32" : "32,40");
    }
    size_t length = strlen(text);
    snprintf(text + length, sizeof text - length, "%s\noutput y f32[%s] }", s->nodes, s->last);
    return pith_proto_onnx(model, text);
}

/* Constants that still lie in the file, and those that lie unaligned. */
static void count_constants(const pith_graph *graph, const char *file, size_t n_bytes, int *n_there, int *n_unaligned)
{
    *n_there = *n_unaligned = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        const pith_tensor *constant = graph->values[i]->constant;
        const char *data = constant ? constant->data : NULL;
        *n_there += data >= file && data < file + n_bytes && pith_tensor_bytes(constant) >= PITHI_UNALIGNED_BYTES;
        *n_unaligned += constant && !pithi_is_aligned(constant);
    }
}

static void run(pith_test *test, const sample *s, const char *file, size_t n_bytes, bool is_plain, pith_tensor *y)
{
    static union {
        float floats[N_INPUT];
        int64_t integers[N_INPUT];
    } x;
    const pith_model_options options = { .keep_all_values = is_plain };
    const pith_session_options session_options = { .n_threads = 1 };
    pith_model *model = NULL;
    pith_session *session = NULL;
    int n_there = 0, n_unaligned = 0;
    TEST_OK(test, pith_model_load_memory(test->ctx, file, n_bytes, &options, &model));
    TEST_OK(test, model ? pith_session_create(model, &session_options, &session) : PITH_STATUS_ARG);
    if (session) {
        const pith_value_info *info = pith_model_input(model, 0);
        pith_tensor input = { info->dtype, info->shape, &x };
        for (int i = 0; i < N_INPUT; i++) {
            if (info->dtype == PITH_DTYPE_S64) {
                x.integers[i] = i * 7 % 40 - (i % 2 ? 40 : 0);
            } else {
                x.floats[i] = (float)(i % 13 - 6) / 8.0f;
            }
        }
        count_constants(model->root->graph, file, n_bytes, &n_there, &n_unaligned);
        TEST_CHECK(test, is_plain ? n_unaligned == 0 : n_there > 0 || !s->stays);
        TEST_OK(test, pith_session_run(session, &input, 1));
        const pith_tensor *output = pith_session_output(session, 0);
        TEST_CHECK(test, pith_shape_elements(&output->shape) == elements_of(s->last));
        if (is_plain) {
            memcpy(y->data, output->data, pith_tensor_bytes(output));
        } else {
            TEST_CHECK(test, memcmp(y->data, output->data, pith_tensor_bytes(output)) == 0);
        }
    }
    pith_session_destroy(session);
    pith_model_destroy(model);
}

void test_unaligned_weights(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(samples); i++) {
        const sample *s = &samples[i];
        pith_proto content = { 0 };
        pith_test_case(test, "%s -> %s", s->input, s->nodes);
        TEST_CHECK(test, describe(test, s, &content));
        char *file = malloc(content.n_bytes + N_SHIFTS);
        pith_tensor y = { .data = malloc((size_t)elements_of(s->last) * sizeof(float)) };
        for (int shift = 0; shift < N_SHIFTS && file && y.data; shift++) { /* a weight lies at each distance once */
            memcpy(file + shift, content.data, content.n_bytes);
            if (shift == 0) {
                run(test, s, file, content.n_bytes, true, &y);
            }
            run(test, s, file + shift, content.n_bytes, false, &y);
        }
        free(file);
        free(y.data);
        pith_proto_free(&content);
    }
}
