/* SPDX-License-Identifier: Apache-2.0 */
/* Which values of two networks pith_diagnose() compares. */
#include "export/export.h"
#include "pith/diagnose.h"
#include "support/graph_text.h"
#include "support/onnx_file.h"

#define FLOAT_PATH PITH_BINARY_DIR "/partners_float.onnx"
#define INT_PATH   PITH_BINARY_DIR "/partners_int8.onnx"

#define PAIR(from, to, scale) \
    "const " to "_s f32[]{" scale "}\nconst " to "_z u8[]{128}\n" \
    to "_q = quantize_linear " from " " to "_s " to "_z\n" to " = dequantize_linear " to "_q " to "_s " to "_z\n"
#define LAYERS \
    "input x f32[1,3,12,12]\nconst w1 f32[8,3,3,3]{-0.4:0.4}\na = conv x w1\nconst w2 f32[4,8,1,1]{-0.5:0.5}\n"

enum { N_ELEMENTS = 3 * 12 * 12 };

/* `user`: N_ELEMENTS floats, which each sample overwrites. */
static pith_status read_wave(void *user, int index, pith_tensor *inputs)
{
    float *elements = user;
    for (int i = 0; i < N_ELEMENTS; i++) {
        elements[i] = (float)((i * 37 + index * 11) % 101) / 50.0f - 1.0f;
    }
    inputs[0] = (pith_tensor){ PITH_DTYPE_F32, { 4, { 1, 3, 12, 12 } }, elements };
    return PITH_OK;
}

/* Of two HardSwish the quantiser took the second one apart. */
void test_diagnose_partners(pith_test *test)
{
    static const char floats_text[] = LAYERS "h = hard_swish a\nb = conv h w2\nk = hard_swish b\n"
        "const w3 f32[4,4,1,1]{-0.5:0.5}\ny = conv k w3\noutput y\n";
    static const char twin_text[] = LAYERS PAIR("a", "ad", "0.03") "h = hard_swish ad\n" PAIR("h", "hd", "0.03")
        "b = conv hd w2\n" PAIR("b", "bd", "0.03") "g = hard_sigmoid bd | alpha=0.16666667 beta=0.5\n"
        PAIR("g", "gd", "0.004") "k = mul bd gd\n" PAIR("k", "kd", "0.03") "const w3 f32[4,4,1,1]{-0.5:0.5}\n"
        "y = conv kd w3\noutput y\n";
    const pith_diagnose_options how = { .n_threads = 1 };
    float elements[N_ELEMENTS];
    const pith_samples samples = { read_wave, elements, 8 };
    pith_diagnose_report *report = NULL;
    pith_test_case(test, "of two functions the quantiser took one apart");
    const uint64_t random = test->random; /* for the same weights */
    pith_graph *floats = pith_test_graph(test, floats_text);
    test->random = random;
    pith_graph *twin = pith_test_graph(test, twin_text);
    if (floats && twin) {
        pith_test_save_onnx(test, floats, FLOAT_PATH);
        pith_test_save_onnx(test, twin, INT_PATH);
        TEST_OK(test, pith_diagnose(test->ctx, FLOAT_PATH, INT_PATH, &how, &samples, &report));
        TEST_CHECK_MESSAGE(test, report && report->n_unmatched == 0, "%s has no partner",
                           report && report->n_unmatched > 0 ? report->unmatched[0].name : "nothing");
        pith_diagnose_report_destroy(report);
    }
    pithi_graph_destroy(floats);
    pithi_graph_destroy(twin);
}
