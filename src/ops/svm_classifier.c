/* SPDX-License-Identifier: Apache-2.0 */
/* svm_classifier: for each row of [N, F] the scores of a support vector machine and the votes that choose the class.
 *   one against one: a score for each pair of classes i < j; positive ones vote for i, others for j
 *   with prob_a: the scores are probabilities of the classes, coupled from the pairs' (Wu, Lin and Weng 2004, method 2)
 *   without support vectors: a linear model per class; votes are the scores
 * The front part of ai.onnx.ml SVMClassifier (class_labels). */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_svm.h"

typedef struct svm_attrs {
    int64_t n_classes, kernel_type;
    pith_ints vectors_per_class;
    pith_floats coefficients, kernel_params, rho, support_vectors, prob_a, prob_b;
} svm_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_OWN_INT(svm_attrs, n_classes, "n_classes", 1),
    PITH_ATTR_CHOICE(svm_attrs, kernel_type, "kernel_type", PITHI_SVM_LINEAR, pithi_svm_kernels),
    PITH_ATTR_INTS(svm_attrs, vectors_per_class, "vectors_per_class"),
    PITH_ATTR_FLOATS(svm_attrs, coefficients, "coefficients"),
    PITH_ATTR_FLOATS(svm_attrs, kernel_params, "kernel_params"),
    PITH_ATTR_FLOATS(svm_attrs, rho, "rho"),
    PITH_ATTR_FLOATS(svm_attrs, support_vectors, "support_vectors"),
    PITH_ATTR_FLOATS(svm_attrs, prob_a, "prob_a"),
    PITH_ATTR_FLOATS(svm_attrs, prob_b, "prob_b"),
};

static int64_t vectors_of(const svm_attrs *a)
{
    int64_t n_vectors = 0;
    for (int i = 0; i < a->vectors_per_class.n_items; i++) {
        n_vectors += a->vectors_per_class.items[i];
    }
    return n_vectors;
}

/* Numbers of doubles. */
typedef struct sizes {
    int64_t n_features, n_classes, n_vectors, n_pairs, n_scores;
} sizes;

static sizes sizes_of(const svm_attrs *a, const pith_tensor *inputs)
{
    sizes s = { pithi_ml_matrix_of(&inputs[0].shape).n_columns, a->n_classes, vectors_of(a),
                a->n_classes * (a->n_classes - 1) / 2, 0 };
    s.n_scores = s.n_vectors > 0 && a->prob_a.n_items == 0 ? s.n_pairs : s.n_classes;
    return s;
}

static int64_t scratch_count(const void *attrs, const pith_tensor *inputs)
{
    const sizes s = sizes_of(attrs, inputs);
    return s.n_features + s.n_vectors + s.n_pairs + 3 * s.n_classes + 2 * s.n_classes * s.n_classes;
}

/* Scores of all pairs and votes from the products K(x, v). Row j - 1 of the coefficients belongs to the pairs in which
 * a vector's class meets class j. */
static void vote_pairs(const svm_attrs *a, const sizes *s, const double *products, double *scores, double *votes)
{
    int64_t at = 0, start_i = 0;
    for (int64_t i = 0; i < s->n_classes; i++) {
        int64_t start_j = start_i + a->vectors_per_class.items[i];
        for (int64_t j = i + 1; j < s->n_classes; j++, at++) {
            double sum = (double)a->rho.items[at];
            for (int64_t v = start_i; v < start_i + a->vectors_per_class.items[i]; v++) {
                sum += (double)a->coefficients.items[(j - 1) * s->n_vectors + v] * products[v];
            }
            for (int64_t v = start_j; v < start_j + a->vectors_per_class.items[j]; v++) {
                sum += (double)a->coefficients.items[i * s->n_vectors + v] * products[v];
            }
            scores[at] = sum;
            votes[sum > 0 ? i : j] += 1.0;
            start_j += a->vectors_per_class.items[j];
        }
        start_i += a->vectors_per_class.items[i];
    }
}

/* One sweep of the coupling: p moves to where all (Q p)_t are equal. */
static void couple_once(int64_t k, const double *q, double *qp, double *p, double p_q_p)
{
    for (int64_t t = 0; t < k; t++) {
        const double change = (p_q_p - qp[t]) / q[t * k + t];
        p[t] += change;
        p_q_p = (p_q_p + change * (change * q[t * k + t] + 2.0 * qp[t])) / ((1.0 + change) * (1.0 + change));
        for (int64_t j = 0; j < k; j++) {
            qp[j] = (qp[j] + change * q[t * k + j]) / (1.0 + change);
            p[j] /= 1.0 + change;
        }
    }
}

/* p minimises p^T Q p over probabilities, Q from the pairwise r. */
static void couple(int64_t k, const double *r, double *q, double *qp, double *p)
{
    for (int64_t t = 0; t < k; t++) {
        p[t] = 1.0 / (double)k;
        double diagonal = 0.0;
        for (int64_t j = 0; j < k; j++) {
            diagonal += j == t ? 0.0 : r[j * k + t] * r[j * k + t];
            q[t * k + j] = -r[j * k + t] * r[t * k + j];
        }
        q[t * k + t] = diagonal;
    }
    for (int64_t round = 0; round < pithi_max_s64(100, k); round++) {
        double p_q_p = 0.0, error = 0.0;
        for (int64_t t = 0; t < k; t++) {
            qp[t] = 0.0;
            for (int64_t j = 0; j < k; j++) {
                qp[t] += q[t * k + j] * p[j];
            }
            p_q_p += p[t] * qp[t];
        }
        for (int64_t t = 0; t < k; t++) {
            error = fmax(error, fabs(qp[t] - p_q_p));
        }
        if (error < 0.005 / (double)k) {
            return;
        }
        couple_once(k, q, qp, p, p_q_p);
    }
}

static void probabilities(const svm_attrs *a, const sizes *s, const double *pairs, double *work, double *p)
{
    const int64_t k = s->n_classes;
    double *r = work, *q = r + k * k, *qp = q + k * k;
    int64_t at = 0;
    for (int64_t i = 0; i < k; i++) {
        r[i * k + i] = 0.0;
        for (int64_t j = i + 1; j < k; j++, at++) {
            double value = pairs[at] * (double)a->prob_a.items[at] + (double)a->prob_b.items[at];
            pithi_ml_transform(PITHI_ML_LOGISTIC, &value, 1);
            r[i * k + j] = fmin(fmax(1.0 - value, 1e-7), 1.0 - 1e-7);
            r[j * k + i] = 1.0 - r[i * k + j];
        }
    }
    couple(k, r, q, qp, p);
}

static void rows(const pith_run *run, int64_t begin, int64_t end, double *scratch)
{
    const svm_attrs *a = run->attrs;
    const sizes s = sizes_of(a, run->inputs);
    double *x = scratch, *products = x + s.n_features, *pairs = products + s.n_vectors, *votes = pairs + s.n_pairs;
    double *classes = votes + s.n_classes, *work = classes + s.n_classes;
    for (int64_t row = begin; row < end; row++) {
        pithi_ml_read(&run->inputs[0], row * s.n_features, s.n_features, x);
        for (int64_t v = 0; v < s.n_vectors; v++) {
            products[v] = pithi_svm_product(a->kernel_type, &a->kernel_params, x,
                                            a->support_vectors.items + v * s.n_features, s.n_features);
        }
        for (int64_t k = 0; k < s.n_classes; k++) {
            votes[k] = 0.0;
            if (s.n_vectors == 0) {
                votes[k] = (double)a->rho.items[0] +
                           pithi_svm_product(PITHI_SVM_LINEAR, &a->kernel_params, x,
                                             a->coefficients.items + k * s.n_features, s.n_features);
            }
        }
        if (s.n_vectors > 0) {
            vote_pairs(a, &s, products, pairs, votes);
        }
        if (s.n_vectors > 0 && a->prob_a.n_items > 0) {
            probabilities(a, &s, pairs, work, classes);
        }
        const double *scores = s.n_vectors == 0 ? votes : a->prob_a.n_items > 0 ? classes : pairs;
        for (int64_t k = 0; k < s.n_scores; k++) {
            pithi_tensor_set_f64(&run->outputs[0], row * s.n_scores + k, scores[k]);
        }
        for (int64_t k = 0; k < s.n_classes; k++) {
            pithi_tensor_set_f64(&run->outputs[1], row * s.n_classes + k, votes[k]);
        }
    }
}

PITHI_ML_ROW_FUNCTIONS(rows, scratch_count)

static pith_status check_length(pith_infer *infer, const char *name, int64_t n_items, int64_t a, int64_t b)
{
    PITH_CHECK(infer->ctx, pithi_ml_is_product(n_items, a, b), PITH_STATUS_SHAPE,
               "'%s' has %lld items, but %lld times %lld are needed", name, (long long)n_items, (long long)a,
               (long long)b);
    return PITH_OK;
}

static pith_status check_lists(pith_infer *infer, const svm_attrs *a, const sizes *s)
{
    if (s->n_vectors == 0) {
        PITH_CHECK(infer->ctx, a->rho.n_items >= 1, PITH_STATUS_SHAPE, "'rho' is empty, but must have one item");
        return check_length(infer, "coefficients", a->coefficients.n_items, s->n_classes, s->n_features);
    }
    PITH_TRY(check_length(infer, "vectors_per_class", a->vectors_per_class.n_items, s->n_classes, 1));
    PITH_TRY(check_length(infer, "rho", a->rho.n_items, s->n_pairs, 1));
    PITH_TRY(check_length(infer, "support_vectors", a->support_vectors.n_items, s->n_vectors, s->n_features));
    PITH_TRY(check_length(infer, "coefficients", a->coefficients.n_items, s->n_vectors, s->n_classes - 1));
    PITH_TRY(check_length(infer, "prob_b", a->prob_b.n_items, a->prob_a.n_items, 1));
    return a->prob_a.n_items ? check_length(infer, "prob_a", a->prob_a.n_items, s->n_pairs, 1) : PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const svm_attrs *a = infer->attrs;
    pithi_ml_matrix matrix;
    PITH_TRY(pithi_infer_ml_matrix(infer, &matrix));
    PITH_TRY(pithi_infer_svm_params(infer, &a->kernel_params));
    PITH_CHECK(infer->ctx, a->n_classes >= 1 && a->n_classes <= 65535, PITH_STATUS_FORMAT,
               "there are %lld classes; 1 to 65535 are taken", (long long)a->n_classes);
    for (int i = 0; i < a->vectors_per_class.n_items; i++) {
        const int64_t n = a->vectors_per_class.items[i];
        PITH_CHECK(infer->ctx, n >= 0 && n <= a->coefficients.n_items, PITH_STATUS_FORMAT,
                   "vectors_per_class has an item %lld, but there are %d coefficients", (long long)n,
                   a->coefficients.n_items);
    }
    const sizes s = sizes_of(a, infer->inputs);
    PITH_TRY(check_lists(infer, a, &s));
    for (int i = 0; i < infer->n_outputs; i++) {
        infer->outputs[i].dtype = PITH_DTYPE_F32;
        infer->outputs[i].shape = (pith_shape){ 2, { matrix.n_rows, i == 0 ? s.n_scores : s.n_classes } };
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "scores", PITHI_ML_F32, PITH_ONE },
                                             { "votes", PITHI_ML_F32, PITH_ONE } };
#define THREE_VECTORS " | support_vectors=[1,2,3,-1,0,0.5] kernel_params=[0.5,1,2] "
static const char *const samples[] = {
    "f32[7,2]" THREE_VECTORS "kernel_type=RBF n_classes=2 vectors_per_class=[2,1] rho=[0.1] coefficients=[1,-0.5,-1]",
    "f64[7,2]" THREE_VECTORS "kernel_type=POLY n_classes=3 vectors_per_class=[1,1,1] rho=[0.1,-0.2,0.3] "
    "coefficients=[1,-0.5,-1,0.5,0.25,-1]",
    "s32[7,2]{-3:3}" THREE_VECTORS "kernel_type=SIGMOID n_classes=3 vectors_per_class=[1,1,1] rho=[0.1,-0.2,0.3] "
    "coefficients=[1,-0.5,-1,0.5,0.25,-1] prob_a=[-1,-1.5,-2] prob_b=[0.1,0,-0.1]",
    "f32[2] | n_classes=3 rho=[0.25] coefficients=[1,-0.5,-1,0.5,0.25,-1]",
};

const pith_op pith_op_svm_classifier = {
    .head = { "svm_classifier", 1, PITH_ATTRS(table, svm_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = ref_bytes, .prepare = prepare, .run = run,
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
