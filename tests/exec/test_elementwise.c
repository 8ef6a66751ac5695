/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of elementwise operators, however many of them a step computes, against one node after the other: element
 * types, broadcasting, odd sizes, values that several nodes read or that are outputs too; with one thread and three. */
#include <stdio.h>

#include "support/graph_text.h"

enum { TEXT_BYTES = 8192, MOST_NODES = 12, N_GRAPHS = 25, N_THREADS = 3 };

typedef struct kind {
    const char *dtype;
    double tolerance;
    bool is_float, is_signed;
} kind;

typedef struct builder {
    pith_test *test;
    const kind *kind;
    pith_shape shape; /* of the results */
    char text[TEXT_BYTES];
    size_t n_bytes;
    int n_values, n_constants;
} builder;

static int pick(builder *b, int n) { return (int)(pith_test_random(b->test) % (uint64_t)n); }

static void add(builder *b, const char *format, ...) PITH_PRINTF(2, 3);
static void add(builder *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    b->n_bytes += (size_t)vsnprintf(b->text + b->n_bytes, TEXT_BYTES - b->n_bytes, format, args);
    va_end(args);
}

/* The whole shape, or one that broadcasts to it. */
static void add_shape(builder *b, bool whole)
{
    int first = whole || b->shape.rank == 0 ? 0 : pick(b, b->shape.rank + 1);
    add(b, "[");
    for (int d = first; d < b->shape.rank; d++) {
        bool is_one = !whole && pick(b, 3) == 0;
        add(b, "%s%lld", d > first ? "," : "", is_one ? 1LL : (long long)b->shape.dims[d]);
    }
    add(b, "]");
}

/* A constant in a line of its own; its number. */
static int add_constant(builder *b, const char *dtype, const char *range)
{
    add(b, "const c%d %s", b->n_constants, dtype);
    add_shape(b, pick(b, 4) == 0);
    add(b, "%s\n", range);
    return b->n_constants++;
}

/* Values stay within [-8, 8], those without sign within [0, 8]. */
static void add_clip(builder *b)
{
    int low = b->n_constants, high = low + 1;
    b->n_constants += 2;
    add(b, "const c%d %s[]{%d}\nconst c%d %s[]{8}\n", low, b->kind->dtype, b->kind->is_signed ? -8 : 0, high,
        b->kind->dtype);
    add(b, "v%d = clip v%d c%d c%d\n", b->n_values, b->n_values - 1, low, high);
    b->n_values++;
}

static void add_node(builder *b)
{
    static const char *const binary[] = { "add", "mul", "min", "max", "sub" };
    static const char *const unary[] = { "relu", "tanh", "sigmoid", "abs", "neg", "erf", "softplus", "hard_swish" };
    const char *range = b->kind->is_signed ? "{-3:3}" : "{0:4}";
    int from = b->n_values - 1 - (pick(b, 4) == 0 ? pick(b, b->n_values) : 0);
    from = from < 0 ? 0 : from;
    int what = pick(b, 6);
    if (what < 2) {
        const char *op = binary[pick(b, b->kind->is_signed ? 5 : 4)];
        int other = add_constant(b, b->kind->dtype, range);
        bool swap = pick(b, 2) == 0;
        add(b, "v%d = %s %s%d %s%d\n", b->n_values++, op, swap ? "c" : "v", swap ? other : from, swap ? "v" : "c",
            swap ? from : other);
        add_clip(b);
    } else if (what == 2) {
        add(b, "v%d = %s v%d v%d\n", b->n_values, binary[pick(b, 4)], from, pick(b, b->n_values));
        b->n_values++;
        add_clip(b);
    } else if (what == 3) {
        add(b, "v%d = where mask v%d v%d\n", b->n_values, from, pick(b, b->n_values));
        b->n_values++;
    } else if (b->kind->is_float) {
        add(b, "v%d = %s v%d\n", b->n_values++, unary[pick(b, PITH_COUNT(unary))], from);
    } else if (b->kind->is_signed) {
        add(b, "v%d = %s v%d\n", b->n_values++, pick(b, 2) ? "abs" : "neg", from);
    } else {
        int other = add_constant(b, b->kind->dtype, "{0:4}");
        add(b, "v%d = bitwise_xor v%d c%d\n", b->n_values++, from, other);
    }
}

static void build(builder *b, bool is_large)
{
    static const int sizes[] = { 1, 2, 3, 5, 7, 8, 15, 17, 31, 33, 64, 65 };
    int n_nodes = 2 + pick(b, MOST_NODES - 1);
    b->shape.rank = 1 + pick(b, 4);
    for (int d = 0; d < b->shape.rank; d++) {
        b->shape.dims[d] = sizes[pick(b, b->shape.rank > 2 ? 7 : PITH_COUNT(sizes))];
    }
    if (is_large) { /* more than one part, and not a multiple of any vector */
        b->shape = (pith_shape){ 3, { 3, 61, 517 } };
    }
    add(b, "input v0 %s", b->kind->dtype);
    add_shape(b, true);
    add(b, "\ninput v1 %s", b->kind->dtype);
    add_shape(b, true);
    add(b, "\nconst mask bool");
    add_shape(b, false);
    add(b, "{0:2}\n");
    b->n_values = 2;
    for (int i = 0; i < n_nodes; i++) {
        add_node(b);
    }
    int also = 2 + pick(b, b->n_values - 2);
    add(b, "output v%d\n", b->n_values - 1);
    if (also < b->n_values - 1) {
        add(b, "output v%d\n", also);
    }
}

void test_elementwise(pith_test *test)
{
    static const kind kinds[] = {
        { "f32", 2e-5, true, true },  { "f64", 1e-12, true, true }, { "f16", 2e-2, true, true },
        { "bf16", 0.15, true, true }, { "s32", 0.0, false, true },  { "s64", 0.0, false, true },
        { "s8", 0.0, false, true },   { "u8", 0.0, false, false },  { "s16", 0.0, false, true },
    };
    static builder b;
    for (int k = 0; k < PITH_COUNT(kinds); k++) {
        for (int i = 0; i < N_GRAPHS; i++) {
            pith_test_case(test, "%s, graph %d", kinds[k].dtype, i);
            b = (builder){ .test = test, .kind = &kinds[k] };
            build(&b, i % 8 == 7);
            TEST_CHECK(test, b.n_bytes + 1 < TEXT_BYTES);
            pith_test_run(test, b.text, N_THREADS, kinds[k].tolerance);
        }
    }
}
