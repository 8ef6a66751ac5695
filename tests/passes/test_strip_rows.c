/* SPDX-License-Identifier: Apache-2.0 */
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_strip_rows };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 1, PITH_STAGE_SHAPE, 2e-5, before, after });
}

static void check_cut(pith_test *test)
{
    check(test, "two strips of a large image, with a residual, padding of either kind, a stride and a dilation",
          "input x f32[1,260,512,16]\n"
          "input r f32[1,130,256,16]\n"
          "const v f32[16,1,3,3]\n"
          "const w f32[16,1,13,1]\n"
          "const b f32[16]\n"
          "a = conv x v b | channels_last=1 group=16 auto_pad=SAME_UPPER activation=3 dilations=[2,1]\n"
          "y = conv a w - r | channels_last=1 group=16 pads=[6,0,6,0] strides=[2,2]\n"
          "output y\n",
          "inputs %x:f32[1,260,512,16], %r:f32[1,130,256,16]\n"
          "%pith:3:f32[1,137,512,16] = slice(%x, %pith:0, %pith:1, %pith:2)\n"
          "%pith:4:f32[1,135,512,16] = conv(%pith:3, %v, %b) dilations=[2,1] group=16 pads=[2,1,0,1] "
          "channels_last=1 activation=3\n"
          "%pith:8:f32[1,65,256,16] = slice(%r, %pith:5, %pith:6, %pith:7)\n"
          "%pith:9:f32[1,65,256,16] = conv(%pith:4, %w, -, %pith:8) group=16 pads=[6,0,0,0] "
          "strides=[2,2] channels_last=1\n"
          "%pith:13:f32[1,138,512,16] = slice(%x, %pith:10, %pith:11, %pith:12)\n"
          "%pith:14:f32[1,136,512,16] = conv(%pith:13, %v, %b) dilations=[2,1] group=16 "
          "pads=[0,1,2,1] channels_last=1 activation=3\n"
          "%pith:18:f32[1,65,256,16] = slice(%r, %pith:15, %pith:16, %pith:17)\n"
          "%pith:19:f32[1,65,256,16] = conv(%pith:14, %w, -, %pith:18) group=16 pads=[0,0,5,0] "
          "strides=[2,2] channels_last=1\n"
          "%y:f32[1,130,256,16] = concat(%pith:9, %pith:19) axis=1\n"
          "outputs %y:f32[1,130,256,16]\n");
    check(test, "planes are read in strips as well",
          "input x f32[1,1,300,500]\n"
          "const v f32[16,1,3,3]\n"
          "const w f32[1,16,1,1]\n"
          "a = conv x v | channels_last=1 reads_planes=1 pads=[1,1,1,1]\n"
          "y = conv a w | channels_last=1\n"
          "output y\n",
          "inputs %x:f32[1,1,300,500]\n"
          "%pith:3:f32[1,1,113,500] = slice(%x, %pith:0, %pith:1, %pith:2)\n"
          "%pith:4:f32[1,112,500,16] = conv(%pith:3, %v) pads=[1,1,0,1] channels_last=1 reads_planes=1\n"
          "%pith:5:f32[1,112,500,1] = conv(%pith:4, %w) pads=[0,0,0,0] channels_last=1\n"
          "%pith:9:f32[1,1,114,500] = slice(%x, %pith:6, %pith:7, %pith:8)\n"
          "%pith:10:f32[1,112,500,16] = conv(%pith:9, %v) pads=[0,1,0,1] channels_last=1 reads_planes=1\n"
          "%pith:11:f32[1,112,500,1] = conv(%pith:10, %w) pads=[0,0,0,0] channels_last=1\n"
          "%pith:15:f32[1,1,77,500] = slice(%x, %pith:12, %pith:13, %pith:14)\n"
          "%pith:16:f32[1,76,500,16] = conv(%pith:15, %v) pads=[0,1,1,1] channels_last=1 reads_planes=1\n"
          "%pith:17:f32[1,76,500,1] = conv(%pith:16, %w) pads=[0,0,0,0] channels_last=1\n"
          "%y:f32[1,300,500,1] = concat(%pith:5, %pith:11, %pith:17) axis=1\n"
          "outputs %y:f32[1,300,500,1]\n");
}

static void check_long(pith_test *test)
{
    check(test, "the first layers that are worth it make a chain, those behind the next one",
          "input x f32[1,260,512,16]\n"
          "const w f32[16,1,25,1]\n"
          "a = conv x w | channels_last=1 group=16 pads=[12,0,12,0]\n"
          "b = conv a w | channels_last=1 group=16 pads=[12,0,12,0]\n"
          "c = conv b w | channels_last=1 group=16 pads=[12,0,12,0]\n"
          "y = conv c w | channels_last=1 group=16 pads=[12,0,12,0]\n"
          "output y\n",
          "inputs %x:f32[1,260,512,16]\n"
          "%pith:3:f32[1,166,512,16] = slice(%x, %pith:0, %pith:1, %pith:2)\n"
          "%pith:4:f32[1,154,512,16] = conv(%pith:3, %w) group=16 pads=[12,0,0,0] channels_last=1\n"
          "%pith:5:f32[1,142,512,16] = conv(%pith:4, %w) group=16 pads=[12,0,0,0] channels_last=1\n"
          "%pith:6:f32[1,130,512,16] = conv(%pith:5, %w) group=16 pads=[12,0,0,0] channels_last=1\n"
          "%pith:10:f32[1,166,512,16] = slice(%x, %pith:7, %pith:8, %pith:9)\n"
          "%pith:11:f32[1,154,512,16] = conv(%pith:10, %w) group=16 pads=[0,0,12,0] channels_last=1\n"
          "%pith:12:f32[1,142,512,16] = conv(%pith:11, %w) group=16 pads=[0,0,12,0] channels_last=1\n"
          "%pith:13:f32[1,130,512,16] = conv(%pith:12, %w) group=16 pads=[0,0,12,0] channels_last=1\n"
          "%c:f32[1,260,512,16] = concat(%pith:6, %pith:13) axis=1\n"
          "%y:f32[1,260,512,16] = conv(%c, %w) group=16 pads=[12,0,12,0] channels_last=1\n"
          "outputs %y:f32[1,260,512,16]\n");
}

static void check_padding(pith_test *test)
{
    check(test, "padding that attributes can't say stays automatic",
          "input x f32[1,260,512,16]\n"
          "const u f32[16,1,1,1]\n"
          "const l f32[16,1,13,1]\n"
          "a = conv x u | channels_last=1 group=16\n"
          "y = conv a l | channels_last=1 group=16 auto_pad=SAME_UPPER dilations=[1000000,1]\n"
          "output y\n",
          "inputs %x:f32[1,260,512,16]\n"
          "%a:f32[1,260,512,16] = conv(%x, %u) group=16 channels_last=1\n"
          "%y:f32[1,260,512,16] = conv(%a, %l) auto_pad=SAME_UPPER dilations=[1000000,1] group=16 channels_last=1\n"
          "outputs %y:f32[1,260,512,16]\n");
}

void test_strip_rows(pith_test *test)
{
    check_cut(test);
    check_long(test);
    check_padding(test);
    check(test, "what is small, read twice or seen by all rows stays",
          "input x f32[1,260,512,16]\n"
          "input s f32[1,100,100,16]\n"
          "const u f32[16,1,1,1]\n"
          "const l f32[16,1,3,1]\n"
          "a = conv x u | channels_last=1 group=16\n"
          "b = conv a u | channels_last=1 group=16\n"
          "c = add a a\n"
          "d = conv s u | channels_last=1 group=16\n"
          "e = conv d u | channels_last=1 group=16\n"
          "f = conv x l | channels_last=1 group=16 pads=[1,0,1,0]\n"
          "g = conv f l | channels_last=1 group=16 pads=[80,0,80,0] dilations=[80,1]\n"
          "output b\n"
          "output c\n"
          "output e\n"
          "output g\n",
          "inputs %x:f32[1,260,512,16], %s:f32[1,100,100,16]\n"
          "%a:f32[1,260,512,16] = conv(%x, %u) group=16 channels_last=1\n"
          "%b:f32[1,260,512,16] = conv(%a, %u) group=16 channels_last=1\n"
          "%c:f32[1,260,512,16] = add(%a, %a)\n"
          "%d:f32[1,100,100,16] = conv(%s, %u) group=16 channels_last=1\n"
          "%e:f32[1,100,100,16] = conv(%d, %u) group=16 channels_last=1\n"
          "%f:f32[1,260,512,16] = conv(%x, %l) group=16 pads=[1,0,1,0] channels_last=1\n"
          "%g:f32[1,260,512,16] = conv(%f, %l) dilations=[80,1] group=16 pads=[80,0,80,0] channels_last=1\n"
          "outputs %b:f32[1,260,512,16], %c:f32[1,260,512,16], %e:f32[1,100,100,16], %g:f32[1,260,512,16]\n");
}
