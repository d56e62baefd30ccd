"""Reading and writing the IDX files of MNIST (plain or gzip-compressed)."""

import gzip
import os
import struct

import numpy as np

IMAGES_MAGIC = 0x00000803  # unsigned bytes, 3 dimensions
LABELS_MAGIC = 0x00000801  # unsigned bytes, 1 dimension


def read_idx(path):
    """Returns the unsigned-byte array held by one IDX file."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        content = file.read()
    (magic,) = struct.unpack_from(">I", content)
    if magic not in (IMAGES_MAGIC, LABELS_MAGIC):
        raise ValueError(f"{path}: not an IDX file of images or labels (magic {magic:#010x})")
    rank = magic & 0xFF
    shape = struct.unpack_from(f">{rank}I", content, 4)
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * rank)
    if values.size != int(np.prod(shape)):
        raise ValueError(f"{path}: {values.size} values, but the header says {shape}")
    return values.reshape(shape)


def write_idx(path, values):
    """Writes an unsigned-byte array of rank 1 or 3 as a plain IDX file."""
    with open(path, "wb") as file:
        file.write(struct.pack(f">I{values.ndim}I", 0x00000800 | values.ndim, *values.shape))
        file.write(np.ascontiguousarray(values, dtype=np.uint8).tobytes())


def find(folder, stem):
    """The path of an IDX file under one of the spellings in circulation."""
    for name in (stem, stem.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            path = os.path.join(folder, name + suffix)
            if os.path.exists(path):
                return path
    raise FileNotFoundError(f"no {stem} (or {stem}.gz) in {folder}")


def load(folder, part):
    """Returns (images, labels) as bytes of part 'train' or 't10k'."""
    images = read_idx(find(folder, f"{part}-images-idx3-ubyte"))
    labels = read_idx(find(folder, f"{part}-labels-idx1-ubyte"))
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise ValueError(f"unexpected shapes: images {images.shape}, labels {labels.shape}")
    return images, labels


def to_input(images):
    """Byte images [N,28,28] -> model input [N,1,28,28], floats in [0,1]."""
    return (images.astype(np.float32) / np.float32(255))[:, None, :, :]
