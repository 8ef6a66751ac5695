/* SPDX-License-Identifier: Apache-2.0 */
/* What every caller of the importers does: the format by the file's content, the folder of its other files. */
#include "import/import.h"

#include "import/pith/pith.h"

/* Formats that are mistaken for ONNX, by the bytes they have at a place. */
static pith_status check_format(pith_ctx *ctx, const void *data, size_t n_bytes)
{
    static const struct {
        size_t at;
        char bytes[7];
        const char *what;
    } foreign[] = {
        { 4, "TFL3", "a TensorFlow Lite file; tf2onnx makes ONNX of it" },
        { 4, "ORTM", "in the format of ONNX Runtime; take the .onnx file it was made of" },
        { 0, "PK\3\4", "a zip archive, as PyTorch, Keras and NumPy write them; export the network as ONNX "
                       "(torch.onnx.export, tf2onnx)" },
        { 0, "\211HDF", "an HDF5 file, as Keras writes them; tf2onnx makes ONNX of it" },
        { 0, "GGUF", "a GGUF file; export the network as ONNX" },
        { 0, "\223NUMPY", "an array of NumPy" },
    };
    for (int i = 0; i < PITH_COUNT(foreign); i++) {
        const size_t n = strlen(foreign[i].bytes);
        PITH_CHECK(ctx, n_bytes < foreign[i].at + n || memcmp((const char *)data + foreign[i].at, foreign[i].bytes, n),
                   PITH_STATUS_FORMAT, "this is %s; pith reads ONNX and its own formats", foreign[i].what);
    }
    return PITH_OK;
}

pith_status pithi_import(pith_ctx *ctx, const void *data, size_t n_bytes, const char *folder, pithi_import_info *info,
                         pith_graph **graph_out)
{
    PITH_TRY(check_format(ctx, data, n_bytes));
    if (pithi_is_package(data, n_bytes)) {
        return pithi_import_pith(ctx, data, n_bytes, info, graph_out);
    }
    return (pithi_is_text(data, n_bytes) ? pithi_import_text : pithi_import_onnx)(ctx, data, n_bytes, folder, info,
                                                                                  graph_out);
}

pith_status pithi_import_folder(pithi_arena *arena, const char *path, const char **folder_out)
{
    const char *slash = strrchr(path, '/');
    *folder_out = ".";
    return slash ? pithi_arena_text(arena, path, slash == path ? 1 : (size_t)(slash - path), folder_out) : PITH_OK;
}
