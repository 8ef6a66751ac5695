/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf messages for tests, and a small language that writes ONNX models with it, right and wrong ones.
 *
 *   ir 8 ; opset 13 ; opset com.microsoft 1 ; producer text
 *   graph { name g ; input x f32[N,2] ; weight w f32[2] raw 1 2 ; node Add x,w -> y as sum ; output y f32[N,2] }
 *   function my.domain Twice(x,k) -> y : alpha { opset 13 ; node Add x,x -> y ; default float alpha 0.5 }
 *
 * Statements end with ";" or a line break. Inside a graph: name, input, output, info, weight, sparse, node; a
 * node may go on with `as NAME`, `in DOMAIN`, `overload NAME` and `{ attributes }`: int, float, string, ints,
 * floats, strings, type, tensor, sparse, graph NAME { ... }, ref NAME OF. "_" is an empty name. Tensor data: `raw`,
 * `packed` (typed list), `list` (typed, unpacked), `external FILE OFFSET LENGTH`, or nothing.
 * Types: f32[2,N], `seq TYPE`, `opt TYPE`, `map KEY TYPE`, opaque.
 * Anywhere: `field NUMBER varint VALUE`, `field NUMBER text WORD`, `bytes HEX...` write whatever is wanted. */
#ifndef PITH_TEST_PROTO_H
#define PITH_TEST_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pith_proto {
    unsigned char *data;
    size_t n_bytes, capacity;
    size_t open[64]; /* where the payloads of open messages begin */
    int n_open;
} pith_proto;

void pith_proto_free(pith_proto *proto);
void pith_proto_raw(pith_proto *proto, const void *data, size_t n_bytes);
void pith_proto_varint(pith_proto *proto, int field, uint64_t value);
void pith_proto_fixed32(pith_proto *proto, int field, const void *bits);
void pith_proto_bytes(pith_proto *proto, int field, const void *data, size_t n_bytes);
void pith_proto_text(pith_proto *proto, int field, const char *text);
/* A nested message: everything between begin and end. */
void pith_proto_begin(pith_proto *proto, int field);
void pith_proto_end(pith_proto *proto);
/* A packed item: a varint without a tag. */
void pith_proto_item(pith_proto *proto, uint64_t value);

/* Appends the model that `text` describes. False: the text itself is wrong (a bug of the test). */
bool pith_proto_onnx(pith_proto *proto, const char *text);

#endif
