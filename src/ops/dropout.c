/* SPDX-License-Identifier: Apache-2.0 */
/* dropout: in inference y = x; in training y = mask x / (1 - ratio), where the mask is 0 with probability `ratio`. ONNX
 * Dropout; Srivastava et al. 2014. The random numbers are those of MT19937 started with the seed, as ONNX's own
 * reference draws them. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

typedef struct dropout_attrs {
    int64_t seed;
    float ratio; /* no effect outside of training */
} dropout_attrs;

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_WIDE_INT(dropout_attrs, seed, "seed", 0),
    PITH_ATTR_FLOAT(dropout_attrs, ratio, "ratio", 0.5),
};

/* ---- MT19937 (Matsumoto, Nishimura 1998) --------------------------------------------------- */

enum { TWISTER_WORDS = 624, TWISTER_SHIFT = 397 };

typedef struct twister {
    uint32_t words[TWISTER_WORDS];
    int at;
} twister;

static void twister_start(twister *t, uint32_t seed)
{
    t->at = TWISTER_WORDS;
    for (uint32_t i = 0; i < TWISTER_WORDS; i++) {
        t->words[i] = seed;
        seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
    }
}

static uint32_t twister_next(twister *t)
{
    for (int i = 0; t->at == TWISTER_WORDS && i < TWISTER_WORDS; i++) {
        uint32_t y = (t->words[i] & 0x80000000u) | (t->words[(i + 1) % TWISTER_WORDS] & 0x7fffffffu);
        t->words[i] = t->words[(i + TWISTER_SHIFT) % TWISTER_WORDS] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->at %= TWISTER_WORDS;
    uint32_t y = t->words[t->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Uniform in [0, 1), of 53 bits. */
static double twister_uniform(twister *t)
{
    uint32_t high = twister_next(t) >> 5, low = twister_next(t) >> 6;
    return (high * 67108864.0 + low) * 0x1p-53;
}

/* ---- reference ----------------------------------------------------------------------------- */

static double ratio_of(const pith_run *run)
{
    bool is_input = pithi_has_operand(run->inputs, run->n_inputs, 1);
    return is_input ? pithi_tensor_get_f64(&run->inputs[1], 0) : (double)((const dropout_attrs *)run->attrs)->ratio;
}

static void train(const pith_run *run, double ratio)
{
    const double scale = 1.0 / (1.0 - ratio);
    const int64_t count = pith_shape_elements(&run->inputs[0].shape);
    twister t;
    twister_start(&t, (uint32_t)((const dropout_attrs *)run->attrs)->seed);
    for (int64_t i = 0; i < count; i++) {
        bool is_kept = twister_uniform(&t) >= ratio;
        if (run->outputs[0].data) {
            pithi_tensor_set_f64(&run->outputs[0], i, is_kept ? pithi_tensor_get_f64(&run->inputs[0], i) * scale : 0.0);
        }
        if (pithi_has_operand(run->outputs, run->n_outputs, 1)) {
            pithi_tensor_set_s64(&run->outputs[1], i, is_kept);
        }
    }
}

static void ref(const pith_run *run)
{
    const double ratio = ratio_of(run);
    if (pithi_has_operand(run->inputs, run->n_inputs, 2) && pithi_tensor_get_s64(&run->inputs[2], 0) && ratio != 0.0) {
        train(run, ratio);
        return;
    }
    pithi_copy_same(run);
    if (pithi_has_operand(run->outputs, run->n_outputs, 1)) {
        int64_t count = pith_shape_elements(&run->outputs[1].shape);
        for (int64_t i = 0; i < count; i++) {
            pithi_tensor_set_s64(&run->outputs[1], i, 1);
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = i == 0 ? infer->inputs[0].dtype : PITH_DTYPE_BOOL;
        infer->outputs[i].shape = infer->inputs[0].shape;
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_ANY | PITH_DTYPES_F8, PITH_ONE },
    { "ratio", PITH_DTYPES_FLOAT | PITH_DTYPES_F8, PITH_OPTIONAL },
    { "training_mode", PITH_DTYPES_BOOL, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_ANY | PITH_DTYPES_F8, PITH_ONE },
                                             { "mask", PITH_DTYPES_BOOL, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "Dropout", 10, NULL } };
static const char *const samples[] = { "f32[2,3] | ratio=0.3", "f32[5] f32[]{0.5} bool[]{0} | | 2", "f64[0,2] | | 2",
                                       "f32[5,7] f32[]{0.25} bool[]{1} | seed=5 | 2", "f16[9] f64[]{0} bool[]{1}" };

const pith_op pith_op_dropout = {
    .head = { "dropout", 1, PITH_ATTRS(attr_table, dropout_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
