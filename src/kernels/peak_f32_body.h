/* SPDX-License-Identifier: Apache-2.0 */
/* Family peak_f32 in the words of vec_f32.h. Twelve chains hide the latency of multiply-adds (4 cycles, 2 a cycle),
 * and fit the 16 registers of AVX2. */

#define CHAINS 12
#define LOADS 8

static float multiply_add(size_t n_rounds)
{
    v_f sums[CHAINS];
    const v_f factor = v_set(0.999999f), term = v_set(1e-6f);
    for (int i = 0; i < CHAINS; i++) {
        sums[i] = v_set((float)i);
    }
    for (size_t r = 0; r < n_rounds; r++) {
        for (int i = 0; i < CHAINS; i++) {
            sums[i] = v_fma(sums[i], factor, term);
        }
    }
    for (int i = 1; i < CHAINS; i++) {
        sums[0] = v_add(sums[0], sums[i]);
    }
    return v_sum(sums[0]);
}

static float read_floats(const float *x, size_t n)
{
    v_f sums[LOADS];
    for (int k = 0; k < LOADS; k++) {
        sums[k] = v_set(0.0f);
    }
    for (size_t i = 0; i < n; i += LOADS * V_N) {
        for (int k = 0; k < LOADS; k++) {
            sums[k] = v_add(sums[k], v_load(x + i + (size_t)k * V_N));
        }
    }
    for (int k = 1; k < LOADS; k++) {
        sums[0] = v_add(sums[0], sums[k]);
    }
    return v_sum(sums[0]);
}

static void write_floats(float *y, size_t n, float value)
{
    const v_f values = v_set(value);
    for (size_t i = 0; i < n; i += LOADS * V_N) {
        for (int k = 0; k < LOADS; k++) {
            v_store(y + i + (size_t)k * V_N, values);
        }
    }
}

static void copy_floats(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LOADS * V_N) {
        for (int k = 0; k < LOADS; k++) {
            v_store(y + i + (size_t)k * V_N, v_load(x + i + (size_t)k * V_N));
        }
    }
}

static const pith_peak_f32 records[] = {
    { { V_ISA("peak_f32"), PITH_BOUNDED }, V_N, CHAINS, multiply_add, read_floats, write_floats, copy_floats },
};
