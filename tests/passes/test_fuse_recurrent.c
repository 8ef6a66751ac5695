/* SPDX-License-Identifier: Apache-2.0 */
/* Recurrent operators read stored bytes: the outputs are those with the weights spread to floats, but for the rounding
 * of rows to 16 bits. */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_recurrent, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 3e-4, before, after });
    pith_test_run(test, before, 2, 3e-4);
}

void test_fuse_recurrent(pith_test *test)
{
    check(test, "lstm with a scale for each row",
          "input x f32[4,1,7]\nconst w s8[1,64,7]{-127:128}\nconst ws f32[64]{0.001:0.005}\n"
          "const r s8[1,64,16]{-127:128}\nconst rs f32[64]{0.001:0.005}\n"
          "a = dequantize_linear w ws | axis=1\nb = dequantize_linear r rs | axis=1\ny = lstm x a b\noutput y\n",
          "inputs %x:f32[4,1,7]\n"
          "%y:f32[4,1,1,16] = lstm(%x, %w, %r, -, -, -, -, -, %pith:0, %pith:1)\n"
          "outputs %y:f32[4,1,1,16]\n");
    check(test, "gru in both directions, with blocks, and one scale",
          "input x f32[4,2,7]\nconst w s8[2,48,7]{-127:128}\nconst ws f32[2,48,1]{0.001:0.005}\n"
          "const r s8[2,48,16]{-127:128}\nconst rs f32[]{0.003}\nconst c f32[2,96]\n"
          "a = dequantize_linear w ws | axis=2 block_size=7\nb = dequantize_linear r rs\n"
          "y = gru x a b c | direction=bidirectional linear_before_reset=1\noutput y\n",
          "inputs %x:f32[4,2,7]\n"
          "%y:f32[4,2,2,16] = gru(%x, %w, %r, %c, -, -, -, -, %pith:0, %pith:1) direction=bidirectional "
          "linear_before_reset=1\n"
          "outputs %y:f32[4,2,2,16]\n");
    check(test, "transposed bytes, unsigned ones",
          "input x f32[4,2,7]\nconst w s8[1,7,16]{-127:128}\nconst ws f32[16]{0.001:0.005}\n"
          "const r u8[1,16,16]{0:256}\nconst rs f32[16]{0.001:0.005}\nconst z u8[16]{128}\n"
          "d = dequantize_linear w ws | axis=2\na = transpose d | perm=[0,2,1]\n"
          "b = dequantize_linear r rs z | axis=1\ny = rnn x a b\noutput y\n",
          "inputs %x:f32[4,2,7]\n"
          "%y:f32[4,1,2,16] = rnn(%x, %pith:1, %pith:3, -, -, -, -, -, %pith:0, %pith:2)\n"
          "outputs %y:f32[4,1,2,16]\n");
    check(test, "weights of another type stay",
          "input x f16[4,2,7]\nconst w s8[1,16,7]{-127:128}\nconst ws f32[]{0.001}\n"
          "const r s8[1,16,16]{-127:128}\n"
          "a = dequantize_linear w ws | output_dtype=10\nb = dequantize_linear r ws | output_dtype=10\n"
          "y = rnn x a b\noutput y\n",
          "inputs %x:f16[4,2,7]\n"
          "%a:f16[1,16,7] = dequantize_linear(%w, %ws) output_dtype=10\n"
          "%b:f16[1,16,16] = dequantize_linear(%r, %ws) output_dtype=10\n"
          "%y:f16[4,1,2,16] = rnn(%x, %a, %b)\n"
          "outputs %y:f16[4,1,2,16]\n");
    check(test, "zero points and scales along the sum stay",
          "input x f32[4,2,7]\nconst w s8[1,16,7]{-127:128}\nconst ws f32[7]{0.001:0.005}\n"
          "const r u8[1,16,16]{0:256}\nconst rs f32[]{0.001}\nconst z u8[]{127}\n"
          "a = dequantize_linear w ws | axis=2\nb = dequantize_linear r rs z\ny = rnn x a b\noutput y\n",
          "inputs %x:f32[4,2,7]\n"
          "%a:f32[1,16,7] = dequantize_linear(%w, %ws) axis=2\n%b:f32[1,16,16] = dequantize_linear(%r, %rs, %z)\n"
          "%y:f32[4,1,2,16] = rnn(%x, %a, %b)\n"
          "outputs %y:f32[4,1,2,16]\n");
}
