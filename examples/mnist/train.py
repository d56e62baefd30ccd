#!/usr/bin/env python3
"""Trains the MNIST example networks A, B and C and writes them as ONNX.

    python3 train.py --data FOLDER [--models a b c] [--out FOLDER] [--threads N]

FOLDER holds the four MNIST IDX files, plain or gzip-compressed. Needs PyTorch
and onnx (Debian: python3-torch, python3-onnx).

The models take [N,1,28,28] floats in [0,1] (byte / 255, no mean or deviation
normalisation) and return [N,10] probabilities; N is a dynamic axis.

Private inference runs in fixed point and proves the range of every
intermediate value by interval arithmetic, whose bounds grow with the 1-norm
of each row of weights. Training therefore
  * adds an L1 penalty on the weights, and
  * after every step scales back any row (output neuron or convolution filter)
    whose 1-norm is above that layer's cap.
Together with a little label smoothing this also keeps the logits moderate.
"""

import argparse
import os
import time

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

import mnist_idx

HERE = os.path.dirname(os.path.abspath(__file__))
OPSET = 13


def network_a():
    """784-128-128-10, ReLU."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 128), nn.ReLU(),
        nn.Linear(128, 128), nn.ReLU(),
        nn.Linear(128, 10),
    )


def network_b():
    """Convolution 5x5 to 16 channels, max pool, ReLU, 2304-100-10."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2304, 100), nn.ReLU(),
        nn.Linear(100, 10),
    )


def network_c():
    """Two convolutions 5x5 (20 and 50 channels) with pooling, 800-500-10."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 500), nn.ReLU(),
        nn.Linear(500, 10),
    )


# caps: largest allowed row 1-norm, layer by layer from the input.
# reach: how far augmentation goes, as a share of 10 degrees, 10 % and 1.5 pixels.
RECIPES = {
    "a": dict(build=network_a, epochs=30, rate=2e-3, l1=2e-6, caps=(24, 10, 10), reach=0.6),
    "b": dict(build=network_b, epochs=15, rate=2e-3, l1=2e-6, caps=(5, 20, 8), reach=0.8),
    "c": dict(build=network_c, epochs=12, rate=1.5e-3, l1=2e-6, caps=(4, 12, 8, 8), reach=1.0),
}
BATCH = 100
SMOOTHING = 0.01


def weighted_layers(model):
    return [m for m in model if isinstance(m, (nn.Linear, nn.Conv2d))]


def augment(images, reach, generator):
    """Random rotation, scale and shift of a batch, by bilinear sampling."""
    n = images.shape[0]

    def uniform(limit):
        return (torch.rand(n, generator=generator) * 2 - 1) * (limit * reach)

    angle = uniform(10 * np.pi / 180)
    scale = 1 + uniform(0.1)
    pixel = 2 / 28  # one pixel in the [-1,1] coordinates of the sampling grid
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([
        torch.stack([cos, -sin, uniform(1.5) * pixel], dim=1),
        torch.stack([sin, cos, uniform(1.5) * pixel], dim=1),
    ], dim=1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


@torch.no_grad()
def cap_rows(layers, caps):
    """Scales back the rows whose 1-norm is above the cap of their layer."""
    for layer, cap in zip(layers, caps):
        rows = layer.weight.view(layer.weight.shape[0], -1)
        norms = rows.abs().sum(dim=1, keepdim=True)
        rows.mul_((cap / norms).clamp(max=1.0))


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    right = 0
    for at in range(0, len(images), 1000):
        right += int((model(images[at:at + 1000]).argmax(1) == labels[at:at + 1000]).sum())
    return right / len(images)


def train(name, recipe, data, seed):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    train_images, train_labels, test_images, test_labels = data
    model = recipe["build"]()
    layers = weighted_layers(model)
    steps = len(train_images) // BATCH
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe["rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * recipe["epochs"])
    for epoch in range(recipe["epochs"]):
        began, total = time.time(), 0.0
        model.train()
        order = torch.randperm(len(train_images), generator=generator)
        for step in range(steps):
            pick = order[step * BATCH:(step + 1) * BATCH]
            logits = model(augment(train_images[pick], recipe["reach"], generator))
            loss = F.cross_entropy(logits, train_labels[pick], label_smoothing=SMOOTHING)
            total += loss.item()
            penalty = sum(layer.weight.abs().sum() for layer in layers)
            optimiser.zero_grad()
            (loss + recipe["l1"] * penalty).backward()
            optimiser.step()
            schedule.step()
            cap_rows(layers, recipe["caps"])
        print(f"{name} epoch {epoch + 1}/{recipe['epochs']}: loss {total / steps:.4f}, "
              f"test accuracy {accuracy(model, test_images, test_labels):.4f}, "
              f"{time.time() - began:.0f} s", flush=True)
    return model


@torch.no_grad()
def report(name, model, images):
    """Prints what matters to fixed point: weights, row norms, value ranges."""
    model.eval()
    values, index = images, 0
    for module in model:
        values = module(values)
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            index += 1
            rows = module.weight.view(module.weight.shape[0], -1)
            print(f"{name} layer {index} {list(module.weight.shape)}: "
                  f"max row 1-norm {rows.abs().sum(1).max():.3f}, "
                  f"max |weight| {rows.abs().max():.3f}, "
                  f"max |bias| {module.bias.abs().max():.3f}, "
                  f"outputs on the test images {values.min():.2f} to {values.max():.2f}")


def export(model, path):
    """Writes the model followed by Softmax over the classes."""
    whole = nn.Sequential(*model, nn.Softmax(dim=1)).eval()
    torch.onnx.export(
        whole, torch.zeros(1, 1, 28, 28), path, opset_version=OPSET,
        input_names=["image"], output_names=["probabilities"],
        dynamic_axes={"image": {0: "N"}, "probabilities": {0: "N"}},
    )
    onnx.checker.check_model(onnx.load(path), full_check=True)


def write_sample(folder, count):
    """Writes the first test images and labels as plain IDX files."""
    images, labels = mnist_idx.load(folder, "t10k")
    mnist_idx.write_idx(os.path.join(HERE, "test-images.idx3-ubyte"), images[:count])
    mnist_idx.write_idx(os.path.join(HERE, "test-labels.idx1-ubyte"), labels[:count])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder of the MNIST IDX files")
    parser.add_argument("--out", default=HERE, help="folder for the ONNX files")
    parser.add_argument("--models", nargs="*", choices=sorted(RECIPES), default=sorted(RECIPES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, metavar="COUNT",
                        help="also write the first COUNT test images and labels next to this script")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    if options.sample:
        write_sample(options.data, options.sample)
    if not options.models:
        return
    data = []
    for part in ("train", "t10k"):
        images, labels = mnist_idx.load(options.data, part)
        data += [torch.from_numpy(mnist_idx.to_input(images)),
                 torch.from_numpy(labels.astype(np.int64))]
    for name in options.models:
        model = train(name, RECIPES[name], data, options.seed)
        report(name, model, data[2])
        path = os.path.join(options.out, f"{name}.onnx")
        export(model, path)
        print(f"{path}: {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
