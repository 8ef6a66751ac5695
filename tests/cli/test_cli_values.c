/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, sequences, optionals and maps from JSON to a run, to files, and back. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli_test.h"
#include "cli/file.h"
#include "cli/values.h"
#include "support/proto.h"
#include "support/tensor_file.h"

#ifdef PITH_HAS_JANSSON
#define CLI_HAS_JSON PITH_HAS_JANSSON
#else
#define CLI_HAS_JSON 1
#endif

static void write_text(pith_test *test, const char *path, const char *text)
{
    CLI_TEST_OK(test, cli_file_write(path, text, strlen(text)));
}

/* A model of one Identity for this type, opened. */
static bool open_identity(pith_test *test, const char *path, const char *type, cli_net *net)
{
    static const cli_net_options options = { .n_threads = 1 };
    char text[300];
    pith_proto proto = { 0 };
    snprintf(text, sizeof text, "ir 8 ; opset 16 ; graph { input x %s\nnode Identity x -> y\noutput y %s }", type,
             type);
    TEST_CHECK(test, pith_proto_onnx(&proto, text));
    CLI_TEST_OK(test, cli_file_write(path, proto.data, proto.n_bytes));
    pith_proto_free(&proto);
    *net = (cli_net){ 0 };
    CLI_TEST_OK(test, cli_net_open(path, &options, net));
    CLI_TEST_OK(test, cli_net_start(net, &options));
    return net->session != NULL;
}

static void round_trip(pith_test *test, const cli_net *net, const char *json_path, const char *pb_path)
{
    cli_tensor given = { 0 }, again = { 0 };
    const pith_value_info *input = pith_model_input(net->model, 0);
    char message[200] = "";
    pith_status status = cli_value_load(net, json_path, input, &given);
    TEST_CHECK_MESSAGE(test, status == PITH_OK, "%s", cli_error());
    cli_clear_error();
    if (status != PITH_OK) {
        return;
    }
    TEST_OK(test, pith_session_run(net->session, &given.view, 1));
    static const char *const endings[] = { ".pb", ".json" };
    for (int i = 0; i < CLI_COUNT(endings) && !test->case_failed; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s%s", pb_path, endings[i]);
        CLI_TEST_OK(test, cli_values_save(net, path));
        if (i == 0) { /* .json holds all outputs by name, which no input takes */
            CLI_TEST_OK(test, cli_value_load(net, path, input, &again));
            TEST_CHECK_MESSAGE(test, pith_tensor_close(&again.view, &given.view, 0, 0, message, sizeof message), "%s",
                               message);
        }
        unlink(path);
    }
    cli_tensor_free(&given);
    cli_tensor_free(&again);
}

void test_cli_values(pith_test *test)
{
    static const struct {
        const char *type, *json, *fault;
    } cases[] = {
        { "str[N]", "[\"a\", \"\", \"\\u00e9\\n\"]", NULL },
        { "str[2,2]", "{ \"shape\": [2, 2], \"values\": [\"a\", \"b\", \"c\", \"d\"] }", NULL },
        { "seq f32", "[[1, 2.5], [[3]], 4, []]", NULL },
        { "opt s64", "null", NULL },
        { "opt s64", "[9007199254740993]", NULL },
        { "seq map str f32",
          "[{ \"keys\": [\"a\", \"b\"], \"values\": [1, [2, 3]] }, { \"keys\": [], \"values\": [] }]", NULL },
        { "map s64 str", "{ \"keys\": [1, -2], \"values\": [\"x\", \"y\"] }", NULL },
        { "str[N]", "[1]", "is no text" },
        { "str[N]", "[\"a\"", "line 1" },
        { "seq f32", "{}", "written as a list" },
        { "seq f32", "[[[1], [2, 3]]]", "differ in length" },
        { "map s64 str", "{ \"keys\": [1], \"values\": [] }", "keys of a map" },
        { "seq f32", "[[[[[[[[[[1]]]]]]]]]]", "nested deeper" },
        { "str[N]", "{ \"shape\": [3], \"values\": [\"a\"] }", "wants 3 values" },
    };
    char model_path[] = "/tmp/pith_values_XXXXXX", json_path[60], other_path[60];
    int file = mkstemp(model_path);
    TEST_CHECK(test, file >= 0);
    close(file);
    snprintf(json_path, sizeof json_path, "%s.json", model_path);
    snprintf(other_path, sizeof other_path, "%s.saved", model_path);
    for (int i = 0; i < CLI_COUNT(cases) && CLI_HAS_JSON; i++) {
        cli_net net;
        cli_tensor refused = { 0 };
        pith_test_case(test, "%s from %s", cases[i].type, cases[i].json);
        write_text(test, json_path, cases[i].json);
        if (open_identity(test, model_path, cases[i].type, &net) && !cases[i].fault) {
            round_trip(test, &net, json_path, other_path);
        } else if (net.session) {
            pith_status status = cli_value_load(&net, json_path, pith_model_input(net.model, 0), &refused);
            TEST_CHECK_MESSAGE(test, status != PITH_OK && strstr(cli_error(), cases[i].fault), "\"%s\"", cli_error());
            cli_clear_error();
        }
        cli_net_close(&net);
        unlink(json_path);
    }
    unlink(model_path);
}
