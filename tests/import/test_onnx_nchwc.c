/* SPDX-License-Identifier: Apache-2.0 */
/* Level "all" of ONNX Runtime: what tells the size of blocks of channels, and what is refused. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/onnx_models.h"
#include "support/test.h"

#define TEXT_BYTES ((size_t)1 << 18)

typedef struct text {
    char *data;
    size_t n;
} text;

static void add(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(t->data + t->n, TEXT_BYTES - t->n, format, args);
    va_end(args);
    t->n += n > 0 && (size_t)n < TEXT_BYTES - t->n ? (size_t)n : 0;
}

/* 32 output channels of `used` input channels and zeros behind, in blocks: [32 / b, I / b, 3, 1, b of I, b of O].
 * With `spread` each output channel has a variance of its own. */
static void add_weights(pith_test *test, text *t, const char *name, int block, int used, bool spread)
{
    const int inputs = (used + block - 1) / block * block;
    add(t, "weight %s f32[32,%d,3,1] raw", name, inputs);
    for (int at = 0; at < 32 * inputs * 3; at++) {
        const int o = at / (inputs * 3 * block) * block + at % block;
        const int i = at % (inputs * 3 * block) / (3 * block * block) * block + at / block % block;
        double gauss = -6.0;
        for (int k = 0; k < 12; k++) {
            gauss += (double)(pith_test_random(test) >> 11) * 0x1p-53;
        }
        add(t, " %.3g", i < used ? gauss * (spread ? ldexp(1.0, o * 7 % 5 - 2) : 1.0) : 0.0);
    }
    add(t, "\n");
}

static void import_and_check(pith_test *test, const text *t, const char *reason, int block)
{
    pith_proto proto = { 0 };
    pith_imported imported = { 0 };
    TEST_CHECK(test, pith_proto_onnx(&proto, t->data));
    TEST_OK(test, pith_import_bytes(test->ctx, proto.data, proto.n_bytes, "", &imported));
    const pith_node *last = NULL;
    bool is_found = false;
    for (const pith_node *node = imported.graph ? imported.graph->first : NULL; node; node = node->next) {
        last = node;
        for (int i = 0; i < node->n_inputs; i++) {
            const pith_tensor *c = node->inputs[i] ? node->inputs[i]->constant : NULL;
            is_found |= c && c->dtype == PITH_DTYPE_S64 && c->shape.rank == 0 && *(const int64_t *)c->data == block;
        }
    }
    const char *why = last && last->unsupported ? last->unsupported : "";
    TEST_CHECK_MESSAGE(test, reason ? strstr(why, reason) != NULL : !*why, "the reason is \"%s\"", why);
    TEST_CHECK(test, reason || is_found);
    pith_imported_deinit(&imported);
    pith_proto_free(&proto);
}

#define HEAD "ir 8 ; opset 17 ; opset com.microsoft.nchwc 1 ; opset com.microsoft 1 ; graph { input x f32[1,%d,5,5]\n"
#define BLOCKS " in com.microsoft.nchwc"

static void check_blocks(pith_test *test, text *t)
{
    for (int k = 0; k < 8; k++) {
        const int block = k & 1 ? 8 : 16, used = k & 2 ? 20 : 32;
        const bool spread = (k & 4) != 0;
        pith_test_case(test, "blocks of %d, %d input channels, %s variances", block, used, spread ? "own" : "equal");
        t->n = 0;
        add(t, HEAD, (used + block - 1) / block * block);
        add_weights(test, t, "w", block, used, spread);
        /* the same weights again are no evidence of their own */
        for (int i = 0; i < (spread ? 1 : 50); i++) {
            add(t, "node Conv x,w -> y%d" BLOCKS "\n", i);
        }
        add(t, "output y0 }");
        import_and_check(test, t, spread ? NULL : "can't be told", block);
    }
}

/* As ONNX Runtime writes Add with an operand of 1x1. */
static void check_reshape(pith_test *test, text *t)
{
    for (int k = 0; k < 2; k++) {
        pith_test_case(test, "a Reshape that %s blocks", k ? "has nothing to do with" : "splits");
        t->n = 0;
        add(t, HEAD, 32);
        add_weights(test, t, "w", 16, 32, true);
        add(t, "weight five s64[5] raw 0 -1 0 0 %d\nweight four s64[4] raw 0 -1 0 0\n", k ? 5 : 16);
        add(t, "node Conv x,w -> a" BLOCKS "\nnode GlobalAveragePool a -> p" BLOCKS "\nnode Reshape a,five -> b\n"
               "node Reshape p,five -> q\nnode Add b,q -> r\nnode Reshape r,four -> s\nnode Conv s,w -> y" BLOCKS
               "\noutput y }");
        import_and_check(test, t, k ? NULL : "a Reshape splits its blocks", 16);
    }
}

static void check_attributes(pith_test *test, text *t)
{
    static const char *const names[] = { "block", "whole" };
    for (int k = 0; k < 2; k++) {
        pith_proto proto = { 0 };
        pith_imported imported = { 0 };
        pith_test_case(test, "an attribute '%s' in the file", names[k]);
        t->n = 0;
        add(t, HEAD, 32);
        add_weights(test, t, "w", 16, 32, true);
        add(t, "node Conv x,w -> y" BLOCKS " { int %s 0 }\noutput y }", names[k]);
        TEST_CHECK(test, pith_proto_onnx(&proto, t->data));
        TEST_STATUS(test, pith_import_bytes(test->ctx, proto.data, proto.n_bytes, "", &imported), PITH_STATUS_FORMAT,
                    "'block' or 'whole'");
        pith_imported_deinit(&imported);
        pith_proto_free(&proto);
    }
}

void test_onnx_nchwc(pith_test *test)
{
    text t = { .data = malloc(TEXT_BYTES) };
    TEST_CHECK(test, t.data);
    if (t.data) {
        check_blocks(test, &t);
        check_reshape(test, &t);
        check_attributes(test, &t);
    }
    free(t.data);
}
