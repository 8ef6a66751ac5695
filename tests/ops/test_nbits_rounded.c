/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_nbits with accuracy_level 4: rows rounded to 8 bits, within what that rounding costs of the reference's
 * floats, and the same bits for any number of threads. */
#include "support/graph_text.h"

void test_nbits_rounded(pith_test *test)
{
    static const char *const texts[] = {
        "input a f32[1,256]\nconst b u8[300,8,16]{0:256}\nconst s f32[300,8]{0.001:0.002}\n"
        "y = matmul_nbits a b - - s | K=256 N=300 block_size=32 accuracy_level=4\noutput y\n",
        "input a f32[2,3,200]\nconst b u8[70,7,16]{0:256}\nconst s f32[70,7]{0.001:0.002}\nconst z u8[70,4]{0:256}\n"
        "const c f32[70]\n"
        "y = matmul_nbits a b c - s z | K=200 N=70 block_size=32 accuracy_level=4 activation=3\noutput y\n",
        "input a f32[50,96]\ninput r f32[50,33]\nconst b u8[33,6,16]{0:256}\nconst s f32[33,6]{0.0001:0.0002}\n"
        "const z u8[33,6]{0:256}\n"
        "y = matmul_nbits a b - r s z | K=96 N=33 bits=8 block_size=16 accuracy_level=4\noutput y\n",
        "input a f32[3,64]\nconst b u8[20,2,8]{0:256}\nconst s f32[20,2]{0.01:0.02}\n"
        "y = matmul_nbits a b - - s | K=64 N=20 bits=2 block_size=32 accuracy_level=4\noutput y\n",
    };
    /* Packed once for each list: the same codes mean other numbers. */
    static const char shared[] =
        "input a f32[3,64]\nconst b u8[20,2,16]{0:256}\nconst s f32[20,2]{0.01:0.02}\nconst t f32[20,2]{0.5:0.9}\n"
        "const z u8[20,1]{0:256}\nconst v u8[20,1]{0:256}\nconst g s32[64]{0:2}\nconst h s32[64]{0:2}\n"
        "c = matmul_nbits a b - - s | K=64 N=20 block_size=32\n"
        "d = matmul_nbits a b - - t | K=64 N=20 block_size=32\n"
        "e = matmul_nbits a b - - s z | K=64 N=20 block_size=32\n"
        "f = matmul_nbits a b - - s v | K=64 N=20 block_size=32\n"
        "i = matmul_nbits a b - - s - g | K=64 N=20 block_size=32\n"
        "j = matmul_nbits a b - - s - h | K=64 N=20 block_size=32\n"
        "output c\noutput d\noutput e\noutput f\noutput i\noutput j\n";
    pith_test_case(test, "weights shared by products with other scales, zero points and groups");
    pith_test_run(test, shared, 1, 1e-4);
    for (int i = 0; i < PITH_COUNT(texts); i++) {
        pith_test_case(test, "%d", i);
        pith_test_run(test, texts[i], 1, 2e-2);
        pith_test_run(test, texts[i], 3, 2e-2);
    }
}
