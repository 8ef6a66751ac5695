/* SPDX-License-Identifier: Apache-2.0 */
/* string_normalizer: x without stop words, in lower or upper case. x is [C] or [1, C]; if nothing is left, the result
 * is one empty string. ONNX StringNormalizer; `locale` matters for Turkish and Azeri only. */
#include "graph/object.h"
#include "ops/sample.h"
#include "ops/shared_index.h"
#include "ops/shared_unicode.h"

typedef struct string_normalizer_attrs {
    const char *locale;
    int64_t case_change_action; /* a pithi_case */
    int64_t is_case_sensitive;  /* comparison with stop words */
    pith_strings stopwords;
} string_normalizer_attrs;

static const char *const actions[] = { "NONE", "LOWER", "UPPER", NULL };
static const pith_attr_spec attr_table[] = {
    PITH_ATTR_STRING(string_normalizer_attrs, locale, "locale"),
    PITH_ATTR_CHOICE(string_normalizer_attrs, case_change_action, "case_change_action", PITHI_CASE_NONE, actions),
    PITH_ATTR_INT(string_normalizer_attrs, is_case_sensitive, "is_case_sensitive", 0),
    PITH_ATTR_STRINGS(string_normalizer_attrs, stopwords, "stopwords"),
};

static bool is_turkic(const string_normalizer_attrs *attrs)
{
    const char *locale = attrs->locale;
    bool is_language = locale && (strncmp(locale, "tr", 2) == 0 || strncmp(locale, "az", 2) == 0);
    return is_language && (locale[2] == '\0' || locale[2] == '_' || locale[2] == '-' || locale[2] == '.');
}

/* Code points in lower case, one by one. */
static bool same_in_any_case(const pith_string *a, const pith_string *b)
{
    size_t at = 0, to = 0;
    while (at < a->n_bytes && to < b->n_bytes) {
        uint32_t x = pithi_unicode_lower(pithi_utf8_next(a->data, a->n_bytes, &at));
        uint32_t y = pithi_unicode_lower(pithi_utf8_next(b->data, b->n_bytes, &to));
        if (x != y) {
            return false;
        }
    }
    return at == a->n_bytes && to == b->n_bytes;
}

static bool is_stop_word(const string_normalizer_attrs *attrs, const pith_string *word)
{
    for (int i = 0; i < attrs->stopwords.n_items; i++) {
        const pith_string *stop = &attrs->stopwords.items[i];
        if (attrs->is_case_sensitive ? pithi_string_same(stop, word) : same_in_any_case(stop, word)) {
            return true;
        }
    }
    return false;
}

static bool convert(const pith_run *run, const pith_string *from, pith_string *to)
{
    const string_normalizer_attrs *attrs = run->attrs;
    pithi_case to_case = (pithi_case)attrs->case_change_action;
    *to = *from;
    if (to_case == PITHI_CASE_NONE || from->n_bytes == 0) {
        return true;
    }
    size_t n_bytes = pithi_unicode_convert(from->data, from->n_bytes, to_case, is_turkic(attrs), NULL);
    char *text = pithi_run_alloc(run, n_bytes, 1);
    if (text) {
        (void)pithi_unicode_convert(from->data, from->n_bytes, to_case, is_turkic(attrs), text);
        *to = (pith_string){ text, n_bytes };
    }
    return text != NULL;
}

static void ref(const pith_run *run)
{
    const pith_string *x = run->inputs[0].data;
    pith_string *y = run->outputs[0].data;
    int64_t n_kept = 0;
    for (int64_t i = 0; i < pith_shape_elements(&run->inputs[0].shape); i++) {
        if (!is_stop_word(run->attrs, &x[i]) && !convert(run, &x[i], &y[n_kept++])) {
            return;
        }
    }
    if (n_kept == 0) {
        y[0] = (pith_string){ "", 0 };
    }
}

static pith_status infer(pith_infer *infer)
{
    const string_normalizer_attrs *attrs = infer->attrs;
    const pith_tensor *x = &infer->inputs[0];
    pith_shape *y = &infer->outputs[0].shape;
    char text[PITHI_SHAPE_TEXT_BYTES];
    PITH_CHECK(infer->ctx, x->shape.rank == 1 || (x->shape.rank == 2 && x->shape.dims[0] == 1), PITH_STATUS_SHAPE,
               "x has shape %s, but must be [C] or [1, C]", pithi_shape_text(&x->shape, text));
    if (!pithi_has_value(x) && attrs->stopwords.n_items > 0) {
        return pithi_infer_need_value(infer, 0);
    }
    int64_t n_kept = 0;
    for (int64_t i = 0; i < pith_shape_elements(&x->shape); i++) {
        n_kept += attrs->stopwords.n_items == 0 || !is_stop_word(attrs, (const pith_string *)x->data + i);
    }
    infer->outputs[0].dtype = PITH_DTYPE_STRING;
    *y = x->shape;
    y->dims[y->rank - 1] = pithi_max_s64(n_kept, 1);
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STRING, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STRING, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "StringNormalizer", 10, NULL } };
static const char *const samples[] = { "string[4] | case_change_action=UPPER",
                                       "string[1,3]{Mon,tue,mon} | stopwords=[mon]",
                                       "string[2]{a,A} | stopwords=[a,A] is_case_sensitive=1",
                                       "string[0] | case_change_action=LOWER" };

const pith_op pith_op_string_normalizer = {
    .head = { "string_normalizer", 1, PITH_ATTRS(attr_table, string_normalizer_attrs) },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
