/* SPDX-License-Identifier: Apache-2.0 */
/* What every caller of the importers does: the format by the file's content, the folder of its other files. */
#include "import/import.h"

pith_status pithi_import(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder, pithi_import_info *info,
                         pith_graph **graph_out)
{
    return (pithi_is_text(data, n_bytes) ? pithi_import_text : pithi_import_onnx)(ctx, data, n_bytes, folder, info,
                                                                                  graph_out);
}

pith_status pithi_import_folder(pithi_arena *arena, const char *path, const char **folder_out)
{
    const char *slash = strrchr(path, '/');
    *folder_out = ".";
    return slash ? pithi_arena_text(arena, path, slash == path ? 1 : (size_t)(slash - path), folder_out) : PITH_OK;
}
