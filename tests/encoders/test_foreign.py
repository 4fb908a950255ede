"""Encoders of other libraries, loaded from the user's own files: random weights of every architecture, small."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oddpixel.encoders import load_encoder, stride_of, whole
from oddpixel.encoders.embedding import WIDEST, Tiled, side_by_side
from oddpixel.errors import CorruptWeights, MissingWeights, UsageError, WrongArchitecture
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.store import load, save
from oddpixel.image import Image

transformers = pytest.importorskip("transformers")
NOWHERE = Path("nowhere")
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
PICTURE = SMALL | {"patch_size": 16, "image_size": 64}
TEXT = SMALL | {"vocab_size": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
DINO = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 14, "image_size": 56}
STAGES = {"hidden_sizes": [16, 24, 32, 48], "depths": [1, 1, 1, 1]}
MODELS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "DINOv2": ("Dinov2Model", "Dinov2Config", DINO, 14),
    "DINOv2 with registers": ("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", DINO, 14),
    "DINOv3": ("DINOv3ViTModel", "DINOv3ViTConfig", PICTURE, 16),
    "DINOv3, convolutional": ("DINOv3ConvNextModel", "DINOv3ConvNextConfig", STAGES, 8),
    "CLIP": ("CLIPModel", "CLIPConfig", {"text_config": TEXT, "vision_config": PICTURE, "projection_dim": 16}, 16),
    "CLIP's picture half": ("CLIPVisionModel", "CLIPVisionConfig", PICTURE, 16),
    "SigLIP": ("SiglipModel", "SiglipConfig", {"text_config": TEXT, "vision_config": PICTURE}, 16),
    "ViT": ("ViTModel", "ViTConfig", PICTURE, 16),
    "ConvNeXt": ("ConvNextModel", "ConvNextConfig", STAGES, 8),
    "ResNet": ("ResNetModel", "ResNetConfig", STAGES | {"embedding_size": 8, "layer_type": "basic"}, 8),
}


def saved(name: str, folder: Path) -> Path:
    torch.manual_seed(0)
    model, config, options, _ = MODELS[name]
    getattr(transformers, model)(getattr(transformers, config)(**options)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_of_transformers_gives_patches_and_a_whole(name: str, tmp_path: Path) -> None:
    encoder = load_encoder(str(saved(name, tmp_path / "e")), NOWHERE)
    stride = MODELS[name][3]
    assert stride_of(encoder) == stride
    x = torch.rand(1, 3, 200, 130)
    found = encoder(x)
    assert found.shape[2:] in {(200 // stride, 130 // stride), (-(-200 // stride), -(-130 // stride))}
    assert found.std() > 0
    assert torch.isfinite(whole(encoder, x)).all()


def test_patches_of_a_transformer_are_in_place(tmp_path: Path) -> None:
    encoder = load_encoder(str(saved("DINOv2 with registers", tmp_path / "e")), NOWHERE)
    x = torch.full((1, 3, 140, 140), 0.5)
    changed = x.clone()
    changed[..., 42:56, 98:112] = 1.0  # the patch of row 3, column 7
    difference = (encoder(changed) - encoder(x)).norm(dim=1)[0]
    assert np.unravel_index(int(difference.argmax()), (10, 10)) == (3, 7)


def test_the_appearance_that_the_folder_names_is_used(tmp_path: Path) -> None:
    folder = saved("ViT", tmp_path / "e")
    x = torch.rand(1, 3, 64, 64)
    plain = load_encoder(str(folder), NOWHERE)(x)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    assert not torch.allclose(load_encoder(str(folder), NOWHERE)(x), plain)


def lose_a_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    state.pop(next(name for name in state if "layer.1" in name))
    save_file(state, folder / "model.safetensors", {"format": "pt"})


def changed(**fields: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        record = json.loads((folder / "config.json").read_text()) | fields
        (folder / "config.json").write_text(json.dumps(record))

    return change


DAMAGE: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), MissingWeights),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), MissingWeights),
    "half the weights": (lambda folder: os.truncate(folder / "model.safetensors", 20_000), WrongArchitecture),
    "a weight is missing": (lose_a_weight, WrongArchitecture),
    "not JSON": (lambda folder: (folder / "config.json").write_text("{"), CorruptWeights),
    "endless layers": (changed(num_hidden_layers=10**9), CorruptWeights),
    "wider than its weights": (changed(hidden_size=8192, num_attention_heads=64), CorruptWeights),
    "another patch size": (changed(patch_size=14), WrongArchitecture),
    "code of its own": (changed(model_type="mine", auto_map={"AutoModel": "evil.Model"}), WrongArchitecture),
    "a deviation of nothing": (
        lambda folder: (folder / "preprocessor_config.json").write_text('{"image_std": [0, 1, 1]}'),
        CorruptWeights,
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_hostile_folders_are_refused(damage: str, tmp_path: Path) -> None:
    folder = saved("ViT", tmp_path / "e")
    (folder / "evil.py").write_text("raise SystemExit('this must not run')")
    do, error = DAMAGE[damage]
    do(folder)
    with pytest.raises(error):
        load_encoder(str(folder), NOWHERE)


def test_what_looks_at_no_pictures_is_refused(tmp_path: Path) -> None:
    transformers.BertModel(transformers.BertConfig(**SMALL, vocab_size=50)).save_pretrained(tmp_path)
    with pytest.raises(WrongArchitecture, match="looks at no pictures"):
        load_encoder(str(tmp_path), NOWHERE)


def test_names_of_nothing_and_devices_that_are_not_here_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no encoder"):
        load_encoder(str(tmp_path / "nothing"), NOWHERE)
    with pytest.raises(UsageError, match="there is cpu"):
        load_encoder(str(tmp_path), NOWHERE, "cuda:99")
    with pytest.raises(UsageError, match="no device"):
        load_encoder(str(tmp_path), NOWHERE, "quantum")


# ONNX


class Patches(nn.Module):
    def __init__(self, tokens: bool = False) -> None:
        super().__init__()
        self.conv, self.tokens = nn.Conv2d(3, 12, 16, 16), tokens

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv(x)
        return torch.cat([h.mean((2, 3))[:, None], h.flatten(2).transpose(1, 2)], 1) if self.tokens else h


def exported(module: nn.Module, path: Path, side: int | None) -> Path:
    pytest.importorskip("onnxscript")
    size = side or 224
    dim = torch.export.Dim
    shapes = None if side else {"x": {2: 16 * dim("p", min=2, max=256), 3: 16 * dim("q", min=2, max=256)}}
    torch.onnx.export(
        module.eval(), (torch.zeros(1, 3, size, size),), str(path), dynamo=True, dynamic_shapes=shapes, verbose=False
    )
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("side", [None, 64])
def test_a_graph_gives_what_the_module_gives(side: int | None, tokens: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Patches(tokens)
    encoder = load_encoder(str(exported(module, tmp_path / "e.onnx", side)), NOWHERE)
    assert stride_of(encoder) == 16
    x = torch.rand(1, 3, 160, 96)
    from oddpixel.encoders.configuration import IMAGENET_DEVIATION, IMAGENET_MEAN

    mean, deviation = (torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    wanted = side_by_side([module.conv((x - mean) / deviation)])
    found = encoder(x)
    assert found.shape == wanted.shape == (1, 12, 10, 6)
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_graphs_that_are_no_encoders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(b"nothing")
    with pytest.raises(CorruptWeights):
        load_encoder(str(tmp_path / "e.onnx"), NOWHERE)
    vector = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(WrongArchitecture, match="have no places"):
        load_encoder(str(exported(vector, tmp_path / "v.onnx", 64)), NOWHERE)


# What they have in common


@pytest.mark.parametrize("size", [(64, 64), (65, 200), (40, 300), (129, 97)])
def test_tiles_join_without_seams(size: tuple[int, int]) -> None:
    local = nn.Conv2d(3, 5, 8, 8).eval()
    x = torch.rand(1, 3, *size)
    found = Tiled(local, 64)(x)
    if min(size) >= 64:
        rows, columns = found.shape[2:]
        assert torch.allclose(found, local(x)[:, :, :rows, :columns], atol=1e-5)
        assert rows >= (size[0] - 7) // 8
        assert columns >= (size[1] - 7) // 8
    assert torch.isfinite(found).all()


def test_wide_patches_are_narrowed_and_keep_their_distances() -> None:
    torch.manual_seed(0)
    h = torch.rand(1, 1024, 6, 6) ** 4
    narrow = side_by_side([h])
    assert narrow.shape[1] == WIDEST
    after = torch.pdist(narrow[0].flatten(1).T)
    wide = torch.pdist(nn.functional.normalize(h, dim=1)[0].flatten(1).T)
    assert ((after / wide - 1).abs() < 0.3).all()


# In a detector


def normal(index: int) -> Image:
    pixels = np.random.default_rng(index).uniform(0.3, 0.7, (3, 96, 96)).astype(np.float32)
    pixels = np.rint(pixels * 255).astype(np.float32) / 255
    return Image(pixels, 8, "display", None, f"n{index}", f"{index:064x}", f"n{index}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["folder", "graph"])
def test_a_detector_carries_its_encoder(kind: str, tmp_path: Path) -> None:
    named = saved("DINOv2", tmp_path / "e") if kind == "folder" else exported(Patches(), tmp_path / "e.onnx", None)
    normals = [normal(index) for index in range(8)]
    detector = Detector(encoder=str(named), chooses=False).fit(normals)
    save(detector, tmp_path / "d")
    shutil.rmtree(named) if kind == "folder" else named.unlink()
    (tmp_path / "moved").mkdir()
    (tmp_path / "d").rename(tmp_path / "moved" / "d")
    again = load(tmp_path / "moved" / "d")
    scores = [each.raw for each in (detector.judge(normal(99)), again.judge(normal(99)))]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    save(again, tmp_path / "moved" / "d")  # onto itself
    assert load(tmp_path / "moved" / "d").judge(normal(99)).raw == pytest.approx(scores[0], rel=1e-6)
    weights = tmp_path / "moved" / "d" / "encoder" / ("model.safetensors" if kind == "folder" else "e.onnx")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(CorruptWeights, match="is not the encoder that"):
        load(tmp_path / "moved" / "d")


def test_another_encoder_than_it_was_fitted_with_is_refused(tmp_path: Path) -> None:
    first, second = saved("DINOv2", tmp_path / "e"), saved("ViT", tmp_path / "f")
    save(Detector(encoder=str(first), chooses=False).fit([normal(index) for index in range(8)]), tmp_path / "d")
    with pytest.raises(CorruptWeights, match="is not the encoder that"):
        load(tmp_path / "d", str(second))
    assert load(tmp_path / "d", str(first))


# timm: its torchvision does not load beside every build of PyTorch, so it is no dependency of the tests; where its
# packages lie is told by ODDPIXEL_TIMM (as `.ci/run` puts them there)

TIMM = """
import sys, json, torch
torch.set_num_threads(1)
declared = torch.library.Library("torchvision", "DEF")  # what its binary part would declare, where that does not load
for name in ("nms", "qnms"):
    declared.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
import timm
from pathlib import Path
from safetensors.torch import save_file
from oddpixel.encoders import load_encoder, stride_of, whole
for architecture, stride in (("vit_tiny_patch16_224", 16), ("resnet10t", 8), ("swin_tiny_patch4_window7_224", 8)):
    folder = Path(sys.argv[1]) / architecture
    folder.mkdir()
    model = timm.create_model(architecture, pretrained=False, num_classes=0)
    save_file(model.state_dict(), folder / "model.safetensors")
    cfg = {"mean": [0.5] * 3, "std": [0.5] * 3, "input_size": [3, 224, 224]}
    (folder / "config.json").write_text(json.dumps({"architecture": architecture, "num_classes": 0, "pretrained_cfg": cfg}))
    encoder = load_encoder(str(folder), Path("nowhere"))
    x = torch.rand(1, 3, 300, 260)
    print(architecture, stride_of(encoder), tuple(encoder(x).shape), tuple(whole(encoder, x).shape))
    assert stride_of(encoder) == stride
    for field in ("checkpoint_path", "pretrained"):
        (folder / "config.json").write_text(json.dumps({"architecture": architecture, "model_args": {field: "x"}}))
        try:
            load_encoder(str(folder), Path("nowhere"))
        except Exception as error:
            assert type(error).__name__ == "CorruptWeights", error
        else:
            raise AssertionError(field)
"""


@pytest.mark.skipif("ODDPIXEL_TIMM" not in os.environ, reason="ODDPIXEL_TIMM does not say where timm lies")
def test_folders_of_timm(tmp_path: Path) -> None:
    path = os.pathsep.join([os.environ["ODDPIXEL_TIMM"], *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", TIMM, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
