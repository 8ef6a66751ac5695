/* SPDX-License-Identifier: Apache-2.0 */
/* Products and lookups behind stored weights read them as they are, on every instruction set; small weights stay. The
 * wanted outputs are those of the nodes as they were. */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_nbits, &pithi_pass_fuse_bias,
                                               &pithi_pass_fuse_residual, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 4, PITH_STAGE_MODEL, 2e-4, before, after });
}

static void test_products(pith_test *test)
{
    check(test, "s4 in blocks along k, a bias behind, a shortcut",
          "input x f32[3,64]\ninput r f32[3,80]\n"
          "const w s4[64,80]{-8:8}\nconst s f32[2,80]{0.01:0.1}\nconst b f32[80]\n"
          "f = dequantize_linear w s | axis=0 block_size=32\n"
          "m = matmul x f\na = add m b\ny = add r a\noutput y\n",
          "inputs %x:f32[3,64], %r:f32[3,80]\n"
          "%y:f32[3,80] = matmul_nbits(%x, %w, %pith:0, %r, %s, -, -, -) form=kn block_size=32\n"
          "outputs %y:f32[3,80]\n");
    check(test, "u4 with zero points, transposed, many rows",
          "input x f32[2,30,70]\n"
          "const w u4[65,70]{0:16}\nconst s f32[65]{0.01:0.1}\nconst z u4[65]{0:16}\n"
          "f = dequantize_linear w s z | axis=0\nt = transpose f | perm=[1,0]\ny = matmul x t\noutput y\n",
          "inputs %x:f32[2,30,70]\n"
          "%y:f32[2,30,65] = matmul_nbits(%x, %w, -, -, %s, %z, -, -) form=nk\n"
          "outputs %y:f32[2,30,65]\n");
    check(test, "gemm of u2 with odd blocks",
          "input x f32[4,65]\n"
          "const w u2[70,65]{0:4}\nconst s f32[70,5]{0.1:0.4}\nconst z u2[70,5]{0:4}\nconst c f32[1,70]\n"
          "f = dequantize_linear w s z | axis=1 block_size=13\ny = gemm x f c | transB=1\noutput y\n",
          "inputs %x:f32[4,65]\n"
          "%y:f32[4,70] = matmul_nbits(%x, %w, %c, -, %s, %z, -, -) form=nk block_size=13\n"
          "outputs %y:f32[4,70]\n");
    check(test, "s8 with one scale",
          "input x f32[1,256]\nconst w s8[256,300]{-128:128}\nconst s f32[]{0.01}\n"
          "f = dequantize_linear w s\ny = matmul x f\noutput y\n",
          "inputs %x:f32[1,256]\n"
          "%y:f32[1,300] = matmul_nbits(%x, %w, -, -, %s, -, -, -) form=kn\n"
          "outputs %y:f32[1,300]\n");
    check(test, "a palette",
          "input x f32[40,130]\nconst w u4[130,140]{0:16}\nconst t f32[16]\n"
          "i = cast w | to=s32\nf = gather t i\ny = matmul x f\noutput y\n",
          "inputs %x:f32[40,130]\n"
          "%y:f32[40,140] = matmul_nbits(%x, %w, -, -, -, -, -, %t) form=kn\n"
          "outputs %y:f32[40,140]\n");
    check(test, "a palette of 200 numbers",
          "input x f32[2,300]\nconst w u8[300,240]{0:200}\nconst t f32[200]\n"
          "i = cast w | to=s64\nf = gather t i\ny = matmul x f\noutput y\n",
          "inputs %x:f32[2,300]\n"
          "%y:f32[2,240] = matmul_nbits(%x, %w, -, -, -, -, -, %t) form=kn\n"
          "outputs %y:f32[2,240]\n");
}

static void test_others(pith_test *test)
{
    check(test, "1x1 convolution",
          "input x f32[2,64,5,3]\nconst w s4[66,64,1,1]{-8:8}\nconst s f32[66]{0.01:0.1}\nconst b f32[66]\n"
          "f = dequantize_linear w s | axis=0\ny = conv x f b\noutput y\n",
          "inputs %x:f32[2,64,5,3]\n"
          "%y:f32[2,66,5,3] = conv_nbits(%x, %w, %b, -, %s, -, -, -) form=nk\n"
          "outputs %y:f32[2,66,5,3]\n");
    check(test, "rows of a table",
          "input i s64[3,2]{0:100}\nconst w s4[100,64]{-8:8}\nconst s f32[100]{0.01:0.1}\n"
          "f = dequantize_linear w s | axis=0\ny = gather f i\noutput y\n",
          "inputs %i:s64[3,2]\n"
          "%y:f32[3,2,64] = gather_nbits(%w, %i, %s, -) quantize_axis=0\n"
          "outputs %y:f32[3,2,64]\n");
    check(test, "small weights, scales along k and 3x3 kernels stay",
          "input x f32[2,64]\ninput u f32[1,16,4,4]\nconst w s4[64,9]{-8:8}\nconst s f32[]{0.1}\n"
          "const v s4[64,80]{-8:8}\nconst sv f32[64]\nconst k s4[40,16,3,3]{-8:8}\n"
          "f = dequantize_linear w s\ng = dequantize_linear v sv | axis=0\nh = dequantize_linear k s\n"
          "y = matmul x f\nz = matmul x g\nc = conv u h\noutput y\noutput z\noutput c\n",
          "inputs %x:f32[2,64], %u:f32[1,16,4,4]\n"
          "%f:f32[64,9] = dequantize_linear(%w, %s)\n"
          "%g:f32[64,80] = dequantize_linear(%v, %sv) axis=0\n"
          "%h:f32[40,16,3,3] = dequantize_linear(%k, %s)\n"
          "%y:f32[2,9] = matmul(%x, %f)\n"
          "%z:f32[2,80] = matmul(%x, %g)\n"
          "%c:f32[1,40,2,2] = conv(%u, %h)\n"
          "outputs %y:f32[2,9], %z:f32[2,80], %c:f32[1,40,2,2]\n");
}

void test_fuse_nbits(pith_test *test)
{
    test_products(test);
    test_others(test);
}
