"""Training, for every model of OddPixel: warm-up and decay, EMA, validation, exact resume, one process or many.

All randomness of step s (order of the data, noise, levels, dropout) is drawn from a generator seeded by (seed, s), for
the whole batch; each process then takes its share. So resuming needs no saved random state, a killed run continues to
the very numbers of an uninterrupted one, and two processes compute the gradients of one. On a CUDA device steps are recorded and
replayed (`step_graph`), and nothing waits for them but the log.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from oddpixel.errors import CorruptWeights, UsageError, WrongArchitecture
from oddpixel.step_graph import Batch, StepGraphs

logger = logging.getLogger(__name__)
MOST_STEPS = 10_000_000  # of a training by the clock
LEAST_RATE = 0.01  # of the learning rate, at the end of a cosine


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of a training: length, batch, learning rate, averaging. `batch_size` counts all processes together.

    Arguments:
        minutes: of training, all sittings together; it ends there if `steps` are not reached before. A run by the clock is
            taken up like any other, but its numbers depend on the machine's speed.
        decay: `steps`: learning rate = base * min((s + 1) / warm_up, 1) * factor^(s // every); `cosine`: the second factor is
            a half cosine over the whole training, by the clock where there are minutes, down to a hundredth.
        ema_decay, ema_start: the average is a copy until `ema_start`, then old * decay + new * (1 - decay).
        mixed_precision: `no`, `bf16` or `fp16`.
        max_gradient_norm: clip above it; None leaves gradients alone, as published.
    """

    steps: int
    minutes: float | None = None
    batch_size: int = 128
    learning_rate: float = 2e-4
    warm_up_steps: int = 5_000
    decay: Literal["steps", "cosine"] = "steps"
    decay_every: int = 200_000
    decay_factor: float = 0.1
    ema_decay: float = 0.9999
    ema_start: int = 5_000
    seed: int = 0
    validate_every: int = 5_000
    checkpoint_every: int = 1_000
    log_every: int = 50
    mixed_precision: str = "no"
    max_gradient_norm: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "validate_every", "checkpoint_every", "log_every"):
            if not isinstance(value := getattr(self, name), int) or value < 1:
                raise UsageError(f"[training] {name} = {value!r}: give a whole number of at least 1")

    def progress(self, step: int, seconds: float) -> float:
        """The part of the training that is done, 0..1."""
        by_clock = 0.0 if self.minutes is None else seconds / (60 * self.minutes)
        return min(max(step / self.steps, by_clock), 1.0)

    def rate_factor(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate at a step, as a share of the full one: warm-up, then decay."""
        warm_up = min((step + 1) / max(self.warm_up_steps, 1), 1.0)
        if self.decay == "cosine":
            return warm_up * (
                LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * self.progress(step, seconds)))
            )
        return warm_up * self.decay_factor ** (step // self.decay_every)


@runtime_checkable
class Task(Protocol):
    """The interface between a model and the trainer."""

    @property
    def objective(self) -> nn.Module:
        """The module that takes a batch and returns a record of losses with `total`."""

    @property
    def num_examples(self) -> int:
        """The number of examples; a batch's indices lie below it."""

    @property
    def device(self) -> torch.device:
        """The device on which batches are made, and their randomness is drawn."""

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The whole batch of these examples, with everything random in it."""

    def validate(self) -> dict[str, float]:
        """Figures on held-out data; called with the averaged weights in place."""

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        """Write the model folder; called with the averaged weights in place."""


class Trainer:
    """The training loop of one task. It writes the model into `folder`, and below `training/` all that resuming needs.

    Raises: UsageError where the folder holds a training with other options.
    """

    def __init__(self, task: Task, options: TrainingOptions, folder: Path, device: str | None = None) -> None:
        """Prepare the task for this process, on its share of each batch.

        Arguments:
            device: `cpu`, or None for the accelerator that there is.
        """
        self.task, self.options, self.folder = task, options, folder
        self.accelerator = Accelerator(mixed_precision=options.mixed_precision, cpu=device == "cpu")
        if options.batch_size % self.accelerator.num_processes:
            raise UsageError(
                f"batch_size {options.batch_size} cannot be shared by {self.accelerator.num_processes} processes"
            )
        # Frozen parts (a stage that another learns beside) have no optimizer state, no average and no place in the state.
        self.parameters = {name: value for name, value in task.objective.named_parameters() if value.requires_grad}
        self.buffers = dict(task.objective.named_buffers())
        on = torch.device(self.accelerator.device)
        is_cuda = on.type == "cuda"
        self.rate, self.ema_rate = torch.tensor(options.learning_rate, device=on), torch.ones((), device=on)
        optimizer = torch.optim.Adam(self.parameters.values(), lr=self.rate, fused=is_cuda, capturable=is_cuda)
        self.objective, self.optimizer = self.accelerator.prepare(task.objective, optimizer)
        self.ema = {name: value.detach().clone() for name, value in self.parameters.items()}
        self.learn = StepGraphs(self._learn, on) if is_cuda and self._is_alone else self._learn
        self.step, self.seconds = 0, 0.0
        self.was_interrupted = False  # whatever was done by then; what follows this training must not begin
        self.making_seconds, self.watched_seconds = 0.0, 0.0  # of the steps that were timed apart
        self.order: tuple[int, Tensor] | None = None
        if self.state_path.exists():
            self._resume()

    @property
    def state_path(self) -> Path:
        """The file of the whole training state, from which a killed run resumes."""
        return self.folder / "training" / "state.safetensors"

    @property
    def curve_path(self) -> Path:
        """The file of the training curve, one JSON line per logged step."""
        return self.folder / "training" / "curve.jsonl"

    @property
    def _is_alone(self) -> bool:
        return bool(self.accelerator.num_processes == 1)

    @property
    def is_done(self) -> bool:
        """Whether all steps were made, or the time is used up."""
        return self.options.progress(self.step, self.seconds) >= 1

    def run(self, on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None) -> None:
        """Train to the last step. Ctrl-C or SIGTERM saves and returns; running again goes on from there."""
        with _deferred_interrupts() as interrupted:
            while not self.is_done:
                losses = self._step()
                last = self.is_done
                if self.step % self.options.log_every == 0 or last:
                    figures = {name: float(value) for name, value in losses.items()}
                    figures["making_batches"] = round(self.making_seconds / self.watched_seconds, 3)
                    self._log({"step": self.step, "seconds": round(self.seconds, 2), **figures})
                    on_step(self.step, figures)
                if self.step % self.options.validate_every == 0 or last:
                    if last:
                        logger.info("trained; measuring on held-out images")
                    self._log({"step": self.step, "seconds": round(self.seconds, 2), **self._validate()})
                if self.step % self.options.checkpoint_every == 0 or last or interrupted:
                    self.save()
                if interrupted:
                    self.was_interrupted = True
                    return

    def save(self) -> None:
        """Save the averaged model and the state to resume from, each whole or not at all."""
        if self.accelerator.is_main_process:
            tensors = {f"model.{name}": value.detach() for name, value in self.parameters.items()}
            tensors |= {f"buffer.{name}": value for name, value in self.buffers.items()}
            tensors |= {f"ema.{name}": value for name, value in self.ema.items()}
            tensors |= self._optimizer_tensors()
            metadata = {"step": str(self.step), "seconds": str(self.seconds), "options": self._fingerprint()}
            with _replacing(self.state_path) as temporary:
                save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, metadata)
            with self.averaged_weights():
                self.task.save(
                    self.folder, {"options": asdict(self.options), "step": self.step, "seconds": self.seconds}
                )
        self.accelerator.wait_for_everyone()

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Put the EMA in place of the weights, and the model in evaluation mode."""
        kept = {name: value.detach().clone() for name, value in self.parameters.items()}
        training = self.task.objective.training
        self._put(self.ema)
        self.task.objective.eval()
        try:
            yield
        finally:
            self._put(kept)
            self.task.objective.train(training)

    def _step(self) -> dict[str, Tensor]:
        """One step. Those that will be logged are waited for, and timed in two parts."""
        is_watched = self.accelerator.device.type == "cpu" or (self.step + 1) % self.options.log_every == 0
        before = time.perf_counter()
        started = self._now(is_watched)
        indices, generator = self._plan(self.step)
        share = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
        batch = {
            name: value[share].to(self.accelerator.device)
            for name, value in self.task.batch(indices, generator).items()
        }
        ready = self._now(is_watched)
        torch.manual_seed(_seed(self.options.seed, self.step, 1 + self.accelerator.process_index))  # dropout
        self.rate.fill_(self.options.learning_rate * self.options.rate_factor(self.step, self.seconds))
        self.ema_rate.fill_(1 - self.options.ema_decay if self.step >= self.options.ema_start else 1.0)
        self.objective.train()
        losses = self.learn(batch)
        done = self._now(is_watched)
        if is_watched or not self.watched_seconds:
            self.making_seconds += ready - started
            self.watched_seconds += done - started
        self.step += 1
        self.seconds += done - before
        return losses

    def _learn(self, batch: Batch) -> Batch:
        self.optimizer.zero_grad()
        losses = self.objective(**batch)
        self.accelerator.backward(losses.total)
        if self.options.max_gradient_norm is not None:
            self.accelerator.clip_grad_norm_(list(self.parameters.values()), self.options.max_gradient_norm)
        self.optimizer.step()
        self._average()
        return {name: value.detach() for name, value in vars(losses).items()}

    def _now(self, is_waited_for: bool) -> float:
        """Once all that was asked of the device is done, where that is waited for."""
        if is_waited_for and self.accelerator.device.type == "cuda":
            torch.cuda.synchronize(self.accelerator.device)
        return time.perf_counter()

    def _plan(self, step: int) -> tuple[Tensor, torch.Generator]:
        """Which examples step `step` sees (each epoch is a fresh permutation) and the source of its randomness."""
        size, count = min(self.options.batch_size, self.task.num_examples), self.task.num_examples
        per_epoch = count // size
        epoch, position = divmod(step, per_epoch)
        if self.order is None or self.order[0] != epoch:
            generator = torch.Generator().manual_seed(_seed(self.options.seed, epoch, 101))
            self.order = epoch, torch.randperm(count, generator=generator)
        generator = torch.Generator(self.task.device).manual_seed(_seed(self.options.seed, step, 0))
        return self.order[1][position * size : (position + 1) * size], generator

    @torch.no_grad()
    def _average(self) -> None:
        kept = list(self.ema.values())
        moved = torch._foreach_sub([value.detach() for value in self.parameters.values()], kept)
        torch._foreach_mul_(moved, self.ema_rate)
        torch._foreach_add_(kept, moved)

    @torch.no_grad()
    def _put(self, weights: dict[str, Tensor]) -> None:
        for name, value in self.parameters.items():
            value.copy_(weights[name])

    def _validate(self) -> dict[str, float]:
        with self.averaged_weights():
            return self.task.validate() if self.accelerator.is_main_process else {}

    def _log(self, figures: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            self.curve_path.parent.mkdir(parents=True, exist_ok=True)
            with self.curve_path.open("a") as file:
                file.write(json.dumps(figures) + "\n")

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        state = self.optimizer.optimizer.state if hasattr(self.optimizer, "optimizer") else self.optimizer.state
        return {
            f"adam.{slot}.{name}": state[parameter][slot]
            for name, parameter in self.parameters.items()
            if parameter in state
            for slot in ("exp_avg", "exp_avg_sq", "step")
        }

    def _fingerprint(self) -> str:
        """The options that fix the numbers of a run; more steps or another rhythm of logging do not."""
        return _fixing(asdict(self.options))

    @torch.no_grad()
    def _resume(self) -> None:
        try:
            with safe_open(self.state_path, "pt") as state:
                metadata = state.metadata() or {}
                tensors = {name: state.get_tensor(name) for name in state.keys()}  # noqa: SIM118 -- not a dict
        except (SafetensorError, OSError) as error:
            raise CorruptWeights(f"{self.state_path} cannot be read ({error}); delete it to start again") from error
        added_since = asdict(TrainingOptions(steps=1))
        if _fixing(added_since | json.loads(metadata.get("options", "{}"))) != self._fingerprint():
            raise UsageError(
                f"{self.folder} holds a training with other options ({metadata.get('options')}); "
                f"name another folder, or resume with the same options"
            )
        expected = {f"model.{name}" for name in self.parameters}
        if not expected <= tensors.keys():
            raise WrongArchitecture(
                f"{self.state_path} belongs to another model: it lacks {sorted(expected - tensors.keys())[:3]}"
            )
        for name, parameter in self.parameters.items():
            if (there := tensors[f"model.{name}"].shape) != parameter.shape:
                raise WrongArchitecture(
                    f"{self.state_path} belongs to another model: {name} is {tuple(there)} there, {tuple(parameter.shape)} "
                    "here; name another folder, or resume with the same recipe"
                )
        self._put({name: tensors[f"model.{name}"] for name in self.parameters})
        optimizer = getattr(self.optimizer, "optimizer", self.optimizer)
        for name, parameter in self.parameters.items():
            self.ema[name].copy_(tensors[f"ema.{name}"])
            if f"adam.step.{name}" in tensors:
                slots = ("exp_avg", "exp_avg_sq", "step")
                optimizer.state[parameter] = {slot: tensors[f"adam.{slot}.{name}"].clone() for slot in slots}
                for slot in slots if self.accelerator.device.type == "cuda" else slots[:2]:
                    optimizer.state[parameter][slot] = optimizer.state[parameter][slot].to(parameter.device)
        for name, value in self.buffers.items():
            if f"buffer.{name}" in tensors:
                value.copy_(tensors[f"buffer.{name}"])
        self.step, self.seconds = int(metadata["step"]), float(metadata["seconds"])
        self._forget_later_figures()

    def _forget_later_figures(self) -> None:
        """Drop what a killed run logged after its last checkpoint: those steps are done again."""
        if self.curve_path.exists() and self.accelerator.is_main_process:
            lines = [line for line in self.curve_path.read_text().splitlines() if json.loads(line)["step"] <= self.step]
            with _replacing(self.curve_path) as temporary:
                temporary.write_text("".join(line + "\n" for line in lines))


def _fixing(options: dict[str, Any]) -> str:
    free = ("steps", "minutes", "validate_every", "checkpoint_every", "log_every")
    return json.dumps({name: value for name, value in options.items() if name not in free}, sort_keys=True)


def _seed(*parts: int) -> int:
    """One 63-bit seed from several numbers, by the hash of a tuple of ints (stable across runs and machines)."""
    mixed = 0xCBF29CE484222325
    for part in parts:
        mixed = ((mixed ^ (part + 1)) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 29
    return mixed >> 1


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    os.close(descriptor)
    try:
        yield Path(name)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _deferred_interrupts() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying in the middle of a step; a second one kills as usual."""
    seen: list[int] = []
    before: dict[int, Any] = {}

    def remember(number: int, frame: Any) -> None:
        seen.append(number)
        signal.signal(number, before[number])

    try:
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            before[number] = signal.signal(number, remember)
    except ValueError:  # not in the main thread: whoever called us handles signals
        pass
    try:
        yield seen
    finally:
        for number in before:
            signal.signal(number, before[number])
