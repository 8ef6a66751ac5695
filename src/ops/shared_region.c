/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of regions that are no kernel's: in double, and as loops that compilers make vectors of. */
#include "ops/region.h"
#include "ops/shared_unary.h"

double pithi_region_f64(int function, float alpha, const double *x)
{
    const double a = x[0], b = x[1], c = x[2];
    switch (function) {
    case PITHI_REGION_EQUAL: return a == b;
    case PITHI_REGION_LESS: return a < b;
    case PITHI_REGION_LESS_OR_EQUAL: return a <= b;
    case PITHI_REGION_GREATER: return a > b;
    case PITHI_REGION_GREATER_OR_EQUAL: return a >= b;
    case PITHI_REGION_AND: return a != 0.0 && b != 0.0;
    case PITHI_REGION_OR: return a != 0.0 || b != 0.0;
    case PITHI_REGION_XOR: return (a != 0.0) != (b != 0.0);
    case PITHI_REGION_NOT: return a == 0.0;
    case PITHI_REGION_TO_BOOL: return a != 0.0;
    case PITHI_REGION_WHERE: return a != 0.0 ? b : c;
    case PITHI_REGION_SIGN: return isnan(a) ? a : (a > 0.0) - (a < 0.0);
    case PITHI_REGION_POWER: return pow(a, (double)alpha);
    default: return a * (double)alpha; /* PITHI_REGION_SCALE */
    }
}

#define LOOP(value)                                                                                \
    for (size_t i = 0; i < n; i++) {                                                               \
        y[i] = (value);                                                                            \
    }                                                                                              \
    break
#define TRUTH(condition) LOOP((condition) ? 1.0f : 0.0f)

/* y may be any of the operands. */
void pithi_region_apply(int function, float alpha, const float *const *x, float *y, size_t n)
{
    const float *a = x[0], *b = x[1], *c = x[2];
    switch (function) {
    case PITHI_REGION_EQUAL: TRUTH(a[i] == b[i]);
    case PITHI_REGION_LESS: TRUTH(a[i] < b[i]);
    case PITHI_REGION_LESS_OR_EQUAL: TRUTH(a[i] <= b[i]);
    case PITHI_REGION_GREATER: TRUTH(a[i] > b[i]);
    case PITHI_REGION_GREATER_OR_EQUAL: TRUTH(a[i] >= b[i]);
    case PITHI_REGION_AND: TRUTH((a[i] != 0.0f) & (b[i] != 0.0f));
    case PITHI_REGION_OR: TRUTH((a[i] != 0.0f) | (b[i] != 0.0f));
    case PITHI_REGION_XOR: TRUTH((a[i] != 0.0f) ^ (b[i] != 0.0f));
    case PITHI_REGION_NOT: TRUTH(a[i] == 0.0f);
    case PITHI_REGION_TO_BOOL: TRUTH(a[i] != 0.0f);
    case PITHI_REGION_WHERE: LOOP(a[i] != 0.0f ? b[i] : c[i]);
    case PITHI_REGION_SIGN: LOOP(a[i] != a[i] ? a[i] : (float)((a[i] > 0.0f) - (a[i] < 0.0f)));
    case PITHI_REGION_POWER: pithi_power_f32(a, alpha, y, (int64_t)n); break;
    default: LOOP(a[i] * alpha); /* PITHI_REGION_SCALE */
    }
}
