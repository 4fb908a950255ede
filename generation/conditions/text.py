"""Text, read by a CLIP that the user supplies: bigG/14 for the published cascade (77 tokens of 1280, and one pooled).

Tokens are the last hidden states before the final normalisation; the attention mask is passed; the place of a picture stays zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from oddpixel.errors import MissingWeights, UsageError

from .tokens import Conditions


class TextConditioner:
    """Conditions on text, by the user's own CLIP text model.

    Arguments:
        encoder: a `CLIPTextModelWithProjection`.
        tokenizer: its tokenizer.
        picture: width of the place of a picture.
    """

    def __init__(self, encoder: Any, tokenizer: Any, picture: int = 768) -> None:
        self.encoder, self.tokenizer, self.picture = encoder.eval(), tokenizer, picture

    @classmethod
    def from_folder(cls, folder: Path, picture: int = 768) -> TextConditioner:
        """Load model and tokenizer from a folder as transformers saves it.

        Raises: MissingWeights, UsageError where transformers is not installed.
        """
        try:
            from transformers import CLIPTextModelWithProjection, CLIPTokenizer
        except ImportError as error:
            raise UsageError("conditioning on text needs transformers: pip install 'oddpixel[text]'") from error
        if not (folder / "config.json").is_file():
            raise MissingWeights(f"{folder} has no config.json; name the folder of CLIP's text model and tokenizer")
        encoder = CLIPTextModelWithProjection.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        return cls(encoder, CLIPTokenizer.from_pretrained(folder, local_files_only=True), picture)

    @torch.no_grad()
    def __call__(self, prompts: list[Any]) -> Conditions:
        """Tokens for a batch of texts; None stands for the empty text.

        Raises: UsageError where something else than text is requested.
        """
        if wrong := [prompt for prompt in prompts if not isinstance(prompt, str | None)]:
            raise UsageError(f"a text conditioner takes text, got {type(wrong[0]).__name__}")
        length = self.encoder.config.max_position_embeddings
        tokens = self.tokenizer(
            [prompt or "" for prompt in prompts],
            padding="max_length",
            max_length=length,
            truncation=True,
            return_tensors="pt",
        )
        output = self.encoder(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], output_hidden_states=True
        )
        text: Tensor = output.hidden_states[-1]
        pooled: Tensor = output.text_embeds[:, None]
        return Conditions(pooled, text, pooled.new_zeros(len(prompts), 1, self.picture))
