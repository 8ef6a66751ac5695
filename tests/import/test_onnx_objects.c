/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, and types of sequences, optionals and maps in files. */
#include <stdio.h>

#include "graph/object.h"
#include "support/onnx_models.h"
#include "support/proto.h"
#include "support/test.h"

static pith_status import_text(pith_test *test, const char *text, pith_proto *proto, pith_imported *imported)
{
    pith_proto_free(proto);
    TEST_CHECK(test, pith_proto_onnx(proto, text));
    return pith_import_bytes(test->ctx, proto->data, proto->n_bytes, "", imported);
}

static void test_strings(pith_test *test, pith_proto *proto)
{
    static const char *const sources[] = {
        "ir 8 ; opset 13 ; graph { weight w str[3] list ab _ c\nnode Identity w -> y\noutput y str[3] }",
        "ir 8 ; opset 13 ; graph { node Constant - -> w { strings value_strings ab _ c }\nnode Identity w -> y\n"
        "output y str[3] }",
    };
    for (int i = 0; i < PITH_COUNT(sources); i++) {
        pith_imported imported;
        pith_test_case(test, "a constant of strings, way %d", i);
        TEST_OK(test, import_text(test, sources[i], proto, &imported));
        const pith_tensor *w = imported.graph ? imported.graph->first->inputs[0]->constant : NULL;
        TEST_CHECK(test, w && w->dtype == PITH_DTYPE_STRING && w->shape.rank == 1 && w->shape.dims[0] == 3);
        if (w) {
            const pith_string wanted[] = { { "ab", 2 }, { "", 0 }, { "c", 1 } };
            for (int k = 0; k < 3; k++) {
                TEST_CHECK(test, pithi_string_same((const pith_string *)w->data + k, &wanted[k]));
            }
        }
        pith_imported_deinit(&imported);
    }
}

static void test_types(pith_test *test, pith_proto *proto)
{
    static const struct {
        const char *type, *text;
    } cases[] = {
        { "seq f32[2,3]", "seq(tensor(f32))" },
        { "opt seq str", "optional(seq(tensor(string)))" },
        { "seq map str f32", "seq(map(string,tensor(f32)))" },
        { "opt bf16", "optional(tensor(bf16))" },
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        char text[200], type[PITH_TYPE_TEXT_BYTES];
        pith_imported imported;
        pith_test_case(test, "type %s", cases[i].text);
        snprintf(text, sizeof text, "ir 8 ; opset 16 ; graph { input x %s\nnode Identity x -> y\noutput y %s }",
                 cases[i].type, cases[i].type);
        TEST_OK(test, import_text(test, text, proto, &imported));
        if (imported.graph) {
            const pith_value *x = imported.graph->inputs[0];
            TEST_CHECK(test, x->dtype == PITH_DTYPE_OBJECT && x->has_shape && x->shape.rank == 0);
            TEST_CHECK(test, strcmp(pith_type_text(x->type, type), cases[i].text) == 0);
        }
        pith_imported_deinit(&imported);
    }
}

static void test_errors(pith_test *test, pith_proto *proto)
{
    static const struct {
        const char *text, *part;
        pith_status status;
    } cases[] = {
        { "weight w str[3] list a b\nnode Identity w -> y\noutput y", "has 2 elements, the shape wants 3",
          PITH_STATUS_FORMAT },
        { "weight w str[1] raw 1\nnode Identity w -> y\noutput y", "only be given as string_data", PITH_STATUS_FORMAT },
        { "weight w str[2]\nnode Identity w -> y\noutput y", "stands in field 0", PITH_STATUS_FORMAT },
        { "input x seq\nnode Identity x -> y\noutput y", "the type of an element is missing", PITH_STATUS_FORMAT },
        { "input x map f32 f32\nnode Identity x -> y\noutput y", "keys of type 1", PITH_STATUS_FORMAT },
        { "input x seq seq seq seq seq seq seq seq f32\nnode Identity x -> y\noutput y", "nested deeper than 8",
          PITH_STATUS_LIMIT },
        { "input x seq f32\nnode Identity x -> y\ninfo x seq s64\noutput y", "declared", PITH_STATUS_FORMAT },
    };
    for (int i = 0; i < PITH_COUNT(cases); i++) {
        char text[300];
        pith_imported imported;
        pith_test_case(test, "refused: %s", cases[i].text);
        snprintf(text, sizeof text, "ir 8 ; opset 16 ; graph { %s }", cases[i].text);
        TEST_STATUS(test, import_text(test, text, proto, &imported), cases[i].status, cases[i].part);
        pith_imported_deinit(&imported);
    }
}

void test_onnx_objects(pith_test *test)
{
    pith_proto proto = { 0 };
    test_strings(test, &proto);
    test_types(test, &proto);
    test_errors(test, &proto);
    pith_proto_free(&proto);
}
