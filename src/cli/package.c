/* SPDX-License-Identifier: Apache-2.0 */
/* `.pith` files: their sections, and writing them. */
#include <errno.h>

#include "package.h"

#include "file.h"
#include "net.h"

/* ---- reading ------------------------------------------------------------------------------ */

static bool is_package(const char *path)
{
    char head[8] = "";
    FILE *file = fopen(path, "rb");
    const bool is = file && fread(head, 1, sizeof head, file) == sizeof head &&
                    memcmp(head, "\x89PITH\r\n\x1a", sizeof head) == 0;
    if (file) {
        fclose(file);
    }
    return is;
}

pith_status cli_package_section(const char *path, const char *kind, cli_bytes *bytes_out)
{
    const cli_ceilings ceilings = { .skips_hashes = true }; /* of the weights, which nobody reads here */
    const cli_net_options how = { .describes_only = true, .ceilings = &ceilings };
    cli_net net = { 0 };
    pith_status status = PITH_OK;
    *bytes_out = (cli_bytes){ 0 };
    if (!cli_is_file(path) || !is_package(path)) {
        return PITH_OK;
    }
    CLI_TRY(cli_net_open(path, &how, &net));
    const pith_package *package = pith_model_package(net.model);
    for (int i = 0; package && i < package->n_sections; i++) {
        const pith_section *section = &package->sections[i];
        if (strcmp(section->kind, kind) == 0 && section->variant[0] == '\0') {
            status = cli_bytes_add(bytes_out, section->data, section->n_bytes);
        }
    }
    cli_net_close(&net);
    return status;
}

pith_status cli_labels_of_model(const char *model, const cli_preprocess *settings, cli_labels *labels_out)
{
    cli_bytes bytes;
    if (settings->labels[0]) {
        return cli_labels_load(settings->labels, labels_out);
    }
    CLI_TRY(cli_package_section(model, "labels", &bytes));
    pith_status status = bytes.n > 0 ? cli_labels_parse((const char *)bytes.data, bytes.n, labels_out) : PITH_OK;
    cli_bytes_free(&bytes);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------ */

enum { PREPROCESS, LABELS, TUNING, N_TEXTS };

/* Settings without the name of a file of labels: its lines come along. */
static pith_status gather(const cli_extras *extras, cli_bytes texts[N_TEXTS])
{
    if (extras->settings) {
        cli_preprocess copy = *extras->settings;
        cli_preprocess_forget_labels(&copy);
        CLI_TRY(cli_preprocess_write(&copy, &texts[PREPROCESS]));
    }
    const char *labels = extras->settings ? extras->settings->labels : "";
    if (cli_is_file(labels)) {
        CLI_TRY(cli_file_read(labels, &texts[LABELS]));
    } else if (labels[0]) {
        cli_warn("the file holds no labels: there is no '%s'", labels);
    } else {
        CLI_TRY(cli_package_section(extras->source, "labels", &texts[LABELS]));
    }
    if (extras->tuning) {
        return cli_file_read(extras->tuning, &texts[TUNING]);
    }
    return extras->keeps_tuning ? cli_package_section(extras->source, "tuning", &texts[TUNING]) : PITH_OK;
}

static pith_status replace_file(const char *path, const void *data, size_t n_bytes)
{
    char *part;
    CLI_TRY(cli_text_format(&part, "%s.part", path));
    pith_status status = cli_file_write(part, data, n_bytes);
    if (status == PITH_OK && rename(part, path) != 0) {
        status = cli_fail(PITH_STATUS_IO, "can't write '%s': %s", path, strerror(errno));
    }
    if (status != PITH_OK) {
        remove(part);
    }
    cli_free(part);
    return status;
}

/* What isn't a plain file, a device or a link, stays what it is. */
static pith_status write_file(const char *path, const void *data, size_t n_bytes)
{
    return cli_is_replaceable(path) ? replace_file(path, data, n_bytes) : cli_file_write(path, data, n_bytes);
}

static pith_status write_package(const char *path, pith_ctx *ctx, const void *model, size_t n_bytes,
                                 const cli_extras *extras, size_t *file_bytes_out)
{
    static const char *const kinds[N_TEXTS] = { "preprocess", "labels", "tuning" };
    cli_bytes texts[N_TEXTS] = { { 0 } };
    pith_section sections[N_TEXTS];
    pith_package_options how = { .sections = sections, .pack = extras->pack, .input_shapes = extras->shapes };
    void *file = NULL;
    pith_status status = gather(extras, texts);
    for (int i = 0; i < N_TEXTS; i++) {
        if (texts[i].n > 0) {
            sections[how.n_sections++] = (pith_section){ kinds[i], NULL, texts[i].data, texts[i].n, 0 };
        }
    }
    if (status == PITH_OK) {
        status = pith_package_write(ctx, model, n_bytes, &how, &file, file_bytes_out);
        status = status == PITH_OK ? write_file(path, file, *file_bytes_out)
                                   : cli_fail(status, "%s", pith_ctx_error(ctx));
    }
    pith_free_bytes(ctx, file);
    for (int i = 0; i < N_TEXTS; i++) {
        cli_bytes_free(&texts[i]);
    }
    return status;
}

pith_status cli_model_write(const char *path, pith_ctx *ctx, const void *model, size_t n_bytes,
                            const cli_extras *extras, size_t *file_bytes_out)
{
    if (cli_ends_with(path, ".pith")) {
        return write_package(path, ctx, model, n_bytes, extras, file_bytes_out);
    }
    CLI_CHECK(!extras->pack && !extras->tuning, PITH_STATUS_ARG,
              "only a .pith file can hold packed weights and tuning; end the name '%s' so", path);
    *file_bytes_out = n_bytes;
    return write_file(path, model, n_bytes);
}
