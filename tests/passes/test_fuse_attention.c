/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_attention, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_SHAPE, 1e-5, before, after });
}

#define PRODUCTS                                                                                                     \
    "s = matmul q k | trans_b=1 alpha=0.5\n"                                                                         \
    "p = softmax s\n"                                                                                                \
    "y = matmul p v\n"                                                                                               \
    "output y\n"

static void check_ranks(pith_test *test)
{
    check(test, "operands of rank 4",
          "input q f32[2,3,5,4]\ninput k f32[2,3,7,4]\ninput v f32[2,3,7,6]\n" PRODUCTS,
          "inputs %q:f32[2,3,5,4], %k:f32[2,3,7,4], %v:f32[2,3,7,6]\n"
          "%pith:0:f32[2,3,5,6] = attention(%q, %k, %v) q_num_heads=3 kv_num_heads=3 nan_where_blind=1 scale=0.5\n"
          "%y:f32[2,3,5,6] = reshape(%pith:0, %pith:1) allowzero=1\n"
          "outputs %y:f32[2,3,5,6]\n");
    check(test, "operands of rank 2",
          "input q f32[5,4]\ninput k f32[7,4]\ninput v f32[7,6]\n"
          "s = gemm q k | transB=1\n"
          "p = softmax s | axis=1\n"
          "y = gemm p v\n"
          "output y\n",
          "inputs %q:f32[5,4], %k:f32[7,4], %v:f32[7,6]\n"
          "%pith:1:f32[1,1,5,4] = reshape(%q, %pith:0) allowzero=1\n"
          "%pith:3:f32[1,1,7,4] = reshape(%k, %pith:2) allowzero=1\n"
          "%pith:5:f32[1,1,7,6] = reshape(%v, %pith:4) allowzero=1\n"
          "%pith:6:f32[1,1,5,6] = attention(%pith:1, %pith:3, %pith:5) q_num_heads=1 kv_num_heads=1 nan_where_blind=1 "
          "scale=1\n"
          "%y:f32[5,6] = reshape(%pith:6, %pith:7) allowzero=1\n"
          "outputs %y:f32[5,6]\n");
}

static void check_surroundings(pith_test *test)
{
    check(test, "transposes around, repeated keys and a mask go into it",
          "input q f32[1,5,4,8]\ninput k f32[1,5,2,1,8]\ninput v f32[1,5,2,1,8]\ninput m f32[5,5]\n"
          "const r s64[5]{1,5,2,2,8}\nconst h s64[4]{1,5,4,8}\n"
          "ke = expand k r\nkr = reshape ke h\n"
          "ve = expand v r\nvr = reshape ve h\n"
          "qt = transpose q | perm=[0,2,1,3]\n"
          "kt = transpose kr | perm=[0,2,1,3]\n"
          "vt = transpose vr | perm=[0,2,1,3]\n"
          "s = matmul qt kt | trans_b=1\n"
          "b = add m s\n"
          "p = softmax b\n"
          "o = matmul p vt\n"
          "y = transpose o | perm=[0,2,1,3]\n"
          "output y\n",
          "inputs %q:f32[1,5,4,8], %k:f32[1,5,2,1,8], %v:f32[1,5,2,1,8], %m:f32[5,5]\n"
          "%pith:1:f32[1,5,32] = reshape(%q, %pith:0) allowzero=1\n"
          "%pith:3:f32[1,5,16] = reshape(%k, %pith:2) allowzero=1\n"
          "%pith:5:f32[1,5,16] = reshape(%v, %pith:4) allowzero=1\n"
          "%pith:6:f32[1,5,32] = attention(%pith:1, %pith:3, %pith:5, %m) q_num_heads=4 kv_num_heads=2 "
          "nan_where_blind=1 scale=1\n"
          "%y:f32[1,5,4,8] = reshape(%pith:6, %pith:7) allowzero=1\n"
          "outputs %y:f32[1,5,4,8]\n");
    check(test, "a row that sees no key keeps its NaN",
          "input q f32[1,1,2,4]\ninput k f32[1,1,3,4]\ninput v f32[1,1,3,4]\nconst m f32[3]{-inf}\n"
          "s = matmul q k | trans_b=1\nb = add s m\np = softmax b\ny = matmul p v\noutput y\n", NULL);
}

static void check_conditions(pith_test *test)
{
    check(test, "scores that a condition replaces by a very low number have a mask; rows may see nothing",
          "input q f32[2,3,5,4]\ninput k f32[2,3,7,4]\ninput v f32[2,3,7,6]\ninput c bool[2,1,5,7]\n"
          "const low f32[]{-3e38}\n"
          "s = matmul q k | trans_b=1 alpha=0.5\n"
          "w = where c s low\n"
          "p = softmax w\n"
          "y = matmul p v\n"
          "output y\n",
          "inputs %q:f32[2,3,5,4], %k:f32[2,3,7,4], %v:f32[2,3,7,6], %c:bool[2,1,5,7]\n"
          "%pith:2:f32[2,1,5,7] = where(%c, %pith:0, %pith:1)\n"
          "%pith:3:f32[2,3,5,6] = attention(%q, %k, %v, %pith:2) q_num_heads=3 kv_num_heads=3 nan_where_blind=1 "
          "scale=0.5\n"
          "%y:f32[2,3,5,6] = reshape(%pith:3, %pith:4) allowzero=1\n"
          "outputs %y:f32[2,3,5,6]\n");
    check(test, "the other way round, with minus infinity",
          "input q f32[5,4]\ninput k f32[7,4]\ninput v f32[7,6]\nconst c bool[7]{0,1,0,0,1,0,0}\n"
          "const low f32[1]{-inf}\n"
          "s = gemm q k | transB=1\n"
          "w = where c low s\n"
          "p = softmax w\n"
          "y = gemm p v\n"
          "output y\n",
          NULL);
    check(test, "numbers that aren't low enough and conditions that broadcast the scores stay",
          "input q f32[1,5,4]\ninput k f32[1,7,4]\ninput v f32[1,7,6]\ninput c bool[1,5,7]\ninput d bool[2,5,7]\n"
          "const low f32[]{-10000}\nconst lower f32[]{-1e38}\n"
          "s = matmul q k | trans_b=1\n"
          "w = where c s low\n"
          "p = softmax w\n"
          "y = matmul p v\n"
          "t = matmul q k | trans_b=1 alpha=2\n"
          "x = where d t lower\n"
          "r = softmax x\n"
          "z = matmul r v\n"
          "output y\noutput z\n",
          "inputs %q:f32[1,5,4], %k:f32[1,7,4], %v:f32[1,7,6], %c:bool[1,5,7], %d:bool[2,5,7]\n"
          "%s:f32[1,5,7] = matmul(%q, %k) trans_b=1\n"
          "%w:f32[1,5,7] = where(%c, %s, %low)\n"
          "%p:f32[1,5,7] = softmax(%w)\n"
          "%y:f32[1,5,6] = matmul(%p, %v)\n"
          "%t:f32[1,5,7] = matmul(%q, %k) trans_b=1 alpha=2\n"
          "%x:f32[2,5,7] = where(%d, %t, %lower)\n"
          "%r:f32[2,5,7] = softmax(%x)\n"
          "%z:f32[2,5,6] = matmul(%r, %v)\n"
          "outputs %y:f32[1,5,6], %z:f32[2,5,6]\n");
}

static void check_others(pith_test *test)
{
    check(test, "scores that are read elsewhere stay",
          "input q f32[2,3,5,4]\ninput k f32[2,3,7,4]\ninput v f32[2,3,7,6]\n" PRODUCTS "output p\n",
          "inputs %q:f32[2,3,5,4], %k:f32[2,3,7,4], %v:f32[2,3,7,6]\n"
          "%s:f32[2,3,5,7] = matmul(%q, %k) trans_b=1 alpha=0.5\n"
          "%p:f32[2,3,5,7] = softmax(%s)\n"
          "%y:f32[2,3,5,6] = matmul(%p, %v)\n"
          "outputs %y:f32[2,3,5,6], %p:f32[2,3,5,7]\n");
    check(test, "as does attention without heads",
          "input q f32[2,0,5,4]\ninput k f32[2,0,7,4]\ninput v f32[2,0,7,6]\n" PRODUCTS,
          "inputs %q:f32[2,0,5,4], %k:f32[2,0,7,4], %v:f32[2,0,7,6]\n"
          "%s:f32[2,0,5,7] = matmul(%q, %k) trans_b=1 alpha=0.5\n"
          "%p:f32[2,0,5,7] = softmax(%s)\n"
          "%y:f32[2,0,5,6] = matmul(%p, %v)\n"
          "outputs %y:f32[2,0,5,6]\n");
    check(test, "as do softmax over another axis and heads that broadcast",
          "input q f32[2,3,5,4]\ninput k f32[1,3,7,4]\ninput v f32[1,3,7,6]\n" PRODUCTS
          "t = softmax s | axis=2\nz = matmul t v\noutput z\n",
          "inputs %q:f32[2,3,5,4], %k:f32[1,3,7,4], %v:f32[1,3,7,6]\n"
          "%s:f32[2,3,5,7] = matmul(%q, %k) trans_b=1 alpha=0.5\n"
          "%p:f32[2,3,5,7] = softmax(%s)\n"
          "%y:f32[2,3,5,6] = matmul(%p, %v)\n"
          "%t:f32[2,3,5,7] = softmax(%s) axis=2\n"
          "%z:f32[2,3,5,6] = matmul(%t, %v)\n"
          "outputs %y:f32[2,3,5,6], %z:f32[2,3,5,6]\n");
}

void test_fuse_attention(pith_test *test)
{
    check_ranks(test);
    check_surroundings(test);
    check_conditions(test);
    check_others(test);
    pith_test_case(test, "written-out attention over several blocks of rows, on two threads");
    pith_test_run(test,
                  "input x f32[1,75,48]\nconst h s64[4]{1,75,4,12}\nconst m f32[75,75]\n"
                  "a = reshape x h\nb = transpose a | perm=[0,2,1,3]\n"
                  "s = matmul b b | trans_b=1 alpha=0.3\nt = add s m\np = softmax t\no = matmul p b\n"
                  "y = transpose o | perm=[0,2,1,3]\noutput y\n",
                  2, 1e-4);
}
