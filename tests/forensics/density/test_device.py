"""Everything that a pyramid computes, it computes where its weights are.

On the meta device: it has shapes and no numbers, and refuses what lies elsewhere as an accelerator would.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from oddpixel.errors import UsageError
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.forensics.density.store import load_model, load_pyramid
from oddpixel.forensics.density.streaming import stream

META = torch.device("meta")


@pytest.mark.parametrize("name", ["photo-rgb", "photo-grey", "ct"])
def test_a_pyramid_stays_on_its_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_args, **_options: nullcontext())  # knows no meta device
    model: Pyramid = load_pyramid(name).to(META)
    x = torch.zeros(1, model.options.channels, 70, 45, device=META)
    assert {part.device for part in stream(model, lambda window: x[:, :, *window], (70, 45), 32)} == {META}
    assert {part.device for part in model.in_grey(model.in_quanta(x)).split(1)} == {META}
    assert model.draw(2, (20, 24), steps=2, generator=torch.Generator()).device == META


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="no device 'cuda:7' here; there is cpu"):
        load_model("digits", "cuda:7")
