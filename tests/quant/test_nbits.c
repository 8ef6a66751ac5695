/* SPDX-License-Identifier: Apache-2.0 */
/* Methods for weights of few bits against what is known of them: nearest rounding in groups, GPTQ with independent and
 * with autoregressive inputs, activation-aware scales and clipping, palettes. */
#include "quant/nbits.h"

#include <math.h>
#include <stdlib.h>

#include "support/test.h"

static double normal(pith_test *test) /* Box and Muller */
{
    const double u = 1.0 - pith_test_uniform(test, 0.0, 1.0);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * pith_test_uniform(test, 0.0, 1.0));
}

/* Student's t with 3 degrees of freedom: a normal number over the root of the mean of three squares. */
static double student(pith_test *test)
{
    double sum = 0.0;
    for (int i = 0; i < 3; i++) {
        const double x = normal(test);
        sum += x * x;
    }
    return normal(test) / sqrt(sum / 3.0);
}

static pithi_nbits_matrix new_matrix(int64_t n_rows, int64_t k, int64_t group, pithi_weight_format format)
{
    pithi_nbits_matrix m = { .n_rows = n_rows, .k = k, .group = group, .format = format };
    const size_t n = (size_t)(n_rows * k);
    m.w = calloc(n, sizeof(float));
    m.q = calloc(n, sizeof(int16_t));
    m.scales = calloc(n, sizeof(float));
    m.zeros = calloc(n, sizeof(int16_t));
    return m;
}

static void free_matrix(pithi_nbits_matrix *m)
{
    free((void *)(uintptr_t)m->w);
    free(m->q);
    free(m->scales);
    free(m->zeros);
}

static void fill(pith_test *test, const pithi_nbits_matrix *m, double (*draw)(pith_test *))
{
    for (int64_t i = 0; i < m->n_rows * m->k; i++) {
        ((float *)(uintptr_t)m->w)[i] = (float)draw(test);
    }
}

static double sqnr(const pithi_nbits_matrix *m)
{
    double signal = 0.0, noise = 0.0;
    for (int64_t i = 0; i < m->n_rows * m->k; i++) {
        const double x = (double)m->w[i], error = x - pithi_nbits_real(m, i / m->k, i % m->k);
        signal += x * x;
        noise += error * error;
    }
    return pithi_quant_decibel(signal, noise);
}

/* ---- nearest ------------------------------------------------------------------------------- */

/* Groups of 4096, 128, 64 and 32 of 4 bits, symmetric and not: figures of a numeric experiment of the same kind. */
static void test_groups(pith_test *test)
{
    static const double wanted[2][2][4] = { { { 16.1, 18.6, 19.4, 20.3 }, { 17.1, 20.0, 21.0, 22.1 } },
                                            { { 5.5, 13.0, 14.9, 16.9 }, { 5.9, 15.2, 17.5, 19.8 } } };
    static const int64_t groups[] = { 4096, 128, 64, 32 };
    for (int i = 0; i < 16; i++) {
        const bool is_student = i / 8, is_asym = i / 4 % 2;
        const pithi_weight_format format = { .bits = 4, .has_zeros = is_asym };
        pithi_nbits_matrix m = new_matrix(64, 4096, groups[i % 4], format);
        pith_test_case(test, "4 bits in groups of %d, %s, %s", (int)m.group, is_asym ? "asymmetric" : "symmetric",
                       is_student ? "Student" : "normal");
        fill(test, &m, is_student ? student : normal);
        pithi_nbits_nearest(&m, NULL);
        /* t has no fourth moment, so extremes move the figure from one draw to the next, most for whole rows. */
        const double tolerance = !is_student ? 0.4 : i % 4 == 0 ? 1.2 : 0.7;
        TEST_CHECK_MESSAGE(test, fabs(sqnr(&m) - wanted[is_student][is_asym][i % 4]) < tolerance, "%.2f dB, not %.2f",
                           sqnr(&m), wanted[is_student][is_asym][i % 4]);
        free_matrix(&m);
    }
}

/* Uniform numbers on the whole range: 20 log10(2^b - 2) with symmetric levels. */
static void test_uniform(pith_test *test)
{
    static const struct {
        int bits;
        double db;
    } cases[] = { { 8, 48.07 }, { 6, 35.86 }, { 4, 22.92 }, { 3, 15.59 } };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        pithi_nbits_matrix m = new_matrix(1, 200000, 200000, (pithi_weight_format){ .bits = cases[i].bits });
        pith_test_case(test, "uniform numbers, %d bits", cases[i].bits);
        for (int64_t k = 0; k < m.k; k++) {
            ((float *)(uintptr_t)m.w)[k] = (float)pith_test_uniform(test, -1.0, 1.0);
        }
        pithi_nbits_nearest(&m, NULL);
        TEST_CHECK_MESSAGE(test, fabs(sqnr(&m) - cases[i].db) < 0.1, "%.2f dB, not %.2f", sqnr(&m), cases[i].db);
        free_matrix(&m);
    }
}

/* Scales of the least error of normal numbers: the clip and the figure are known (of 8 bits: test_observe.c). */
static void test_least(pith_test *test)
{
    enum { N = 400000 };
    static const struct {
        int bits;
        double clip, db;
    } cases[] = { { 6, 3.26, 29.8 }, { 4, 2.48, 18.9 }, { 3, 1.96, 13.3 }, { 2, 1.22, 7.2 } };
    pithi_nbits_matrix m = new_matrix(1, N, N, (pithi_weight_format){ 0 });
    fill(test, &m, normal);
    pith_tensor tensor = { PITH_DTYPE_F32, { 2, { 1, N } }, (void *)(uintptr_t)m.w };
    const pithi_quant_weights weights = { .tensor = &tensor, .in_axis = 1, .n_out = 1, .groups = 1 };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        pithi_arena arena = { .ctx = test->ctx };
        pithi_quant_rounded rounded = { 0 };
        pith_test_case(test, "normal numbers, scale of the least error, %d bits", cases[i].bits);
        m.format.bits = cases[i].bits;
        TEST_OK(test, pithi_quant_round_nearest(&weights, &m.format, NULL, false, &arena, &rounded));
        memcpy(m.q, rounded.q, N * sizeof *m.q);
        m.scales[0] = rounded.scales[0];
        /* Half a step beyond the last level is where numbers begin to be clipped; the table has the level itself. */
        const double clip = (double)m.scales[0] * ((1 << (cases[i].bits - 1)) - 1);
        TEST_CHECK_MESSAGE(test, fabs(clip - cases[i].clip) < 0.1, "clipped at %.3f, not %.2f", clip, cases[i].clip);
        TEST_CHECK_MESSAGE(test, fabs(sqnr(&m) - cases[i].db) < 0.1, "%.2f dB, not %.2f", sqnr(&m), cases[i].db);
        pithi_arena_deinit(&arena);
    }
    free_matrix(&m);
}

/* ---- GPTQ ---------------------------------------------------------------------------------- */

static double *autoregressive(int64_t k, double rho)
{
    double *h = calloc((size_t)(k * k), sizeof *h);
    for (int64_t i = 0; i < k * k; i++) {
        h[i] = pow(rho, fabs((double)(i / k - i % k)));
    }
    return h;
}

static void test_diagonal(pith_test *test)
{
    for (int i = 0; i < 8; i++) {
        const pithi_weight_format format = { .bits = 2 + i % 4, .has_zeros = i >= 4 };
        pithi_nbits_matrix m = new_matrix(9, 50, i % 2 ? 16 : 50, format);
        double *h = calloc(50 * 50, sizeof *h);
        pith_test_case(test, "a diagonal gives nearest rounding, %d bits, groups of %d", format.bits, (int)m.group);
        fill(test, &m, normal);
        for (int k = 0; k < 50; k++) { /* some inputs are always 0 */
            h[k * 50 + k] = k % 7 == 3 ? 0.0 : pith_test_uniform(test, 0.1, 5.0);
        }
        pithi_nbits_nearest(&m, NULL);
        pithi_nbits_matrix gptq = new_matrix(9, 50, m.group, format);
        memcpy((float *)(uintptr_t)gptq.w, m.w, 9 * 50 * sizeof(float));
        const pithi_gptq_options options = { .act_order = i >= 6 };
        TEST_OK(test, pithi_gptq(test->ctx, &gptq, h, &options));
        TEST_CHECK(test, memcmp(m.q, gptq.q, 9 * 50 * sizeof(int16_t)) == 0);
        TEST_CHECK(test, memcmp(m.scales, gptq.scales, 9 * 50 * sizeof(float)) == 0);
        free_matrix(&m);
        free_matrix(&gptq);
        free(h);
    }
}

/* Error of nearest rounding over that of GPTQ. */
static double gain(pith_test *test, pithi_nbits_matrix *m, double rho, const pithi_gptq_options *options)
{
    double *h = autoregressive(m->k, rho), *used = autoregressive(m->k, rho);
    pithi_nbits_nearest(m, NULL);
    const double nearest = pithi_nbits_error(m, h);
    TEST_OK(test, pithi_gptq(test->ctx, m, used, options));
    const double better = pithi_nbits_error(m, h);
    free(h);
    free(used);
    return nearest / better;
}

static void test_autoregressive(pith_test *test)
{
    static const double rhos[] = { 0.5, 0.9, 0.99 }, wanted[] = { 1.39, 4.9, 28.6 };
    for (int i = 0; i < 3; i++) {
        pithi_nbits_matrix m = new_matrix(256, 64, 64, (pithi_weight_format){ .bits = 4 });
        pith_test_case(test, "inputs of correlation %g", rhos[i]);
        fill(test, &m, normal);
        const double ratio = gain(test, &m, rhos[i], NULL);
        TEST_CHECK_MESSAGE(test, fabs(ratio / wanted[i] - 1.0) < 0.1, "%.2f times less, not %.2f", ratio, wanted[i]);
        const double ordered = gain(test, &m, rhos[i], &(pithi_gptq_options){ .act_order = true });
        TEST_CHECK_MESSAGE(test, ordered > 0.9 * ratio, "in order of the diagonal %.2f times", ordered);
        free_matrix(&m);
    }
}

static void test_blocks(pith_test *test)
{
    for (int i = 0; i < 4; i++) {
        const pithi_weight_format format = { .bits = 3, .has_zeros = i % 2 };
        pithi_nbits_matrix one = new_matrix(20, 100, i < 2 ? 100 : 24, format),
                           other = new_matrix(20, 100, one.group, format);
        pith_test_case(test, "blocks don't matter, groups of %d", (int)one.group);
        fill(test, &one, normal);
        memcpy((float *)(uintptr_t)other.w, one.w, 20 * 100 * sizeof(float));
        gain(test, &one, 0.8, &(pithi_gptq_options){ .block = 1000 });
        gain(test, &other, 0.8, &(pithi_gptq_options){ .block = 7 });
        int n_different = 0;
        for (int k = 0; k < 20 * 100; k++) {
            n_different += one.q[k] != other.q[k];
        }
        TEST_CHECK_MESSAGE(test, n_different == 0, "%d of 2000 integers differ", n_different);
        free_matrix(&one);
        free_matrix(&other);
    }
}

static void test_indefinite(pith_test *test)
{
    pithi_nbits_matrix m = new_matrix(2, 3, 3, (pithi_weight_format){ .bits = 4 });
    double h[] = { 1.0, 5.0, 0.0, 5.0, 1.0, 0.0, 0.0, 0.0, 1.0 };
    pith_test_case(test, "moments that are none");
    TEST_STATUS(test, pithi_gptq(test->ctx, &m, h, NULL), PITH_STATUS_ARG, "positive definite");
    free_matrix(&m);
}

/* The least error is none there; the range of the others holds. */
static void test_no_number(pith_test *test)
{
    pithi_nbits_matrix m = new_matrix(1, 4, 4, (pithi_weight_format){ .bits = 4 });
    double h[16] = { 0.0 };
    pith_test_case(test, "a weight that is no number");
    for (int i = 0; i < 4; i++) {
        h[5 * i] = 1.0;
        ((float *)(uintptr_t)m.w)[i] = i == 3 ? NAN : 0.7f * (float)i;
    }
    TEST_OK(test, pithi_gptq(test->ctx, &m, h, &(pithi_gptq_options){ .clips = true }));
    TEST_CHECK_MESSAGE(test, fabsf(m.scales[0] - 0.2f) < 1e-6f, "scale %g", (double)m.scales[0]);
    free_matrix(&m);
}

/* ---- AWQ ----------------------------------------------------------------------------------- */

static void test_scales(pith_test *test)
{
    enum { K = 64 };
    double *h = autoregressive(K, 0.3), x[K], alpha = -1.0;
    float factors[K];
    pithi_nbits_matrix m[2];
    pith_test_case(test, "even inputs: nothing to gain, some inputs large: less error");
    for (int i = 0; i < 2; i++) {
        m[i] = new_matrix(32, K, 32, (pithi_weight_format){ .bits = 3 });
        fill(test, &m[i], normal);
    }
    for (int k = 0; k < K; k++) {
        x[k] = 0.8;
    }
    TEST_OK(test, pithi_awq_scale(test->ctx, m, 2, h, x, factors, &alpha));
    for (int k = 0; k < K; k++) {
        TEST_CHECK(test, fabsf(factors[k] - 1.0f) < 1e-6f);
        x[k] = k % 16 == 5 ? 30.0 : 0.8;
    }
    for (int i = 0; i < K * K; i++) {
        h[i] *= x[i / K] * x[i % K];
    }
    double before = 0.0, after = 0.0;
    for (int i = 0; i < 2; i++) {
        pithi_nbits_nearest(&m[i], NULL);
        before += pithi_nbits_error(&m[i], h);
    }
    TEST_OK(test, pithi_awq_scale(test->ctx, m, 2, h, x, factors, &alpha));
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 32 * K; k++) {
            ((float *)(uintptr_t)m[i].w)[k] *= factors[k % K];
        }
    }
    for (int i = 0; i < K * K; i++) {
        h[i] /= (double)factors[i / K] * (double)factors[i % K];
    }
    for (int i = 0; i < 2; i++) {
        pithi_nbits_nearest(&m[i], NULL);
        after += pithi_nbits_error(&m[i], h);
    }
    TEST_CHECK_MESSAGE(test, alpha > 0.0 && after < 0.7 * before, "alpha %.2f: %.4g -> %.4g", alpha, before, after);
    TEST_OK(test, pithi_awq_clip(test->ctx, &m[0], h));
    const double clipped = pithi_nbits_error(&m[0], h);
    pithi_nbits_nearest(&m[0], NULL);
    TEST_CHECK_MESSAGE(test, clipped < pithi_nbits_error(&m[0], h), "clipped %.4g", clipped);
    free_matrix(&m[0]);
    free_matrix(&m[1]);
    free(h);
}

/* ---- palettes ------------------------------------------------------------------------------ */

static void check_nearest(pith_test *test, const float *w, int64_t n, const float *book, int n_codes,
                          const int16_t *codes)
{
    for (int64_t i = 0; i < n; i++) {
        const float own = fabsf(w[i] - book[codes[i]]);
        for (int k = 0; k < n_codes; k++) {
            TEST_CHECK_MESSAGE(test, own <= fabsf(w[i] - book[k]) + 1e-6f, "weight %g goes to %g, but %g is nearer",
                               (double)w[i], (double)book[codes[i]], (double)book[k]);
        }
    }
}

static void test_palettes(pith_test *test)
{
    enum { N = 5000 };
    static float w[N];
    static int16_t codes[N];
    float book[256];
    double costs[PITHI_PALETTE_ITERATIONS];
    for (int bits = 2; bits <= 8; bits++) {
        pith_test_case(test, "a palette of %d bits", bits);
        for (int i = 0; i < N; i++) {
            w[i] = bits % 2 && i % 4 == 0 ? 0.0f : (float)student(test);
        }
        TEST_OK(test, pithi_palette(test->ctx, w, N, 1 << bits, book, codes, costs));
        for (int i = 1; i < PITHI_PALETTE_ITERATIONS; i++) {
            TEST_CHECK_MESSAGE(test, costs[i] <= costs[i - 1] * (1.0 + 1e-12), "cost rises from %.9g to %.9g",
                               costs[i - 1], costs[i]);
        }
        check_nearest(test, w, N, book, 1 << bits, codes);
        for (int i = 0; i < N && bits % 2; i += 4) { /* sparse: zeros stay zeros */
            TEST_CHECK(test, book[codes[i]] == 0.0f);
        }
    }
    pith_test_case(test, "as many numbers as there are");
    for (int i = 0; i < N; i++) {
        w[i] = (float)(pith_test_random(test) % 13) * 0.37f - 1.0f;
    }
    TEST_OK(test, pithi_palette(test->ctx, w, N, 16, book, codes, costs));
    for (int i = 0; i < N; i++) {
        TEST_CHECK(test, book[codes[i]] == w[i]);
    }
}

/* ---- formats ------------------------------------------------------------------------------- */

static void test_formats(pith_test *test)
{
    static const char *const bad[] = { "", "int", "int9", "int1", "int4:", "int4:group=0", "int4:group=32,odd",
                                       "palette9", "palette4:group=3", "float", "int4 group=3" };
    pithi_weight_format format;
    pith_test_case(test, "formats as text");
    TEST_OK(test, pithi_quant_read_weights(test->ctx, "int4:group=32,asym", &format));
    TEST_CHECK(test, format.kind == PITHI_WEIGHT_INT && format.bits == 4 && format.group == 32 && format.has_zeros);
    TEST_OK(test, pithi_quant_read_weights(test->ctx, "palette3", &format));
    TEST_CHECK(test, format.kind == PITHI_WEIGHT_PALETTE && format.bits == 3);
    TEST_OK(test, pithi_quant_read_weights(test->ctx, "float8e5m2", &format));
    TEST_CHECK(test, format.kind == PITHI_WEIGHT_F8E5M2);
    for (int i = 0; i < PITH_COUNT(bad); i++) {
        TEST_STATUS(test, pithi_quant_read_weights(test->ctx, bad[i], &format), PITH_STATUS_ARG, "they are int2");
    }
}

void test_nbits(pith_test *test)
{
    test_groups(test);
    test_uniform(test);
    test_least(test);
    test_diagonal(test);
    test_autoregressive(test);
    test_blocks(test);
    test_indefinite(test);
    test_no_number(test);
    test_scales(test);
    test_palettes(test);
    test_formats(test);
}
