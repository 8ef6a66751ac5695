/* SPDX-License-Identifier: Apache-2.0 */
/* `.pith` files: what was written runs to the same bits and writes the same file again, on the backend suite and real
 * networks; weights in fewer bits; sections; packed weights used where they are for here; damage of every kind. */
#define _DEFAULT_SOURCE /* scandir */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "export/pith/store.h"
#include "graph/graph.h"
#include "import/pith/pith.h"
#include "pith/pith.h"
#include "support/fuzz_target.h"
#include "support/onnx_models.h"
#include "support/package_seal.h"
#include "support/same_runs.h"
#include "support/test.h"

typedef struct file {
    void *data;
    size_t n_bytes;
} file;

static file write_package(pith_test *test, const void *model, size_t n_bytes, const pith_package_options *options)
{
    file made = { NULL, 0 };
    TEST_OK(test, pith_package_write(test->ctx, model, n_bytes, options, &made.data, &made.n_bytes));
    return made;
}

static file package_of_text(pith_test *test, const char *text, const pith_package_options *options)
{
    return write_package(test, text, strlen(text), options);
}

static void release(pith_test *test, file *made)
{
    pith_free_bytes(test->ctx, made->data);
    *made = (file){ NULL, 0 };
}

/* ---- round trip --------------------------------------------------------------------------- */

static bool draws_numbers(const char *path) { return strstr(path, "bernoulli") || strstr(path, "dropout"); }

/* A model and its package; packing the package again gives the same bytes. */
static void check_model(pith_test *test, const void *data, size_t n_bytes, const char *name)
{
    pith_model *original = NULL, *back = NULL;
    if (pith_model_load_memory(test->ctx, data, n_bytes, NULL, &original) != PITH_OK) {
        pith_ctx_clear_error(test->ctx); /* what contradicts itself is no matter of the container */
        return;
    }
    file once = write_package(test, data, n_bytes, NULL), twice = write_package(test, once.data, once.n_bytes, NULL);
    TEST_CHECK(test, once.n_bytes == twice.n_bytes && memcmp(once.data, twice.data, once.n_bytes) == 0);
    TEST_OK(test, pith_model_load_memory(test->ctx, once.data, once.n_bytes, NULL, &back));
    if (back) {
        pith_model_summary a, b;
        pith_model_summarize(original, &a);
        pith_model_summarize(back, &b);
        TEST_CHECK(test, a.opset == b.opset && a.ir_version == b.ir_version && a.n_nodes == b.n_nodes &&
                             strcmp(a.producer, b.producer) == 0 && strcmp(b.format, "pith") == 0);
        if (!draws_numbers(name)) {
            pith_test_same_runs(test, original, back);
        }
    }
    pith_model_destroy(back);
    pith_model_destroy(original);
    release(test, &once);
    release(test, &twice);
}

static void check_path(pith_test *test, const char *path)
{
    pithi_file mapped = { 0 };
    const size_t n = strlen(path);
    pith_test_case(test, "%s", path + (n > 120 ? n - 120 : 0));
    if (access(path, R_OK) != 0) {
        pith_test_skip(test, "no such file");
        return;
    }
    TEST_OK(test, pithi_file_map(test->ctx, path, &mapped));
    check_model(test, mapped.data, mapped.n_bytes, path);
    pithi_file_unmap(&mapped);
}

static void check_suite(pith_test *test, const char *suite)
{
    struct dirent **cases = NULL;
    char path[900];
    snprintf(path, sizeof path, "%s/%s", PITH_BINARY_DIR, suite);
    int n_cases = scandir(path, &cases, NULL, alphasort);
    pith_test_case(test, "%s", suite);
    if (n_cases <= 0) {
        pith_test_skip(test, "not in the build folder");
    }
    for (int i = 0; i < n_cases; i++) {
        snprintf(path, sizeof path, "%s/%s/%s/model.onnx", PITH_BINARY_DIR, suite, cases[i]->d_name);
        if (access(path, R_OK) == 0) {
            check_path(test, path);
        }
        free(cases[i]);
    }
    free(cases);
}

/* ---- weights ------------------------------------------------------------------------------ */

/* Numbers from `low` on, `range` of them, must come back, in so many bits. */
static void check_bits(pith_test *test, pith_dtype dtype, int64_t low, int64_t range, int n_bits)
{
    enum { N = 333 };
    unsigned char bytes[2 * N] = { 0 };
    char text[400];
    pith_tensor tensor = { dtype, { 1, { N } }, bytes }, found = { .dtype = dtype, .shape = { 1, { N } } };
    pithi_weight_store store = { .bytes = { .ctx = test->ctx } };
    pithi_stored at = { .n_bits = -1 };
    pithi_import_info info = { 0 };
    pith_graph *graph = NULL;
    pith_test_case(test, "%s from %lld, %lld numbers", pith_dtype_name(dtype), (long long)low, (long long)range);
    for (int i = 0; i < N; i++) {
        pithi_tensor_set_s64(&tensor, i, low + i * 7919 % range);
    }
    TEST_OK(test, pithi_weight_store_add(&store, &tensor, &at));
    TEST_CHECK_MESSAGE(test, at.n_bits == n_bits, "%d bits, not %d", at.n_bits, n_bits);
    const size_t n_bytes = n_bits ? ((size_t)N * (size_t)n_bits + 7) / 8 : pith_tensor_bytes(&tensor);
    TEST_CHECK(test, store.bytes.n_bytes == n_bytes);
    snprintf(text, sizeof text, "pith-graph 1\ngraph g\nconst %%c:%s[%d] = @0:0", pith_dtype_name(dtype), N);
    if (n_bits) {
        snprintf(text + strlen(text), 60, "/%d,%lld", at.n_bits, (long long)at.low);
    }
    strcat(text, "\noutput %c\n");
    const pithi_text_weights weights = { store.bytes.data, store.bytes.n_bytes };
    TEST_OK(test, pithi_import_packed_text(test->ctx, text, strlen(text), &weights, &info, &graph));
    found.data = graph ? graph->outputs[0]->constant->data : bytes;
    for (int i = 0; i < N; i++) {
        TEST_CHECK(test, pithi_tensor_get_s64(&found, i) == pithi_tensor_get_s64(&tensor, i));
    }
    pithi_graph_destroy(graph);
    pithi_import_info_deinit(test->ctx, &info);
    pithi_weight_store_deinit(&store);
}

static void check_weights(pith_test *test)
{
    for (int n_bits = 1; n_bits <= 8; n_bits++) {
        const int64_t range = (int64_t)1 << n_bits, less = range > 2 ? range - 1 : range;
        const int stored = n_bits < 8 ? n_bits : 0, stored4 = n_bits < 4 ? n_bits : 0;
        check_bits(test, PITH_DTYPE_S8, -range / 2, range, stored);
        check_bits(test, PITH_DTYPE_S8, 128 - less, less, stored); /* ends with the dtype */
        check_bits(test, PITH_DTYPE_U8, 256 - less, less, stored);
        check_bits(test, PITH_DTYPE_U8, 0, less, stored);
        if (n_bits <= 4) {
            check_bits(test, PITH_DTYPE_S4, -range / 2, range, stored4);
            check_bits(test, PITH_DTYPE_S4, 8 - less, less, stored4);
            check_bits(test, PITH_DTYPE_U4, 16 - less, less, stored4);
        }
    }
    check_bits(test, PITH_DTYPE_S8, 5, 1, 1); /* all the same */
    check_bits(test, PITH_DTYPE_S16, 0, 3, 0);
    pith_test_case(test, "the same bytes are stored once, many tensors are found");
    pithi_weight_store store = { .bytes = { .ctx = test->ctx } };
    float numbers[100] = { 0 };
    const pith_tensor tensor = { PITH_DTYPE_F32, { 1, { 100 } }, numbers };
    pithi_stored first[200], again;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++) {
            numbers[7] = (float)i;
            TEST_OK(test, pithi_weight_store_add(&store, &tensor, round ? &again : &first[i]));
            TEST_CHECK(test, !round || again.offset == first[i].offset);
        }
    }
    TEST_CHECK(test, store.bytes.n_bytes == 199 * 448 + 400);
    pithi_weight_store_deinit(&store);
}

/* ---- sections ----------------------------------------------------------------------------- */

/* A product whose 3-bit weights are stored so, with the weights it has in a text. */
static const char dense[] =
    "pith-graph 1\norigin 10 21 \"a tool\"\ngraph \"dense\"\ninput %x:f32[2,8]\n"
    "const %w:s8[8,9] = {-3,1,2,0,-1,3,2,1,0,1,2,3,-3,-2,-1,0,1,2,3,2,1,0,-1,-2,-3,1,2,3,0,0,1,1,2,2,3,3,"
    "-1,-1,-2,-2,-3,-3,0,1,2,3,1,2,3,0,1,2,3,-1,-2,-3,0,1,2,3,-3,-2,-1,1,1,1,2,2,2,3,3,3}\n"
    "const %s:f32[] = {0.25}\n%f:f32[8,9] = dequantize_linear(%w, %s)\n%h:f32[2,9] = matmul(%x, %f)\n"
    "%y:f32[2,9] = relu(%h)\noutput %y\n";

static int count_kind(const pith_model *model, const char *kind)
{
    const pith_package *package = pith_model_package(model);
    int n = 0;
    for (int i = 0; package && i < package->n_sections; i++) {
        n += strcmp(package->sections[i].kind, kind) == 0;
    }
    return n;
}

static void check_sections(pith_test *test)
{
    const pith_section given[] = { { "labels", NULL, "cat\ndog\n", 8, 0 }, { "x-mine", "a", "123", 3, 0 },
                                   { "tuning", "", "nonsense", 8, 0 } };
    const pith_package_options options = { .sections = given, .n_sections = 3 };
    pith_model *model = NULL, *plain = NULL;
    pith_test_case(test, "sections are put in and found");
    file made = package_of_text(test, dense, &options);
    TEST_OK(test, pith_model_load_memory(test->ctx, made.data, made.n_bytes, NULL, &model));
    TEST_OK(test, pith_model_load_memory(test->ctx, dense, sizeof dense - 1, NULL, &plain));
    const pith_package *package = pith_model_package(model);
    TEST_CHECK(test, !pith_model_package(plain) && package && package->major == 1 && package->minor == 0);
    TEST_CHECK(test, package->n_sections == 5 && strcmp(package->sections[0].kind, "graph") == 0);
    TEST_CHECK(test, package->sections[1].n_bytes == 72 * 3 / 8); /* the weights, of 3 bits */
    const pith_section *labels = &package->sections[2], *mine = &package->sections[3];
    TEST_CHECK(test, strcmp(labels->kind, "labels") == 0 && memcmp(labels->data, "cat\ndog\n", 8) == 0);
    TEST_CHECK(test, strcmp(mine->variant, "a") == 0 && mine->n_bytes == 3 && memcmp(mine->data, "123", 3) == 0);
    TEST_CHECK(test, (const char *)mine->data == (const char *)made.data + mine->offset && mine->offset % 64 == 0);
    TEST_CHECK(test, strstr(pith_model_tuning(model), "section 'tuning' is ignored"));
    pith_test_same_runs(test, plain, model);
    pith_model_destroy(model);
    pith_model_destroy(plain);
    release(test, &made);
}

/* What was packed before takes no memory, also where the instruction set was given by its name. */
static void check_found(pith_test *test, const char *isa)
{
    const pith_package_options options = { .pack = isa };
    const pith_shape shape = { 2, { 2, 8 } };
    pith_model *model = NULL, *bare = NULL;
    pith_cost_report cost[2];
    file made = package_of_text(test, dense, &options), without = package_of_text(test, dense, NULL);
    pith_test_case(test, "packed weights are found: %s", isa);
    TEST_OK(test, pith_model_load_memory(test->ctx, made.data, made.n_bytes, NULL, &model));
    TEST_OK(test, pith_model_cost(model, &shape, 1, &cost[0]));
    pith_model_destroy(model);
    TEST_OK(test, pith_model_load_memory(test->ctx, without.data, without.n_bytes, NULL, &bare));
    TEST_OK(test, pith_model_cost(bare, &shape, 1, &cost[1]));
    pith_model_destroy(bare);
    TEST_CHECK(test, cost[0].weight_bytes > 0 && cost[0].weight_bytes == cost[1].weight_bytes);
    TEST_CHECK_MESSAGE(test, cost[0].model_bytes + cost[0].weight_bytes <= cost[1].model_bytes,
                       "%zu and %zu bytes, %zu packed", cost[0].model_bytes, cost[1].model_bytes, cost[0].weight_bytes);
    release(test, &made);
    release(test, &without);
}

static void check_packed(pith_test *test)
{
    const pith_package_options options = { .pack = "native,portable" };
    pith_model *model = NULL, *plain = NULL, *other = NULL, *exact = NULL;
    pith_test_case(test, "packed weights are used where they are for here");
    const char *isa = pith_ctx_isa(test->ctx);
    const bool is_portable = strcmp(isa, "portable") == 0;
    const pith_package_options fitting = { .pack = is_portable ? "native" : options.pack };
    file made = package_of_text(test, dense, &fitting), bare = package_of_text(test, dense, NULL);
    TEST_CHECK(test, strcmp(isa, pith_ctx_isa(test->ctx)) == 0); /* as it was */
    TEST_OK(test, pith_model_load_memory(test->ctx, made.data, made.n_bytes, NULL, &model));
    TEST_OK(test, pith_model_load_memory(test->ctx, bare.data, bare.n_bytes, NULL, &plain));
    TEST_CHECK(test, count_kind(model, "packed") == (is_portable ? 1 : 2) && pith_model_package(model)->uses_packed);
    TEST_CHECK(test, count_kind(plain, "packed") == 0 && !pith_model_package(plain)->uses_packed);
    pith_test_same_runs(test, plain, model);
    pith_test_case(test, "and ignored elsewhere, and with other options");
    TEST_OK(test, pith_model_load_memory(test->ctx, made.data, made.n_bytes,
                                         &(pith_model_options){ .exact = 1 }, &exact));
    TEST_CHECK(test, !pith_model_package(exact)->uses_packed);
    unsigned char *bytes = made.data;
    for (size_t i = 0; i < PITHI_HEAD_SIZE + 4 * PITHI_ENTRY_SIZE; i++) { /* for a machine that there isn't */
        if (memcmp(bytes + i, isa, strlen(isa) + 1) == 0) {
            bytes[i]++;
        }
    }
    pith_package_seal(bytes, made.n_bytes);
    TEST_OK(test, pith_model_load_memory(test->ctx, made.data, made.n_bytes, NULL, &other));
    TEST_CHECK(test, other && !pith_model_package(other)->uses_packed);
    pith_test_same_runs(test, plain, other);
    pith_model_destroy(exact);
    pith_model_destroy(other);
    pith_model_destroy(model);
    pith_model_destroy(plain);
    release(test, &made);
    release(test, &bare);
}

/* ---- what is refused ---------------------------------------------------------------------- */

static void check_refusals_of_writing(pith_test *test)
{
    static const struct {
        pith_section sections[2];
        const char *pack, *message;
        pith_status status;
    } bad[] = {
        { { { "Labels", "", "", 0, 0 } }, NULL, "'Labels' can't name a section", PITH_STATUS_ARG },
        { { { "", "", "", 0, 0 } }, NULL, "'' can't name a section", PITH_STATUS_ARG },
        { { { "sixteen-letters-", "", "", 0, 0 } }, NULL, "can't name a section", PITH_STATUS_ARG },
        { { { "a", "b c", "", 0, 0 } }, NULL, "'b c' can't be the variant", PITH_STATUS_ARG },
        { { { "graph", NULL, "", 0, 0 } }, NULL, "section 'graph' is given twice", PITH_STATUS_ARG },
        { { { "a", NULL, "", 0, 0 } }, "z80", "unknown instruction set 'z80'", PITH_STATUS_ARG },
    };
    for (int i = 0; i < PITH_COUNT(bad); i++) {
        const pith_package_options options = { .sections = bad[i].sections, .n_sections = 1, .pack = bad[i].pack };
        void *data = NULL;
        size_t n_bytes = 0;
        pith_test_case(test, "%s", bad[i].message);
        TEST_STATUS(test, pith_package_write(test->ctx, dense, sizeof dense - 1, &options, &data, &n_bytes),
                    bad[i].status, bad[i].message);
        TEST_CHECK(test, !data && pith_ctx_memory_bytes(test->ctx) == 0);
    }
}

enum { ENTRY0 = PITHI_HEAD_SIZE, ENTRY1 = PITHI_HEAD_SIZE + PITHI_ENTRY_SIZE };

static const struct {
    int at;
    unsigned char value;
    bool is_sealed;
    const char *message;
    pith_status status;
} changes[] = {
    { PITHI_HEAD_MAJOR, 2, false, "format version 2.0, this pith reads versions 1.x", PITH_STATUS_UNSUPPORTED },
    { PITHI_HEAD_REQUIRED, 4, true, "needs features 0x4", PITH_STATUS_UNSUPPORTED },
    { PITHI_HEAD_FILE_BYTES, 1, true, "it is cut off, or something is appended", PITH_STATUS_FORMAT },
    { PITHI_HEAD_SECTIONS, 0, true, "a table of 0 sections", PITH_STATUS_FORMAT },
    { PITHI_HEAD_SECTIONS, 65, false, "a table of 65 sections", PITH_STATUS_FORMAT },
    { PITHI_HEAD_ENTRY_BYTES, 64, true, "with 64 bytes each don't fit", PITH_STATUS_FORMAT },
    { PITHI_HEAD_BYTES, 63, true, "a head of 63 bytes", PITH_STATUS_FORMAT },
    { PITHI_HEAD_OPTIONAL, 1, false, "head and table have the hash", PITH_STATUS_FORMAT },
    { ENTRY0 + 1, 'R', true, "section 0 has no kind", PITH_STATUS_FORMAT },
    { ENTRY0 + 7, 'x', true, "section 0 has bytes behind the word 'graph'", PITH_STATUS_FORMAT },
    { ENTRY0 + 16, ' ', true, "section 0 has no variant", PITH_STATUS_FORMAT },
    { ENTRY1 + 0, 'x', true, "without its section 'xeights'", PITH_STATUS_UNSUPPORTED },
    { ENTRY0 + PITHI_ENTRY_FLAGS, 3, true, "section 'graph' is stored in a way", PITH_STATUS_UNSUPPORTED },
    { ENTRY0 + PITHI_ENTRY_HASH_KIND, 2, true, "hash of kind 2", PITH_STATUS_UNSUPPORTED },
    { ENTRY0 + PITHI_ENTRY_ALIGN_LOG2, 17, true, "aligned to 2^17", PITH_STATUS_FORMAT },
    { ENTRY0 + PITHI_ENTRY_OFFSET, 1, true, "doesn't follow the one before it", PITH_STATUS_FORMAT },
    { ENTRY0 + PITHI_ENTRY_STORED + 7, 255, true, "or leaves the file", PITH_STATUS_FORMAT },
    { ENTRY0 + PITHI_ENTRY_PLAIN, 1, true, "in fields that are zero in its version", PITH_STATUS_FORMAT },
    { ENTRY0 + PITHI_ENTRY_RESERVED, 1, true, "in fields that are zero in its version", PITH_STATUS_FORMAT },
    { ENTRY1 + PITHI_ENTRY_SIZE + 1, 1, true, "other than zero in front of section 'weights'", PITH_STATUS_FORMAT },
    { ENTRY1 + PITHI_ENTRY_SIZE, 'P', true, "doesn't begin with 'pith-graph 1'", PITH_STATUS_FORMAT },
    { ENTRY0 + PITHI_ENTRY_FLAGS, 2, true, "no section 'graph' that this pith can read", PITH_STATUS_FORMAT },
};

static void check_changes(pith_test *test)
{
    file made = package_of_text(test, dense, NULL);
    unsigned char *copy = malloc(made.n_bytes);
    for (int i = 0; i < PITH_COUNT(changes); i++) {
        pith_model *model = NULL;
        int at = changes[i].at;
        pith_test_case(test, "%s", changes[i].message);
        memcpy(copy, made.data, made.n_bytes);
        if (strstr(changes[i].message, "in front of section")) { /* behind the graph's text */
            at = (int)pithi_load_le(copy + ENTRY1 + PITHI_ENTRY_OFFSET, 8) - 1;
            TEST_CHECK(test, copy[at] == 0);
        }
        copy[at] = changes[i].value;
        if (changes[i].is_sealed) {
            pith_package_seal(copy, made.n_bytes);
        }
        TEST_STATUS(test, pith_model_load_memory(test->ctx, copy, made.n_bytes, NULL, &model), changes[i].status,
                    changes[i].message);
        TEST_CHECK(test, !model);
    }
    free(copy);
    release(test, &made);
}

/* Texts of a package with their weights of 12 bytes. */
static const struct {
    const char *constant, *message;
} places[] = {
    { "file \"w\" 4\ngraph g\n", "names a file; its weights must lie in the package" },
    { "graph g\nconst %c:f32[3] = @1:0\n", "file 1 isn't among the 1" },
    { "graph g\nconst %c:f32[3] = @0:1\n", "12 bytes at 1 lie outside of the weights, which have 12" },
    { "graph g\nconst %c:f32[3] = @0:18446744073709551615\n", "lie outside" },
    { "graph g\nconst %c:s8[20] = @0:0/0,0\n", "0 bits an element; 1 to 7 are allowed" },
    { "graph g\nconst %c:s8[20] = @0:0/8,0\n", "8 bits an element; 1 to 7 are allowed" },
    { "graph g\nconst %c:s8[20] = @0:0/3,121\n", "3 bits from 121 on don't fit s8" },
    { "graph g\nconst %c:s8[20] = @0:0/3,-129\n", "don't fit s8" },
    { "graph g\nconst %c:u4[20] = @0:0/3,9\n", "don't fit u4" },
    { "graph g\nconst %c:u8[20] = @0:0/7,9223372036854775807\n", "don't fit u8" },
    { "graph g\nconst %c:f32[3] = @0:0/3,0\n", "don't fit f32; s8, u8, s4 and u4 can have fewer bits" },
    { "graph g\nconst %c:s8[33] = @0:0/3,0\n", "13 bytes at 0 lie outside" },
    { "graph g\nconst %c:bool[12] = @0:0\n", "element 0 of a bool tensor is 255, not 0 or 1" },
    { "graph g\nconst %c:s8[9223372036854775807] = @0:0/1,0\n", "max_tensor_bytes" },
};

static void check_places(pith_test *test)
{
    unsigned char bytes[12];
    memset(bytes, 255, sizeof bytes);
    const pithi_text_weights weights = { bytes, sizeof bytes };
    for (int i = 0; i < PITH_COUNT(places); i++) {
        char text[300];
        pithi_import_info info = { 0 };
        pith_graph *graph = NULL;
        pith_test_case(test, "%s", places[i].message);
        snprintf(text, sizeof text, "pith-graph 1\n%s", places[i].constant);
        pith_status status = pithi_import_packed_text(test->ctx, text, strlen(text), &weights, &info, &graph);
        TEST_STATUS(test, status, status == PITH_STATUS_LIMIT ? status : PITH_STATUS_FORMAT, places[i].message);
        TEST_CHECK(test, !graph && pith_ctx_memory_bytes(test->ctx) == 0);
    }
}

/* Cut anywhere, and with any bit turned, a file is refused: nothing in it goes unchecked. Without hashes of the
 * weights, what is not refused must still run. */
static void check_damage(pith_test *test)
{
    const pith_package_options options = { .pack = "native" };
    file made = package_of_text(test, dense, &options);
    unsigned char *copy = malloc(made.n_bytes);
    int n_loaded = 0, n_unhashed = 0;
    pith_test_case(test, "a file cut off at any length");
    for (size_t n = 0; n < made.n_bytes; n++) {
        pith_model *model = NULL;
        unsigned char *exact = malloc(n + !n); /* so that a read behind the end is seen */
        memcpy(exact, made.data, n);
        n_loaded += pith_model_load_memory(test->ctx, exact, n, NULL, &model) == PITH_OK;
        pith_ctx_clear_error(test->ctx);
        pith_model_destroy(model);
        free(exact);
    }
    TEST_CHECK_MESSAGE(test, n_loaded == 0, "%d of them load", n_loaded);
    pith_test_case(test, "a file with any bit turned");
    for (size_t bit = 0; bit < 8 * made.n_bytes; bit++) {
        pith_model *model = NULL, *unhashed = NULL;
        memcpy(copy, made.data, made.n_bytes);
        copy[bit / 8] = (unsigned char)(copy[bit / 8] ^ 1u << bit % 8);
        if (pith_model_load_memory(test->ctx, copy, made.n_bytes, NULL, &model) == PITH_OK) {
            n_loaded++;
        }
        pith_ctx_clear_error(test->ctx);
        if (pith_model_load_memory(test->ctx, copy, made.n_bytes, &(pith_model_options){ .skip_hashes = 1 },
                                   &unhashed) == PITH_OK) {
            pith_test_same_runs(test, unhashed, unhashed);
            n_unhashed++;
        }
        pith_ctx_clear_error(test->ctx);
        pith_model_destroy(model);
        pith_model_destroy(unhashed);
    }
    TEST_CHECK_MESSAGE(test, n_loaded == 0 && n_unhashed > 72 * 3, "%d load, without hashes %d", n_loaded, n_unhashed);
    free(copy);
    release(test, &made);
}

/* Bytes changed at random and sealed again: refused, or loaded, planned and run without harm. */
static void check_random_changes(pith_test *test)
{
    file made = package_of_text(test, dense, NULL);
    unsigned char *copy = malloc(made.n_bytes);
    int n_reached[4] = { 0 };
    pith_test_case(test, "random changes under sound hashes");
    for (int i = 0; i < 2000; i++) {
        memcpy(copy, made.data, made.n_bytes);
        for (int k = 0; k <= i % 3; k++) {
            copy[pith_test_random(test) % made.n_bytes] = (unsigned char)pith_test_random(test);
        }
        n_reached[pith_fuzz_package(copy, made.n_bytes)]++;
    }
    TEST_CHECK_MESSAGE(test, n_reached[0] > 500 && n_reached[3] > 50, "%d refused, %d run", n_reached[0], n_reached[3]);
    free(copy);
    release(test, &made);
}

static void check_hash(pith_test *test)
{
    static const char text[] = "Nobody inspects the spammish repetition";
    static const struct {
        int n_bytes;
        uint64_t seed, hash;
    } known[] = { /* of the reference implementation, python-xxhash */
        { 0, 0, 0xef46db3751d8e999u },  { 1, 0, 0x16b6310ebd34bd7cu }, { 39, 0, 0xfbcea83c8a378bf1u },
        { 39, 7, 0x26f1aeb39b9b1f5fu },
        { 13, 1, 0xabcd5834bdcf1dbcu },
    };
    pith_test_case(test, "XXH64");
    for (int i = 0; i < PITH_COUNT(known); i++) {
        const uint64_t found = pithi_xxh64(known[i].seed, text, (size_t)known[i].n_bytes);
        TEST_CHECK_MESSAGE(test, found == known[i].hash, "%d: %016llx", i, (unsigned long long)found);
    }
}

void test_package(pith_test *test)
{
    static const char *const networks[] = {
        "mnist8/model.onnx", "ppocr/en_number_mobile_v2.0_rec_infer.onnx", "silero_vad/silero_vad_16k_op15.onnx",
        "converted_onnx/mobilenet_v2_1.0_224_qat.qdq.onnx", "yunet/yunet_n_320_320.onnx",
    };
    static const char *const suites[] = { "onnx_suite/node", "onnx_suite/simple", "onnx_suite/pytorch-operator",
                                          "onnx_suite_old/node" };
    check_hash(test);
    check_weights(test);
    check_sections(test);
    check_packed(test);
    check_found(test, "native");
    check_found(test, pith_ctx_isa(test->ctx));
    check_refusals_of_writing(test);
    check_changes(test);
    check_places(test);
    check_damage(test);
    check_random_changes(test);
    for (int i = 0; i < pith_onnx_n_all; i++) {
        pith_proto proto = { 0 };
        pith_test_case(test, "model %d", i);
        TEST_CHECK(test, pith_proto_onnx(&proto, pith_onnx_all[i]));
        check_model(test, proto.data, proto.n_bytes, "");
        pith_proto_free(&proto);
    }
    for (int i = 0; i < PITH_COUNT(networks); i++) {
        char path[900];
        snprintf(path, sizeof path, "%s/../shared/models/%s", PITH_SOURCE_DIR, networks[i]);
        check_path(test, path);
    }
    for (int i = 0; i < PITH_COUNT(suites); i++) {
        check_suite(test, suites[i]);
    }
}
