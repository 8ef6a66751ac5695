/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ (const pith_pass *const[]){ &pithi_pass_read_planes }, 1,
                                             PITH_STAGE_SHAPE, 2e-5, before, after });
}

static void check_pool(pith_test *test)
{
    check(test, "max pooling of few channels works on planes, unless its result is as large",
          "input x f32[1,3,16,20]\n"
          "l = transpose x | perm=[0,2,3,1]\n"
          "y = max_pool l | channels_last=1 kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]\n"
          "z = max_pool l | channels_last=1 kernel_shape=[3,3] pads=[1,1,1,1]\n"
          "output y\n"
          "output z\n",
          "inputs %x:f32[1,3,16,20]\n"
          "%l:f32[1,16,20,3] = transpose(%x) perm=[0,2,3,1]\n"
          "%pith:0:f32[1,3,8,10] = max_pool(%x) kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]\n"
          "%y:f32[1,8,10,3] = transpose(%pith:0) perm=[0,2,3,1]\n"
          "%z:f32[1,16,20,3] = max_pool(%l) kernel_shape=[3,3] pads=[1,1,1,1] channels_last=1\n"
          "outputs %y:f32[1,8,10,3], %z:f32[1,16,20,3]\n");
}

void test_read_planes(pith_test *test)
{
    static const char first_layer[] = "input x f32[2,3,17,40]\n"
                                      "const w f32[18,3,3,3]\n"
                                      "const b f32[18]\n"
                                      "l = transpose x | perm=[0,2,3,1]\n"
                                      "y = conv l w b | channels_last=1 strides=[2,2] pads=[1,1,1,1] activation=3\n"
                                      "output y\n";
    check(test, "a first layer reads the image itself", first_layer,
          "inputs %x:f32[2,3,17,40]\n"
          "%l:f32[2,17,40,3] = transpose(%x) perm=[0,2,3,1]\n"
          "%y:f32[2,9,20,18] = conv(%x, %w, %b) pads=[1,1,1,1] strides=[2,2] channels_last=1 activation=3 "
          "reads_planes=1\n"
          "outputs %y:f32[2,9,20,18]\n");
    pith_test_case(test, "a session with a first layer");
    pith_test_run(test, first_layer, 3, 1e-5);
    pith_test_case(test, "a session whose first layer widens the image for a depthwise one");
    pith_test_run(test, "input x f32[1,3,112,120]\n"
                        "const w f32[18,3,1,1]\n"
                        "const d f32[18,1,3,3]\n"
                        "const p f32[4,18,1,1]\n"
                        "a = conv x w | activation=3\n"
                        "b = conv a d | group=18 pads=[1,1,1,1] activation=3\n"
                        "y = conv b p\n"
                        "output y\n", 3, 1e-5);
    check(test, "many channels, groups, long steps, other transpositions and moving weights stay",
          "input x f32[1,3,9,9]\n"
          "input z f32[1,5,9,9]\n"
          "input m f32[4,3,3,3]\n"
          "const w f32[4,3,3,3]\n"
          "const v f32[4,5,3,3]\n"
          "const g f32[3,1,3,3]\n"
          "l = transpose x | perm=[0,2,3,1]\n"
          "t = transpose x | perm=[0,3,2,1]\n"
          "k = transpose z | perm=[0,2,3,1]\n"
          "a = conv k v | channels_last=1\n"
          "b = conv l g | channels_last=1 group=3\n"
          "c = conv l w | channels_last=1 strides=[3,3]\n"
          "d = conv t w | channels_last=1\n"
          "e = conv l m | channels_last=1\n"
          "output a\n"
          "output b\n"
          "output c\n"
          "output d\n"
          "output e\n",
          "inputs %x:f32[1,3,9,9], %z:f32[1,5,9,9], %m:f32[4,3,3,3]\n"
          "%l:f32[1,9,9,3] = transpose(%x) perm=[0,2,3,1]\n"
          "%t:f32[1,9,9,3] = transpose(%x) perm=[0,3,2,1]\n"
          "%k:f32[1,9,9,5] = transpose(%z) perm=[0,2,3,1]\n"
          "%a:f32[1,7,7,4] = conv(%k, %v) channels_last=1\n"
          "%b:f32[1,7,7,3] = conv(%l, %g) group=3 channels_last=1\n"
          "%c:f32[1,3,3,4] = conv(%l, %w) strides=[3,3] channels_last=1\n"
          "%d:f32[1,7,7,4] = conv(%t, %w) channels_last=1\n"
          "%e:f32[1,7,7,4] = conv(%l, %m) channels_last=1\n"
          "outputs %a:f32[1,7,7,4], %b:f32[1,7,7,3], %c:f32[1,3,3,4], %d:f32[1,7,7,4], %e:f32[1,7,7,4]\n");
    check_pool(test);
}
