/* SPDX-License-Identifier: Apache-2.0 */
/* Attribute structs and their tables: the part of an operator's record that the graph reads. */
#ifndef PITH_GRAPH_ATTRS_H
#define PITH_GRAPH_ATTRS_H

#include "base/base.h"
#include "pith/object.h"

typedef struct pith_ints {
    const int64_t *items;
    int n_items;
} pith_ints;

typedef struct pith_floats {
    const float *items;
    int n_items;
} pith_floats;

typedef struct pith_strings {
    const pith_string *items;
    int n_items;
} pith_strings;

typedef enum pith_attr_kind {
    PITH_ATTR_KIND_INT,    /* int64_t */
    PITH_ATTR_KIND_FLOAT,  /* float */
    PITH_ATTR_KIND_INTS,   /* pith_ints */
    PITH_ATTR_KIND_FLOATS, /* pith_floats */
    PITH_ATTR_KIND_CHOICE, /* int64_t: index into `choices`; written as a string in files */
    PITH_ATTR_KIND_TENSOR, /* const pith_tensor * */
    PITH_ATTR_KIND_CHOICES, /* pith_ints: indices into `choices`; written as a list of strings */
    PITH_ATTR_KIND_STRING,  /* const char *; NULL while absent */
    PITH_ATTR_KIND_STRINGS, /* pith_strings */
    PITH_ATTR_KIND_TYPE     /* const pith_type *; NULL while absent */
} pith_attr_kind;

/* One field of an operator's attribute struct. Import, printing and samples read this table. */
typedef struct pith_attr_spec {
    const char *name; /* ONNX's name where ONNX has the attribute */
    pith_attr_kind kind;
    size_t offset;
    double default_value;
    const char *const *choices; /* NULL-terminated, for CHOICE and CHOICES */
    bool is_required;
    bool is_own; /* pith's own, set by passes and spellings: a file that gives it is refused */
    bool is_wide; /* INT: any value; others, which shapes are counted with, have 31 bits and a sign */
} pith_attr_spec;

#define PITH_ATTR_INT(type, field, name, value)                                                                      \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_INT, offsetof(type, field), (value), NULL, false, false, false                        \
    }
#define PITH_ATTR_WIDE_INT(type, field, name, value)                                                                 \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_INT, offsetof(type, field), (value), NULL, false, false, true                         \
    }
#define PITH_ATTR_FLOAT(type, field, name, value)                                                                    \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_FLOAT, offsetof(type, field), (value), NULL, false, false, false                      \
    }
#define PITH_ATTR_INTS(type, field, name)                                                                            \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_INTS, offsetof(type, field), 0, NULL, false, false, false                             \
    }
#define PITH_ATTR_FLOATS(type, field, name)                                                                          \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_FLOATS, offsetof(type, field), 0, NULL, false, false, false                           \
    }
#define PITH_ATTR_TENSOR(type, field, name)                                                                          \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_TENSOR, offsetof(type, field), 0, NULL, false, false, false                           \
    }
#define PITH_ATTR_CHOICE(type, field, name, value, choices)                                                          \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_CHOICE, offsetof(type, field), (value), (choices), false, false, false                \
    }
#define PITH_ATTR_CHOICES(type, field, name, choices)                                                                \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_CHOICES, offsetof(type, field), 0, (choices), false, false, false                     \
    }
#define PITH_ATTR_STRING(type, field, name)                                                                          \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_STRING, offsetof(type, field), 0, NULL, false, false, false                           \
    }
#define PITH_ATTR_STRINGS(type, field, name)                                                                         \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_STRINGS, offsetof(type, field), 0, NULL, false, false, false                          \
    }
#define PITH_ATTR_TYPE(type, field, name)                                                                            \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_TYPE, offsetof(type, field), 0, NULL, false, false, false                             \
    }
#define PITH_ATTR_REQUIRED_STRING(type, field, name)                                                                 \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_STRING, offsetof(type, field), 0, NULL, true, false, false                            \
    }
#define PITH_ATTR_REQUIRED_INT(type, field, name)                                                                    \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_INT, offsetof(type, field), 0, NULL, true, false, false                               \
    }
#define PITH_ATTR_REQUIRED_INTS(type, field, name)                                                                   \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_INTS, offsetof(type, field), 0, NULL, true, false, false                              \
    }

#define PITH_ATTR_OWN_INT(type, field, name, value)                                                                  \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_INT, offsetof(type, field), (value), NULL, false, true, false                         \
    }
#define PITH_ATTR_OWN_FLOAT(type, field, name, value)                                                                \
    {                                                                                                                \
        (name), PITH_ATTR_KIND_FLOAT, offsetof(type, field), (value), NULL, false, true, false                       \
    }

/* An attribute table entry list for pith_op_head. */
#define PITH_ATTRS(table, type) (table), PITH_COUNT(table), sizeof(type)
#define PITH_NO_ATTRS NULL, 0, 0

struct pith_op; /* ops/op.h */

/* First member of every operator record. */
typedef struct pith_op_head {
    const char *name;
    int version; /* of the behaviour: 1 until that of an operator changes */
    const pith_attr_spec *attrs;
    int n_attrs;
    size_t attrs_size;
} pith_op_head;

static inline const pith_op_head *pithi_op_head(const struct pith_op *op)
{
    return (const pith_op_head *)(const void *)op;
}

/* A zeroed attribute struct with the table's defaults; NULL if the operator has no attributes. */
pith_status pithi_attrs_new(const pith_op_head *head, pithi_arena *arena, void **attrs_out);
/* Deep copy of lists; tensors' data stay shared. */
pith_status pithi_attrs_copy(const pith_op_head *head, const void *attrs, pithi_arena *arena, void *copy);
/* Whether an INT from a file is in range. */
pith_status pithi_attr_check_int(pith_ctx *ctx, const pith_attr_spec *spec, int64_t value);
/* Adds ` name=value` for every attribute that differs from its default. */
void pithi_attrs_print(const pith_op_head *head, const void *attrs, pithi_text *text);
/* True if the field of that attribute has the table's default, or is empty. */
bool pithi_attr_is_default(const pith_attr_spec *spec, const void *field);
/* 1 if every attribute has the same value (tensors: same data pointer or same bytes). */
bool pithi_attrs_equal(const pith_op_head *head, const void *a, const void *b);
/* The same for attributes that are equal: of numbers and lists of integers. */
uint64_t pithi_attrs_hash(uint64_t seed, const pith_op_head *head, const void *attrs);

/* ---- by name, for passes: they see no attribute structs ------------------------------------- */

struct pith_node; /* graph/graph.h */

/* Field of the node's attribute `name`, or NULL if its operator has none of that name and kind. */
void *pithi_attr_field(const struct pith_node *node, const char *name, pith_attr_kind kind);
/* Values of INT and CHOICE, FLOAT, INTS. Asking for an attribute the operator lacks is a bug of the
 * caller: 0 or an empty list. */
int64_t pithi_attr_int(const struct pith_node *node, const char *name);
float pithi_attr_float(const struct pith_node *node, const char *name);
pith_ints pithi_attr_ints(const struct pith_node *node, const char *name);
/* The text of a CHOICE; "" if there is no such attribute. */
const char *pithi_attr_choice(const struct pith_node *node, const char *name);
/* Setting fails with INTERNAL if the operator has no such attribute. Lists are copied into `arena`. */
pith_status pithi_attr_set_int(pith_ctx *ctx, struct pith_node *node, const char *name, int64_t value);
pith_status pithi_attr_set_float(pith_ctx *ctx, struct pith_node *node, const char *name, float value);
pith_status pithi_attr_set_ints(pithi_arena *arena, struct pith_node *node, const char *name, const int64_t *items,
                                int n_items);

#endif
