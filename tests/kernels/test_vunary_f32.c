/* SPDX-License-Identifier: Apache-2.0 */
/* vunary_f32 under every ISA: errors over the whole range of floats against libm in double, then sizes, alignment,
 * guard zones, aliasing. PITH_TEST_STRIDE=1 visits every float (two minutes a function; PITH_TEST_FUNCTIONS=exp,tanh
 * names those that it is for), the default a sample. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/vunary_f32.h"
#include "ops/shared_unary.h"
#include "platform/platform.h"
#include "support/test.h"

typedef struct function {
    const char *name;
    pith_vunary kind;
    float alpha, beta;
    double ulps, absolute; /* either bound may hold */
} function;

static const function functions[] = {
    { "none", PITH_VUNARY_NONE, 0, 0, 0, 0 },
    { "abs", PITH_VUNARY_ABS, 0, 0, 0, 0 },
    { "neg", PITH_VUNARY_NEG, 0, 0, 0, 0 },
    { "relu", PITH_VUNARY_RELU, 0, 0, 0, 0 },
    { "clip", PITH_VUNARY_CLIP, -0.5f, 6.0f, 0, 0 },
    { "leaky_relu", PITH_VUNARY_LEAKY_RELU, 0.1f, 0, 0.5, 0 },
    { "hard_sigmoid", PITH_VUNARY_HARD_SIGMOID, 0.2f, 0.5f, 2, 6e-8 },
    { "hard_swish", PITH_VUNARY_HARD_SWISH, 1.0f / 6.0f, 0.5f, 2, 4e-7 },
    { "sigmoid", PITH_VUNARY_SIGMOID, 0, 0, 2.5, 0 },
    { "silu", PITH_VUNARY_SILU, 1.0f, 0, 4, 1e-7 },
    { "tanh", PITH_VUNARY_TANH, 0, 0, 2, 0 },
    { "exp", PITH_VUNARY_EXP, 0, 0, 2, 0 },
    { "log", PITH_VUNARY_LOG, 0, 0, 2, 0 },
    { "sqrt", PITH_VUNARY_SQRT, 0, 0, 0.5, 0 },
    { "reciprocal", PITH_VUNARY_RECIPROCAL, 0, 0, 0.5, 0 },
    { "erf", PITH_VUNARY_ERF, 0, 0, 2, 0 },
    { "gelu", PITH_VUNARY_GELU, 0, 0, 4, 1e-7 },
    { "gelu_tanh", PITH_VUNARY_GELU_TANH, 0, 0, 4, 1e-7 },
    { "elu", PITH_VUNARY_ELU, 1.0f, 0, 2, 0 },
    { "softplus", PITH_VUNARY_SOFTPLUS, 0, 0, 4, 1e-7 },
    { "mish", PITH_VUNARY_MISH, 0, 0, 4, 1e-7 },
    { "floor", PITH_VUNARY_FLOOR, 0, 0, 0, 0 },
    { "ceil", PITH_VUNARY_CEIL, 0, 0, 0, 0 },
    { "round", PITH_VUNARY_ROUND, 0, 0, 0, 0 },
    { "selu", PITH_VUNARY_SELU, 1.6732632f, 1.0507010f, 3, 0 },
    { "celu", PITH_VUNARY_CELU, 0.75f, 0, 4, 0 },
    { "thresholded_relu", PITH_VUNARY_THRESHOLDED_RELU, 1.0f, 0, 0, 0 },
    { "softsign", PITH_VUNARY_SOFTSIGN, 0, 0, 2, 0 },
    { "sin", PITH_VUNARY_SIN, 0, 0, 2, 1e-7 },
    { "cos", PITH_VUNARY_COS, 0, 0, 2, 1e-7 },
};

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double last_place(double value)
{
    uint64_t bits;
    double at_least = fmax(fabs(value), 0x1p-126), power;
    memcpy(&bits, &at_least, sizeof bits);
    bits &= UINT64_C(0x7ff) << 52; /* the power of two below: this runs for every float */
    memcpy(&power, &bits, sizeof power);
    return power * 0x1p-23;
}

/* Distance in units of the last place of `wanted` as a float; 0 for equal values and NaN in both. */
static double ulp_error(float got, double wanted)
{
    const float rounded = (float)wanted;
    if ((isnan(got) && isnan(wanted)) || got == rounded) {
        return isnan(got) || isinf(got) ? 0.0 : fabs((double)got - wanted) / last_place(wanted);
    }
    if (isnan(got) || isnan(wanted) || isinf(got) || isinf(rounded)) {
        return INFINITY;
    }
    return fabs((double)got - wanted) / last_place(wanted);
}

#define BATCH 4096

typedef struct worst {
    double ulps; /* largest error of an element that the absolute bound doesn't excuse */
    float at;
} worst;

static void judge(const function *f, const float *x, const float *y, const double *wanted, size_t n, worst *w)
{
    for (size_t i = 0; i < n; i++) {
        double ulps = ulp_error(y[i], wanted[i]);
        if (f->absolute > 0.0 && fabs((double)y[i] - wanted[i]) <= f->absolute) {
            continue;
        }
        if (ulps > w->ulps) {
            w->ulps = ulps;
            w->at = x[i];
        }
    }
}

static void check_errors(pith_test *test, const function *f, uint32_t stride)
{
    static float x[BATCH], y[BATCH];
    static double wanted[BATCH];
    const pith_activation activation = { f->kind, f->alpha, f->beta };
    worst worsts[16] = { { 0 } };
    for (uint64_t bits = 0; bits <= UINT32_MAX;) {
        size_t n = 0;
        for (; n < BATCH && bits <= UINT32_MAX; n++, bits += stride) {
            x[n] = from_bits((uint32_t)bits);
            wanted[n] = pithi_activation_f64(&activation, (double)x[n]);
        }
        for (int isa = 0; isa < pithi_isa_count(); isa++) {
            const pith_kernel_set *set = pithi_isa_is_available(isa) ? pithi_kernel_of_isa("vunary_f32", isa) : NULL;
            if (set) {
                ((const pith_vunary_f32 *)set->records)->functions[f->kind](x, y, n, f->alpha, f->beta);
                judge(f, x, y, wanted, n, &worsts[isa]);
            }
        }
    }
    for (int isa = 0; isa < pithi_isa_count(); isa++) {
        TEST_CHECK_MESSAGE(test, worsts[isa].ulps <= f->ulps, "%s: %.3f ULP at %a with %s, the bound is %g", f->name,
                           worsts[isa].ulps, (double)worsts[isa].at, pithi_isa_name(isa), f->ulps);
        if (test->is_verbose) {
            printf("    %s %s: %.3f ULP at %a\n", f->name, pithi_isa_name(isa), worsts[isa].ulps,
                   (double)worsts[isa].at);
        }
    }
}

/* Special values. A run counts denormals as zero (flushes): apart from results that small nothing may change. */
static void check_specials(pith_test *test, const function *f, pith_vunary_f32_fn *fn, bool flushes)
{
    static const float specials[] = { 0.0f, -0.0f, 1.0f, -1.0f, INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, FLT_MIN,
                                      -FLT_MIN,
                                      87.0f, -87.0f, 88.7f, -88.7f, 104.0f, -104.0f, 1e-20f, -1e-20f, 1e20f, -1e20f };
    enum { N = 512 };
    float x[N], y[N];
    double wanted[N];
    const pith_activation activation = { f->kind, f->alpha, f->beta };
    function loose = *f;
    worst w = { 0 };
    loose.absolute = fmax(f->absolute, 2.0 * (double)FLT_MIN);
    for (int i = 0; i < N; i++) {
        x[i] = i < PITH_COUNT(specials) ? specials[i] : (float)pith_test_uniform(test, -110.0, 110.0);
        wanted[i] = pithi_activation_f64(&activation, (double)x[i]);
    }
    const uint32_t former = flushes ? pithi_denormals_off() : 0;
    fn(x, y, N, f->alpha, f->beta);
    if (flushes) {
        pithi_denormals_restore(former);
    }
    judge(&loose, x, y, wanted, N, &w);
    TEST_CHECK_MESSAGE(test, w.ulps <= f->ulps, "%s: %.3f ULP at %a, flushes: %d", f->name, w.ulps, (double)w.at,
                       flushes);
}

/* The same bits at any place of a vector, in place or not; nothing outside is touched (guard pages). */
static void check_places(pith_test *test, const function *f, pith_vunary_f32_fn *fn)
{
    float x[67], whole[67];
    for (int i = 0; i < 67; i++) {
        x[i] = i % 9 == 0 ? from_bits((uint32_t)pith_test_random(test)) : (float)pith_test_uniform(test, -8.0, 8.0);
        fn(&x[i], &whole[i], 1, f->alpha, f->beta);
    }
    for (size_t n = 0; n <= 67; n++) {
        for (int at_start = 0; at_start <= 1; at_start++) {
            pith_guarded from = pith_guarded_alloc(n * sizeof(float), at_start);
            pith_guarded to = pith_guarded_alloc(n * sizeof(float), at_start);
            memcpy(from.data, x, n * sizeof(float));
            fn(from.data, to.data, n, f->alpha, f->beta);
            TEST_CHECK_MESSAGE(test, memcmp(to.data, whole, n * sizeof(float)) == 0, "%s: n = %zu gives other bits",
                               f->name, n);
            fn(from.data, from.data, n, f->alpha, f->beta);
            TEST_CHECK_MESSAGE(test, memcmp(from.data, whole, n * sizeof(float)) == 0, "%s in place: n = %zu", f->name,
                               n);
            pith_guarded_free(&from);
            pith_guarded_free(&to);
        }
    }
}

void test_vunary_f32(pith_test *test)
{
    const char *text = getenv("PITH_TEST_STRIDE");
    const uint32_t sample = 9973, stride = text && atoi(text) > 0 ? (uint32_t)atoi(text) : sample;
    const char *chosen = getenv("PITH_TEST_FUNCTIONS");
    for (int k = 0; k < PITH_COUNT(functions); k++) {
        pith_test_case(test, "%s: errors", functions[k].name);
        check_errors(test, &functions[k], !chosen || pithi_list_has(chosen, functions[k].name) ? stride : sample);
        for (int isa = 0; isa < pithi_isa_count(); isa++) {
            const pith_kernel_set *set = pithi_isa_is_available(isa) ? pithi_kernel_of_isa("vunary_f32", isa) : NULL;
            if (set) {
                pith_vunary_f32_fn *fn = ((const pith_vunary_f32 *)set->records)->functions[functions[k].kind];
                pith_test_case(test, "%s: specials, %s", functions[k].name, pithi_isa_name(isa));
                check_specials(test, &functions[k], fn, false);
                check_specials(test, &functions[k], fn, true);
                pith_test_case(test, "%s: places, %s", functions[k].name, pithi_isa_name(isa));
                check_places(test, &functions[k], fn);
            }
        }
    }
}
