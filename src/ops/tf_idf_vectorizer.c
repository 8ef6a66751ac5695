/* SPDX-License-Identifier: Apache-2.0 */
/* tf_idf_vectorizer: how often the n-grams of a pool occur in each row of x, also with up to max_skip_count elements
 * left out between neighbours. ONNX TfIdfVectorizer: IDF caps counts at 1 and scales by weights, TFIDF scales counts.
 * The pool is a tree of tokens in a hash table: key (node, token), value the node below. */
#include "graph/object.h"
#include "ops/sample.h"
#include "ops/shared_index.h"

typedef struct tf_idf_attrs {
    int64_t mode, max_skip_count, min_gram_length, max_gram_length;
    pith_ints ngram_counts, ngram_indexes, pool_int64s;
    pith_floats weights;
    pith_strings pool_strings;
} tf_idf_attrs;

enum { MODE_TF, MODE_IDF, MODE_TFIDF };
static const char *const modes[] = { "TF", "IDF", "TFIDF", NULL };
static const pith_attr_spec attr_table[] = {
    PITH_ATTR_CHOICE(tf_idf_attrs, mode, "mode", MODE_TF, modes),
    PITH_ATTR_REQUIRED_INT(tf_idf_attrs, max_skip_count, "max_skip_count"),
    PITH_ATTR_REQUIRED_INT(tf_idf_attrs, min_gram_length, "min_gram_length"),
    PITH_ATTR_REQUIRED_INT(tf_idf_attrs, max_gram_length, "max_gram_length"),
    PITH_ATTR_REQUIRED_INTS(tf_idf_attrs, ngram_counts, "ngram_counts"),
    PITH_ATTR_REQUIRED_INTS(tf_idf_attrs, ngram_indexes, "ngram_indexes"),
    PITH_ATTR_INTS(tf_idf_attrs, pool_int64s, "pool_int64s"),
    PITH_ATTR_FLOATS(tf_idf_attrs, weights, "weights"),
    PITH_ATTR_STRINGS(tf_idf_attrs, pool_strings, "pool_strings"),
};

/* Nodes are slots of the table plus 1; 0 is the root. */
typedef struct tree_slot {
    int32_t parent, token; /* token: its place in the pool, minus 1; 0: an empty slot */
    int32_t gram;          /* the n-gram that ends here, plus 1; 0: none */
} tree_slot;

static int n_pool(const tf_idf_attrs *attrs)
{
    return attrs->pool_strings.n_items ? attrs->pool_strings.n_items : attrs->pool_int64s.n_items;
}

static size_t n_slots(const tf_idf_attrs *attrs)
{
    size_t count = 16;
    while (count < 2 * (size_t)n_pool(attrs)) {
        count *= 2;
    }
    return count;
}

/* A token of x or of the pool. */
typedef struct token {
    int64_t number;
    pith_string text;
    bool is_text;
} token;

static token token_of_pool(const tf_idf_attrs *attrs, int index)
{
    bool is_text = attrs->pool_strings.n_items > 0;
    return is_text ? (token){ .text = attrs->pool_strings.items[index], .is_text = true }
                   : (token){ .number = attrs->pool_int64s.items[index] };
}

static bool same_token(const token *a, const token *b)
{
    return a->is_text ? pithi_string_same(&a->text, &b->text) : a->number == b->number;
}

/* The slot of (parent, token), which may be empty. */
static tree_slot *find_slot(const tf_idf_attrs *attrs, tree_slot *slots, int32_t parent, const token *wanted)
{
    size_t mask = n_slots(attrs) - 1;
    uint64_t hash = pithi_hash(PITHI_HASH_START, &parent, sizeof parent);
    hash = wanted->is_text ? pithi_hash(hash, wanted->text.n_bytes ? wanted->text.data : "", wanted->text.n_bytes)
                           : pithi_hash(hash, &wanted->number, sizeof wanted->number);
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        tree_slot *slot = &slots[at];
        if (slot->token == 0) {
            return slot;
        }
        token known = token_of_pool(attrs, slot->token - 1);
        if (slot->parent == parent && same_token(&known, wanted)) {
            return slot;
        }
    }
}

/* First and last+1 place in the pool of the n-grams of `length` tokens. */
static void pool_range(const tf_idf_attrs *attrs, int length, int64_t *begin, int64_t *end)
{
    *begin = attrs->ngram_counts.items[length - 1];
    *end = length < attrs->ngram_counts.n_items ? attrs->ngram_counts.items[length] : n_pool(attrs);
}

static void build_tree(const tf_idf_attrs *attrs, tree_slot *slots)
{
    int32_t gram = 1;
    for (int length = 1; length <= attrs->ngram_counts.n_items; length++) {
        int64_t begin, end;
        pool_range(attrs, length, &begin, &end);
        bool counts = length >= attrs->min_gram_length && length <= attrs->max_gram_length;
        for (int64_t at = begin; at + length <= end; at += length, gram++) {
            int32_t node = 0;
            for (int i = 0; i < length && counts; i++) {
                token wanted = token_of_pool(attrs, (int)at + i);
                tree_slot *slot = find_slot(attrs, slots, node, &wanted);
                if (slot->token == 0) {
                    *slot = (tree_slot){ node, (int32_t)at + i + 1, 0 };
                }
                node = (int32_t)(slot - slots) + 1;
            }
            if (counts) {
                slots[node - 1].gram = gram;
            }
        }
    }
}

static token token_of(const pith_tensor *x, int64_t index)
{
    bool is_text = x->dtype == PITH_DTYPE_STRING;
    return is_text ? (token){ .text = ((const pith_string *)x->data)[index], .is_text = true }
                   : (token){ .number = pithi_tensor_get_s64(x, index) };
}

/* n-grams from `start` on whose tokens are `distance` apart. */
static void count_from(const pith_run *run, tree_slot *slots, int64_t start, int64_t end, int64_t distance,
                       int64_t least, float *y)
{
    const tf_idf_attrs *attrs = run->attrs;
    int32_t node = 0;
    for (int64_t length = 1, at = start; length <= attrs->max_gram_length && at < end; length++, at += distance) {
        token wanted = token_of(&run->inputs[0], at);
        const tree_slot *slot = find_slot(attrs, slots, node, &wanted);
        if (slot->token == 0) {
            return;
        }
        if (slot->gram > 0 && length >= least) {
            y[attrs->ngram_indexes.items[slot->gram - 1]] += 1.0f;
        }
        node = (int32_t)(slot - slots) + 1;
    }
}

static void count_row(const pith_run *run, tree_slot *slots, int64_t begin, int64_t end, float *y)
{
    const tf_idf_attrs *attrs = run->attrs;
    int64_t least = attrs->min_gram_length;
    for (int64_t distance = 1; distance - 1 <= attrs->max_skip_count && least <= attrs->max_gram_length; distance++) {
        if (least > 1 && distance > (end - begin) / (least - 1)) {
            return; /* no n-gram is so short */
        }
        for (int64_t start = begin; start < end; start++) {
            count_from(run, slots, start, end, distance, least, y);
        }
        least += least == 1; /* unigrams are counted once: no distance changes them */
    }
}

static void weigh(const tf_idf_attrs *attrs, float *y, int64_t width)
{
    for (int64_t i = 0; i < width && attrs->mode != MODE_TF; i++) {
        float weight = attrs->weights.n_items ? attrs->weights.items[i] : 1.0f;
        float count = attrs->mode == MODE_IDF && y[i] > 1.0f ? 1.0f : y[i];
        y[i] = count * weight;
    }
}

static void vectorize(const pith_run *run, tree_slot *slots)
{
    const pith_shape *x = &run->inputs[0].shape, *y = &run->outputs[0].shape;
    int64_t n_rows = x->rank == 2 ? x->dims[0] : 1, n_tokens = x->rank ? x->dims[x->rank - 1] : 1;
    int64_t width = y->dims[y->rank - 1];
    float *to = run->outputs[0].data;
    memset(to, 0, (size_t)(n_rows * width) * sizeof *to);
    for (int64_t row = 0; row < n_rows; row++) {
        count_row(run, slots, row * n_tokens, (row + 1) * n_tokens, to + row * width);
        weigh(run->attrs, to + row * width, width);
    }
}

static size_t ref_bytes(const pith_run *run) { return n_slots(run->attrs) * sizeof(tree_slot); }

static void ref(const pith_run *run)
{
    build_tree(run->attrs, run->shared);
    vectorize(run, run->shared);
}

static void run_part(const pith_run *run, const pith_part *part)
{
    (void)part; /* one part */
    vectorize(run, (tree_slot *)(uintptr_t)run->state);
}

static pith_status prepare(pith_prepare *prepare)
{
    PITH_TRY(pithi_arena_array(prepare->arena, n_slots(prepare->attrs), sizeof(tree_slot), &prepare->state));
    build_tree(prepare->attrs, prepare->state);
    prepare->use_run = true;
    prepare->kernel = "tree";
    return PITH_OK;
}

static pith_status check_pool(pith_infer *infer, const tf_idf_attrs *attrs)
{
    int64_t n_grams = 0;
    bool is_text = attrs->pool_strings.n_items > 0;
    PITH_CHECK(infer->ctx, (attrs->pool_int64s.n_items > 0) != is_text, PITH_STATUS_FORMAT,
               "exactly one of pool_int64s and pool_strings is needed");
    PITH_CHECK(infer->ctx, (infer->inputs[0].dtype == PITH_DTYPE_STRING) == is_text, PITH_STATUS_DTYPE,
               "x is %s, which doesn't fit the pool of %s", pith_dtype_name(infer->inputs[0].dtype),
               is_text ? "strings" : "integers");
    for (int length = 1; length <= attrs->ngram_counts.n_items; length++) {
        int64_t begin, end;
        pool_range(attrs, length, &begin, &end);
        PITH_CHECK(infer->ctx, begin >= 0 && begin <= end && end <= n_pool(attrs) && (end - begin) % length == 0,
                   PITH_STATUS_FORMAT, "ngram_counts: %lld to %lld of %d is no range of %d-grams", (long long)begin,
                   (long long)end, n_pool(attrs), length);
        n_grams += (end - begin) / length;
    }
    PITH_CHECK(infer->ctx, n_grams <= attrs->ngram_indexes.n_items, PITH_STATUS_FORMAT,
               "the pool has %lld n-grams, but there are %d ngram_indexes", (long long)n_grams,
               attrs->ngram_indexes.n_items);
    PITH_CHECK(infer->ctx, attrs->min_gram_length >= 1 && attrs->max_gram_length >= attrs->min_gram_length &&
                               attrs->max_gram_length <= attrs->ngram_counts.n_items && attrs->max_skip_count >= 0,
               PITH_STATUS_FORMAT, "n-grams of %lld to %lld tokens with up to %lld skipped, of a pool up to %d",
               (long long)attrs->min_gram_length, (long long)attrs->max_gram_length, (long long)attrs->max_skip_count,
               attrs->ngram_counts.n_items);
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const tf_idf_attrs *attrs = infer->attrs;
    const pith_shape *x = &infer->inputs[0].shape;
    int64_t width = 0;
    PITH_TRY(check_pool(infer, attrs));
    PITH_CHECK(infer->ctx, x->rank <= 2, PITH_STATUS_SHAPE, "x has rank %d, but must be [C] or [N, C]", x->rank);
    for (int i = 0; i < attrs->ngram_indexes.n_items; i++) {
        int64_t index = attrs->ngram_indexes.items[i];
        PITH_CHECK(infer->ctx, index >= 0 && index < INT32_MAX, PITH_STATUS_FORMAT, "ngram_indexes: %lld is no place",
                   (long long)index);
        width = pithi_max_s64(width, index + 1);
    }
    PITH_CHECK(infer->ctx, attrs->weights.n_items == 0 || attrs->weights.n_items >= width, PITH_STATUS_FORMAT,
               "%d weights for %lld places of the result", attrs->weights.n_items, (long long)width);
    infer->outputs[0].dtype = PITH_DTYPE_F32;
    infer->outputs[0].shape = x->rank == 2 ? (pith_shape){ 2, { x->dims[0], width } } : (pith_shape){ 1, { width } };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_STRING | PITH_DTYPES_INDEX, PITH_ONE },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "TfIdfVectorizer", 9, NULL } };
static const char *const samples[] = {
    "s64[2,6]{1,1,3,3,3,7,8,6,7,5,6,8} | max_skip_count=5 min_gram_length=1 max_gram_length=2 ngram_counts=[0,4] "
    "ngram_indexes=[0,1,2,3,4,5,6] pool_int64s=[2,3,5,4,5,6,7,8,6,7]",
    "string[5]{a,b,a,b,c} | mode=TFIDF max_skip_count=0 min_gram_length=2 max_gram_length=2 ngram_counts=[0,0] "
    "ngram_indexes=[1,0] pool_strings=[a,b,b,c] weights=[0.5,2]",
    "s32[0] | mode=IDF max_skip_count=1 min_gram_length=1 max_gram_length=1 ngram_counts=[0] ngram_indexes=[0] "
    "pool_int64s=[4]",
};

const pith_op pith_op_tf_idf_vectorizer = {
    .head = { "tf_idf_vectorizer", 1, PITH_ATTRS(attr_table, tf_idf_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes,
    .prepare = prepare, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
