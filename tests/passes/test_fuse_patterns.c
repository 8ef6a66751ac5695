/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "support/graph_text.h"

static const pith_pass *const passes[] = { &pithi_pass_fuse_patterns, &pithi_pass_remove_dead };

/* `body` makes y of x; `wanted` is the operator and the attributes that it shall become. */
static void check(pith_test *test, const char *body, const char *wanted)
{
    char before[1000], after[400];
    static const char *const constants =
        "const c0 f32[]{0}\nconst c1 f32[]{1}\nconst c3 f32[1]{3}\nconst c6 f32[]{6}\n"
        "const half f32[]{0.5}\nconst sixth f32[]{0.16666667}\nconst root2 f32[]{1.4142135}\n"
        "const root f32[]{0.7978845608}\nconst cube f32[]{0.044715}\nconst quick f32[]{1.702}\n";
    const char *space = strchr(wanted, ' ');
    int length = space ? (int)(space - wanted) : (int)strlen(wanted);
    pith_test_case(test, "%s: %.60s", wanted, body);
    snprintf(before, sizeof before, "input x f32[200]\n%s%soutput y\n", constants, body);
    snprintf(after, sizeof after, "inputs %%x:f32[200]\n%%y:f32[200] = %.*s(%%x)%s\noutputs %%y:f32[200]\n", length,
             wanted, space ? space : "");
    pith_test_pass(test, &(pith_pass_check){ passes, 2, PITH_STAGE_MODEL, 1e-5, before, after });
}

static void check_spellings(pith_test *test)
{
    check(test, "a = add x c3\nb = clip a c0 c6\nc = mul x b\ny = div c c6\n", "hard_swish");
    check(test, "a = add c3 x\nb = clip a | min=0 max=6\nc = div b c6\ny = mul c x\n", "hard_swish");
    check(test, "a = add x c3 | activation=4 activation_beta=6\nc = mul a sixth\ny = mul x c\n", "hard_swish");
    check(test, "a = hard_sigmoid x | alpha=0.16666667\ny = mul x a\n", "hard_swish");
    check(test, "a = add c3 x\nb = clip a | min=0 max=6\ny = div b c6\n", "hard_sigmoid alpha=0.166666672");
    check(test, "a = sigmoid x\ny = mul x a\n", "silu");
    check(test, "a = neg x\nb = exp a\nc = add b c1\ny = div x c\n", "silu");
    check(test, "q = mul x quick\na = sigmoid q\ny = mul x a\n", "silu alpha=1.70200002");
    check(test, "a = div x root2\nb = erf a\nc = add b c1\nd = mul x c\ny = mul d half\n", "gelu");
    check(test, "a = div x root2\nb = erf a\nc = add b c1\nd = mul c half\ny = mul d x\n", "gelu");
    check(test, "a = mul x x\nb = mul a x\nc = mul b cube\nd = add x c\ne = mul d root\nf = tanh e\ng = add f c1\n"
                "h = mul x g\ny = mul h half\n", "gelu approximate=tanh");
    check(test, "a = softplus x\nb = tanh a\ny = mul x b\n", "mish");
    check(test, "y = clip x c0 c6\n", "clip min=0 max=6");
    check(test, "a = neg x\nb = exp a\nc = add b c1\ny = reciprocal c\n", "sigmoid");
}

static void check_refused(pith_test *test)
{
    pith_test_case(test, "what is only nearly a function, and what others read, stays");
    pith_test_pass(test, &(pith_pass_check){
        passes, 2, PITH_STAGE_MODEL, 0.0,
        "input x f32[20]\n"
        "const c3 f32[]{3}\n"
        "const six f32[]{5.9}\n"
        "a = add x c3\n"
        "b = clip a | min=0 max=6\n"
        "c = mul x b\n"
        "d = div c six\n"
        "e = sigmoid d\n"
        "y = mul d e\n"
        "output y\n"
        "output e\n",
        "inputs %x:f32[20]\n"
        "%a:f32[20] = add(%x, %c3)\n"
        "%b:f32[20] = clip(%a) min=0 max=6\n"
        "%c:f32[20] = mul(%x, %b)\n"
        "%d:f32[20] = div(%c, %six)\n"
        "%e:f32[20] = sigmoid(%d)\n"
        "%y:f32[20] = mul(%d, %e)\n"
        "outputs %y:f32[20], %e:f32[20]\n" });
}

void test_fuse_patterns(pith_test *test)
{
    check_spellings(test);
    check_refused(test);
}
