/* SPDX-License-Identifier: Apache-2.0 */
/* string_split: pieces of each string between delimiters (runs of white space if there is none), along a new last
 * axis, filled up with empty strings; and how many there are of each. Pieces share the bytes of x. ONNX
 * StringSplit. */
#include "ops/sample.h"
#include "ops/shared_index.h"
#include "ops/shared_unicode.h"

typedef struct string_split_attrs {
    const char *delimiter;
    int64_t maxsplit; /* NO_LIMIT: none */
} string_split_attrs;

#define NO_LIMIT (-1)

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_STRING(string_split_attrs, delimiter, "delimiter"),
    PITH_ATTR_WIDE_INT(string_split_attrs, maxsplit, "maxsplit", NO_LIMIT),
};

/* Where the white space at text[at..] ends, or (`is_space` false) where it begins. */
static size_t skip(const pith_string *text, size_t at, bool is_space)
{
    while (at < text->n_bytes) {
        size_t next = at;
        if (pithi_unicode_is_space(pithi_utf8_next(text->data, text->n_bytes, &next)) != is_space) {
            return at;
        }
        at = next;
    }
    return at;
}

static void put(pith_string *pieces, int64_t *count, const pith_string *text, size_t begin, size_t end)
{
    if (pieces) {
        pieces[*count] = (pith_string){ text->data + begin, end - begin };
    }
    ++*count;
}

static int64_t split_at_spaces(const pith_string *text, int64_t limit, pith_string *pieces)
{
    int64_t count = 0;
    for (size_t at = skip(text, 0, true); at < text->n_bytes; at = skip(text, at, true)) {
        size_t end = limit >= 0 && count == limit ? text->n_bytes : skip(text, at, false);
        put(pieces, &count, text, at, end);
        at = end;
    }
    return count;
}

static const char *find(const char *text, size_t n_bytes, const char *word, size_t n_word)
{
    for (const char *end = text + n_bytes; (size_t)(end - text) >= n_word; text++) {
        text = memchr(text, (unsigned char)word[0], (size_t)(end - text) - n_word + 1);
        if (!text || memcmp(text, word, n_word) == 0) {
            return text;
        }
    }
    return NULL;
}

static int64_t split_at_word(const pith_string *text, const char *word, int64_t limit, pith_string *pieces)
{
    size_t at = 0, n_word = strlen(word);
    int64_t count = 0;
    while (limit < 0 || count < limit) {
        const char *found = text->n_bytes ? find(text->data + at, text->n_bytes - at, word, n_word) : NULL;
        if (!found) {
            break;
        }
        put(pieces, &count, text, at, (size_t)(found - text->data));
        at = (size_t)(found - text->data) + n_word;
    }
    pith_string rest = { text->n_bytes ? text->data : "", text->n_bytes };
    put(pieces, &count, &rest, at, rest.n_bytes);
    return count;
}

/* The number of pieces; `pieces` NULL: only counts. */
static int64_t split(const string_split_attrs *attrs, const pith_string *text, pith_string *pieces)
{
    bool has_word = attrs->delimiter && *attrs->delimiter;
    return has_word ? split_at_word(text, attrs->delimiter, attrs->maxsplit, pieces)
                    : split_at_spaces(text, attrs->maxsplit, pieces);
}

static void ref(const pith_run *run)
{
    const pith_string *x = run->inputs[0].data;
    const pith_shape *shape = &run->outputs[0].shape;
    pith_string *y = run->outputs[0].data;
    int64_t *counts = run->n_outputs > 1 ? run->outputs[1].data : NULL;
    int64_t width = y ? shape->dims[shape->rank - 1] : 0;
    for (int64_t i = 0; i < pith_shape_elements(&run->inputs[0].shape); i++) {
        int64_t count = split(run->attrs, &x[i], y ? y + i * width : NULL);
        for (int64_t k = count; y && k < width; k++) {
            y[i * width + k] = (pith_string){ "", 0 };
        }
        if (counts) {
            counts[i] = count;
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_tensor *x = &infer->inputs[0];
    int64_t width = 0;
    PITH_CHECK(infer->ctx, x->shape.rank < PITH_MAX_RANK, PITH_STATUS_UNSUPPORTED,
               "the pieces have rank %d, pith handles up to %d", x->shape.rank + 1, PITH_MAX_RANK);
    if (!pithi_has_value(x)) {
        return pithi_infer_need_value(infer, 0);
    }
    for (int64_t i = 0; i < pith_shape_elements(&x->shape); i++) {
        width = pithi_max_s64(width, split(infer->attrs, (const pith_string *)x->data + i, NULL));
    }
    infer->outputs[0].dtype = PITH_DTYPE_STRING;
    infer->outputs[0].shape = x->shape;
    infer->outputs[0].shape.dims[infer->outputs[0].shape.rank++] = width;
    if (infer->n_outputs > 1) {
        infer->outputs[1] = (pith_tensor){ .dtype = PITH_DTYPE_S64, .shape = x->shape };
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STRING, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STRING, PITH_ONE },
                                             { "counts", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "StringSplit", 20, NULL } };
static const char *const samples[] = { "string[3]{a b  c , d,x} | | 2", "string[2]{a--b----c,--} | delimiter=-- | 2",
                                       "string[2]{a-b-c,-} | delimiter=- maxsplit=1 | 2", "string[0] | | 2",
                                       "string[2,2] | maxsplit=0" };

const pith_op pith_op_string_split = {
    .head = { "string_split", 1, PITH_ATTRS(attr_table, string_split_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
