/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_einsum.h"

#define FIRST_ELLIPSIS_LABEL 52

typedef struct reader {
    const char *at;
    const char *error;
} reader;

static int letter_label(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? 26 + c - 'a' : -1;
}

static bool fail(reader *in, const char *error)
{
    in->error = error;
    return false;
}

static bool add_label(reader *in, pithi_einsum_term *term, int label)
{
    if (term->rank == PITH_MAX_RANK) {
        return fail(in, "a term has more dimensions than a tensor can have");
    }
    term->labels[term->rank++] = (int8_t)label;
    return true;
}

/* Dimensions under an ellipsis are aligned at the right, so the last one always has the last label. */
static bool add_ellipsis(reader *in, pithi_einsum_term *term, int n_dims)
{
    for (int i = 0; i < n_dims; i++) {
        if (!add_label(in, term, PITHI_EINSUM_LABELS - n_dims + i)) {
            return false;
        }
    }
    return true;
}

/* Letters of the term that begins at `text`. */
static int count_letters(const char *text)
{
    int n = 0;
    for (; *text && *text != ',' && *text != '-'; text++) {
        n += letter_label(*text) >= 0;
    }
    return n;
}

/* One term up to ',', '->' or the end; an ellipsis in it stands for `n_ellipsis` dimensions. */
static bool read_term(reader *in, pithi_einsum_term *term, int n_ellipsis)
{
    bool has_ellipsis = false;
    *term = (pithi_einsum_term){ 0 };
    for (; *in->at && *in->at != ',' && *in->at != '-'; in->at++) {
        if (*in->at == ' ') {
            continue;
        }
        if (strncmp(in->at, "...", 3) == 0) {
            if (has_ellipsis || n_ellipsis < 0) {
                return fail(in, has_ellipsis ? "a term has two ellipses"
                                             : "a term has more labels than its operand dimensions");
            }
            has_ellipsis = true;
            in->at += 2;
            if (!add_ellipsis(in, term, n_ellipsis)) {
                return false;
            }
            continue;
        }
        if (letter_label(*in->at) < 0) {
            return fail(in, "a term has a character that is neither a letter nor an ellipsis");
        }
        if (!add_label(in, term, letter_label(*in->at))) {
            return false;
        }
    }
    return true;
}

static bool set_dims(reader *in, pithi_einsum *einsum, const pithi_einsum_term *term, const pith_shape *shape)
{
    if (term->rank != shape->rank) {
        return fail(in, "a term has another number of labels than its operand has dimensions");
    }
    for (int i = 0; i < term->rank; i++) {
        int64_t *dim = &einsum->dims[term->labels[i]];
        if (*dim >= 0 && *dim != 1 && shape->dims[i] != 1 && *dim != shape->dims[i]) {
            return fail(in, "a label stands for dimensions of different sizes");
        }
        *dim = *dim < 0 || *dim == 1 ? shape->dims[i] : *dim;
    }
    return true;
}

/* Without "->": the ellipsis, then every letter that stands exactly once, in alphabetical order. */
static bool make_implicit_output(reader *in, pithi_einsum *einsum)
{
    int counts[PITHI_EINSUM_LABELS] = { 0 };
    for (int i = 0; i < einsum->n_operands; i++) {
        for (int k = 0; k < einsum->operands[i].rank; k++) {
            counts[einsum->operands[i].labels[k]]++;
        }
    }
    einsum->output = (pithi_einsum_term){ 0 };
    for (int i = 0; i < PITHI_EINSUM_LABELS; i++) {
        int label = (i + FIRST_ELLIPSIS_LABEL) % PITHI_EINSUM_LABELS;
        bool is_kept = label >= FIRST_ELLIPSIS_LABEL ? counts[label] > 0 : counts[label] == 1;
        if (is_kept && !add_label(in, &einsum->output, label)) {
            return false;
        }
    }
    return true;
}

static bool read_output(reader *in, pithi_einsum *einsum, int n_ellipsis)
{
    if (*in->at == '\0') {
        return make_implicit_output(in, einsum);
    }
    if (strncmp(in->at, "->", 2) != 0) {
        return fail(in, "more terms than operands");
    }
    in->at += 2;
    if (!read_term(in, &einsum->output, n_ellipsis)) {
        return false;
    }
    for (int i = 0; i < einsum->output.rank; i++) {
        int label = einsum->output.labels[i];
        if (einsum->dims[label] < 0 || memchr(einsum->output.labels, label, (size_t)i)) {
            return fail(in, "the output has a label twice, or one that no operand has");
        }
    }
    return *in->at == '\0' || fail(in, "text after the output");
}

bool pithi_einsum_read(const char *equation, const pith_tensor *inputs, int n_inputs, pithi_einsum *einsum,
                       const char **error_out)
{
    reader in = { equation, NULL };
    int n_ellipsis = 0;
    bool is_good = n_inputs <= PITHI_EINSUM_MAX_OPERANDS || fail(&in, "more than 32 operands");
    einsum->n_operands = n_inputs;
    for (int i = 0; i < PITHI_EINSUM_LABELS; i++) {
        einsum->dims[i] = -1;
    }
    for (int i = 0; i < n_inputs && is_good; i++) {
        int n_here = inputs[i].shape.rank - count_letters(in.at);
        pithi_einsum_term *term = &einsum->operands[i];
        is_good = read_term(&in, term, n_here) && set_dims(&in, einsum, term, &inputs[i].shape);
        n_ellipsis = n_here > n_ellipsis ? n_here : n_ellipsis;
        if (is_good && i + 1 < n_inputs) {
            is_good = *in.at == ',' || fail(&in, "fewer terms than operands");
            in.at++;
        }
    }
    is_good = is_good && read_output(&in, einsum, n_ellipsis);
    *error_out = in.error;
    return is_good;
}

int64_t pithi_einsum_stride(const pithi_einsum_term *term, const pith_shape *shape, int label)
{
    int64_t stride = 1, sum = 0;
    for (int i = term->rank - 1; i >= 0; i--) {
        sum += term->labels[i] == label && shape->dims[i] != 1 ? stride : 0;
        stride *= shape->dims[i];
    }
    return sum;
}
