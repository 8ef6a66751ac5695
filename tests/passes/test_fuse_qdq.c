/* SPDX-License-Identifier: Apache-2.0 */
/* Nests of dequantize, float operator, quantize become integer operators; results stay within one quantisation step,
 * where a sum next to a tie may be rounded the other way. */
#include "passes/rewrite.h"
#include "support/graph_text.h"

static void check(pith_test *test, const char *what, double tolerance, const char *before, const char *after)
{
    static const pith_pass *const passes[] = { &pithi_pass_merge_common, &pithi_pass_fuse_qdq,
                                               &pithi_pass_remove_identity, &pithi_pass_remove_dead };
    pith_test_case(test, "%s", what);
    pith_test_pass(test, &(pith_pass_check){ passes, 4, PITH_STAGE_MODEL, tolerance, before, after });
}

#define ACTIVATION                                                                                                   \
    "input x s8[1,4,5,5]{-128:128}\nconst xs f32[]{0.05}\nconst xz s8[]{3}\nf = dequantize_linear x xs xz\n"
#define RESULT "const ys f32[]{0.125}\nconst yz s8[]{-128}\n"

static void test_products(pith_test *test)
{
    check(test, "a convolution with bias and relu", 1.0,
          ACTIVATION RESULT
          "const w s8[6,4,3,3]{-128:128}\n"
          "const ws f32[6]{0.5}\n"
          "const wz s8[6]{0}\n"
          "const b s32[6]{-900:900}\n"
          "const bs f32[]{0.025}\n"
          "g = dequantize_linear w ws wz | axis=0\n"
          "h = dequantize_linear b bs\n"
          "c = conv f g h | strides=[2,2] pads=[1,1,1,1]\n"
          "r = relu c\n"
          "y = quantize_linear r ys yz\n"
          "output y\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%y:s8[1,6,3,3] = qlinear_conv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz, %b) pads=[1,1,1,1] strides=[2,2]\n"
          "outputs %y:s8[1,6,3,3]\n");
    check(test, "limits inside of the range stay as limits", 1.0,
          ACTIVATION
          "const ys f32[]{0.125}\n"
          "const yz s8[]{-28}\n"
          "const w s8[6,4,3,3]{-128:128}\n"
          "const ws f32[]{0.01}\n"
          "const wz s8[]{2}\n"
          "g = dequantize_linear w ws wz\n"
          "c = conv f g\n"
          "r = clip c | min=0 max=6\n"
          "y = quantize_linear r ys yz\n"
          "output y\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%y:s8[1,6,3,3] = qlinear_conv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz) low=-28 high=20\n"
          "outputs %y:s8[1,6,3,3]\n");
}

/* As torch writes them: biases stay floats. */
static void test_float_biases(pith_test *test)
{
    check(test, "a float bias is rounded to s32 with the scale of the sums", 1.0,
          ACTIVATION RESULT
          "const w s8[6,4,3,3]{-128:128}\nconst ws f32[6]{0.02}\nconst wz s8[6]{0}\nconst b f32[6]{-2:2}\n"
          "g = dequantize_linear w ws wz | axis=0\nc = conv f g b\ny = quantize_linear c ys yz\noutput y\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%y:s8[1,6,3,3] = qlinear_conv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz, %pith:0)\n"
          "outputs %y:s8[1,6,3,3]\n");
    check(test, "a row added to a product; a bias that doesn't fit s32 stays float", 1.0,
          "input x u8[4,9]{0:256}\nconst xs f32[]{0.05}\nconst xz u8[]{3}\nf = dequantize_linear x xs xz\n" RESULT
          "const w s8[9,5]{-128:128}\nconst ws f32[]{0.02}\nconst wz s8[]{0}\nconst b f32[5]{-2:2}\n"
          "g = dequantize_linear w ws wz\nm = matmul f g\nc = add m b\ny = quantize_linear c ys yz\n"
          "const v s8[9,5]{-128:128}\nconst vs f32[]{1e-12}\nh = dequantize_linear v vs\n"
          "d = gemm f h b\nz = quantize_linear d ys yz\noutput y\noutput z\n",
          "inputs %x:u8[4,9]\n"
          "%f:f32[4,9] = dequantize_linear(%x, %xs, %xz)\n"
          "%y:s8[4,5] = qlinear_matmul(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz, %pith:0)\n"
          "%h:f32[9,5] = dequantize_linear(%v, %vs)\n"
          "%d:f32[4,5] = gemm(%f, %h, %b)\n"
          "%z:s8[4,5] = quantize_linear(%d, %ys, %yz)\n"
          "outputs %y:s8[4,5], %z:s8[4,5]\n");
}

static void test_repeated_quantisation(pith_test *test)
{
    check(test, "a quantisation for each reader", 1.0,
          ACTIVATION RESULT
          "const w s8[6,4,3,3]{-128:128}\nconst ws f32[]{0.02}\nconst wz s8[]{0}\ng = dequantize_linear w ws wz\n"
          "c = conv f g\nq = quantize_linear c ys yz\nconst zs f32[]{0.125}\nconst zz s8[]{-128}\n"
          "p = quantize_linear c zs zz\na = dequantize_linear q ys yz\nb = dequantize_linear p zs zz\n"
          "y = sin a\nz = cos b\noutput y\noutput z\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%q:s8[1,6,3,3] = qlinear_conv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz)\n"
          "%a:f32[1,6,3,3] = dequantize_linear(%q, %ys, %yz)\n"
          "%y:f32[1,6,3,3] = sin(%a)\n"
          "%z:f32[1,6,3,3] = cos(%a)\n"
          "outputs %y:f32[1,6,3,3], %z:f32[1,6,3,3]\n");
}

#define TWO_MATRICES                                                                                                  \
    "input x u8[4,9]{0:256}\nconst xs f32[]{0.05}\nconst xz u8[]{3}\n"                                              \
    "input u u8[5,9]{0:256}\nconst us f32[]{0.03}\nconst uz u8[]{130}\n" RESULT

/* gemm as what products of two activations are: exporters make it of matrices. */
static void test_gemms_of_activations(pith_test *test)
{
    check(test, "gemm of two activations", 1.0,
          TWO_MATRICES "f = dequantize_linear x xs xz\ng = dequantize_linear u us uz\nm = gemm f g | transB=1\n"
          "y = quantize_linear m ys yz\noutput y\n",
          "inputs %x:u8[4,9], %u:u8[5,9]\n"
          "%y:s8[4,5] = qlinear_matmul(%x, %xs, %xz, %u, %us, %uz, %ys, %yz) trans_b=1\n"
          "outputs %y:s8[4,5]\n");
    check(test, "the same as an integer operator of the file, with a factor", 0.0,
          TWO_MATRICES "m = qlinear_gemm x xs xz u us uz - ys yz | transB=1 alpha=0.3 low=-100\n"
          "y = dequantize_linear m ys yz\noutput y\n",
          "inputs %x:u8[4,9], %u:u8[5,9]\n"
          "%m:s8[4,5] = qlinear_matmul(%x, %pith:0, %xz, %u, %us, %uz, %ys, %yz) trans_b=1 low=-100\n"
          "%y:f32[4,5] = dequantize_linear(%m, %ys, %yz)\n"
          "outputs %y:f32[4,5]\n");
    check(test, "and where nothing is dequantised", 0.0,
          TWO_MATRICES "y = qlinear_gemm x xs xz u us uz - ys yz | transB=1\noutput y\n",
          "inputs %x:u8[4,9], %u:u8[5,9]\n"
          "%y:s8[4,5] = qlinear_matmul(%x, %pith:0, %xz, %u, %us, %uz, %ys, %yz) trans_b=1\n"
          "outputs %y:s8[4,5]\n");
}

/* Of a batch that nobody knows, so nothing has found yet that the zero point is missing. */
static void test_incomplete_gemm(pith_test *test)
{
    int n_changes = 0;
    pith_test_case(test, "an integer gemm without the result's zero point is left to be refused");
    pith_graph *graph = pith_test_graph(test, "input x u8[-1,9]\nconst xs f32[]{0.05}\nconst xz u8[]{3}\n"
                                              "input u u8[5,9]\nconst us f32[]{0.03}\nconst uz u8[]{130}\n" RESULT
                                              "y = qlinear_gemm x xs xz u us uz - ys | transB=1\n"
                                              "f = dequantize_linear u us uz\noutput y\noutput f\n");
    TEST_OK(test, pithi_pass_fuse_qdq.run(graph, PITH_STAGE_MODEL, &n_changes));
    TEST_CHECK(test, n_changes == 0 && pithi_is(graph->first, "qlinear_gemm"));
    pithi_graph_destroy(graph);
}

static void test_other_products(pith_test *test)
{
    check(test, "gemm; the reshape in front moves to the integers", 1.0,
          ACTIVATION RESULT
          "const to s64[2]{1,100}\n"
          "const w s8[3,100]{-128:128}\n"
          "const ws f32[]{0.01}\n"
          "const wz s8[]{0}\n"
          "g = dequantize_linear w ws wz\n"
          "flat = reshape f to\n"
          "m = gemm flat g | transB=1\n"
          "y = quantize_linear m ys yz\n"
          "output y\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%pith:0:s8[1,100] = reshape(%x, %to)\n"
          "%y:s8[1,3] = qlinear_gemm(%pith:0, %xs, %xz, %w, %ws, %wz, -, %ys, %yz) transB=1\n"
          "outputs %y:s8[1,3]\n");
    check(test, "a float bias, a bias of another scale and results that others read stay float", 0.0,
          ACTIVATION RESULT
          "const w f32[6,4,3,3]\n"
          "const v s8[6,4,3,3]{-128:128}\n"
          "const vs f32[]{0.01}\n"
          "const b s32[6]{-900:900}\n"
          "const bs f32[]{0.25}\n"
          "g = dequantize_linear v vs\n"
          "h = dequantize_linear b bs\n"
          "c = conv f g h\n"
          "d = conv f g\n"
          "e = conv f w\n"
          "y = quantize_linear c ys yz\n"
          "z = quantize_linear d ys yz\n"
          "q = quantize_linear e ys yz\n"
          "output y\n"
          "output z\n"
          "output q\n"
          "output d\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%f:f32[1,4,5,5] = dequantize_linear(%x, %xs, %xz)\n"
          "%g:f32[6,4,3,3] = dequantize_linear(%v, %vs)\n"
          "%h:f32[6] = dequantize_linear(%b, %bs)\n"
          "%c:f32[1,6,3,3] = conv(%f, %g, %h)\n"
          "%d:f32[1,6,3,3] = conv(%f, %g)\n"
          "%e:f32[1,6,3,3] = conv(%f, %w)\n"
          "%y:s8[1,6,3,3] = quantize_linear(%c, %ys, %yz)\n"
          "%z:s8[1,6,3,3] = quantize_linear(%d, %ys, %yz)\n"
          "%q:s8[1,6,3,3] = quantize_linear(%e, %ys, %yz)\n"
          "outputs %y:s8[1,6,3,3], %z:s8[1,6,3,3], %q:s8[1,6,3,3], %d:f32[1,6,3,3]\n");
}

/* The table holds what the float operators give, so results are the same to the bit. */
static void test_functions_of_one_tensor(pith_test *test)
{
    check(test, "a limit that is computed is no number", 0.0,
          RESULT
          "input x s8[]{7}\nconst xs f32[]{0.05}\nconst xz s8[]{3}\nf = dequantize_linear x xs xz\n"
          "s = sigmoid f\n"
          "m = clip f s\n"
          "y = quantize_linear m ys yz\n"
          "output y\n",
          "inputs %x:s8[]\n"
          "%f:f32[] = dequantize_linear(%x, %xs, %xz)\n"
          "%s:f32[] = sigmoid(%f)\n"
          "%m:f32[] = clip(%f, %s)\n"
          "%y:s8[] = quantize_linear(%m, %ys, %yz)\n"
          "outputs %y:s8[]\n");
    check(test, "x * sigmoid(x), with quantised values in between", 0.0,
          ACTIVATION RESULT
          "const ps f32[]{0.00390625}\n"
          "s = sigmoid f\n"
          "a = quantize_linear s ps yz\n"
          "b = dequantize_linear a ps yz\n"
          "m = mul f b\n"
          "y = quantize_linear m ys yz\n"
          "output y\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%y:s8[1,4,5,5] = qlinear_lookup(%x, %pith:1)\n"
          "outputs %y:s8[1,4,5,5]\n");
    check(test, "the same in float, times a quantised number; two tensors are no function of one", 1.0,
          ACTIVATION RESULT
          "const k s8[]{9}\n"
          "input u s8[1,4,5,5]{-128:128}\n"
          "g = dequantize_linear u ys\n"
          "h = dequantize_linear k xs\n"
          "s = sigmoid f\n"
          "m = mul s f\n"
          "n = mul m h\n"
          "o = add n g\n"
          "y = quantize_linear n ys yz\n"
          "z = quantize_linear o ys yz\n"
          "output y\n"
          "output z\n",
          "inputs %x:s8[1,4,5,5], %u:s8[1,4,5,5]\n"
          "%f:f32[1,4,5,5] = dequantize_linear(%x, %xs, %xz)\n"
          "%g:f32[1,4,5,5] = dequantize_linear(%u, %ys)\n"
          "%h:f32[] = dequantize_linear(%k, %xs)\n"
          "%s:f32[1,4,5,5] = sigmoid(%f)\n"
          "%m:f32[1,4,5,5] = mul(%s, %f)\n"
          "%n:f32[1,4,5,5] = mul(%m, %h)\n"
          "%o:f32[1,4,5,5] = add(%n, %g)\n"
          "%y:s8[1,4,5,5] = qlinear_lookup(%x, %pith:0)\n"
          "%z:s8[1,4,5,5] = quantize_linear(%o, %ys, %yz)\n"
          "outputs %y:s8[1,4,5,5], %z:s8[1,4,5,5]\n");
}

static void test_others(pith_test *test)
{
    check(test, "sums, means, softmax", 1.0,
          ACTIVATION RESULT
          "input u s8[1,4,1,1]{-128:128}\n"
          "const ps f32[]{0.00390625}\n"
          "g = dequantize_linear u ys\n"
          "s = add f g\n"
          "a = quantize_linear s ys yz\n"
          "as = dequantize_linear a ys yz\n"
          "m = average_pool as | kernel_shape=[5,5]\n"
          "b = quantize_linear m ys yz\n"
          "bs = dequantize_linear b ys yz\n"
          "p = softmax bs | axis=1\n"
          "y = quantize_linear p ps yz\n"
          "output y\n",
          "inputs %x:s8[1,4,5,5], %u:s8[1,4,1,1]\n"
          "%a:s8[1,4,5,5] = qlinear_add(%x, %xs, %xz, %u, %ys, %pith:0, %ys, %yz)\n"
          "%b:s8[1,4,1,1] = qlinear_average_pool(%a, %ys, %yz, %ys, %yz) kernel_shape=[5,5]\n"
          "%y:s8[1,4,1,1] = qlinear_softmax(%b, %ys, %yz, %ps, %yz) axis=1\n"
          "outputs %y:s8[1,4,1,1]\n");
    check(test, "chains of functions are tables", 0.0,
          ACTIVATION RESULT
          "const third f32[]{0.3}\n"
          "a = sigmoid f\n"
          "b = mul a third\n"
          "c = tanh b\n"
          "y = quantize_linear c ys yz\n"
          "d = dequantize_linear y ys yz\n"
          "z = quantize_linear d xs xz\n"
          "output y\n"
          "output z\n",
          NULL);
    check(test, "quantised data move as they are; a concat brings them to one scale", 0.0,
          ACTIVATION RESULT
          "input u u8[1,2,5,5]{0:256}\n"
          "const us f32[]{0.25}\n"
          "const uz u8[]{9}\n"
          "g = dequantize_linear u us uz\n"
          "c = concat f g | axis=1\n"
          "t = transpose c | perm=[0,2,3,1]\n"
          "y = quantize_linear t xs xz\n"
          "output y\n",
          NULL);
}

/* With a product, the tolerance is one step; movement and tables are exact. */
static void test_conv_transpose(pith_test *test)
{
#define WEIGHTS                                                                                                      \
    "const w s8[4,6,3,3]{-128:128}\nconst ws f32[6]{0.004:0.01}\nconst wz s8[6]{0}\n"                                \
    "const b s32[6]{-900:900}\nconst bs f32[6]{0.0002}\ng = dequantize_linear w ws wz | axis=1\n"
    check(test, "a transposed convolution whose stride doesn't divide its window", 1.0,
          ACTIVATION RESULT WEIGHTS
          "c = conv_transpose f g | strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]\n"
          "y = quantize_linear c ys yz\n"
          "output y\n",
          NULL);
    check(test, "one with borders cut unevenly, and a relu", 1.0,
          ACTIVATION RESULT WEIGHTS
          "c = conv_transpose f g | strides=[3,3] pads=[0,1,1,0]\n"
          "r = relu c\n"
          "y = quantize_linear r ys yz\n"
          "output y\n",
          NULL);
    check(test, "one without any border becomes a convolution and depth_to_space", 1.0,
          ACTIVATION RESULT
          "const w u8[4,2,2,2]{0:256}\nconst ws f32[]{0.004}\nconst wz u8[]{128}\ng = dequantize_linear w ws wz\n"
          "c = conv_transpose f g | strides=[2,2]\n"
          "y = quantize_linear c ys yz\n"
          "output y\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%pith:1:s8[1,8,5,5] = qlinear_conv(%x, %xs, %xz, %pith:0, %ws, %wz, %ys, %yz) pads=[0,0,0,0]\n"
          "%y:s8[1,2,10,10] = depth_to_space(%pith:1) blocksize=2\n"
          "outputs %y:s8[1,2,10,10]\n");
    check(test, "one output with a bias", 1.0,
          ACTIVATION RESULT
          "const w s8[4,1,2,2]{-128:128}\nconst ws f32[1]{0.004}\nconst wz s8[1]{0}\n"
          "g = dequantize_linear w ws wz | axis=1\n"
          "const b s32[1]{700}\nconst bs f32[1]{0.0002}\nh = dequantize_linear b bs | axis=0\n"
          "c = conv_transpose f g h | strides=[2,2]\n"
          "y = quantize_linear c ys yz\n"
          "output y\n",
          NULL);
}

static void test_rows(pith_test *test)
{
    check(test, "a matmul with a row of s32 behind it, and one of two activations", 1.0,
          ACTIVATION RESULT
          "const w s8[5,7]{-128:128}\nconst ws f32[]{0.01}\nconst b s32[7]{-900:900}\nconst bs f32[]{0.0005}\n"
          "g = dequantize_linear w ws\n"
          "h = dequantize_linear b bs\n"
          "m = matmul f g\n"
          "s = add m h\n"
          "q = quantize_linear s ys yz\n"
          "d = dequantize_linear q ys yz\n"
          "t = matmul f d\n"
          "y = quantize_linear t ys yz\n"
          "output y\n",
          "inputs %x:s8[1,4,5,5]\n"
          "%q:s8[1,4,5,7] = qlinear_matmul(%x, %xs, %xz, %w, %ws, %pith:0, %ys, %yz, %b)\n"
          "%y:s8[1,4,5,7] = qlinear_matmul(%x, %xs, %xz, %q, %ys, %yz, %ys, %yz)\n"
          "outputs %y:s8[1,4,5,7]\n");
    check(test, "layer normalisation, slopes for each channel, a difference", 1.0,
          ACTIVATION RESULT
          "const scale f32[5]{0.5:2}\nconst shift f32[5]{-1:1}\nconst slope f32[4,1,1]{-1:1}\n"
          "n = layer_normalization f scale shift\n"
          "a = quantize_linear n ys yz\n"
          "as = dequantize_linear a ys yz\n"
          "p = prelu as slope\n"
          "b = quantize_linear p ys yz\n"
          "bs = dequantize_linear b ys yz\n"
          "s = sub bs as\n"
          "y = quantize_linear s ys yz\n"
          "output y\n",
          NULL);
    check(test, "means over rows and columns, with and without the dimensions", 1.0,
          ACTIVATION RESULT
          "const axes s64[2]{2,3}\nconst middle s64[2]{1,2}\n"
          "m = reduce_mean f axes | keepdims=0\n"
          "y = quantize_linear m xs xz\n"
          "n = reduce_mean f middle\n"
          "z = quantize_linear n xs xz\n"
          "output y\n"
          "output z\n",
          NULL);
}

static void test_movement(pith_test *test)
{
    check(test, "maxima, zeros around, nearest neighbours and pieces", 0.0,
          ACTIVATION
          "const pads s64[8]{0,0,1,1,0,0,1,1}\nconst scales f32[4]{1,1,2,2}\nconst pieces s64[2]{2}\n"
          "m = max_pool f | kernel_shape=[2,2]\n"
          "p = pad m pads\n"
          "r = resize p - scales | mode=nearest\n"
          "a b = split r pieces | axis=1\n"
          "y = quantize_linear a xs xz\n"
          "z = quantize_linear b xs xz\n"
          "output y\n"
          "output z\n",
          NULL);
    check(test, "linear interpolation at one scale", 1.0,
          ACTIVATION
          "const scales f32[4]{1,1,2,1.7}\n"
          "r = resize f - scales | mode=linear\n"
          "y = quantize_linear r xs xz\n"
          "output y\n",
          NULL);
}

#define WIDE                                                                                                           \
    "input x u16[1,6,5,5]{0:65536}\nconst xs f32[]{0.0001}\nconst xz u16[]{31000}\n"                                   \
    "f = dequantize_linear x xs xz\n"                                                                                 \
    "const ys f32[]{0.0005}\nconst yz u16[]{29000}\nconst vs f32[]{0.25}\nconst vz u8[]{110}\n"

static void test_wide(pith_test *test)
{
    check(test, "16 bits, through convolutions to 8 and back", 1.0,
          WIDE
          "const w s8[6,6,3,3]{-128:128}\nconst ws f32[6]{0.01}\nconst wz s8[6]{0}\nconst b s32[6]{-900:900}\n"
          "const bs f32[]{0.000001}\nconst d s8[6,1,3,3]{-128:128}\n"
          "g = dequantize_linear w ws wz | axis=0\n"
          "h = dequantize_linear b bs\n"
          "i = dequantize_linear d ws wz | axis=0\n"
          "c = conv f g h | pads=[1,1,1,1]\n"
          "r = relu c\n"
          "q = quantize_linear r vs vz\n"
          "k = dequantize_linear q vs vz\n"
          "e = conv k i | group=6\n"
          "y = quantize_linear e ys yz\n"
          "z = dequantize_linear y ys yz\n"
          "l = conv z g\n"
          "o = quantize_linear l ys yz\n"
          "output y\n"
          "output o\n",
          "inputs %x:u16[1,6,5,5]\n"
          "%q:u8[1,6,5,5] = qlinear_conv(%x, %xs, %xz, %w, %ws, %wz, %vs, %vz, %b) pads=[1,1,1,1] low=110 high=255\n"
          "%y:u16[1,6,3,3] = qlinear_conv(%q, %vs, %vz, %d, %ws, %wz, %ys, %yz) group=6\n"
          "%o:u16[1,6,1,1] = qlinear_conv(%y, %ys, %yz, %w, %ws, %wz, %ys, %yz)\n"
          "outputs %y:u16[1,6,3,3], %o:u16[1,6,1,1]\n");
    check(test, "sums, products, tables and means of 16 bits", 2.0,
          WIDE
          "const ps f32[]{0.0000153}\nconst pz u16[]{0}\n"
          "s = sigmoid f\n"
          "t = quantize_linear s ps pz\n"
          "u = dequantize_linear t ps pz\n"
          "m = mul f u\n"
          "n = quantize_linear m xs xz\n"
          "p = dequantize_linear n xs xz\n"
          "a = add p f\n"
          "b = quantize_linear a ys yz\n"
          "c = dequantize_linear b ys yz\n"
          "d = max_pool c | kernel_shape=[2,2]\n"
          "e = average_pool d | kernel_shape=[2,2]\n"
          "y = quantize_linear e vs vz\n"
          "g = global_average_pool c\n"
          "z = quantize_linear g ys yz\n"
          "output y\n"
          "output z\n",
          NULL);
    check(test, "products of matrices of 16 bits", 1.0,
          WIDE
          "const w s8[5,7]{-128:128}\nconst ws f32[]{0.01}\nconst b s32[7]{-9000:9000}\nconst bs f32[]{0.000001}\n"
          "g = dequantize_linear w ws\n"
          "h = dequantize_linear b bs\n"
          "m = matmul f g\n"
          "n = add m h\n"
          "y = quantize_linear n ys yz\n"
          "output y\n",
          NULL);
}

static void test_wide_tables(pith_test *test)
{
    check(test, "equal tables of 16 bits are one", 1.0,
          WIDE
          "const ps f32[]{0.0000153}\nconst pz u16[]{0}\n"
          "s = sigmoid f\n"
          "y = quantize_linear s ps pz\n"
          "t = tanh f\n"
          "u = quantize_linear t ps pz\n"
          "v = sigmoid f\n"
          "z = quantize_linear v ps pz\n"
          "output y\n"
          "output u\n"
          "output z\n",
          "inputs %x:u16[1,6,5,5]\n"
          "%y:u16[1,6,5,5] = qlinear_lookup(%x, %pith:0)\n"
          "%u:u16[1,6,5,5] = qlinear_lookup(%x, %pith:1)\n"
          "%z:u16[1,6,5,5] = qlinear_lookup(%x, %pith:0)\n"
          "outputs %y:u16[1,6,5,5], %u:u16[1,6,5,5], %z:u16[1,6,5,5]\n");
}

static void test_wide_conv_transpose(pith_test *test)
{
    check(test, "a transposed convolution of 16 bits whose stride doesn't divide its window", 1.0,
          WIDE
          "const w s8[6,4,3,3]{-128:128}\nconst ws f32[4]{0.004:0.01}\nconst wz s8[4]{0}\n"
          "g = dequantize_linear w ws wz | axis=1\n"
          "c = conv_transpose f g | strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]\n"
          "y = quantize_linear c ys yz\n"
          "output y\n",
          "inputs %x:u16[1,6,5,5]\n"
          "%pith:3:u16[1,16,6,6] = qlinear_conv(%x, %xs, %xz, %pith:0, %pith:1, %pith:2, %ys, %yz) pads=[1,1,1,1]\n"
          "%pith:4:u16[1,4,12,12] = depth_to_space(%pith:3) blocksize=2\n"
          "%y:u16[1,4,10,10] = slice(%pith:4, %pith:5, %pith:6, %pith:7)\n"
          "outputs %y:u16[1,4,10,10]\n");
    check(test, "one of 16 bits without any border becomes a convolution and depth_to_space", 1.0,
          WIDE
          "const w u8[6,2,2,2]{0:256}\nconst ws f32[]{0.004}\nconst wz u8[]{128}\ng = dequantize_linear w ws wz\n"
          "c = conv_transpose f g | strides=[2,2]\n"
          "y = quantize_linear c ys yz\n"
          "output y\n",
          "inputs %x:u16[1,6,5,5]\n"
          "%pith:1:u16[1,8,5,5] = qlinear_conv(%x, %xs, %xz, %pith:0, %ws, %wz, %ys, %yz) pads=[0,0,0,0]\n"
          "%y:u16[1,2,10,10] = depth_to_space(%pith:1) blocksize=2\n"
          "outputs %y:u16[1,2,10,10]\n");
}

void test_fuse_qdq(pith_test *test)
{
    test_wide(test);
    test_wide_tables(test);
    test_wide_conv_transpose(test);
    test_conv_transpose(test);
    test_rows(test);
    test_movement(test);
    test_products(test);
    test_float_biases(test);
    test_gemms_of_activations(test);
    test_incomplete_gemm(test);
    test_repeated_quantisation(test);
    test_other_products(test);
    test_functions_of_one_tensor(test);
    test_others(test);
}
