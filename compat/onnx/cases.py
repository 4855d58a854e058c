"""Writes the node tests of the `onnx` package as folders, and sums up what became of them.

    cases.py write FOLDER          one folder per case: model.onnx, in_<i>.npy, out_<i>.npy
    cases.py report FOLDER         reads the lines of onnx_cases from standard input; fails if a claimed operator does

Exact programs take weights as constants, so every case comes in two forms: as it is, and with all inputs but the first turned into
constants of the model. A case counts for its operator in the form that the operator has in models.
"""

import json
import pathlib
import re
import sys
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Operators that are claimed, and whether they are also claimed of several activations.
CLAIMED = {
    # weights and parameters are constants
    **dict.fromkeys(
        """Abs ArgMax AveragePool BatchNormalization Ceil Celu Clip Conv Cos Div Dropout Elu Erf Exp
        Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool HardSigmoid HardSwish Identity InstanceNormalization
        LayerNormalization LeakyRelu Log LpNormalization MaxPool Mish Neg PRelu Pad Pow ReduceMax ReduceMean ReduceMin ReduceSum Relu
        Reciprocal Reshape Round Selu Sigmoid Sign Sin Slice Softmax Softplus Softsign Split Sqrt Squeeze Tanh
        ThresholdedRelu Transpose Unsqueeze""".split(),
        False,
    ),
    **dict.fromkeys("Add Sub Mul Max Min Mean Sum MatMul Concat".split(), True),
}

# Why a case of a claimed operator is out of scope. The first pattern that matches what the importer said, or the case's name, counts.
OUT_OF_SCOPE = [
    ("several rows at once", r"on several rows at once"),
    ("computed parameters", r"(are|is) computed|a parameter of it is computed|from the input|that repeats an activation"),
    ("training mode", r"in training mode|its mask is not imported"),
    ("three dimensions", r"in other than one or two dimensions"),
    ("types that are not imported", r"type [A-Z0-9_]+|to a type that is not imported|does not consist of real numbers|type that is not read"),
    ("integers that wrap around or truncate", r"of an activation to integers or truth values|of integers|uint|int(8|16)|_int_?"),
    ("dilated or indexed pooling", r"with dilations|indices of maxima"),
    ("constants instead of inputs", r"does not depend on the inputs|1 to 256 are|0 inputs"),
    ("empty tensors or open dimensions", r"is empty|no fixed size|has no shape|cannot have the shape .*\b0\b"),
    ("modes of padding other than constant", r"in another mode than constant|negative or huge pads"),
    ("backward slices", r"backwards"),
    ("the last index of equals", r"the last index of equals"),
    ("mean and deviation as results", r"its mean and deviation|output [12] is not imported"),
    ("sequences, optionals, texts", r"is not a tensor|sequence|optional|of texts"),
    ("infinities and NaN", r"not a finite number|not finite|is not finite"),
    ("a norm other than the second", r"with another norm"),
    ("a broadcast over matrices", r"with a broadcast over matrices"),
    ("broadcasts of both sides", r"repeats both|makes the activation larger"),
    ("two activations", r"of two activations"),
    ("an activation beside a constant", r"of an activation and a constant"),
    ("a power for each element", r"Pow: with a constant that is not one number"),
    ("more than six dimensions", r"dimensions"),
    ("axes that the version before 22 does not have", r"operator set"),
]


def numeric(array):
    return isinstance(array, np.ndarray) and array.dtype.kind in "fiub" and array.dtype.itemsize <= 8 and array.dtype != np.float16


def as_array(value):
    return np.asarray(value) if isinstance(value, np.generic) else value


def constants(model, inputs):
    """The same model, with all inputs but the first as initializers."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    names = [i.name for i in model.graph.input]
    for name, array in list(zip(names, inputs))[1:]:
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    del model.graph.input[1:]
    return model, inputs[:1]


def write(folder):
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases

    count = 0
    for case in collect_testcases(None):
        operators = {n.op_type for n in case.model.graph.node if not n.domain}
        if "_expanded" in case.name or len(case.model.graph.node) != 1 or not operators & set(CLAIMED):
            continue
        (operator,) = operators
        inputs, outputs = (list(map(as_array, part)) for part in case.data_sets[0])
        if not all(map(numeric, inputs)) or not all(map(numeric, outputs)):
            continue
        model = onnx.ModelProto.FromString(case.model.SerializeToString())
        if operator == "LayerNormalization":
            # Its mean and deviation are optional results, for training.
            del model.graph.output[1:], model.graph.node[0].output[1:], outputs[1:]
        for opset in model.opset_import:
            if opset.domain == "":
                # What changed after 21 in these operators are types only.
                opset.version = max(11, min(21, opset.version))
        forms = [("constants", *constants(model, inputs))] if len(inputs) > 1 else [("plain", model, inputs)]
        if len(inputs) > 1 and CLAIMED[operator]:
            forms.append(("activations", model, inputs))
        for form, shaped, given in forms:
            path = folder / f"{operator}.{form}.{case.name}"
            path.mkdir(parents=True)
            (path / "model.onnx").write_bytes(shaped.SerializeToString())
            for prefix, arrays in (("in", given), ("out", outputs)):
                for at, array in enumerate(arrays):
                    np.save(path / f"{prefix}_{at}.npy", np.ascontiguousarray(array).reshape(array.shape))
            count += 1
    print(f"{count} cases written")


def scope(line):
    """Why a case is out of scope, or None."""
    said = line.get("why", "")
    for reason, pattern in OUT_OF_SCOPE:
        if re.search(pattern, said) or (reason.startswith("integers") and re.search(pattern, line["case"])):
            return reason
    return None


def report():
    table, failures, reasons, ratio = {}, [], {}, 0.0
    for text in sys.stdin:
        line = json.loads(text)
        operator, form, _ = line["case"].split(".", 2)
        row = table.setdefault(operator, {"pass": 0, "fail": 0, "out of scope": 0})
        if line["state"] == "pass":
            row["pass"] += 1
            if line["bound"] is not None and line["range"] > 0:
                ratio = max(ratio, line["error"] / line["range"])
        elif line["state"] == "refused" and (reason := scope(line)):
            row["out of scope"] += 1
            reasons[reason] = reasons.get(reason, 0) + 1
        else:
            row["fail"] += 1
            failures.append(text.strip())
    print(f"{'operator':24}{'pass':>6}{'fail':>6}{'out of scope':>14}")
    for operator, row in sorted(table.items()):
        print(f"{operator:24}{row['pass']:6}{row['fail']:6}{row['out of scope']:14}")
    print("\nout of scope:")
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        print(f"{count:6}  {reason}")
    silent = sorted(set(CLAIMED) - {operator for operator, row in table.items() if row["pass"]})
    if silent:
        print("\nclaimed, without a case that passes:", ", ".join(silent))
    passed = sum(row["pass"] for row in table.values())
    print(f"\nlargest error of a case, as a part of its range: {ratio:.2e}")
    for failure in failures:
        print("FAILED", failure)
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures or silent else 0


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(pathlib.Path(sys.argv[2]))
    else:
        sys.exit(report())
