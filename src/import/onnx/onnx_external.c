/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in other files: mapped once each, and only from inside the model's folder. */
#include "import/onnx/onnx.h"

/* A file may name others only below its own folder: no absolute path, no "..", no other separators. */
static bool stays_below(const char *location)
{
    if (!*location || *location == '/' || strpbrk(location, "\\:")) {
        return false;
    }
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) {
            return false;
        }
    }
    return true;
}

static pith_status find_file(pithi_onnx *onnx, const pithi_pb_span *location, const pithi_file **file_out)
{
    pithi_import_info *info = onnx->info;
    for (size_t i = 0; i < info->n_external_files; i++) {
        if (pithi_pb_is(location, info->locations[i])) {
            *file_out = &info->external_files[i];
            return PITH_OK;
        }
    }
    const char *name = NULL;
    PITH_TRY(pithi_onnx_text(onnx->ctx, &onnx->main->arena, location, "location", &name));
    PITH_CHECK(onnx->ctx, *onnx->folder, PITH_STATUS_UNSUPPORTED,
               "data is in the file '%s', but what names it came from memory; load a model by file name", name);
    PITH_CHECK(onnx->ctx, stays_below(name), PITH_STATUS_FORMAT,
               "location '%s' isn't a path below the model's folder", name);
    void *files = info->external_files, *locations = (void *)(uintptr_t)info->locations;
    pith_status status = pithi_grow(onnx->ctx, &files, &info->external_capacity, info->n_external_files + 1,
                                    sizeof *info->external_files);
    info->external_files = files;
    PITH_TRY(status);
    status = pithi_grow(onnx->ctx, &locations, &info->locations_capacity, info->n_external_files + 1,
                        sizeof *info->locations);
    info->locations = locations;
    PITH_TRY(status);
    pithi_file *file = &info->external_files[info->n_external_files];
    PITH_TRY(pithi_file_map_below(onnx->ctx, onnx->folder, name, file));
    info->locations[info->n_external_files++] = name;
    *file_out = file;
    return PITH_OK;
}

/* A decimal number; an absent one leaves *value_out alone. */
static pith_status read_number(pithi_onnx *onnx, const pithi_pb_span *text, const char *key, uint64_t *value_out)
{
    uint64_t value = 0;
    if (!text->data) {
        return PITH_OK;
    }
    bool is_number = text->n_bytes > 0 && text->n_bytes <= 19; /* 19 digits fit 64 bits */
    for (size_t i = 0; is_number && i < text->n_bytes; i++) {
        is_number = text->data[i] >= '0' && text->data[i] <= '9';
        value = value * 10 + (uint64_t)(text->data[i] - '0');
    }
    PITH_CHECK(onnx->ctx, is_number, PITH_STATUS_FORMAT, "external data's %s '%.*s' is no number", key,
               PITHI_PB_TEXT(text));
    *value_out = value;
    return PITH_OK;
}

pith_status pithi_onnx_external_data(pithi_onnx *onnx, const pithi_onnx_external *external, size_t n_bytes,
                                     const unsigned char **data_out)
{
    const pithi_file *file = NULL;
    uint64_t offset = 0, length = n_bytes;
    PITH_TRY(read_number(onnx, &external->offset, "offset", &offset));
    PITH_TRY(read_number(onnx, &external->length, "length", &length));
    PITH_CHECK(onnx->ctx, length == n_bytes, PITH_STATUS_FORMAT,
               "external data has %llu bytes, dtype and shape want %zu", (unsigned long long)length, n_bytes);
    PITH_TRY(find_file(onnx, &external->location, &file));
    PITH_CHECK(onnx->ctx, offset <= file->n_bytes && n_bytes <= file->n_bytes - offset, PITH_STATUS_FORMAT,
               "bytes %llu to %llu of '%.*s' are wanted, which has %zu", (unsigned long long)offset,
               (unsigned long long)(offset + n_bytes), PITHI_PB_TEXT(&external->location), file->n_bytes);
    *data_out = n_bytes ? file->data + offset : NULL;
    return PITH_OK;
}
