"""`from_official(folder)`: Stable Cascade and UltraPixel as released, by the names of their own files. Nothing is downloaded.

    stage_a   stage_b_bf16 or stage_b_lite_bf16   stage_c_bf16   effnet_encoder   ultrapixel_t2i   text_encoder/ (CLIP bigG)

`ultrapixel_t2i.safetensors` is a pickle under another name: it is read as tensors only, or not at all. Sizes are read off the
weights, and what does not belong together is refused before anything is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from oddpixel.errors import MissingWeights, WrongArchitecture
from oddpixel.weights import load_weights, read_weights, sha256_of

from ..conditions.conditioner import Conditioner
from ..conditions.nothing import NoConditioner
from ..conditions.text import TextConditioner
from ..guidance.guided import GuidanceNetworks, GuidedStageC
from ..pipeline import UltraPixelPipeline
from ..stages.semantic import EfficientNetEncoder
from ..stages.stage_a import StageA
from ..stages.stage_b import build_stage_b
from ..stages.stage_c import build_stage_c
from . import names, sizes


@dataclass(frozen=True)
class Kind:
    """One kind of released file.

    Arguments:
        stems: file names without suffix, the preferred first.
        released: SHA-256 of released files, as their users have posted them.
    """

    stems: tuple[str, ...]
    is_needed: bool = True
    released: tuple[str, ...] = ()


KINDS = {
    "stage A": Kind(("stage_a",), released=("0a3f5a0b618494f81964dc719dbaaa9bd52f207d464d5fbf45442d363e1c0b5a",)),
    "stage B": Kind(
        ("stage_b_bf16", "stage_b", "stage_b_lite_bf16", "stage_b_lite"),
        released=("fe92687deefcfb33bb3ec181254b55fe4e434c5084ce9d38815eaa32487ad376",),
    ),
    "stage C": Kind(
        ("stage_c_bf16", "stage_c", "stage_c_lite_bf16", "stage_c_lite"),
        released=("dfe24009fc881011f350d08d9d13be13a1a3b3cbfed667435efe0fd419aca099",),
    ),
    "encoder": Kind(("effnet_encoder",), False, ("e23c1fe17ba8cdd6c49a5b292d72502bd4cf729e7de9f2060bb4dcc26737c0a0",)),
    "guidance": Kind(("ultrapixel_t2i",), False, ("bef96cabf1621405cd6fdc4ee51b3613e68dd593a4bda3306a021e085e73ee60",)),
}
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")


@dataclass(frozen=True)
class WeightFile:
    """A weight file in the folder.

    Arguments:
        sha256: of the file.
        is_known: whether it is that of a released file; another one may be a conversion, or something else.
    """

    path: Path
    sha256: str
    is_known: bool


def from_official(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None, offload: bool = False
) -> UltraPixelPipeline:
    """Load a pipeline from released files.

    Arguments:
        dtype: of stages A, B and C; bfloat16 on a GPU and float32 elsewhere where None. float16 overflows in them.

    Raises: MissingWeights, CorruptWeights, UnsafeWeights, WrongArchitecture.
    """
    files = find(folder)
    read = {kind: read_weights(file.path) for kind, file in files.items()}
    guidance = names.guidance(read["guidance"]) if "guidance" in read else None
    c_options, b_options = sizes.stage_c(read["stage C"]), sizes.stage_b(read["stage B"])
    g_options = None if guidance is None else sizes.guidance(guidance)
    if g_options is not None and g_options.width not in c_options.widths:
        raise WrongArchitecture(
            f"the guidance is for features of width {g_options.width}, but stage C has {c_options.widths[0]}; "
            "UltraPixel was made for the 3.6B stage C, not for the 1B one"
        )
    precision = dtype or (torch.bfloat16 if torch.device(device).type == "cuda" else torch.float32)
    with torch.device("meta"):
        unet, b, a = build_stage_c(c_options), build_stage_b(b_options), StageA(sizes.stage_a(read["stage A"]))
        networks = None if g_options is None else GuidanceNetworks(g_options)
        encoder = EfficientNetEncoder(c_options.channels) if "encoder" in read else None
    load_weights(unet, names.unet(read["stage C"]), "stage C")
    load_weights(b, names.unet(read["stage B"]), "stage B")
    load_weights(a, names.stage_a(read["stage A"]), "stage A")
    if networks is not None and guidance is not None:
        load_weights(networks, guidance, "UltraPixel's guidance")
    if encoder is not None:
        load_weights(encoder, read["encoder"], "the semantic encoder")
        encoder.eval()
    for module in (unet, b, a, *([networks] if networks is not None else [])):
        module.to(precision).eval()
    text = folder / "text_encoder"
    conditioner: Conditioner = (
        TextConditioner.from_folder(text, c_options.picture)
        if text.is_dir()
        else NoConditioner(text=c_options.text, pooled=c_options.pooled, picture=c_options.picture)
    )
    return UltraPixelPipeline(
        GuidedStageC(unet, networks).eval(),
        b,
        a,
        encoder,
        conditioner,
        device=device,
        offload=offload,
        facts={"files": {kind: vars(file) for kind, file in files.items()}},
    )


def find(folder: Path) -> dict[str, WeightFile]:
    """Find the weight files of a folder and hash them. Raises: MissingWeights, naming what is missing."""
    if not folder.is_dir():
        raise MissingWeights(
            f"the folder {folder} does not exist; give the one with Stable Cascade's and UltraPixel's files"
        )
    weight_files, missing = {}, []
    for name, kind in KINDS.items():
        paths = [folder / f"{stem}{suffix}" for stem in kind.stems for suffix in SUFFIXES]
        path = next((path for path in paths if path.is_file()), None)
        if path is not None:
            digest = sha256_of(path)
            weight_files[name] = WeightFile(path, digest, digest in kind.released)
        elif kind.is_needed:
            missing.append(f"{name} ({kind.stems[0]}.safetensors)")
    if missing:
        raise MissingWeights(f"{folder} lacks {', '.join(missing)}")
    return weight_files
