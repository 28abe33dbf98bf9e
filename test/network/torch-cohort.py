"""
Mutual learning in PyTorch, all peers in one process: `torch-cohort.py FOLDER`, FOLDER with a cohort.json by torch-case.ts.
Every peer starts from given parameters. Without a seed it trains the given batches in their order, once in float32 and once in
float64, and writes the parameters of each peer (to PEER.float32 and PEER.float64); and once without the other's predictions (to
PEER.alone). With a seed it shuffles each epoch by itself, and prints the share of the test images that each peer says right.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench" / "anchors"))

import torch
from torch import nn
from torch.nn import functional as F

from resnet import ResNet, read_arena, read_file, write_arena, write_file


class Cnn(nn.Module):
    """src/nn/cnn.ts. The dense layer after the convolutions takes [height, width, channels]."""

    def __init__(self, channels, down, hidden, input_shape, classes):
        super().__init__()
        height, width, before = input_shape
        self.convolutions = len(channels)
        self.pools = down == "pool"
        for i, after in enumerate(channels):
            self.add_module(f"conv{i + 1}", nn.Conv2d(before, after, 3, stride=1 if self.pools else 2, padding=1))
            height, width = (side // 2 if self.pools else (side + 1) // 2 for side in (height, width))
            before = after
        size = height * width * before
        self.hidden = nn.Linear(size, hidden) if hidden > 0 else None
        self.logits = nn.Linear(hidden or size, classes)

    def forward(self, x):
        for i in range(self.convolutions):
            x = F.relu(getattr(self, f"conv{i + 1}")(x))
            x = F.max_pool2d(x, 2) if self.pools else x
        x = x.permute(0, 2, 3, 1).flatten(1)
        return self.logits(x if self.hidden is None else F.relu(self.hidden(x)))


def build(model, input_shape, classes):
    if model["name"] == "cnn":
        options = model["options"]
        channels = [int(text) for text in options["channels"].split(",")]
        return Cnn(channels, options.get("down", "pool"), options["hidden"], input_shape, classes)
    network = ResNet(int(model["name"].removeprefix("resnet")), classes)
    network.stem.conv = nn.Conv2d(input_shape[2], 16, 3, padding=1, bias=False)
    return network


class Peer:
    def __init__(self, plan, case):
        self.plan = plan
        self.model = build(plan["model"], case["inputShape"], case["classes"])
        write_arena(self.model, plan["schema"]["entries"], read_file(plan["arena"], torch.float32))
        self.model.train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=plan["rate"], momentum=plan["momentum"])


def step(peers, images, labels, weight, temperature):
    """One step of all peers: forward of each, then backward of each towards the others' predictions, which are constants."""
    logits = [peer.model(images) for peer in peers]
    for k, peer in enumerate(peers):
        own = F.log_softmax(logits[k] / temperature, 1)
        others = [F.softmax(other.detach() / temperature, 1) for j, other in enumerate(logits) if j != k]
        divergence = sum(F.kl_div(own, other, reduction="batchmean") for other in others) / len(others)
        loss = F.cross_entropy(logits[k], labels) + weight * temperature**2 * divergence
        peer.optimizer.zero_grad(set_to_none=True)
        loss.backward()
    for peer in peers:
        peer.optimizer.step()


def read_images(case, split):
    images = read_file(case[split]["images"], torch.float32).reshape(-1, *case["inputShape"])
    labels = read_file(case[split]["labels"], torch.int32).long()
    return images.permute(0, 3, 1, 2).contiguous().to(torch.get_default_dtype()), labels


def train(case):
    peers = [Peer(plan, case) for plan in case["peers"]]
    images, labels = read_images(case, "train")
    for _ in range(case["epochs"]):
        order = torch.arange(len(labels)) if case["seed"] is None else torch.randperm(len(labels))
        for chosen in order.split(case["batch"]):
            step(peers, images[chosen], labels[chosen], case["weight"], case["temperature"])
    return peers


def main(folder):
    case = json.loads((folder / "cohort.json").read_text())
    torch.set_num_threads(1)
    if case["seed"] is not None:
        torch.manual_seed(case["seed"])
        peers = train(case)
        print(json.dumps({peer.plan["name"]: accuracy(peer.model, *read_images(case, "test")) for peer in peers}))
        return
    for name, precision, changes in (
        ("float32", torch.float32, {}),
        ("float64", torch.float64, {}),
        ("alone", torch.float32, {"weight": 0}),
    ):
        torch.set_default_dtype(precision)
        for peer in train(case | changes):
            schema = peer.plan["schema"]
            write_file(read_arena(peer.model, schema["entries"], schema["size"]), folder / f"{peer.plan['name']}.{name}")


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    return (model(images).argmax(1) == labels).float().mean().item()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
