"""How image generators declare themselves in text, whatever container and field it stands in: one table.

    form = declared("parameters", "a cat, Steps: 20, Sampler: Euler a")    # form.generator == "Stable Diffusion web UI"

Anybody can write these texts, so they are declarations and nothing more. A form names the fields in which its generator writes
it, or is the whole text: a caption that mentions a generator, or a maker named like one, must never make a photograph
synthetic. What says the same in a vocabulary of its own is read elsewhere: IPTC's digital source type and AI properties (`xmp`)
and C2PA's actions (`c2pa`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from . import comfyui, midjourney
from .fact import Fact, printable
from .text_forms import Test, lines, members, whole

MOST_TEXT = 2_000_000  # characters that are searched

# Fields that name a program, by the names that `exif`, `iptc`, `xmp`, `c2pa` and PNG keywords have for them. No credit and no
# source: a press photograph is credited to the company that is seen in it.
SOFTWARE = r"software|creator ?tool|software ?agent|originating program|maker?|camera|model|generator|agents?"
CAPTIONS = "description|user ?comment|comment|caption|image ?description"
PROGRAMS = (
    r"DALL[-·•. ]?E|OpenAI|ChatGPT|GPT-4o|gpt-image|Sora(?= \d)|Adobe[ _]Firefly|Midjourney|Stable[- ]?Diffusion|SDXL|ComfyUI"
    r"|InvokeAI|NovelAI|Fooocus|DreamStudio|Draw Things|Easy Diffusion|(?:Stable)?SwarmUI|SD\.Next|AUTOMATIC1111"
    r"|Black Forest Labs|FLUX(?=\.\d)|Google (?:Gemini|Imagen)|Gemini(?= \d[\w.]* Flash Image)|Ideogram|Leonardo\.? ?Ai|Recraft"
    r"|Bing Image Creator|Image Creator (?:from|in) (?:Microsoft )?(?:Designer|Bing|Copilot)|Microsoft Designer"
    r"|Craiyon|NightCafe|Seedream|Imagine with Meta"
)
PROGRAM = re.compile(rf"(?<![^\W_])(?:{PROGRAMS})(?![^\W\d_])", re.IGNORECASE)
# Beside the names of programs: versions, models and hashes.
EDITION = re.compile(
    r"v?\d\w*|[0-9A-F]{8,}|XL|SD|web|web ?UI|UI|API|App|Bot|Desktop|Image|Model|Flash|Turbo|Lightning|Large|Medium|Small|Mini|HD"
    r"|base|refiner|dev|pro|ultra|max|schnell|kontext|klein|forge|reforge|beta|alpha|preview|Google|Adobe|com|ai|inc|c2pa|rs",
    re.IGNORECASE,
)
MAX_PROGRAM = 200  # characters of a program's name

# The web UI's last line, as `create_infotext` writes it: a known sampler, or two members with a value of their kind.
SAMPLER = (
    r"Sampler: (?:Euler|DPM|DPM\+\+|LMS|Heun|DDIM|DDPM|PLMS|UniPC|LCM|DEIS|Restart|k_\w+|euler\w*|dpm\w*|ddim|uni_pc\w*)"
    r"(?: (?:a|SDE|\dM|2S|\d|fast|adaptive|trailing|CFG\+\+|Karras|Exponential|Heun|Dy|SMEA|Max))*(?=,|\s*$)"
)
VALUE = r"(?:CFG scale: \d|Seed: \d+(?=,|\s*$)|Size: \d+x\d+(?=,|\s*$)|Model hash: [0-9a-f]{6})"
STEPS = rf"^Steps: \d+, (?:[^\n]*, )?(?:{SAMPLER}|{VALUE}[^\n]*, {VALUE})"
STEPS_ALONE = r"\bSteps: \d+(?=, [A-Z][\w ]*: |\s*\Z)"
TC260_LABEL = r"""(?=.*\}\Z)\{[^{]*\bLabel[\\"'\s]*[:=][\\"'\s]*1\b.*\}"""


@dataclass(frozen=True)
class Form:
    """One form of a declaration.

    Arguments:
        generator: which program writes it, or a family of them.
        test: whether a text is of this form, as a whole.
        key: an expression for the whole name of the field, where the text alone does not tell.
    """

    generator: str
    test: Test
    key: str | None = None

    def fits(self, key: str, text: str) -> bool:
        """Whether a metadata field holds this form of a declaration."""
        if self.key is not None and not re.fullmatch(self.key, key, re.IGNORECASE):
            return False
        return self.test(text)


def is_program(text: str) -> bool:
    """Whether a text is the name of a program that makes images, and nothing but its version and model beside it.

    "Midjourney 6" and "Stable Diffusion XL" are; "Midjourney Optics" and "Photos of Midjourney" are not.
    """
    if len(text) > MAX_PROGRAM or PROGRAM.match(text.strip()) is None:
        return False
    return all(EDITION.fullmatch(word) for word in re.findall(r"[^\W_]+", PROGRAM.sub(" ", text)))


FORMS = (
    Form("Fooocus", whole(r"Fooocus v?\d\S*"), key=SOFTWARE),
    Form("Fooocus", whole(r"fooocus|a1111"), key="fooocus_scheme"),
    Form("Fooocus", members("base_model", "prompt", "adm_guidance|refiner_switch|sharpness|metadata_scheme")),
    Form("Stable Diffusion web UI", lines(STEPS)),
    Form("Stable Diffusion web UI", lines(STEPS_ALONE), key="parameters"),
    Form("Stable Diffusion web UI", lines(r"^Negative prompt: ", r"^Steps: \d+(?=, [A-Z][\w ]*: |\s*\Z)")),
    Form("SwarmUI", members("sui_image_params")),
    Form("ComfyUI", comfyui.is_generation),
    Form("InvokeAI", members(), key=r"invokeai_(metadata|graph|workflow)"),
    Form("InvokeAI", members("positive_prompt", "generation_mode|app_version|cfg_scale")),
    Form("InvokeAI", members("app_version", app_id="invoke-ai/InvokeAI")),
    Form("InvokeAI", members("model_weights", "app_version")),
    Form("InvokeAI", lines(r'\A"', r" -s ?\d+\b", r" -S ?-?\d+\b", r" -C ?[\d.]+\b", r" -A ?(k_\w+|ddim|plms)\b")),
    Form("InvokeAI", lines(r" -s ?\d+\b", r" -S ?-?\d+\b"), key="dream"),
    Form("Draw Things", members("c", "seedMode|v2", "sampler")),
    Form("NovelAI", whole(r"NovelAI( generated image| (Diffusion|V\d)[\w .]*)?"), key="software|source|title|creator ?tool"),
    Form("NovelAI", whole(r"Stable Diffusion[\w .]* [0-9A-F]{8}"), key="source"),
    Form("NovelAI", members("uc", "sampler", "steps")),
    Form("Easy Diffusion", members("use_stable_diffusion_model|num_inference_steps", "seed")),
    Form("Easy Diffusion", whole(r".+"), key="use_stable_diffusion_model"),
    Form("Midjourney", midjourney.is_description, key=CAPTIONS),
    Form("a diffusion model", members("prompt", "seed", r"steps|sampler\w*|cfg_?scale|guidance_?scale")),
    Form("Google AI", whole(r"(Made|Generated|Created|Edited) with Google AI\.?")),
    Form("Meta AI", whole(r"Imagined with AI\.?")),
    Form("FLUX", whole(r"AI generated;[\w .-]+;[\w .-]+")),
    Form("a service that labels by TC260", whole(TC260_LABEL), key="aigc"),
    Form("a service that labels by TC260", whole(rf"""\{{?[\\"'\s]*AIGC[\\"'\s:=]*{TC260_LABEL}""")),
    Form("OddPixel", whole(r"Synthetic image, made by OddPixel \S+ \(.*\)\.")),
    Form("OddPixel", whole(r"OddPixel \d[\w.+]*: .+"), key=SOFTWARE),
    Form("a program that makes images", is_program, key=SOFTWARE),
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
