#!/usr/bin/env python3
"""Accuracy of the ONNX files, by ONNX Runtime.

    python3 evaluate.py [--data FOLDER] [--models FOLDER]

FOLDER of --data holds the MNIST test files (t10k-*), plain or gzip-compressed;
without it the 200 images next to this script are used. Needs numpy and
onnxruntime.
"""

import argparse
import os

import numpy as np
import onnxruntime

import mnist_idx

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 500


def probabilities(path, inputs):
    """Runs the model in batches and returns all its probabilities."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([
        session.run(None, {name: inputs[at:at + BATCH]})[0]
        for at in range(0, len(inputs), BATCH)
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", help="folder of the MNIST test files (default: the 200 images here)")
    parser.add_argument("--models", default=HERE, help="folder of a.onnx, b.onnx and c.onnx")
    options = parser.parse_args()
    if options.data:
        images, labels = mnist_idx.load(options.data, "t10k")
    else:
        images = mnist_idx.read_idx(os.path.join(HERE, "test-images.idx3-ubyte"))
        labels = mnist_idx.read_idx(os.path.join(HERE, "test-labels.idx1-ubyte"))
    inputs = mnist_idx.to_input(images)
    for model in ("a", "b", "c"):
        answers = probabilities(os.path.join(options.models, f"{model}.onnx"), inputs)
        right = int((answers.argmax(axis=1) == labels).sum())
        print(f"{model}.onnx: {right} of {len(labels)} right, {100 * right / len(labels):.2f} %")


if __name__ == "__main__":
    main()
