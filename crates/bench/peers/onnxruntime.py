"""Networks with random weights in onnxruntime, float32, one image at a time.

    python onnxruntime.py FILE NETWORK     # NETWORK: LeNet or ResNet-18

Writes the network to FILE; then, for each line `THREADS SECONDS` of the input, prints the median of the milliseconds of the runs
in that time.
"""

import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


class Maker:
    """Collects nodes; a value is its name, its channels and its size."""

    def __init__(self):
        self.nodes, self.weights, self.random = [], [], np.random.default_rng(1)

    def node(self, operator, inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, *shape):
        name = f"w{len(self.weights)}"
        spread = np.sqrt(2 / max(np.prod(shape[1:]), 1))
        values = (self.random.standard_normal(shape) * spread).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x, inputs, outputs, size, stride, pad, relu=True):
        y = self.node(
            "Conv",
            [x, self.constant(outputs, inputs, size, size), self.constant(outputs)],
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[pad] * 4,
        )
        return self.node("Relu", [y]) if relu else y

    def pool(self, x, size, stride, pad):
        return self.node("MaxPool", [x], kernel_shape=[size, size], strides=[stride, stride], pads=[pad] * 4)

    def linear(self, x, inputs, outputs, relu=True):
        y = self.node("Gemm", [x, self.constant(outputs, inputs), self.constant(outputs)], transB=1)
        return self.node("Relu", [y]) if relu else y


def lenet(make, x):
    x = make.pool(make.conv(x, 1, 6, 5, 1, 2), 2, 2, 0)
    x = make.pool(make.conv(x, 6, 16, 5, 1, 0), 2, 2, 0)
    x = make.node("Flatten", [x])
    return make.linear(make.linear(make.linear(x, 400, 120), 120, 84), 84, 10, relu=False)


def resnet18(make, x):
    x = make.pool(make.conv(x, 3, 64, 7, 2, 3), 3, 2, 1)
    inputs = 64
    for stage, channels in enumerate([64, 128, 256, 512]):
        for block in range(2):
            stride = 2 if stage and not block else 1
            branch = make.conv(x, inputs, channels, 3, stride, 1)
            branch = make.conv(branch, channels, channels, 3, 1, 1, relu=False)
            same = stride == 1 and inputs == channels
            skip = x if same else make.conv(x, inputs, channels, 1, stride, 0, relu=False)
            x = make.node("Relu", [make.node("Add", [branch, skip])])
            inputs = channels
    x = make.node("Flatten", [make.node("GlobalAveragePool", [x])])
    return make.linear(x, 512, 1000, relu=False)


def main():
    file, network = sys.argv[1:]
    build, shape, scores = {
        "LeNet": (lenet, [1, 1, 28, 28], 10),
        "ResNet-18": (resnet18, [1, 3, 224, 224], 1000),
    }[network]
    make = Maker()
    result = build(make, "image")
    graph = helper.make_graph(
        make.nodes,
        network,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, [1, scores])],
        make.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, file)
    image = make.random.standard_normal(shape).astype(np.float32)
    print("ready", onnxruntime.__version__, flush=True)
    for line in sys.stdin:
        threads, seconds = line.split()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(threads)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        session.run(None, {"image": image})
        times, begun = [], time.perf_counter()
        while time.perf_counter() - begun < float(seconds):
            start = time.perf_counter()
            session.run(None, {"image": image})
            times.append(time.perf_counter() - start)
        print(1e3 * sorted(times)[len(times) // 2], flush=True)


if __name__ == "__main__":
    main()
