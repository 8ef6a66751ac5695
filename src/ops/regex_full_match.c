/* SPDX-License-Identifier: Apache-2.0 */
/* regex_full_match: true where the whole string matches `pattern`, in RE2's syntax. ONNX RegexFullMatch. */
#include "ops/sample.h"
#include "ops/shared_regex.h"

typedef struct regex_full_match_attrs {
    const char *pattern;
} regex_full_match_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_STRING(regex_full_match_attrs, pattern, "pattern") };

static const char *pattern_of(const void *attrs)
{
    const char *pattern = ((const regex_full_match_attrs *)attrs)->pattern;
    return pattern ? pattern : "";
}

/* The machine is made anew for each run, in run->shared: that takes less than matching. */
static void ref(const pith_run *run)
{
    pithi_regex regex;
    const char *fault;
    size_t place;
    const pith_string *x = run->inputs[0].data;
    uint8_t *y = run->outputs[0].data;
    if (!pithi_regex_compile(pattern_of(run->attrs), &regex, NULL, &fault, &place) ||
        !pithi_regex_compile(pattern_of(run->attrs), &regex, run->shared, &fault, &place)) {
        pithi_run_fault(run, "%s", fault);
        return;
    }
    for (int64_t i = 0; i < pith_shape_elements(&run->inputs[0].shape); i++) {
        y[i] = pithi_regex_matches(&regex, run->shared, x[i].data, x[i].n_bytes);
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    (void)part; /* one part */
    ref(run);
}

static size_t bytes_of(const void *attrs)
{
    pithi_regex regex = { 0 };
    const char *fault;
    size_t place;
    (void)pithi_regex_compile(pattern_of(attrs), &regex, NULL, &fault, &place);
    return regex.n_bytes;
}

static size_t ref_bytes(const pith_run *run) { return bytes_of(run->attrs); }

static pith_status prepare(pith_prepare *prepare)
{
    prepare->use_run = true;
    prepare->shared_bytes = bytes_of(prepare->attrs);
    prepare->kernel = "states";
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    pithi_regex regex;
    const char *fault = "";
    size_t place = 0;
    PITH_CHECK(infer->ctx, pithi_regex_compile(pattern_of(infer->attrs), &regex, NULL, &fault, &place),
               PITH_STATUS_UNSUPPORTED, "pattern '%.200s', character %zu: %s", pattern_of(infer->attrs), place, fault);
    infer->outputs[0] = (pith_tensor){ .dtype = PITH_DTYPE_BOOL, .shape = infer->inputs[0].shape };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STRING, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_BOOL, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "RegexFullMatch", 20, NULL } };
static const char *const samples[] = { "string[5] | pattern=[a-z]*", "string[2,2]{ab,b,,abab} | pattern=(ab)+",
                                       "string[0] | pattern=x" };

const pith_op pith_op_regex_full_match = {
    .head = { "regex_full_match", 1, PITH_ATTRS(attr_table, regex_full_match_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .prepare = prepare, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
