/* SPDX-License-Identifier: Apache-2.0 */
/* pith info --ops: what a file asks for, and what of it would not run. */
#include "info.h"

static void write_json(const cli_net *net, const pith_check *check)
{
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "model", net->path);
    cli_json_list(&json, "operators");
    for (int i = 0; i < check->n_uses; i++) {
        const pith_op_use *use = &check->uses[i];
        cli_json_object(&json, NULL);
        cli_json_text(&json, "op", use->op);
        cli_json_text(&json, "runs_as", use->runs_as[0] ? use->runs_as : NULL);
        cli_json_text(&json, "dtypes", use->dtypes);
        cli_json_whole(&json, "opset", use->opset);
        cli_json_whole(&json, "since", use->since);
        cli_json_whole(&json, "n_nodes", use->n_nodes);
        cli_json_whole(&json, "n_problems", use->n_problems);
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_list(&json, "problems");
    for (int i = 0; i < check->n_problems; i++) {
        cli_json_object(&json, NULL);
        cli_json_text(&json, "node", check->problems[i].node);
        cli_json_text(&json, "op", check->problems[i].op);
        cli_json_text(&json, "reason", check->problems[i].reason);
        cli_json_end(&json);
    }
    cli_json_end(&json);
    cli_json_bool(&json, "runs", check->n_problems == 0);
    cli_json_end(&json);
}

static void print_words(const cli_net *net, const pith_check *check)
{
    int width = 8, n_nodes = 0;
    for (int i = 0; i < check->n_uses; i++) {
        int length = (int)strlen(check->uses[i].op);
        width = length > width && length <= 40 ? length : width;
        n_nodes += check->uses[i].n_nodes;
    }
    printf("%-*s %6s %6s %6s  %-22s %s\n", width, "operator", "opset", "since", "nodes", "runs as", "types");
    for (int i = 0; i < check->n_uses; i++) {
        const pith_op_use *use = &check->uses[i];
        char since[16];
        snprintf(since, sizeof since, use->since ? "%d" : "-", use->since);
        printf("%s%-*s %6d %6s %6d  %-22s %s", use->n_problems ? cli_colour_on(CLI_BAD) : "", width, cli_plain(use->op),
               use->opset, since, use->n_nodes, use->runs_as[0] ? use->runs_as : "-", use->dtypes);
        if (use->n_problems) {
            printf("  (%d would not run)%s", use->n_problems, cli_colour_off());
        }
        printf("\n");
    }
    printf("\n");
    for (int i = 0; i < check->n_problems; i++) {
        const pith_unsupported *row = &check->problems[i];
        printf("%s: node '%s' (%s)\n    %s\n", net->path, cli_plain(row->node), cli_plain(row->op),
               cli_plain(row->reason));
    }
    if (check->n_problems) {
        printf("%s%d of %d nodes would not run%s\n", cli_colour_on(CLI_BAD), check->n_problems, n_nodes,
               cli_colour_off());
    } else {
        printf("all %d nodes run\n", n_nodes);
    }
}

pith_status cli_info_ops(const cli_net *net, const cli_shapes *shapes, bool is_json, int *n_problems_out)
{
    pith_check check;
    pith_status status = pith_model_check(net->model, shapes->items, &check);
    if (status != PITH_OK) {
        return cli_net_fail(net, status);
    }
    if (is_json) {
        write_json(net, &check);
    } else {
        print_words(net, &check);
    }
    *n_problems_out = check.n_problems;
    return PITH_OK;
}
