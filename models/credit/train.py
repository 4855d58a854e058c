"""Train a gradient-boosted classifier on generated applications, and write it as ONNX with held-out rows.

    python credit/train.py      # about a minute; writes credit.onnx and heldout.csv, and prints what it is worth

heldout.csv has the features, the label, and the scores: `score_onnx` by onnxruntime (float32) and `score_sklearn` by
scikit-learn (float64), both the probability of a default.
"""

import pathlib
import sys

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from generate import FEATURES, applications  # noqa: E402

TREES, DEPTH, HELD_OUT = 120, 6, 2000


def main():
    train_x, train_y, _ = applications(1, 20_000)
    test_x, test_y, chance = applications(2, HELD_OUT)
    model = GradientBoostingClassifier(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=0.06, subsample=0.5, min_samples_leaf=20, random_state=3
    )
    model.fit(train_x, train_y)
    converted = to_onnx(
        model, train_x[:1], options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3}, name="credit"
    )
    path = HERE / "credit.onnx"
    path.write_bytes(converted.SerializeToString())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    score = session.run(None, {session.get_inputs()[0].name: test_x})[1][:, 1]
    reference = model.predict_proba(test_x)[:, 1]
    rows = [",".join([*FEATURES, "label", "score_onnx", "score_sklearn"])]
    for features, label, a, b in zip(test_x, test_y, score, reference, strict=True):
        rows.append(
            ",".join(
                [
                    *(np.format_float_positional(f, trim="-") for f in features),
                    str(label),
                    repr(float(a)),
                    repr(float(b)),
                ]
            )
        )
    (HERE / "heldout.csv").write_text("\n".join(rows) + "\n")
    depths = [tree[0].get_depth() for tree in model.estimators_]
    nodes = sum(tree[0].tree_.node_count for tree in model.estimators_)
    print(
        f"{len(depths)} trees of depth {min(depths)} to {max(depths)}, {nodes} nodes, {path.stat().st_size / 1e6:.2f} MB"
    )
    print(f"defaults {test_y.mean():.3f}; area under the curve {roc_auc_score(test_y, score):.4f}", end="")
    print(
        f" (by the true chances {roc_auc_score(test_y, chance):.4f}); accuracy {accuracy_score(test_y, score > 0.5):.4f}"
    )
    print(f"onnxruntime against scikit-learn: largest difference {np.abs(score - reference).max():.1e}")


if __name__ == "__main__":
    main()
