"""
PyTorch's side of the training rows: `torch_train.py FOLDER eager|compile`, FOLDER as written by ../training-case.ts.
channels_last throughout; the teacher's BatchNorm folded; bf16 by autocast.
"""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from torch.nn import functional as F

from batches import read_batches
from resnet import ResNet, fold_batch_norms, read_arena, read_file, write_arena, write_file
from side_program import Unusable, first_line, serve_side


class Training:
    def __init__(self, folder, variant):
        case = json.loads((folder / "training.json").read_text())
        torch.set_num_threads(case["threads"])
        self.folder = folder
        self.case = case
        self.name = f"PyTorch {torch.__version__} {variant}"
        self.images, self.labels = read_batches(case)
        self.next = 0

        self.student_start = read_file(case["student"]["arena"], torch.float32)
        self.student = _build(case, "student").train()
        write_arena(self.student, case["student"]["schema"]["entries"], self.student_start)
        self.optimizer = torch.optim.SGD(
            self.student.parameters(), lr=case["knobs"]["rate"], momentum=case["momentum"], weight_decay=case["weightDecay"]
        )
        self.teacher = _build(case, "teacher")
        write_arena(self.teacher, case["teacher"]["schema"]["entries"], read_file(case["teacher"]["arena"], torch.float32))
        self.teacher = fold_batch_norms(self.teacher).to(memory_format=torch.channels_last)

        self.teach, self.loss = self._teach, self._loss
        if variant == "compile":
            self.teach, self.loss = torch.compile(self._teach), torch.compile(self._loss)
            try:
                self.step()
            except Exception as error:
                raise Unusable(f"torch.compile: {first_line(error)}")

    def step(self):
        i = self.next
        self.next = (i + 1) % len(self.images)
        return STEPS[self.case["kind"]](self, self.images[i], self.labels[i])

    def gate(self):
        """Losses of the first steps, or mean logits; the student's parameters after the first step, or the first logits."""
        self.restart()
        file = str(self.folder / f"gate-{self.name.split()[-1]}.f32")
        first = self.step()
        if self.case["kind"] == "teacher-forward":
            write_file(first, file)
            return [first.abs().mean().item()], {"logits": file}
        schema = self.case["student"]["schema"]
        write_file(read_arena(self.student, schema["entries"], schema["size"]), file)
        losses = [first] + [self.step() for _ in range(self.case["gateSteps"] - 1)]
        return losses, {"parameters": file}

    def restart(self):
        self.next = 0
        write_arena(self.student, self.case["student"]["schema"]["entries"], self.student_start)
        self.optimizer.state.clear()

    def _teach(self, images):
        with torch.no_grad(), self._precision():
            return self.teacher(images).float()

    def _loss(self, images, labels, targets):
        with self._precision():
            logits = self.student(images).float()
        hard = F.cross_entropy(logits, labels)
        if targets is None:
            return hard
        knobs = self.case["knobs"]
        t, alpha = knobs["temperature"], knobs["alpha"]
        soft = F.kl_div(
            F.log_softmax(logits / t, 1), F.log_softmax(targets / t, 1), reduction="batchmean", log_target=True
        )
        return (1 - alpha) * hard + alpha * t * t * soft

    def _precision(self):
        return torch.autocast("cpu", torch.bfloat16) if self.case["precision"] == "bf16" else nullcontext()

    def _update(self, images, labels, targets):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(images, labels, targets)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _kd_step(self, images, labels):
        return self._update(images, labels, self.teach(images))

    def _student_step(self, images, labels):
        return self._update(images, labels, None)

    def _teacher_forward(self, images, _):
        return self.teach(images)


STEPS = {"kd-step": Training._kd_step, "student-step": Training._student_step, "teacher-forward": Training._teacher_forward}


def _build(case, role):
    depth = int(case[role]["name"].removeprefix("resnet"))
    return ResNet(depth, case["classes"]).to(memory_format=torch.channels_last)


if __name__ == "__main__":
    serve_side(lambda: Training(Path(sys.argv[1]), sys.argv[2]))
