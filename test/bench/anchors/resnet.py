"""
The CIFAR ResNets of src/nn/resnet.ts in PyTorch, module for module under the same names, and their parameters from and
to the flat arenas of src/tensor/arena.ts. Convolution kernels there are [height, width, in, out], dense ones [in, out].
"""

from array import array
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

# The last part of an entry's name, as PyTorch calls it.
WEIGHTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class Block(nn.Module):
    """Shortcut A: every second pixel, and zeros for the new channels, half of them on each side."""

    def __init__(self, channels_in, channels):
        super().__init__()
        self.stride = 1 if channels_in == channels else 2
        self.added = (channels - channels_in) // 2
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=self.stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.stride == 2:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))
        return F.relu(y + x)


class Stage(nn.Module):
    def __init__(self, blocks, channels_in, channels):
        super().__init__()
        for i in range(blocks):
            self.add_module(f"block{i + 1}", Block(channels_in if i == 0 else channels, channels))

    def forward(self, x):
        for block in self.children():
            x = block(x)
        return x


class ResNet(nn.Module):
    def __init__(self, depth, classes):
        super().__init__()
        blocks = (depth - 2) // 6
        self.stem = Stem()
        self.stage1 = Stage(blocks, 16, 16)
        self.stage2 = Stage(blocks, 16, 32)
        self.stage3 = Stage(blocks, 32, 64)
        self.logits = nn.Linear(64, classes)

    def forward(self, x):
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        return self.logits(x.mean((2, 3)))


def fold_batch_norms(model):
    """The model, in evaluation mode, with every BatchNorm folded into the convolution before it. In place."""
    model.eval()
    for module in model.modules():
        if isinstance(module, Stem):
            module.conv, module.norm = fuse_conv_bn_eval(module.conv, module.norm), nn.Identity()
        if isinstance(module, Block):
            module.conv1, module.norm1 = fuse_conv_bn_eval(module.conv1, module.norm1), nn.Identity()
            module.conv2, module.norm2 = fuse_conv_bn_eval(module.conv2, module.norm2), nn.Identity()
    return model


@torch.no_grad()
def write_arena(model, entries, arena):
    """Overwrites the model's parameters and statistics, in place: an optimiser goes on with the same tensors."""
    for entry, tensor in _tensors(model, entries):
        values = arena[entry["offset"] : entry["offset"] + entry["size"]].reshape(entry["shape"])
        tensor.copy_(values.permute(_axes_to_torch(values.ndim)))


@torch.no_grad()
def read_arena(model, entries, size):
    """The model's parameters and statistics as a new arena."""
    arena = torch.empty(size)
    for entry, tensor in _tensors(model, entries):
        values = tensor.permute(_axes_from_torch(tensor.ndim))
        arena[entry["offset"] : entry["offset"] + entry["size"]] = values.reshape(-1)
    return arena


def read_file(file, dtype):
    """A file of raw numbers as a flat tensor."""
    return torch.from_file(file, size=Path(file).stat().st_size // dtype.itemsize, dtype=dtype)


def write_file(tensor, file):
    """A tensor as a file of raw float32."""
    Path(file).write_bytes(array("f", tensor.flatten().tolist()).tobytes())


def _tensors(model, entries):
    state = model.state_dict(keep_vars=True)
    for entry in entries:
        module, weight = entry["name"].split("/")
        yield entry, state[f"{module}.{WEIGHTS[weight]}"].detach()


def _axes_to_torch(rank):
    return {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[rank]


def _axes_from_torch(rank):
    return {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[rank]
