"""The encoder reproduces the published network: with its last stages and head put on, it names what pictures show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oddpixel import encoders
from oddpixel.datasets.corpora import fetch
from oddpixel.encoders import EFFICIENTNET_LITE0, load_encoder
from oddpixel.encoders.efficientnet import EfficientNetLite0, _same
from oddpixel.errors import CorruptWeights, MissingFile, MissingWeights, UsageError, WrongArchitecture
from oddpixel.forensics.detect.encoders import BUNDLED, encoder_named

LABELS = {"chelsea": 285, "coffee": 967, "rocket": 657}  # ImageNet: Egyptian cat, espresso, missile


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return fetch(EFFICIENTNET_LITE0).files()[0].path
    except MissingFile as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("picture", LABELS)
def test_the_whole_network_names_what_it_sees(picture: str, weights: Path) -> None:
    import skimage.data

    state = torch.load(weights, weights_only=True)
    network = EfficientNetLite0().eval()
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    pixels = torch.from_numpy(np.array(getattr(skimage.data, picture)())).permute(2, 0, 1)[None].float() / 255
    side = min(pixels.shape[2:])
    top, left = ((length - side) // 2 for length in pixels.shape[2:])
    x = F.interpolate(pixels[:, :, top : top + side, left : left + side], (224, 224), mode="bilinear", antialias=True)
    head = nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280, eps=1e-3), nn.ReLU6()).eval()
    bn = {f"1.{name.removeprefix('_bn1.')}": value for name, value in state.items() if name.startswith("_bn1.")}
    head.load_state_dict({"0.weight": state["_conv_head.weight"], **bn})
    with torch.no_grad():
        h = F.relu6(network._bn0(_same(network._conv_stem, (x - 0.498) / 0.502)))
        for block in network._blocks:
            h = block(h)
        logits = F.linear(head(h).mean((2, 3)), state["_fc.weight"], state["_fc.bias"])
    assert int(logits.argmax()) == LABELS[picture]


def test_patches_are_local_and_eight_pixels_apart(weights: Path) -> None:
    encoder = load_encoder(EFFICIENTNET_LITE0, weights)
    x = torch.rand(1, 3, 200, 131)
    found = encoder(x)
    assert found.shape == (1, 152, 25, 17)
    changed = x.clone()
    changed[..., :8, :8] = 0
    assert torch.equal(encoder(changed)[..., -1, -1], found[..., -1, -1])


def test_the_bundled_weights_are_the_published_ones_in_half_precision(weights: Path) -> None:
    x = torch.rand(1, 3, 96, 96)
    published, bundled = load_encoder(EFFICIENTNET_LITE0, weights)(x), encoder_named(EFFICIENTNET_LITE0)(x)
    assert (published - bundled).abs().max() < 0.03 * published.std()


def test_a_picture_as_a_whole_by_the_bundled_encoder_and_by_any_other() -> None:
    x = torch.rand(2, 3, 96, 64)
    bundled = encoders.whole(encoder_named(EFFICIENTNET_LITE0), x)
    assert bundled.shape == (2, 2 * (40 + 112 + 192 + 320))
    assert torch.allclose(bundled[:, :80].norm(dim=1), torch.ones(2))
    other = encoders.whole(nn.Conv2d(3, 7, 8, 8), x)
    assert other.shape == (2, 14)
    assert torch.isfinite(encoders.whole(nn.Conv2d(3, 7, 32, 32), x[:, :, :32, :32])).all(), (
        "one place has no deviation"
    )


def test_bad_weights_and_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights):
        load_encoder(EFFICIENTNET_LITE0, tmp_path / "nothing")
    (tmp_path / "w.pth").write_bytes(b"nothing")
    with pytest.raises(CorruptWeights):
        load_encoder(EFFICIENTNET_LITE0, tmp_path / "w.pth")
    torch.save({"x": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(WrongArchitecture, match="lacks"):
        load_encoder(EFFICIENTNET_LITE0, tmp_path / "x.pth")
    with pytest.raises(UsageError, match="no encoder"):
        load_encoder("nowhere:nothing", BUNDLED)
    with pytest.raises(WrongArchitecture, match="must turn"):
        load_encoder("torch.nn:Flatten", BUNDLED)
