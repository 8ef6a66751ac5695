/* SPDX-License-Identifier: Apache-2.0 */
/* Entry of the tool: finds the verb among the cmd_<verb>.c files and runs it. */
#include "args.h"

#define PITH_COMMAND(name) extern const cli_command cli_command_##name;
#include "pith_commands.inc"
#undef PITH_COMMAND

static const cli_command *const commands[] = {
#define PITH_COMMAND(name) &cli_command_##name,
#include "pith_commands.inc"
#undef PITH_COMMAND
};

static void print_usage(FILE *file)
{
    fprintf(file, "usage: pith VERB ...\n\nverbs\n");
    for (int i = 0; i < CLI_COUNT(commands); i++) {
        fprintf(file, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(file, "\n'pith VERB --help' explains one. Exit codes: 0 fine, 1 a comparison out of tolerance, 2 error.\n");
}

static int refuse_verb(const char *verb)
{
    const char *names[CLI_COUNT(commands)];
    for (int i = 0; i < CLI_COUNT(commands); i++) {
        names[i] = commands[i]->name;
    }
    const char *nearest = cli_nearest(verb, names, CLI_COUNT(commands));
    fprintf(stderr, "pith: unknown verb '%s'", verb);
    if (nearest) {
        fprintf(stderr, "; did you mean '%s'?", nearest);
    }
    fprintf(stderr, " ('pith --help' lists all)\n");
    return CLI_EXIT_ERROR;
}

static pith_status run_command(const cli_command *command, int n_args, char **args, int *exit_code)
{
    void *settings = NULL;
    cli_words words = { 0 };
    bool wants_help = false;
    pith_status status = cli_alloc(1, command->settings_bytes, &settings);
    if (status != PITH_OK) {
        return status;
    }
    if (command->defaults) {
        memcpy(settings, command->defaults, command->settings_bytes);
    }
    status = cli_parse_args(command, n_args, args, settings, &words, &wants_help);
    if (status == PITH_OK && wants_help) {
        cli_print_help(command);
    } else if (status == PITH_OK) {
        status = command->run(settings, &words, exit_code);
    }
    cli_progress("%s", "");
    cli_free(words.items);
    cli_free_settings(command, settings);
    cli_free(settings);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return CLI_EXIT_ERROR;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return CLI_EXIT_OK;
    }
    const char *verb = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (int i = 0; i < CLI_COUNT(commands); i++) {
        if (strcmp(commands[i]->name, verb) == 0) {
            int exit_code = CLI_EXIT_OK;
            if (run_command(commands[i], argc - 2, argv + 2, &exit_code) != PITH_OK) {
                fflush(stdout);
                fprintf(stderr, "pith %s: %s\n", verb, cli_error());
                return CLI_EXIT_ERROR;
            }
            /* A full disk or closed pipe must not pass as success. */
            if (fflush(stdout) != 0 || ferror(stdout)) {
                fprintf(stderr, "pith %s: can't write the output\n", verb);
                return CLI_EXIT_ERROR;
            }
            return exit_code;
        }
    }
    return refuse_verb(verb);
}
