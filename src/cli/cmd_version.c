/* SPDX-License-Identifier: Apache-2.0 */
/* pith version: what this build is and has. */
#include "args.h"
#include "json.h"

typedef struct version_settings {
    bool json;
} version_settings;

static const cli_option options[] = {
    CLI_OPTION_JSON(version_settings),
    { 0 },
};

static const struct {
    const char *name, *purpose;
    bool is_built_in;
} libraries[] = {
    { "libpng", "PNG pictures", PITH_HAS_PNG },
    { "libjpeg", "JPEG pictures", PITH_HAS_JPEG },
    { "libtiff", "TIFF pictures in ImageDecoder", PITH_HAS_TIFF },
    { "libwebp", "WebP pictures in ImageDecoder", PITH_HAS_WEBP },
    { "openjpeg", "JPEG 2000 pictures in ImageDecoder", PITH_HAS_OPENJPEG },
    { "zlib", "compressed npz files", PITH_HAS_ZLIB },
    { "jansson", "benchmark baselines", PITH_HAS_JANSSON },
};

static void print_json(const char *isa, const char *cpu)
{
    cli_json json = { .file = stdout };
    cli_json_object(&json, NULL);
    cli_json_text(&json, "version", pith_version());
    cli_json_text(&json, "isa", isa);
    cli_json_text(&json, "cpu", cpu);
    cli_json_object(&json, "libraries");
    for (int i = 0; i < CLI_COUNT(libraries); i++) {
        cli_json_bool(&json, libraries[i].name, libraries[i].is_built_in);
    }
    cli_json_end(&json);
    cli_json_end(&json);
}

static pith_status run_version(const void *settings, const cli_words *words, int *exit_code)
{
    const version_settings *version = settings;
    pith_ctx *ctx;
    char cpu[128];
    (void)exit_code;
    CLI_CHECK(words->n == 0, PITH_STATUS_ARG, "no arguments are taken, but '%s' was given", words->items[0]);
    CLI_CHECK(pith_ctx_create(NULL, &ctx) == PITH_OK, PITH_STATUS_NOMEM, "no memory for a context");
    const char *isa = pith_ctx_isa(ctx);
    cli_cpu_name(cpu, sizeof cpu);
    if (version->json) {
        print_json(isa, cpu);
    } else {
        printf("pith %s\ninstruction set  %s (%s)\n", pith_version(), isa, cpu);
        for (int i = 0; i < CLI_COUNT(libraries); i++) {
            printf("%-16s %s (%s)\n", libraries[i].name, libraries[i].is_built_in ? "built in" : "not built in",
                   libraries[i].purpose);
        }
    }
    pith_ctx_destroy(ctx);
    return PITH_OK;
}

const cli_command cli_command_version = {
    .name = "version", .usage = "[--json]", .summary = "print the version and what is built in", .options = options,
    .settings_bytes = sizeof(version_settings), .run = run_version,
};
