/* SPDX-License-Identifier: Apache-2.0 */
/* Graph and weights of a `.pith` file -> graph. Weights stay in the file. */
#include "import/pith/pith.h"

static pith_status read_package(pith_ctx *ctx, const pithi_package *package, pithi_import_info *info,
                                pith_graph **graph_out)
{
    const int graph = pithi_package_find(package, "graph", ""), weights = pithi_package_find(package, "weights", "");
    const uint16_t one = 1;
    PITH_CHECK(ctx, *(const unsigned char *)&one == 1, PITH_STATUS_UNSUPPORTED,
               "weights of .pith files are little-endian, this machine isn't; load the ONNX model");
    PITH_CHECK(ctx, graph >= 0, PITH_STATUS_FORMAT, "the file has no section 'graph' that this pith can read");
    PITH_TRY(pithi_package_verify(ctx, package, graph));
    pithi_text_weights where = { package->data, 0 };
    if (weights >= 0) {
        if (!info->skips_hashes) {
            PITH_TRY(pithi_package_verify(ctx, package, weights));
        }
        const pith_section section = pithi_package_section(package, weights);
        where = (pithi_text_weights){ section.data, section.n_bytes };
    }
    const pith_section text = pithi_package_section(package, graph);
    return pithi_import_packed_text(ctx, text.data, text.n_bytes, &where, info, graph_out);
}

pith_status pithi_import_pith(pith_ctx *ctx, const void *data, size_t n_bytes, pithi_import_info *info,
                              pith_graph **graph_out)
{
    pithi_package package;
    pith_status status = pithi_package_open(ctx, data, n_bytes, &package);
    return status == PITH_OK ? read_package(ctx, &package, info, graph_out) : status;
}
