"""Proofs of a network with random weights by EZKL.

    python ezkl_peer.py DIRECTORY NETWORK ROUNDS     # NETWORK: widths such as 784-64-10, or lenet

Inputs and outputs are public, weights are fixed in the circuit. The reference string is generated here, for tests; its time is not
counted, since users download one. Prints one JSON object.
"""

import asyncio
import inspect
import json
import os
import resource
import sys
import time

import ezkl
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Maker:
    """Collects nodes; a value is its name."""

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

    def linear(self, x, inputs, outputs, relu):
        y = self.node("Gemm", [x, self.constant(outputs, inputs), self.constant(outputs)], transB=1)
        return self.node("Relu", [y]) if relu else y

    def conv(self, x, inputs, outputs, pad):
        y = self.node(
            "Conv",
            [x, self.constant(outputs, inputs, 5, 5), self.constant(outputs)],
            kernel_shape=[5, 5],
            strides=[1, 1],
            pads=[pad] * 4,
        )
        y = self.node("Relu", [y])
        return self.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4)


def build(network):
    make = Maker()
    if network == "lenet":
        shape, outputs = [1, 1, 28, 28], 10
        x = make.conv(make.conv("x", 1, 6, 2), 6, 16, 0)
        x = make.node("Flatten", [x])
        x = make.linear(make.linear(x, 400, 120, True), 120, 84, True)
        x = make.linear(x, 84, 10, False)
    else:
        widths = [int(width) for width in network.split("-")]
        shape, outputs, x = [1, widths[0]], widths[-1], "x"
        for number, (inputs, results) in enumerate(zip(widths, widths[1:], strict=False)):
            x = make.linear(x, inputs, results, number + 2 < len(widths))
    graph = helper.make_graph(
        make.nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, outputs])],
        make.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    image = make.random.random(shape).astype(np.float32)
    return model, image


async def settled(result):
    """Some functions of the package are coroutines, in some versions."""
    return await result if inspect.isawaitable(result) else result


async def main():
    directory, network, rounds = sys.argv[1:]
    os.chdir(directory)
    model, image = build(network)
    onnx.save(model, "network.onnx")
    with open("input.json", "w", encoding="utf-8") as file:
        json.dump({"input_data": [image.reshape(-1).tolist()]}, file)
    arguments = ezkl.PyRunArgs()
    arguments.input_visibility = "public"
    arguments.output_visibility = "public"
    arguments.param_visibility = "fixed"
    begun = time.perf_counter()
    await settled(ezkl.gen_settings("network.onnx", "settings.json", py_run_args=arguments))
    await settled(ezkl.calibrate_settings("input.json", "network.onnx", "settings.json", "resources"))
    await settled(ezkl.compile_circuit("network.onnx", "network.ezkl", "settings.json"))
    setup = time.perf_counter() - begun
    with open("settings.json", encoding="utf-8") as file:
        logrows = json.load(file)["run_args"]["logrows"]
    await settled(ezkl.gen_srs("kzg.srs", logrows))
    begun = time.perf_counter()
    await settled(ezkl.setup("network.ezkl", "vk.key", "pk.key", "kzg.srs"))
    setup += time.perf_counter() - begun
    prove, verify = [], []
    for _ in range(int(rounds)):
        begun = time.perf_counter()
        await settled(ezkl.gen_witness("input.json", "network.ezkl", "witness.json"))
        await settled(ezkl.prove("witness.json", "network.ezkl", "pk.key", "proof.json", "kzg.srs"))
        prove.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        accepted = await settled(ezkl.verify("proof.json", "settings.json", "vk.key", "kzg.srs"))
        verify.append(1e3 * (time.perf_counter() - begun))
        if not accepted:
            sys.exit("its own verifier refuses the proof")
    with open("proof.json", encoding="utf-8") as file:
        proof = json.load(file)["proof"]
    size = len(proof) // 2 if isinstance(proof, str) else len(proof)
    print()
    print(
        json.dumps(
            {
                "setup_s": setup,
                "prove_s": prove,
                "verify_ms": verify,
                "proof_bytes": float(size),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "logrows": logrows,
            }
        )
    )


asyncio.run(main())
