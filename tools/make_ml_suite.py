#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/models/ml_suite.tar.xz: models of ai.onnx.ml operators with outputs that ONNX Runtime gave.

    make_ml_suite.py [ARCHIVE]      (needs onnx, onnxruntime and numpy; default: the archive in tests/models)

The cases lie as in the ONNX backend suite: ml/test_NAME/{model.onnx,tolerance,test_data_set_0/...}. Left out is where
ONNX Runtime contradicts the standard: labels of two classes that both have votes, softmaxes of one score.
"""

import os
import sys

import case_archive
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

DOMAIN = "ai.onnx.ml"
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
CASES = []
random = np.random.default_rng(11)


def case(name, operator, inputs, types=(FLOAT,), opset=3, rtol=1e-4, atol=1e-5, **attributes):
    inputs = [np.asarray(x) for x in inputs]
    names = [f"x{i}" for i in range(len(inputs))]
    outputs = [f"y{i}" for i in range(len(types))]
    node = helper.make_node(operator, names, outputs, domain=DOMAIN, **attributes)
    dtypes = [STRING if x.dtype == object else helper.np_dtype_to_tensor_dtype(x.dtype) for x in inputs]
    graph = helper.make_graph([node], name, [helper.make_tensor_value_info(n, t, x.shape)
                                             for n, t, x in zip(names, dtypes, inputs)],
                              [helper.make_tensor_value_info(y, t, None) for y, t in zip(outputs, types)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, opset)],
                              ir_version=8)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    CASES.append((f"test_{name}", model, inputs, session.run(None, dict(zip(names, inputs))), rtol, atol))


def data(rows, columns, specials=True):
    x = random.standard_normal((rows, columns)).astype(np.float32)
    if specials:
        x[random.random(x.shape) < 0.1] = np.nan
        x[random.random(x.shape) < 0.15] = 1.0
        x[random.random(x.shape) < 0.1] = -0.0
    return x


def trees(kind, n_trees, depth, n_features, modes, n_votes=1, negative=True):
    """Random trees as attributes of versions 1 to 4; `n_votes` votes for targets 0, 1, ... at every leaf."""
    names = ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
             "missing_value_tracks_true"]
    nodes = {f"nodes_{n}": [] for n in names}
    votes = {f"{kind}_{n}": [] for n in ("treeids", "nodeids", "ids", "weights")}

    def add(tree, level, counter):
        number = counter[0]
        counter[0] += 1
        is_leaf = level == depth or (level > 0 and random.random() < 0.15)
        at = len(nodes["nodes_treeids"])
        split = random.choice([0.0, 1.0, float(np.float32(random.standard_normal()))])
        values = [tree, number, 0 if is_leaf else int(random.integers(n_features)), 0.0 if is_leaf else float(split),
                  "LEAF" if is_leaf else str(random.choice(modes)), 0, 0, 0 if is_leaf else int(random.integers(2))]
        for name, value in zip(names, values):
            nodes[f"nodes_{name}"].append(value)
        if is_leaf:
            for target in range(n_votes):
                weight = float(np.float32(random.uniform(-1 if negative else 0, 1)))
                for name, value in zip(votes, (tree, number, target, weight)):
                    votes[name].append(value)
        else:
            nodes["nodes_truenodeids"][at] = add(tree, level + 1, counter)
            nodes["nodes_falsenodeids"][at] = add(tree, level + 1, counter)
        return number

    for tree in range(n_trees):
        add(tree, 0, [0])
    return {**nodes, **votes}


def ensembles():
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        case(f"tree_regressor_{aggregate.lower()}", "TreeEnsembleRegressor", [data(11, 4)], n_targets=1,
             aggregate_function=aggregate, base_values=[0.25], **trees("target", 9, 4, 4, MODES))
    case("tree_regressor_targets", "TreeEnsembleRegressor", [data(9, 4)], n_targets=3, opset=1,
         **trees("target", 5, 4, 4, MODES, n_votes=3))
    case("tree_regressor_one_row", "TreeEnsembleRegressor", [data(1, 4)], n_targets=1,
         **trees("target", 260, 1, 4, MODES[:1]))
    labels = {"classlabels_int64s": [4, -5, 6]}
    for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        case(f"tree_classifier_{post.lower()}", "TreeEnsembleClassifier", [data(9, 4)], (INT64, FLOAT),
             post_transform=post, **labels, **trees("class", 4, 3, 4, MODES, n_votes=3))
    case("tree_classifier_strings", "TreeEnsembleClassifier", [data(9, 4)], (STRING, FLOAT), opset=1,
         classlabels_strings=["red", "green", "blue"], **trees("class", 4, 3, 4, MODES, n_votes=3))
    for post, negative in (("NONE", True), ("NONE", False), ("LOGISTIC", True)):
        case(f"tree_classifier_binary_{post.lower()}_{'signed' if negative else 'positive'}", "TreeEnsembleClassifier",
             [data(9, 4)], (INT64, FLOAT), post_transform=post, classlabels_int64s=[7, 8], base_values=[0.1],
             **trees("class", 2, 3, 4, MODES, negative=negative))


def linear():
    x = data(7, 3, specials=False)
    weights = [float(np.float32(w)) for w in random.standard_normal(9)]
    case("linear_regressor", "LinearRegressor", [x], coefficients=weights[:3], intercepts=[0.5])
    case("linear_regressor_softmax", "LinearRegressor", [x], coefficients=weights, targets=3, post_transform="SOFTMAX")
    case("linear_classifier", "LinearClassifier", [x], (INT64, FLOAT), coefficients=weights, intercepts=[0.1, 0.2, 0.3],
         classlabels_ints=[3, 5, 9], post_transform="SOFTMAX", multi_class=1)
    case("linear_classifier_binary", "LinearClassifier", [x], (STRING, FLOAT), coefficients=weights[:3],
         intercepts=[0.1], classlabels_strings=["no", "yes"], post_transform="LOGISTIC")
    vectors = [float(np.float32(v)) for v in random.standard_normal(12)]
    for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        svm = {"support_vectors": vectors, "kernel_type": kernel, "kernel_params": [0.3, 0.2, 3.0]}
        case(f"svm_regressor_{kernel.lower()}", "SVMRegressor", [x], coefficients=weights[:4], rho=[0.5], n_supports=4,
             **svm)
        case(f"svm_classifier_{kernel.lower()}", "SVMClassifier", [x], (INT64, FLOAT), coefficients=weights[:8],
             rho=[0.1, -0.2, 0.3], vectors_per_class=[1, 2, 1], classlabels_ints=[1, 2, 3], **svm)
        case(f"svm_probabilities_{kernel.lower()}", "SVMClassifier", [x], (INT64, FLOAT), coefficients=weights[:8],
             rho=[0.1, -0.2, 0.3], vectors_per_class=[1, 2, 1], prob_a=[-1.0, -1.5, -0.5], prob_b=[0.1, 0.0, -0.1],
             classlabels_ints=[1, 2, 3], **svm)
    case("svm_classifier_binary", "SVMClassifier", [x], (STRING, FLOAT), coefficients=weights[:4], rho=[0.1],
         vectors_per_class=[3, 1], classlabels_strings=["a", "b"], support_vectors=vectors, kernel_type="RBF",
         kernel_params=[0.3, 0.0, 0.0])
    case("svm_one_class", "SVMRegressor", [x], coefficients=weights[:4], rho=[-0.2], n_supports=4, one_class=1,
         support_vectors=vectors, kernel_type="RBF", kernel_params=[0.3, 0.0, 0.0])


def features():
    x = data(5, 3, specials=False)
    for norm in ("MAX", "L1", "L2"):
        case(f"normalizer_{norm.lower()}", "Normalizer", [x], norm=norm)
    case("scaler", "Scaler", [x], offset=[0.1, 0.2, 0.3], scale=[1.0, 2.0, 3.0])
    case("scaler_int", "Scaler", [np.array([[1, 2], [3, 4]])], offset=[1.0], scale=[0.5])
    case("imputer_nan", "Imputer", [data(5, 3)], imputed_value_floats=[1.0, 2.0, 3.0], replaced_value_float=float("nan"))
    case("imputer_int", "Imputer", [np.array([[1, 0], [0, 4]])], (INT64,), imputed_value_int64s=[9],
         replaced_value_int64=0)
    case("binarizer", "Binarizer", [x], threshold=0.25)
    case("feature_vectorizer", "FeatureVectorizer", [x, x[:, :1].copy()], inputdimensions=[3, 1])
    case("one_hot", "OneHotEncoder", [np.array([[1, 5], [2, 3]])], cats_int64s=[1, 2, 3], zeros=1)
    words = np.array(["b", "", "a", "unknown"], object)
    case("one_hot_strings", "OneHotEncoder", [words], cats_strings=["a", "b"], zeros=1)
    case("array_feature_extractor", "ArrayFeatureExtractor", [x, np.array([[2, 0]])])
    case("category_mapper", "CategoryMapper", [words], (INT64,), cats_int64s=[5, 6], cats_strings=["a", "b"],
         default_int64=-7)
    case("category_mapper_back", "CategoryMapper", [np.array([6, 5, 4])], (STRING,), cats_int64s=[5, 6],
         cats_strings=["a", "b"], default_string="?")
    case("label_encoder_1", "LabelEncoder", [words], (INT64,), opset=1, classes_strings=["a", "b"], default_int64=-7)
    case("label_encoder_2", "LabelEncoder", [words], (FLOAT,), opset=2, keys_strings=["a", "b"],
         values_floats=[0.5, 1.5], default_float=-2.0)
    case("label_encoder_numbers", "LabelEncoder", [np.array([[3, 1], [2, 9]])], (STRING,), opset=2,
         keys_int64s=[1, 2, 3], values_strings=["one", "two", "three"])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    archive = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "tests", "models", "ml_suite.tar.xz")
    for group in (ensembles, linear, features):
        group()
    case_archive.write(archive, "ml", CASES)
    print(f"{len(CASES)} cases, {os.path.getsize(archive)} bytes (onnxruntime {ort.__version__}, onnx {onnx.__version__})")


if __name__ == "__main__":
    main()
