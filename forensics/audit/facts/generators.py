"""How image generators declare themselves in text, whatever container and field it stands in: one table.

    form = declared("parameters", "a cat, Steps: 20, Sampler: Euler a")    # form.generator == "Stable Diffusion web UI"

Anybody can write these texts, so they are declarations and nothing more. What says the same in a vocabulary of its own is
read elsewhere: IPTC's digital source type (`xmp`) and C2PA's actions (`c2pa`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .fact import Fact, printable

MOST_TEXT = 2_000_000  # characters that are searched

# Fields that name a program, by the names that `exif`, `iptc`, `xmp`, `c2pa` and PNG keywords have for them.
SOFTWARE = r"software|creator ?tool|software ?agent|originating program|maker?|camera|model|source|credit|generator|agents?|title"
PROGRAMS = (
    r"DALL[-·•. ]?E|OpenAI|ChatGPT|GPT-4o|gpt-image|Sora \d|Adobe[ _]Firefly|Midjourney|Stable ?Diffusion|SDXL|ComfyUI|InvokeAI"
    r"|NovelAI|Fooocus|DreamStudio|Draw Things|Easy Diffusion|(?:Stable)?SwarmUI|SD\.Next|AUTOMATIC1111|Black Forest Labs"
    r"|FLUX\.\d|Google (?:Gemini|Imagen)|Gemini \d[\w.]* Flash Image|Ideogram|Leonardo\.? ?Ai|Recraft|Bing Image Creator"
    r"|Image Creator (?:from|in)|Microsoft Designer|Craiyon|NightCafe|Seedream|Imagine with Meta|OddPixel \d[\w.]*: "
)


@dataclass(frozen=True)
class Form:
    """One form of a declaration.

    Arguments:
        generator: which program writes it, or a family of them.
        patterns: expressions that the text holds, all of them.
        key: an expression for the whole name of the field, where the text alone does not tell.
    """

    generator: str
    patterns: tuple[str, ...]
    key: str | None = None

    def fits(self, key: str, text: str) -> bool:
        if self.key is not None and not re.fullmatch(self.key, key, re.IGNORECASE):
            return False
        return all(re.search(pattern, text, re.MULTILINE) for pattern in self.patterns)


FORMS = (
    Form("Fooocus", (r"\bFooocus v?\d",)),
    Form("Fooocus", (r"^(fooocus|a1111)$",), key="fooocus_scheme"),
    Form("Fooocus", (r'"base_model"\s*:', r'"(adm_guidance|refiner_switch|sharpness)"\s*:')),
    Form("Stable Diffusion web UI", (r"\bSteps: \d+, ", r"\b(Sampler|CFG scale|Seed|Size|Model|Model hash): ")),
    Form("Stable Diffusion web UI", (r"\bSteps: \d+",), key="parameters"),
    Form("Stable Diffusion web UI", (r"^Negative prompt: ", r"\bSteps: \d+")),
    Form("SwarmUI", (r'"sui_image_params"\s*:',)),
    Form("ComfyUI", (r'"class_type"\s*:\s*"',)),
    Form("ComfyUI", (r'"nodes"\s*:\s*\[',), key="workflow"),
    Form("ComfyUI", (r'^workflow:\s*\{',)),
    Form("InvokeAI", (r"\{",), key=r"invokeai_(metadata|graph|workflow)"),
    Form("InvokeAI", (r'"positive_prompt"\s*:', r'"(generation_mode|app_version|cfg_scale)"\s*:')),
    Form("InvokeAI", (r'"app_id"\s*:\s*"invoke-ai/InvokeAI"',)),
    Form("InvokeAI", (r'"model_weights"\s*:', r'"app_version"\s*:')),
    Form("InvokeAI", (r" -s ?\d+\b", r" -S ?-?\d+\b", r" -C ?[\d.]+\b", r" -A ?\w+")),
    Form("InvokeAI", (r" -s ?\d+\b", r" -S ?-?\d+\b"), key="dream"),
    Form("Draw Things", (r'"c"\s*:', r'"(seedMode|v2)"\s*:', r'"sampler"\s*:')),
    Form("NovelAI", (r"^NovelAI\b",), key="software|source|title|creator ?tool"),
    Form("NovelAI", (r'"uc"\s*:', r'"sampler"\s*:', r'"steps"\s*:')),
    Form("Easy Diffusion", (r'"(use_stable_diffusion_model|num_inference_steps)"\s*:', r'"seed"\s*:')),
    Form("Easy Diffusion", (r".",), key="use_stable_diffusion_model"),
    Form("Midjourney", (r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-",)),
    Form("Midjourney", (r" --(v|niji) \d[\d.]*\b",), key="description|user comment|comment|caption|image description"),
    Form("a diffusion model", (r'"prompt"\s*:', r'"seed"\s*:', r'"(steps|sampler\w*|cfg_?scale|guidance_?scale)"\s*:')),
    Form("Google AI", (r"\b(Made|Generated|Created|Edited) with Google AI\b",)),
    Form("Meta AI", (r"\bImagined with AI\b",)),
    Form("FLUX", (r"^AI generated;",)),
    Form("a service that labels by TC260", (r"\bAIGC\b", r"""\bLabel[\\"'\s]*[:=>][\\"'\s]*1\b""")),
    Form("OddPixel", (r"^Synthetic image, made by OddPixel ",)),
    Form("a program that makes images", (rf"(?<![A-Za-z])({PROGRAMS})",), key=SOFTWARE),
)  # fmt: skip


def declared(key: str, text: str) -> Form | None:
    """The first form that a text has, read from a field of that name."""
    return next((form for form in FORMS if form.fits(key, text[:MOST_TEXT])), None)


def text_fact(name: str, key: str, text: str, because: str = "", value: Any = None) -> Fact:
    """A text as a fact, declared where it has one of the forms.

    Arguments:
        value: what is shown instead of the text.
    """
    shown = printable(text) if value is None else value
    if (form := declared(key, text)) is None:
        return Fact(name, shown, because)
    return Fact(name, shown, f"as {form.generator} writes it; anybody can write it", declares="synthetic")
