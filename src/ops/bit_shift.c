/* SPDX-License-Identifier: Apache-2.0 */
/* bit_shift: y = a shifted by b bits, numpy broadcasting; bits shifted out are lost, signed values keep their sign to
 * the right. ONNX BitShift. */
#include "ops/shared_binary.h"

typedef struct bit_shift_attrs {
    int64_t direction;
} bit_shift_attrs;

enum { LEFT, RIGHT };
static const char *const directions[] = { "LEFT", "RIGHT", NULL };
static const pith_attr_spec attrs_table[] = {
    { .name = "direction", .kind = PITH_ATTR_KIND_CHOICE, .offset = offsetof(bit_shift_attrs, direction),
      .choices = directions,
      .is_required = true },
};

/* Sixty-four and more leave nothing (or the sign); narrower dtypes lose the rest when stored. */
static uint64_t left_u64(uint64_t a, uint64_t b) { return b > 63 ? 0 : a << b; }
static uint64_t right_u64(uint64_t a, uint64_t b) { return b > 63 ? 0 : a >> b; }
static int64_t left_s64(int64_t a, int64_t b) { return (int64_t)left_u64((uint64_t)a, (uint64_t)b); }
static int64_t right_s64(int64_t a, int64_t b) { return (uint64_t)b > 63 ? (a < 0 ? -1 : 0) : a >> b; }

static void ref(const pith_run *run)
{
    static const pithi_binary_fns left = { .s64 = left_s64, .u64 = left_u64 };
    static const pithi_binary_fns right = { .s64 = right_s64, .u64 = right_u64 };
    const bit_shift_attrs *attrs = run->attrs;
    pithi_binary_ref(run, attrs->direction == LEFT ? &left : &right);
}

static const pith_spelling spellings[] = { { "onnx", "", "BitShift", 11, NULL } };
static const char *const samples[] = {
    "u8[4]{16,4,1,255} u8[4]{1,2,3,9} | direction=LEFT", "u8[4]{16,4,1,255} u8[]{1} | direction=RIGHT",
    "u64[2,1]{1,9} u64[3]{63,64,2} | direction=LEFT",
    "u32[3] u32[3]{0,31,33} | direction=RIGHT", "s32[2]{-8,8} s32[]{1} | direction=RIGHT",
    "u16[0] u16[] | direction=LEFT"
};

const pith_op pith_op_bit_shift = {
    .head = { "bit_shift", 1, PITH_ATTRS(attrs_table, bit_shift_attrs) },
    .flags = PITH_OP_INPLACE_ANY,
    .inputs = pithi_ab_integer, .n_inputs = 2,
    .outputs = pithi_y_integer, .n_outputs = 1,
    .infer = pithi_infer_binary,
    .ref = ref,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
