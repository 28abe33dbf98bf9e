"""
PyTorch's side of the loader rows: `torch_loader.py FOLDER WORKERS usual|batched`, FOLDER as written by ../loader-case.ts.
A DataLoader over images in memory, shuffled, with RandomCrop, RandomHorizontalFlip, ToTensor and Normalize.

`usual`: torchvision's transforms, image by image, on the dataset that torchvision.datasets.CIFAR10 is.
`batched`: written by hand for whole batches of tensors, which few do; DataLoader hands it the indices of a batch.
"""

import json
import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from side_program import Unusable, serve_side

try:
    import numpy as np
    from PIL import Image
    from torchvision import transforms
    from torchvision.transforms import functional
except ImportError as error:
    Image = None
    MISSING = f"{error}: it needs torchvision, Pillow and NumPy"


class UsualImages(Dataset):
    """As torchvision.datasets.CIFAR10, once it is loaded."""

    def __init__(self, case, pixels, labels):
        self.data = pixels
        self.targets = labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(case["height"], padding=case["augment"]["cropPadding"]),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(case["normalise"]["mean"], case["normalise"]["std"]),
            ]
        )

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


class BatchedImages(Dataset):
    """The same for all images of a batch at once, on tensors that are padded beforehand."""

    def __init__(self, case, pixels, labels):
        self.padding = case["augment"]["cropPadding"]
        self.size = case["height"]
        planes = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        self.padded = torch.nn.functional.pad(planes, [self.padding] * 4).contiguous()
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.mean = 255 * torch.tensor(case["normalise"]["mean"]).view(1, -1, 1, 1)
        self.scale = 1 / (255 * torch.tensor(case["normalise"]["std"]).view(1, -1, 1, 1))

    def __len__(self):
        return len(self.labels)

    def __getitems__(self, indices):
        index = torch.tensor(indices)
        count, shifts = len(indices), 2 * self.padding + 1
        steps = torch.arange(self.size)
        rows = torch.randint(shifts, (count, 1)) + steps
        columns = torch.randint(shifts, (count, 1)) + steps
        columns = torch.where(torch.rand(count, 1) < 0.5, columns.flip(1), columns)
        planes = torch.arange(self.padded.shape[1]).view(1, -1, 1, 1)
        crops = self.padded[index.view(-1, 1, 1, 1), planes, rows.view(count, 1, -1, 1), columns.view(count, 1, 1, -1)]
        return crops.float().sub_(self.mean).mul_(self.scale), self.labels[index]


class Loading:
    def __init__(self, folder, workers, variant):
        if Image is None:
            raise Unusable(MISSING)
        self.case = json.loads((folder / "loader.json").read_text())
        case = self.case
        torch.set_num_threads(case["threads"])
        self.folder = folder
        self.name = f"PyTorch {torch.__version__} DataLoader, {variant}, {workers} workers"
        self.pixels = np.fromfile(case["pixels"], np.uint8).reshape(-1, case["height"], case["width"], case["channels"])
        labels = np.fromfile(case["labels"], np.uint8)
        dataset = {"usual": UsualImages, "batched": BatchedImages}[variant](case, self.pixels, labels)
        self.loader = DataLoader(
            dataset,
            batch_size=case["batch"],
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=_as_it_is if variant == "batched" else None,
        )
        self.batches = iter(self.loader)

    def step(self):
        try:
            return next(self.batches)
        except StopIteration:
            self.batches = iter(self.loader)
            return next(self.batches)

    def gate(self):
        """The share of black, and the deviation, of random batches; the first images with the crops that the case names."""
        mean, std = self.case["normalise"]["mean"], self.case["normalise"]["std"]
        black = (-torch.tensor(mean) / torch.tensor(std)).view(1, -1, 1, 1)
        shares, squares = [], []
        for _ in range(self.case["gateBatches"]):
            images, _ = self.step()
            shares.append(((images - black).abs() < 1e-5).float().mean().item())
            squares.append(images.square().mean().item())
        file = str(self.folder / "gate-anchor.f32")
        images = [self._placed(i, placement) for i, placement in enumerate(self.case["placements"])]
        torch.stack(images).permute(0, 2, 3, 1).contiguous().numpy().tofile(file)
        return [float(np.mean(shares)), float(np.mean(squares)) ** 0.5], {"images": file}

    def _placed(self, index, placement):
        padding, size = self.case["augment"]["cropPadding"], self.case["height"]
        image = functional.pad(Image.fromarray(self.pixels[index]), padding)
        image = functional.crop(image, padding + placement["down"], padding + placement["right"], size, size)
        image = functional.hflip(image) if placement["flip"] else image
        normalise = self.case["normalise"]
        return functional.normalize(functional.to_tensor(image), normalise["mean"], normalise["std"])


def _as_it_is(batch):
    return batch


if __name__ == "__main__":
    serve_side(lambda: Loading(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
