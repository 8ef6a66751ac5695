/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_fuse_separable, &pithi_pass_remove_dead,
                                               &pithi_pass_fuse_pool };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 3, PITH_STAGE_SHAPE, 2e-5, before, after });
}

static void check_kinds(pith_test *test)
{
    check(test, "max pooling of windows side by side comes along, other pooling doesn't",
          "input x f32[1,65,65,48]\n"
          "const d f32[48,1,3,3]\n"
          "const p f32[49,48,1,1]\n"
          "a = conv x d | channels_last=1 group=48 pads=[1,1,1,1]\n"
          "b = conv a p | channels_last=1 activation=3\n"
          "y = max_pool b | channels_last=1 kernel_shape=[2,2] strides=[2,2]\n"
          "c = conv x d | channels_last=1 group=48 pads=[1,1,1,1]\n"
          "z = max_pool c | channels_last=1 kernel_shape=[3,3] strides=[3,3]\n"
          "e = conv x d | channels_last=1 group=48 pads=[1,1,1,1]\n"
          "v = max_pool e | channels_last=1 kernel_shape=[2,2] strides=[2,2] ceil_mode=1\n"
          "f = conv x d | channels_last=1 group=48 pads=[1,1,1,1]\n"
          "w = max_pool f | channels_last=1 kernel_shape=[3,3] strides=[2,2]\n"
          "output y\n"
          "output z\n"
          "output v\n"
          "output w\n",
          "inputs %x:f32[1,65,65,48]\n"
          "%y:f32[1,32,32,49] = separable_conv(%x, %d, -, -, -, -, %p, -) pads=[1,1,1,1] activation=3 pool=2\n"
          "%z:f32[1,21,21,48] = separable_conv(%x, %d, -, -, -, -, -, -) pads=[1,1,1,1] pool=3\n"
          "%e:f32[1,65,65,48] = conv(%x, %d) group=48 pads=[1,1,1,1] channels_last=1\n"
          "%v:f32[1,33,33,48] = max_pool(%e) kernel_shape=[2,2] strides=[2,2] ceil_mode=1 channels_last=1\n"
          "%f:f32[1,65,65,48] = conv(%x, %d) group=48 pads=[1,1,1,1] channels_last=1\n"
          "%w:f32[1,32,32,48] = max_pool(%f) kernel_shape=[3,3] strides=[2,2] channels_last=1\n"
          "outputs %y:f32[1,32,32,49], %z:f32[1,21,21,48], %v:f32[1,33,33,48], %w:f32[1,32,32,48]\n");
}

/* All passes: what comes behind the pool stays behind it. */
static void check_behind(pith_test *test)
{
    static const struct {
        const char *what, *text;
    } graphs[] = {
        { "a function that falls", "c = hard_swish b\n" },
        { "a change of sign", "c = neg b\n" },
        { "a falling line, then a function", "c = leaky_relu b | alpha=-0.5\n" },
        { "slopes per channel", "const s f32[48,1,1]{-1:1}\nc = prelu b s\n" },
        { "a factor per channel", "const s f32[48,1,1]{-1:1}\nc = mul b s\n" },
        { "a sum", "r = average_pool x | kernel_shape=[2,2] strides=[2,2]\ng = add b r\nc = conv g p\n" },
        { "a sum and a function", "input r f32[1,48,32,32]\ng = add r b\nc = hard_swish g\n" },
    };
    for (int i = 0; i < PITH_COUNT(graphs); i++) {
        char text[600];
        pith_test_case(test, "behind the pool: %s", graphs[i].what);
        for (int is_separable = 0; is_separable < 2; is_separable++) {
            snprintf(text, sizeof text,
                     "input x f32[1,48,64,64]\nconst d f32[48,1,3,3]\nconst p f32[48,48,1,1]{-0.2:0.2}\n"
                     "a = conv x d | group=48 pads=[1,1,1,1]\n%sb = max_pool %s | kernel_shape=[2,2] strides=[2,2]\n"
                     "%soutput c\n",
                     is_separable ? "e = conv a p\n" : "", is_separable ? "e" : "a", graphs[i].text);
            pith_test_run(test, text, 1, 1e-5);
        }
    }
}

void test_fuse_pool(pith_test *test)
{
    check_kinds(test);
    check_behind(test);
}
