/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf wire format, written. https://protobuf.dev/programming-guides/encoding/ */
#ifndef PITH_EXPORT_WIRE_H
#define PITH_EXPORT_WIRE_H

#include "export/export.h"

pith_status pithi_wire_int(pithi_bytes *bytes, uint32_t field, int64_t value);
pith_status pithi_wire_float(pithi_bytes *bytes, uint32_t field, float value);
pith_status pithi_wire_block(pithi_bytes *bytes, uint32_t field, const void *data, size_t n_bytes);
pith_status pithi_wire_text(pithi_bytes *bytes, uint32_t field, const char *text);

/* A message inside: its length is filled in at the end, in five bytes, so that nothing has to move. */
pith_status pithi_wire_begin(pithi_bytes *bytes, uint32_t field, size_t *mark_out);
void pithi_wire_end(pithi_bytes *bytes, size_t mark);

#endif
