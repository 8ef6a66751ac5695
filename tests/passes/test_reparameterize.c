/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of published architectures become one convolution; results are compared with those of the branches. */
#include <stdio.h>

#include "support/graph_text.h"

static const pith_pass *const both[] = { &pithi_pass_reparameterize, &pithi_pass_remove_dead };

static void check(pith_test *test, const char *what, const char *before, const char *after)
{
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ both, 2, PITH_STAGE_MODEL, 1e-5, before, after });
}

#define NORM(n, c)                                                                                                   \
    "const g" n " f32[" c "]\nconst b" n " f32[" c "]\nconst m" n " f32[" c "]\nconst v" n " f32[" c "]{0.5:2}\n"
#define NORMALIZE(n, y, x) y " = batch_normalization " x " g" n " b" n " m" n " v" n "\n"

static void check_parallel(pith_test *test)
{
    check(test, "RepVGG: 3x3, 1x1 and identity, each with its normalisation, then ReLU",
          "input x f32[2,4,7,6]\n"
          "const w f32[4,4,3,3]\nconst u f32[4,4,1,1]\n" NORM("1", "4") NORM("2", "4") NORM("3", "4")
          "a = conv x w | pads=[1,1,1,1]\n" NORMALIZE("1", "b", "a")
          "c = conv x u\n" NORMALIZE("2", "d", "c") NORMALIZE("3", "e", "x")
          "f = add b d\n"
          "y = add f e | activation=3\n"
          "output y\n",
          "inputs %x:f32[2,4,7,6]\n"
          "%y:f32[2,4,7,6] = conv(%x, %pith:6, %pith:7) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] "
          "strides=[1,1] activation=3\n"
          "outputs %y:f32[2,4,7,6]\n");
    check(test, "the same with stride 2 in groups, odd sizes",
          "input x f32[1,4,7,9]\n"
          "const w f32[6,2,3,3]\nconst u f32[6,2,1,1]\nconst c f32[6]\n" NORM("1", "6") NORM("2", "6")
          "a = conv x w c | pads=[1,1,1,1] strides=[2,2] group=2\n" NORMALIZE("1", "b", "a")
          "d = conv x u | strides=[2,2] group=2\n" NORMALIZE("2", "e", "d")
          "y = sum b e\n"
          "output y\n",
          "inputs %x:f32[1,4,7,9]\n"
          "%y:f32[1,6,4,5] = conv(%x, %pith:4, %pith:5) dilations=[1,1] group=2 kernel_shape=[3,3] pads=[1,1,1,1] "
          "strides=[2,2]\n"
          "outputs %y:f32[1,6,4,5]\n");
    check(test, "ACNet: 3x3, 1x3 and 3x1",
          "input x f32[1,3,5,8]\n"
          "const w f32[4,3,3,3]\nconst h f32[4,3,1,3]\nconst v f32[4,3,3,1]\n"
          "a = conv x w | pads=[1,1,1,1]\n"
          "b = conv x h | pads=[0,1,0,1]\n"
          "c = conv x v | pads=[1,0,1,0]\n"
          "d = add b c\n"
          "y = sub a d\n"
          "output y\n",
          "inputs %x:f32[1,3,5,8]\n"
          "%y:f32[1,4,5,8] = conv(%x, %pith:0) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] strides=[1,1]\n"
          "outputs %y:f32[1,4,5,8]\n");
    check(test, "MobileOne: depthwise branches, a 1x1 one and the identity; automatic padding",
          "input x f32[1,6,8,8]\n"
          "const w f32[6,1,5,5]\nconst v f32[6,1,3,3]\nconst s f32[6,1,1,1]\n" NORM("1", "6")
          "a = conv x w | auto_pad=SAME_UPPER group=6\n"
          "b = conv x v | auto_pad=SAME_LOWER group=6\n"
          "c = conv x s | group=6\n" NORMALIZE("1", "d", "x")
          "e = add a b\nf = add c d\n"
          "y = add e f\n"
          "output y\n",
          "inputs %x:f32[1,6,8,8]\n"
          "%y:f32[1,6,8,8] = conv(%x, %pith:3, %pith:4) dilations=[1,1] group=6 kernel_shape=[5,5] "
          "pads=[2,2,2,2] strides=[1,1]\n"
          "outputs %y:f32[1,6,8,8]\n");
    check(test, "dilated taps that meet on one grid",
          "input x f32[1,2,9,9]\n"
          "const w f32[2,2,3,3]\nconst u f32[2,2,1,1]\n"
          "a = conv x w | pads=[2,2,2,2] dilations=[2,2]\n"
          "b = conv x u\n"
          "y = add a b\n"
          "output y\n",
          "inputs %x:f32[1,2,9,9]\n"
          "%y:f32[1,2,9,9] = conv(%x, %pith:0) dilations=[2,2] kernel_shape=[3,3] pads=[2,2,2,2] strides=[1,1]\n"
          "outputs %y:f32[1,2,9,9]\n");
}

static void check_sequence(pith_test *test)
{
    check(test, "1x1 convolutions in a row, a factor and an offset in between",
          "input x f32[1,4,5,5]\n"
          "const w f32[12,4,1,1]\nconst b f32[12]\nconst f f32[12,1,1]\nconst o f32[1,12,1,1]\n"
          "const v f32[4,12,1,1]\nconst c f32[4]\n"
          "d = conv x w b\ne = mul f d\ng = sub o e\nh = neg g\n"
          "y = conv h v c | activation=3\n"
          "output y\n",
          "inputs %x:f32[1,4,5,5]\n"
          "%y:f32[1,4,5,5] = conv(%x, %pith:6, %pith:7) dilations=[1,1] kernel_shape=[1,1] pads=[0,0,0,0] "
          "strides=[1,1] activation=3\n"
          "outputs %y:f32[1,4,5,5]\n");
    check(test, "ECBSR: 1x1 without a bias, then 3x3 with padding; a shortcut and slopes stay",
          "input x f32[1,4,6,5]\ninput r f32[1,4,6,5]\n"
          "const w f32[8,4,1,1]\nconst v f32[4,8,3,3]\nconst c f32[4]\n"
          "a = conv x w\n"
          "y = conv a v c r | pads=[1,1,1,1] activation=3\n"
          "output y\n",
          "inputs %x:f32[1,4,6,5], %r:f32[1,4,6,5]\n"
          "%y:f32[1,4,6,5] = conv(%x, %pith:0, %pith:1, %r) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] "
          "strides=[1,1] activation=3\n"
          "outputs %y:f32[1,4,6,5]\n");
    check(test, "padding that carries the bias: 1x1 with padding, then 3x3 without",
          "input x f32[1,4,6,5]\n"
          "const w f32[8,4,1,1]\nconst b f32[8]\nconst v f32[4,8,3,3]\nconst c f32[4]\n"
          "a = conv x w b | pads=[1,1,1,1]\n"
          "y = conv a v c\n"
          "output y\n",
          "inputs %x:f32[1,4,6,5]\n"
          "%y:f32[1,4,6,5] = conv(%x, %pith:0, %pith:1) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] "
          "strides=[1,1]\n"
          "outputs %y:f32[1,4,6,5]\n");
    check(test, "3x3 then 1x1, strides in both, groups that nest",
          "input x f32[1,8,9,10]\n"
          "const w f32[16,2,3,3]\nconst b f32[16]\nconst v f32[4,8,1,1]\n"
          "a = conv x w b | pads=[1,0,1,2] strides=[2,1] group=4\n"
          "y = conv a v | strides=[1,2] group=2\n"
          "output y\n",
          "inputs %x:f32[1,8,9,10]\n"
          "%y:f32[1,4,5,5] = conv(%x, %pith:0, %pith:1) dilations=[1,1] group=2 kernel_shape=[3,3] pads=[1,0,1,2] "
          "strides=[2,2]\n"
          "outputs %y:f32[1,4,5,5]\n");
    check(test, "one dimension: 3 taps after 1, stride and dilation",
          "input x f32[1,4,11]\n"
          "const w f32[9,4,1]\nconst v f32[4,9,3]\n"
          "a = conv x w | strides=[2]\n"
          "y = conv a v | pads=[2,2] dilations=[2]\n"
          "output y\n",
          "inputs %x:f32[1,4,11]\n"
          "%y:f32[1,4,6] = conv(%x, %pith:0) dilations=[4] kernel_shape=[3] pads=[4,4] strides=[2]\n"
          "outputs %y:f32[1,4,6]\n");
}

static void check_blocks(pith_test *test)
{
    check(test, "DBB: 3x3, 1x1, 1x1 - 3x3 and 1x1 - average",
          "input x f32[1,4,7,5]\n"
          "const w f32[4,4,3,3]\nconst u f32[4,4,1,1]\nconst p f32[4,4,1,1]\nconst q f32[4,4,3,3]\n"
          "const r f32[4,4,1,1]\n" NORM("1", "4") NORM("2", "4") NORM("3", "4") NORM("4", "4") NORM("5", "4")
          NORM("6", "4")
          "a = conv x w | pads=[1,1,1,1]\n" NORMALIZE("1", "b", "a")
          "c = conv x u\n" NORMALIZE("2", "d", "c")
          "e = conv x p | pads=[1,1,1,1]\n" NORMALIZE("3", "f", "e")
          "g = conv f q\n" NORMALIZE("4", "h", "g")
          "i = conv x r | pads=[1,1,1,1]\n" NORMALIZE("5", "j", "i")
          "k = average_pool j | kernel_shape=[3,3]\n" NORMALIZE("6", "l", "k")
          "n = add b d\no = add n h\n"
          "y = add o l\n"
          "output y\n",
          "inputs %x:f32[1,4,7,5]\n"
          "%y:f32[1,4,7,5] = conv(%x, %pith:16, %pith:17) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] "
          "strides=[1,1]\n"
          "outputs %y:f32[1,4,7,5]\n");
    check(test, "ECBSR: 3x3, 1x1 - 3x3, two Sobel branches, Laplacian, identity",
          "input x f32[1,4,6,9]\n"
          "const w f32[4,4,3,3]\nconst c f32[4]\nconst p f32[8,4,1,1]\nconst pb f32[8]\nconst q f32[4,8,3,3]\n"
          "const k1 f32[4,4,1,1]\nconst k2 f32[4,4,1,1]\nconst k3 f32[4,4,1,1]\nconst kb f32[4]\n"
          "const s1 f32[4,1,3,3]{1,0,-1,2,0,-2,1,0,-1,1,0,-1,2,0,-2,1,0,-1,2,0,-2,4,0,-4,2,0,-2,1,0,-1,2,0,-2,1,0,-1}\n"
          "const s2 f32[4,1,3,3]{1,2,1,0,0,0,-1,-2,-1,1,2,1,0,0,0,-1,-2,-1,1,2,1,0,0,0,-1,-2,-1,3,6,3,0,0,0,-3,-6,-3}\n"
          "const s3 f32[4,1,3,3]{0,1,0,1,-4,1,0,1,0,0,1,0,1,-4,1,0,1,0,0,2,0,2,-8,2,0,2,0,0,1,0,1,-4,1,0,1,0}\n"
          "a = conv x w c | pads=[1,1,1,1]\n"
          "b = conv x p pb | pads=[1,1,1,1]\nd = conv b q c\n"
          "e = conv x k1 kb | pads=[1,1,1,1]\nf = conv e s1 c | group=4\n"
          "g = conv x k2 kb | pads=[1,1,1,1]\nh = conv g s2 c | group=4\n"
          "i = conv x k3 kb | pads=[1,1,1,1]\nj = conv i s3 c | group=4\n"
          "l = add a d\nm = add l f\nn = add m h\no = add n j\n"
          "y = add o x\n"
          "output y\n",
          "inputs %x:f32[1,4,6,9]\n"
          "%y:f32[1,4,6,9] = conv(%x, %pith:10, %pith:11) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] "
          "strides=[1,1]\n"
          "outputs %y:f32[1,4,6,9]\n");
}

static void check_mixed(pith_test *test)
{
    check(test, "branches side by side, then 1x1",
          "input x f32[1,4,6,6]\n"
          "const w f32[6,4,3,3]\nconst z f32[6,2,1,1]\nconst b f32[6]\n"
          "a = conv x w b | pads=[1,1,1,1]\n"
          "c = average_pool x | kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1\n"
          "d = conv x z | group=2\n"
          "e = concat a c x d | axis=1\n"
          "const t f32[4,20,1,1]\n"
          "y = conv e t\n"
          "output y\n",
          "inputs %x:f32[1,4,6,6]\n"
          "%y:f32[1,4,6,6] = conv(%x, %pith:0, %pith:1) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] "
          "strides=[1,1]\n"
          "outputs %y:f32[1,4,6,6]\n");
    check(test, "a sum of sums with foreign terms: those of one source are folded",
          "input x f32[1,4,6,6]\ninput r f32[1,4,6,6]\n"
          "const w f32[4,4,3,3]\nconst u f32[4,4,1,1]\n"
          "a = conv x w | pads=[1,1,1,1]\n"
          "b = relu x\n"
          "c = sub r a\n"
          "d = conv x u\n"
          "e = add c d\n"
          "y = sub b e | activation=3\n"
          "output y\n",
          "inputs %x:f32[1,4,6,6], %r:f32[1,4,6,6]\n"
          "%b:f32[1,4,6,6] = relu(%x)\n"
          "%pith:1:f32[1,4,6,6] = conv(%x, %pith:0) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] strides=[1,1]\n"
          "%e:f32[1,4,6,6] = add(%pith:1, %r)\n"
          "%y:f32[1,4,6,6] = sub(%b, %e) activation=3\n"
          "outputs %y:f32[1,4,6,6]\n");
}

/* As exporters write `y[:, :, 0:1, :] = bias` and so on, for all rows and columns of the border. */
static void check_frame(pith_test *test)
{
#define FRAMED(pads, last)                                                                                           \
    "input x f32[1,1,2,2]\nconst w f32[2,1,1,1]\nconst b f32[2]{0.25,-4}\nconst v f32[1,2,3,3]\n"                    \
    "const p s64[8]{" pads "}\nconst row s64[2,1]{0,3}\nconst rows f32[2,1,2,4]{0.25,0.25,0.25,0.25,-4,-4,-4,-4,"   \
    "0.25,0.25,0.25,0.25,-4,-4,-4," last "}\n"                                                                       \
    "a = conv x w b\nc = pad a p\n"                                                                                  \
    "d = transpose c | perm=[2,0,1,3]\ne = scatter_nd d row rows\nf = transpose e | perm=[1,2,0,3]\n"                \
    "g = transpose f | perm=[3,0,1,2]\nh = scatter_nd g row rows\ni = transpose h | perm=[1,2,3,0]\n"                \
    "y = conv i v\noutput y\n"
    check(test, "padding that is overwritten with the bias", FRAMED("0,0,1,1,0,0,1,1", "-4"),
          "inputs %x:f32[1,1,2,2]\n"
          "%y:f32[1,1,2,2] = conv(%x, %pith:0, %pith:1) dilations=[1,1] kernel_shape=[3,3] pads=[1,1,1,1] "
          "strides=[1,1]\n"
          "outputs %y:f32[1,1,2,2]\n");
    pith_test_case(test, "padding of which one element isn't the bias");
    pith_test_pass(test, &(pith_pass_check){ both, 2, PITH_STAGE_MODEL, 1e-5, FRAMED("0,0,1,1,0,0,1,1", "-3"), NULL });
    pith_test_case(test, "an assignment that reaches into the image");
    pith_test_pass(test, &(pith_pass_check){ both, 2, PITH_STAGE_MODEL, 1e-5, FRAMED("0,0,0,1,0,0,2,1", "-4"), NULL });
}

/* Results stay the same, and one node is left. */
static void check_one_left(pith_test *test, const char *text)
{
    int n_changes = 0;
    pith_test_pass(test, &(pith_pass_check){ both, 2, PITH_STAGE_MODEL, 1e-5, text, NULL });
    pith_graph *graph = pith_test_graph(test, text);
    if (graph) {
        TEST_OK(test, pithi_graph_infer(graph));
        TEST_OK(test, pithi_pass_reparameterize.run(graph, PITH_STAGE_MODEL, &n_changes));
        TEST_CHECK_MESSAGE(test, graph->n_nodes == 1, "%d nodes are left of\n%s", graph->n_nodes, text);
    }
    pithi_graph_destroy(graph);
}

/* One of 1 to n. */
static int draw(pith_test *test, int n) { return 1 + (int)(pith_test_random(test) % (uint64_t)n); }

/* Geometry and groups by chance. The middle is wide, so that folding pays. What is behind pads only where what is
 * in front is a point without a bias. */
static void check_random_sequences(pith_test *test)
{
    for (int i = 0; i < 40; i++) {
        char text[800];
        pith_test_case(test, "random sequence %d", i);
        int group = draw(test, 2), outer_group = draw(test, 2), k = draw(test, 3), j = draw(test, 3);
        int pad = draw(test, 3) - 1, outer_pad = k > 1 ? 0 : draw(test, 3) - 1;
        snprintf(text, sizeof text,
                 "input x f32[2,4,%d,%d]\nconst w f32[24,%d,%d,%d]\nconst b f32[24]\nconst v f32[4,%d,%d,1]\n"
                 "a = conv x w%s | group=%d pads=[%d,0,%d,%d] strides=[%d,%d] dilations=[%d,1]\n"
                 "c = conv a v | group=%d pads=[%d,0,%d,0] strides=[1,%d] dilations=[%d,1]\noutput c\n",
                 14 + draw(test, 4), 12 + draw(test, 4), 4 / group, k, k, 24 / outer_group, j,
                 outer_pad > 0 ? "" : " b", group, pad, k - 1, pad, draw(test, 2), draw(test, 2), draw(test, 2),
                 outer_group, outer_pad, outer_pad / 2, draw(test, 2), draw(test, 2));
        check_one_left(test, text);
    }
}

/* Kernels, dilations and padding by chance that give the same size, beside a kernel that covers them all. */
static void check_random_branches(pith_test *test)
{
    for (int i = 0; i < 40; i++) {
        char text[800];
        int kernel[2], dilation[2], begin[2], end[2], stride = draw(test, 2);
        pith_test_case(test, "random branches %d", i);
        for (int k = 0; k < 2; k++) {
            kernel[k] = draw(test, 3);
            dilation[k] = draw(test, 2);
            int extent = (kernel[k] - 1) * dilation[k];
            begin[k] = draw(test, extent + 1) - 1;
            end[k] = extent - begin[k];
        }
        snprintf(text, sizeof text,
                 "input x f32[1,4,%d,11]\nconst w f32[6,4,9,1]\nconst u f32[6,2,%d,1]\nconst v f32[6,4,%d,1]\n"
                 "const b f32[6]\n"
                 "a = conv x w b | pads=[4,0,4,0] strides=[%d,1]\n"
                 "c = conv x u | pads=[%d,0,%d,0] strides=[%d,1] dilations=[%d,1] group=2\n"
                 "d = conv x v b | pads=[%d,0,%d,0] strides=[%d,1] dilations=[%d,1]\n"
                 "e = sub a c\ny = sum d e\noutput y\n",
                 8 + draw(test, 5), kernel[0], kernel[1], stride, begin[0], end[0], stride, dilation[0], begin[1],
                 end[1], stride, dilation[1]);
        check_one_left(test, text);
    }
}

static void check_refused(pith_test *test)
{
    check(test, "1x1 with a bias, then 3x3 with padding; averages of what lies inside; other borders",
          "input x f32[1,4,6,6]\n"
          "const w f32[8,4,1,1]\nconst b f32[8]\nconst v f32[4,8,3,3]\nconst s f32[8,4,3,3]\n"
          "a = conv x w b\n"
          "c = conv a v | pads=[1,1,1,1]\n"
          "d = conv x s | pads=[1,1,1,1]\n"
          "e = conv d v | pads=[1,1,1,1]\n"
          "f = average_pool x | kernel_shape=[3,3] pads=[1,1,1,1]\n"
          "const u f32[4,4,3,3]\n"
          "g = conv x u | pads=[1,1,1,1]\n"
          "h = add f g\n"
          "output c\noutput e\noutput h\n",
          "inputs %x:f32[1,4,6,6]\n"
          "%a:f32[1,8,6,6] = conv(%x, %w, %b)\n"
          "%c:f32[1,4,6,6] = conv(%a, %v) pads=[1,1,1,1]\n"
          "%d:f32[1,8,6,6] = conv(%x, %s) pads=[1,1,1,1]\n"
          "%e:f32[1,4,6,6] = conv(%d, %v) pads=[1,1,1,1]\n"
          "%f:f32[1,4,6,6] = average_pool(%x) kernel_shape=[3,3] pads=[1,1,1,1]\n"
          "%g:f32[1,4,6,6] = conv(%x, %u) pads=[1,1,1,1]\n"
          "%h:f32[1,4,6,6] = add(%f, %g)\n"
          "outputs %c:f32[1,4,6,6], %e:f32[1,4,6,6], %h:f32[1,4,6,6]\n");
    check(test, "what would cost more: a bottleneck, depthwise then 1x1, two dilations; other readers; activations",
          "input x f32[1,8,6,6]\n"
          "const w f32[2,8,1,1]\nconst v f32[8,2,1,1]\nconst s f32[8,1,3,3]\nconst t f32[8,8,1,1]\n"
          "const u f32[8,8,3,3]\n"
          "a = conv x w\nb = conv a v\n"
          "c = conv b s | group=8 pads=[1,1,1,1]\nd = conv c t\n"
          "e = conv d u | pads=[1,1,1,1]\nf = conv d u | pads=[2,2,2,2] dilations=[2,2]\n"
          "g = add e f\n"
          "h = conv g t | activation=3\ni = conv h t\nj = conv i t\n"
          "output j\noutput i\n",
          "inputs %x:f32[1,8,6,6]\n"
          "%a:f32[1,2,6,6] = conv(%x, %w)\n"
          "%b:f32[1,8,6,6] = conv(%a, %v)\n"
          "%c:f32[1,8,6,6] = conv(%b, %s) group=8 pads=[1,1,1,1]\n"
          "%d:f32[1,8,6,6] = conv(%c, %t)\n"
          "%e:f32[1,8,6,6] = conv(%d, %u) pads=[1,1,1,1]\n"
          "%f:f32[1,8,6,6] = conv(%d, %u) dilations=[2,2] pads=[2,2,2,2]\n"
          "%g:f32[1,8,6,6] = add(%e, %f)\n"
          "%h:f32[1,8,6,6] = conv(%g, %t) activation=3\n"
          "%i:f32[1,8,6,6] = conv(%h, %t)\n"
          "%j:f32[1,8,6,6] = conv(%i, %t)\n"
          "outputs %j:f32[1,8,6,6], %i:f32[1,8,6,6]\n");
}

void test_reparameterize(pith_test *test)
{
    check_parallel(test);
    check_sequence(test);
    check_blocks(test);
    check_mixed(test);
    check_frame(test);
    check_random_sequences(test);
    check_random_branches(test);
    check_refused(test);
}
