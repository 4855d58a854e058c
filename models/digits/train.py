"""Train two classifiers of handwritten digits, an MLP and a CNN, and write them as ONNX with the held-out digits.

    python digits/train.py       # about a minute; writes mlp.onnx, cnn.onnx, heldout.safetensors, and prints top-1

The data is the 1,797 digits of 8 x 8 pixels in scikit-learn (`load_digits`). A quarter of each class, chosen by seed, is held
out. Pixels are sixteenths, 0 to 1. The ONNX graphs are put together by hand, with batch normalisation left as its own operator.
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
SEED = 8


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 96), nn.Linear(96, 48), nn.Linear(48, 10)

    def forward(self, x):
        return self.c(F.relu(self.b(F.relu(self.a(x.flatten(1))))))


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.inner, self.inner_norm = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.wide = nn.Conv2d(16, 32, 3, padding=1)
        self.head = nn.Linear(32 * 2 * 2, 10)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        x = F.max_pool2d(F.relu(x + self.inner_norm(self.inner(x))), 2)
        x = F.max_pool2d(F.relu(self.wide(x)), 2)
        return self.head(x.flatten(1))


def fit(model, images, labels, epochs):
    """Train with shifts by one pixel as augmentation."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    steps = epochs * (len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for i in range(len(images) // 64):
            batch = order[64 * i : 64 * (i + 1)]
            dx, dy = torch.randint(-1, 2, (2,)).tolist() if torch.rand(()) < 0.6 else (0, 0)
            moved = F.pad(images[batch], (1, 1, 1, 1))[:, :, 1 + dy : 9 + dy, 1 + dx : 9 + dx]
            loss = F.cross_entropy(model(moved), labels[batch], label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


class Graph:
    """An ONNX graph in the making."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def constant(self, name, tensor):
        self.initializers.append(numpy_helper.from_array(tensor.detach().numpy(), name))
        return name

    def node(self, op, inputs, **attributes):
        output = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def linear(self, x, layer, name):
        weight = self.constant(f"{name}.weight", layer.weight)
        return self.node("Gemm", [x, weight, self.constant(f"{name}.bias", layer.bias)], transB=1)

    def conv(self, x, layer, name):
        inputs = [x, self.constant(f"{name}.weight", layer.weight)]
        if layer.bias is not None:
            inputs.append(self.constant(f"{name}.bias", layer.bias))
        return self.node("Conv", inputs, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def norm(self, x, layer, name):
        parts = {"scale": layer.weight, "bias": layer.bias, "mean": layer.running_mean, "var": layer.running_var}
        inputs = [x] + [self.constant(f"{name}.{part}", tensor) for part, tensor in parts.items()]
        return self.node("BatchNormalization", inputs, epsilon=layer.eps)

    def write(self, path, output):
        self.nodes.append(helper.make_node("Identity", [output], ["logits"], name="logits"))
        graph = helper.make_graph(
            self.nodes,
            path.stem,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="proofmark")
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString())


def write_mlp(model, path):
    g = Graph()
    x = g.node("Flatten", ["image"], axis=1)
    x = g.node("Relu", [g.linear(x, model.a, "a")])
    x = g.node("Relu", [g.linear(x, model.b, "b")])
    g.write(path, g.linear(x, model.c, "c"))


def write_cnn(model, path):
    g = Graph()
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    x = g.node("Relu", [g.norm(g.conv("image", model.stem, "stem"), model.stem_norm, "stem_norm")])
    y = g.norm(g.conv(x, model.inner, "inner"), model.inner_norm, "inner_norm")
    x = g.node("MaxPool", [g.node("Relu", [g.node("Add", [x, y])])], **pool)
    x = g.node("MaxPool", [g.node("Relu", [g.conv(x, model.wide, "wide")])], **pool)
    g.write(path, g.linear(g.node("Flatten", [x], axis=1), model.head, "head"))


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None]
    labels = digits.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.25, random_state=SEED, stratify=labels
    )
    heldout = {"image": test_x, "label": test_y}
    for name, model, write, epochs in (("mlp", Mlp(), write_mlp, 120), ("cnn", Cnn(), write_cnn, 60)):
        fit(model, torch.from_numpy(train_x), torch.from_numpy(train_y), epochs)
        path = HERE / f"{name}.onnx"
        write(model, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        logits = session.run(None, {"image": test_x})[0]
        with torch.no_grad():
            difference = np.abs(logits - model(torch.from_numpy(test_x)).numpy()).max()
        heldout[f"{name}_logits"] = logits
        right = int((logits.argmax(1) == test_y).sum())
        print(
            f"{name}: {right} of {len(test_y)} held-out digits, {100 * right / len(test_y):.2f} % top-1; "
            f"{path.stat().st_size / 1000:.1f} kB; onnxruntime against torch {difference:.1e}"
        )
    save_file(heldout, HERE / "heldout.safetensors")
    (HERE / "heldout.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()
