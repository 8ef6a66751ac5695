/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, sequences, optionals and maps through whole runs: lifetimes, cached plans, ceilings, files. */
#include "pith/pith.h"
#include "support/proto.h"
#include "support/tensor_file.h"
#include "support/test.h"

typedef struct running {
    pith_model *model;
    pith_session *session;
    pith_object_store *store;
    pith_proto proto; /* constants are borrowed from it */
} running;

static bool start(pith_test *test, const char *text, size_t plan_cache_bytes, running *r)
{
    pith_model_options options = { .plan_cache_bytes = plan_cache_bytes };
    *r = (running){ 0 };
    TEST_CHECK(test, pith_proto_onnx(&r->proto, text));
    TEST_OK(test, pith_object_store_create(test->ctx, &r->store));
    TEST_OK(test, pith_model_load_memory(test->ctx, r->proto.data, r->proto.n_bytes, &options, &r->model));
    if (r->model) {
        TEST_CHECK_MESSAGE(test, pith_model_n_unsupported(r->model) == 0, "%s",
                           pith_model_n_unsupported(r->model) ? pith_model_unsupported(r->model, 0)->reason : "");
        TEST_OK(test, pith_session_create(r->model, NULL, &r->session));
    }
    return r->session != NULL;
}

static void stop(running *r)
{
    pith_session_destroy(r->session);
    pith_model_destroy(r->model);
    pith_object_store_destroy(r->store);
    pith_proto_free(&r->proto);
}

static pith_tensor list_f32(float *data, int64_t n)
{
    return (pith_tensor){ PITH_DTYPE_F32, { 1, { n } }, data };
}

static pith_tensor scalar_s64(int64_t *value)
{
    return (pith_tensor){ .dtype = PITH_DTYPE_S64, .data = value };
}

static void check_floats(pith_test *test, const pith_tensor *tensor, const float *wanted, int64_t n)
{
    TEST_CHECK(test, tensor && tensor->dtype == PITH_DTYPE_F32 && pith_shape_elements(&tensor->shape) == n);
    for (int64_t i = 0; !test->case_failed && i < n; i++) {
        TEST_CHECK(test, ((const float *)tensor->data)[i] == wanted[i]);
    }
}

/* ---- sequences ---------------------------------------------------------------------------- */

/* The items of a sequence one after the other, in a loop whose body picks by the iteration number. */
static const char *const join_text =
    "ir 8 ; opset 17 ; graph { input s seq f32\ninput start f32[N]\nnode SequenceLength s -> n\n"
    "node Loop n,_,start -> y { graph body { input i s64[]\ninput c bool[]\ninput state f32[M]\n"
    "node SequenceAt s,i -> item\nnode Concat state,item -> next { int axis 0 }\nnode Identity c -> go\n"
    "output go bool[]\noutput next f32[?] } }\noutput y f32[?] }";

static void test_loop_over_sequence(pith_test *test, size_t plan_cache_bytes)
{
    running r;
    float data[] = { 1, 2, 3, 4, 5, 6 }, first[] = { 9 };
    pith_test_case(test, "a loop over a sequence, cache of %zu bytes", plan_cache_bytes);
    if (start(test, join_text, plan_cache_bytes, &r)) {
        /* One handle with other contents each time: plans must not be mistaken for each other. */
        static const int64_t sizes[][3] = { { 1, 2, 3 }, { 3, 2, 1 }, { 2, 2, 2 }, { 0, 6, 0 }, { 1, 2, 3 } };
        for (int k = 0; k < PITH_COUNT(sizes); k++) {
            pith_tensor items[3], inputs[2] = { { 0 }, list_f32(first, 1) };
            float *at = data, wanted[7] = { 9, 1, 2, 3, 4, 5, 6 };
            for (int i = 0; i < 3; at += sizes[k][i++]) {
                items[i] = list_f32(at, sizes[k][i]);
            }
            pith_object object = { .type = pith_type_sequence(PITH_DTYPE_F32), .n_items = 3, .items = items };
            pith_handle handle = { &object, 0 };
            inputs[0] = pith_object_view(&handle);
            TEST_OK(test, pith_session_run(r.session, inputs, 2));
            check_floats(test, pith_session_output(r.session, 0), wanted, 7);
        }
    }
    stop(&r);
}

/* A sequence that grows in a loop, and is read after it. */
static void test_growing_sequence(pith_test *test)
{
    running r;
    int64_t n = 5;
    pith_tensor input = scalar_s64(&n);
    pith_test_case(test, "a sequence grows in a loop");
    if (start(test, "ir 8 ; opset 17 ; graph { input n s64[]\nnode SequenceEmpty - -> e { int dtype 7 }\n"
                    "node Loop n,_,e -> s { graph body { input i s64[]\ninput c bool[]\ninput state seq s64\n"
                    "node Range i,n,one -> r\nnode SequenceInsert state,r -> next\nnode Identity c -> go\n"
                    "output go bool[]\noutput next seq s64 } }\nnode SequenceErase s,zero -> t\n"
                    "node ConcatFromSequence t -> y { int axis 0 }\nnode SequenceLength t -> k\n"
                    "weight zero s64 list 0\nweight one s64 list 1\noutput y s64[?]\noutput t seq s64\n"
                    "output k s64[] }",
              0, &r)) {
        for (n = 5; n > 2; n--) {
            TEST_OK(test, pith_session_run(r.session, &input, 1));
            const pith_tensor *y = pith_session_output(r.session, 0);
            const pith_object *t = pith_object_of(pith_session_output(r.session, 1));
            TEST_CHECK(test, y && pith_shape_elements(&y->shape) == n * (n - 1) / 2);
            TEST_CHECK(test, y && ((const int64_t *)y->data)[0] == 1);
            TEST_CHECK(test, t && t->n_items == (size_t)n - 1 && t->items[0].shape.dims[0] == n - 1);
            TEST_CHECK(test, pith_type_equal(t->type, pith_type_sequence(PITH_DTYPE_S64)));
        }
    }
    stop(&r);
}

static void test_map_with_captures(pith_test *test)
{
    running r;
    float a[] = { 1, 2 }, b[] = { 3 }, k[] = { 10 }, wanted_a[] = { 11, 12 }, wanted_b[] = { 13 };
    pith_tensor items[] = { list_f32(a, 2), list_f32(b, 1) }, inputs[2];
    pith_test_case(test, "SequenceMap reads a value from outside");
    if (start(test, "ir 8 ; opset 17 ; graph { input s seq f32\ninput k f32[1]\n"
                    "node SequenceMap s -> t { graph body { input x f32[?]\nnode Add x,k -> y\noutput y f32[?] } }\n"
                    "output t seq f32 }", 0, &r)) {
        TEST_OK(test, pith_object_make(r.store, pith_type_sequence(PITH_DTYPE_F32), items, 2, NULL, &inputs[0]));
        inputs[1] = list_f32(k, 1);
        TEST_OK(test, pith_session_run(r.session, inputs, 2));
        const pith_object *t = pith_object_of(pith_session_output(r.session, 0));
        TEST_CHECK(test, t && t->n_items == 2);
        if (t) {
            check_floats(test, &t->items[0], wanted_a, 2);
            check_floats(test, &t->items[1], wanted_b, 1);
        }
        TEST_OK(test, pith_object_make(r.store, pith_type_sequence(PITH_DTYPE_F32), NULL, 0, NULL, &inputs[0]));
        TEST_OK(test, pith_session_run(r.session, inputs, 2));
        t = pith_object_of(pith_session_output(r.session, 0));
        TEST_CHECK(test, t && t->n_items == 0 && pith_type_equal(t->type, pith_type_sequence(PITH_DTYPE_F32)));
    }
    stop(&r);
}

static void test_errors(pith_test *test)
{
    running r;
    float data[] = { 1, 2 }, first[] = { 9 };
    pith_tensor item = list_f32(data, 2), inputs[2] = { { 0 }, list_f32(first, 1) };
    pith_handle nothing = { 0 };
    pith_test_case(test, "inputs that are no such sequence");
    if (start(test, join_text, 0, &r)) {
        inputs[0] = pith_object_view(&nothing);
        TEST_STATUS(test, pith_session_run(r.session, inputs, 2), PITH_STATUS_ARG, "has no object");
        TEST_OK(test, pith_object_make(r.store, pith_type_optional(PITH_DTYPE_F32), &item, 1, NULL, &inputs[0]));
        TEST_STATUS(test, pith_session_run(r.session, inputs, 2), PITH_STATUS_DTYPE,
                    "has type optional(tensor(f32)), the model wants seq(tensor(f32))");
        inputs[0] = item;
        TEST_STATUS(test, pith_session_run(r.session, inputs, 2), PITH_STATUS_DTYPE, "dtype f32");
        pith_object object = { .type = pith_type_sequence(PITH_DTYPE_F32), .n_items = 2 };
        nothing.object = &object;
        inputs[0] = pith_object_view(&nothing);
        TEST_STATUS(test, pith_session_run(r.session, inputs, 2), PITH_STATUS_ARG, "has 2 items");
    }
    stop(&r);
    pith_test_case(test, "positions out of range");
    int64_t position = 3;
    if (start(test, "ir 8 ; opset 17 ; graph { input s seq f32\ninput p s64[]\nnode SequenceAt s,p -> y\noutput y }", 0,
              &r)) {
        TEST_OK(test, pith_object_make(r.store, pith_type_sequence(PITH_DTYPE_F32), &item, 1, NULL, &inputs[0]));
        inputs[1] = scalar_s64(&position);
        TEST_STATUS(test, pith_session_run(r.session, inputs, 2), PITH_STATUS_ARG, "position 3 is outside [-1, 1)");
        position = -1;
        TEST_OK(test, pith_session_run(r.session, inputs, 2));
    }
    stop(&r);
    pith_test_case(test, "the element of an empty optional");
    if (start(test, "ir 8 ; opset 18 ; graph { input o opt f32\nnode OptionalGetElement o -> y\noutput y }", 0, &r)) {
        TEST_OK(test, pith_object_make(r.store, pith_type_optional(PITH_DTYPE_F32), NULL, 0, NULL, &inputs[0]));
        TEST_STATUS(test, pith_session_run(r.session, inputs, 1), PITH_STATUS_ARG, "the optional is empty");
    }
    stop(&r);
}

/* ---- strings ------------------------------------------------------------------------------ */

static const char *const words_text =
    "ir 8 ; opset 20 ; graph { input x str[N]\ninput n s64[]\n"
    "node Loop n,_,x -> z { graph body { input i s64[]\ninput c bool[]\ninput state str[M]\n"
    "node StringConcat state,comma -> longer\nnode StringConcat longer,longer -> twice\n"
    "node StringSplit twice -> parts,counts { string delimiter , }\nnode Reshape parts,flat -> next\n"
    "node Identity c -> go\noutput go bool[]\noutput next str[?] } }\n"
    "weight comma str list ,\nweight flat s64[1] list -1\noutput z str[?] }";

static void test_string_loop(pith_test *test, size_t plan_cache_bytes)
{
    running r;
    char text[] = "ab";
    int64_t n = 3;
    pith_string string = { text, 2 };
    pith_tensor inputs[] = { { PITH_DTYPE_STRING, { 1, { 1 } }, &string }, scalar_s64(&n) };
    pith_test_case(test, "strings made in a loop, cache of %zu bytes", plan_cache_bytes);
    if (start(test, words_text, plan_cache_bytes, &r)) {
        for (int k = 0; k < 2; k++) {
            memcpy(text, k ? "cd" : "ab", 2);
            TEST_OK(test, pith_session_run(r.session, inputs, 2));
            const pith_tensor *z = pith_session_output(r.session, 0);
            memcpy(text, "??", 2); /* results don't point into inputs */
            TEST_CHECK(test, z && z->dtype == PITH_DTYPE_STRING && z->shape.rank == 1 && z->shape.dims[0] == 27);
            const pith_string *first = z ? z->data : NULL;
            TEST_CHECK(test, first && first->n_bytes == 2 && memcmp(first->data, k ? "cd" : "ab", 2) == 0);
            TEST_CHECK(test, first && first[26].n_bytes == 0);
        }
    }
    stop(&r);
}

static void test_ceiling(pith_test *test)
{
    running r;
    int64_t n = 60;
    pith_string string = { "x", 1 };
    pith_tensor inputs[] = { { PITH_DTYPE_STRING, { 0 }, &string }, scalar_s64(&n) };
    pith_test_case(test, "strings that double for ever meet a ceiling");
    if (start(test, "ir 8 ; opset 20 ; graph { input x str[]\ninput n s64[]\n"
                    "node Loop n,_,x -> z { graph body { input i s64[]\ninput c bool[]\ninput state str[]\n"
                    "node StringConcat state,state -> next\nnode Identity c -> go\n"
                    "output go bool[]\noutput next str[] } }\noutput z str[] }", 0, &r)) {
        uint64_t former = pith_ctx_limits(test->ctx)->max_memory_bytes;
        pith_ctx_limits(test->ctx)->max_memory_bytes = (uint64_t)1 << 24;
        TEST_STATUS(test, pith_session_run(r.session, inputs, 2), PITH_STATUS_LIMIT, "no memory for strings");
        n = 10;
        TEST_OK(test, pith_session_run(r.session, inputs, 2));
        TEST_CHECK(test, ((const pith_string *)pith_session_output(r.session, 0)->data)->n_bytes == 1024);
        pith_ctx_limits(test->ctx)->max_memory_bytes = former;
    }
    stop(&r);
}

/* ---- outside of runs ---------------------------------------------------------------------- */

static void test_files(pith_test *test)
{
    static const pith_type map = { PITH_KIND_MAP, PITH_DTYPE_STRING, NULL };
    pith_type map_type = map, maps = { PITH_KIND_SEQUENCE, PITH_DTYPE_NONE, &map_type };
    pith_object_store *store = NULL;
    float data[] = { 1, 2, 3 };
    pith_string keys[] = { { "a", 1 }, { "", 0 } };
    pith_tensor items[] = { list_f32(data, 3), list_f32(data, 0) }, value, back;
    pith_tensor key_list = { PITH_DTYPE_STRING, { 1, { 2 } }, keys };
    const void *bytes = NULL;
    size_t n_bytes = 0;
    char message[200] = "", text[PITH_TYPE_TEXT_BYTES];
    map_type.element = pith_type_tensor(PITH_DTYPE_F32);
    pith_test_case(test, "a sequence of maps, written and read back");
    TEST_OK(test, pith_object_store_create(test->ctx, &store));
    TEST_OK(test, pith_object_make(store, &map_type, items, 2, &key_list, &value));
    TEST_OK(test, pith_object_make(store, &maps, &value, 1, NULL, &value));
    TEST_CHECK(test, strcmp(pith_type_text(pith_object_of(&value)->type, text), "seq(map(string,tensor(f32)))") == 0);
    TEST_OK(test, pith_object_write_onnx(store, &value, &bytes, &n_bytes));
    TEST_OK(test, pith_object_read_onnx(store, bytes, n_bytes, &maps, &back));
    TEST_CHECK_MESSAGE(test, pith_tensor_close(&value, &back, 0, 0, message, sizeof message), "%s", message);
    TEST_OK(test, pith_object_copy(store, &back, &value));
    for (size_t cut = 1; cut < n_bytes; cut++) { /* a file that ends early is refused or shorter, never worse */
        if (pith_object_read_onnx(store, bytes, cut, &maps, &back) != PITH_OK) {
            pith_ctx_clear_error(test->ctx);
        }
    }
    pith_test_case(test, "objects that don't hold together");
    TEST_STATUS(test, pith_object_make(store, &map_type, items, 2, NULL, &value), PITH_STATUS_ARG, "keys of a map");
    TEST_STATUS(test, pith_object_make(store, pith_type_optional(PITH_DTYPE_F32), items, 2, NULL, &value),
                PITH_STATUS_ARG, "2 elements");
    TEST_STATUS(test, pith_object_make(store, pith_type_sequence(PITH_DTYPE_S64), items, 2, NULL, &value),
                PITH_STATUS_ARG, "doesn't fit the type");
    pith_type endless = { PITH_KIND_SEQUENCE, PITH_DTYPE_NONE, &endless };
    TEST_STATUS(test, pith_object_make(store, &endless, NULL, 0, NULL, &value), PITH_STATUS_LIMIT, "nested deeper");
    pith_object_store_destroy(store);
    pith_test_case(test, "nothing is left behind");
    TEST_CHECK(test, pith_ctx_memory_bytes(test->ctx) == 0);
}

void test_objects(pith_test *test)
{
    test_loop_over_sequence(test, 0);
    test_loop_over_sequence(test, 1); /* no plan outlives its use */
    test_growing_sequence(test);
    test_map_with_captures(test);
    test_errors(test);
    test_string_loop(test, 0);
    test_string_loop(test, 1);
    test_ceiling(test);
    test_files(test);
}
