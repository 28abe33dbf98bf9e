"""
PyTorch's side of the rows of mutual learning: `torch_mutual.py FOLDER eager|compile`, FOLDER as written by ../mutual-case.ts.
Both networks in one process, channels_last; each learns from the labels and from what the other says of the same batch
(arXiv 1706.00384), and both are updated at once.
"""

import json
import sys
from pathlib import Path

import torch
from torch.nn import functional as F

from batches import read_batches
from resnet import ResNet, read_arena, read_file, write_arena, write_file
from side_program import Unusable, first_line, serve_side

PEERS = ["one", "two"]


class MutualTraining:
    def __init__(self, folder, variant):
        case = json.loads((folder / "mutual.json").read_text())
        torch.set_num_threads(case["threads"])
        self.folder = folder
        self.case = case
        self.name = f"PyTorch {torch.__version__} {variant}"
        self.images, self.labels = read_batches(case)
        self.next = 0

        self.starts = [read_file(case["peers"][peer]["arena"], torch.float32) for peer in PEERS]
        self.networks = [_build(case, peer).train() for peer in PEERS]
        self.optimizer = torch.optim.SGD(
            [parameter for network in self.networks for parameter in network.parameters()],
            lr=case["rate"],
            momentum=case["momentum"],
            weight_decay=case["weightDecay"],
        )
        self.losses = self._losses
        if variant == "compile":
            self.losses = torch.compile(self._losses)
            try:
                self.step()
            except Exception as error:
                raise Unusable(f"torch.compile: {first_line(error)}")

    def step(self):
        """The losses of both, and the parts of them that the labels make."""
        i = self.next
        self.next = (i + 1) % len(self.images)
        self.optimizer.zero_grad(set_to_none=True)
        losses, hard = self.losses(self.images[i], self.labels[i])
        sum(losses).backward()
        self.optimizer.step()
        return [loss.item() for loss in losses], [loss.item() for loss in hard]

    def gate(self):
        """Of each peer the labels' loss of the first step and the losses of the first steps; the parameters after the first step."""
        self.next = 0
        self.optimizer.state.clear()
        for peer, network, start in zip(PEERS, self.networks, self.starts):
            write_arena(network, self._schema(peer)["entries"], start)
        first, hard = self.step()
        files = {}
        for peer, network in zip(PEERS, self.networks):
            files[peer] = str(self.folder / f"gate-{self.name.split()[-1]}-{peer}.f32")
            write_file(read_arena(network, self._schema(peer)["entries"], self._schema(peer)["size"]), files[peer])
        losses = [first] + [self.step()[0] for _ in range(self.case["gateSteps"] - 1)]
        return [number for i in range(len(PEERS)) for number in [hard[i]] + [both[i] for both in losses]], files

    def _schema(self, peer):
        return self.case["peers"][peer]["schema"]

    def _losses(self, images, labels):
        logits = [network(images) for network in self.networks]
        hard = [F.cross_entropy(own, labels) for own in logits]
        logs = [F.log_softmax(own, 1) for own in logits]
        soft = [
            F.kl_div(own, other.detach(), reduction="batchmean", log_target=True)
            for own, other in zip(logs, reversed(logs))
        ]
        return [a + b for a, b in zip(hard, soft)], hard


def _build(case, peer):
    depth = int(case["peers"][peer]["name"].removeprefix("resnet"))
    return ResNet(depth, case["classes"]).to(memory_format=torch.channels_last)


if __name__ == "__main__":
    serve_side(lambda: MutualTraining(Path(sys.argv[1]), sys.argv[2]))
