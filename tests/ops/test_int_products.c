/* SPDX-License-Identifier: Apache-2.0 */
/* Integer products whose operands are unusual, in sessions against the references. */
#include "support/graph_text.h"

typedef struct int_product {
    const char *what, *text;
    double tolerance;
} int_product;

static const int_product products[] = {
    { "one column, a scalar bias",
      "input a u8[3,8]{0:256}\nconst as f32[]{0.02}\nconst az u8[]{120}\nconst b s8[8,1]{-128:128}\n"
      "const bs f32[]{0.03}\nconst bz s8[]{-3}\nconst c s32[]{-500}\nconst ys f32[]{0.1}\nconst yz u8[]{100}\n"
      "y = qlinear_gemm a as az b bs bz c ys yz\noutput y\n", 0.0 },
    { "weights that aren't known before",
      "input x u8[2,6,9,8]{0:256}\ninput w s8[5,6,3,3]{-128:128}\nconst z u8[]{7}\n"
      "y = conv_integer x w z | pads=[1,1,1,1]\noutput y\n", 0.0 },
    { "no rows, and a zero point for each of them",
      "input a u8[0,3]\ninput b u8[3,4]\nconst z u8[0]\ny = matmul_integer a b z\noutput y\n", 0.0 },
    { "zero points of the weights that aren't known before",
      "input x u8[2,6,9,8]{0:256}\nconst w s8[5,6,3,3]{-128:128}\nconst z u8[]{7}\ninput v s8[5]{-3:3}\n"
      "y = conv_integer x w z v | pads=[1,1,1,1]\noutput y\n", 0.0 },
    { "long rows with floats behind: zero points of both, an offset, a residual, a function",
      "input x f32[2,12,9001]{-3:5}\nconst w u8[70,12,3]{0:256}\nconst wz u8[70]{99:160}\n"
      "const ws f32[1,70,1]{0.001:0.002}\nconst b f32[1,70,1]\ninput r f32[2,70,9001]\n"
      "q s z = dynamic_quantize_linear x\nm = conv_integer q w z wz | pads=[1,1]\nc = cast m | to=f32\n"
      "f = mul s ws\ng = mul c f\nh = add g b\ni = add h r\ny = relu i\noutput y\n", 1e-5 },
};

void test_int_products(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(products); i++) {
        pith_test_case(test, "%s", products[i].what);
        pith_test_run(test, products[i].text, 1, products[i].tolerance);
        pith_test_run(test, products[i].text, 3, products[i].tolerance);
    }
}
