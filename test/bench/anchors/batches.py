"""The batches of a case of ../training-case.ts or ../mutual-case.ts."""

import torch

from resnet import read_file


def read_batches(case):
    """Images, channels_last, and labels, batch by batch."""
    count, batch = case["batches"], case["batch"]
    images = read_file(case["images"], torch.float32).reshape(count, batch, *case["inputShape"])
    labels = read_file(case["labels"], torch.int32).reshape(count, batch).long()
    # [batch, height, width, channels] in memory is channels_last.
    return list(images.permute(0, 1, 4, 2, 3)), list(labels)
