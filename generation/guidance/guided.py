"""Stage C with its features captured, or guidance added to them, by hooks: no other network has to be written.

Hooks stand after the first attention of each of the four half-levels. Nothing happens there (the network is bitwise diffusers'
own) until a call either captures what passes or adds `strength * network(x, feature)` to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from ..conditions.tokens import Conditions
from ..stages.unet import CascadeUNet, time_embedding
from .implicit import ImplicitGuidance, ImplicitOptions
from .strength import Strength, full, published

PLACES = ("down0", "down1", "up0", "up1")
FIRST_ATTENTION = 2  # of the blocks of a level: convolution, time, attention
Features = dict[str, Tensor]


class GuidanceNetworks(nn.Module):
    """One guidance network for each of the four places.

    Arguments:
        options: of each.
        on_the_way_up: strength by size, in evaluation.
    """

    def __init__(self, options: ImplicitOptions, on_the_way_up: Strength = published) -> None:
        super().__init__()
        self.options, self.on_the_way_up = options, on_the_way_up
        self.at = nn.ModuleDict({place: ImplicitGuidance(options) for place in PLACES})

    def strength(self, place: str, size: tuple[int, ...]) -> float:
        """Weight of guidance at a place, for a feature map of this size; 1 on the way down."""
        if place.startswith("down"):
            return 1.0
        return full(*size) if self.training else self.on_the_way_up(*size)


@dataclass
class Plan:
    """Low-resolution features that guide the steps of one sampling, with a cache of what each place derives from them.

    Arguments:
        features: by place, for as many samples as will be guided.
        remember: False in training, where every call must go through the networks.
    """

    features: Features
    remember: bool = True

    def __post_init__(self) -> None:
        self._prepared: dict[tuple[Any, ...], Tensor] = {}

    def prepared(self, place: str, network: ImplicitGuidance, x: Tensor) -> Tensor:
        """The guidance network's features at the size of `x`, repeated over its batch."""
        key = (place, *x.shape[2:], len(x))
        if key in self._prepared:
            return self._prepared[key]
        features = network.prepared(_repeated(self.features[place], len(x)), x.shape[2:])
        if self.remember:
            self._prepared[key] = features
        return features


@runtime_checkable
class Role(Protocol):
    """Something that acts on stage C's activations at the four places."""

    def after(self, place: str, x: Tensor) -> Tensor | None:
        """The activations to replace `x` by; None leaves them unchanged."""


class Capture:
    """Records the activations at each place."""

    def __init__(self) -> None:
        self.features: Features = {}

    def after(self, place: str, x: Tensor) -> None:
        """Record the activations of one place."""
        self.features[place] = x


class Guide:
    """Adds guidance from the captured low-resolution features."""

    def __init__(self, networks: GuidanceNetworks, plan: Plan, t: Tensor) -> None:
        self.networks, self.plan = networks, plan
        self.time = time_embedding(t, networks.options.time)

    def after(self, place: str, x: Tensor) -> Tensor:
        """The activations with guidance added, at this place's strength."""
        network: Any = self.networks.at[place]
        guided: Tensor = network.fuse(x, self.plan.prepared(place, network, x), self.time.to(x.dtype))
        return x + self.networks.strength(place, x.shape[2:]) * guided


class GuidedStageC(nn.Module):
    """Stage C with hooks that capture features at four places, or add guidance to them.

    Arguments:
        unet: stage C.
        networks: None for a stage C that only captures.
    """

    def __init__(self, unet: CascadeUNet, networks: GuidanceNetworks | None = None) -> None:
        super().__init__()
        self.unet, self.networks = unet, networks
        self._roles: list[Role] = []
        for place, block in guided_blocks(unet).items():
            block.register_forward_hook(self._hook(place))

    def predict_noise(
        self,
        x: Float[Tensor, "b _c _h _w"],
        t: Float[Tensor, "b"],
        conditions: Conditions,
        plan: Plan | None = None,
        roles: Sequence[Role] = (),
        **more: Any,
    ) -> Float[Tensor, "b _c _h _w"]:
        """e_hat(x_t), guided where there is a plan.

        Arguments:
            roles: what else acts at the four places, before guidance (a control network).
            more: other conditions of `CascadeUNet.predict_noise`.
        """
        assert plan is None or self.networks is not None
        # Roles stay until the next call: recomputed activations of checkpointed blocks need them during backward.
        guide = [] if plan is None or self.networks is None else [Guide(self.networks, plan, t)]
        self._roles = [*roles, *guide]
        return self.unet.predict_noise(x, t, **conditions.arguments(), **more)

    def capture(
        self, x: Float[Tensor, "b _c _h _w"], t: Float[Tensor, "b"], conditions: Conditions
    ) -> tuple[Float[Tensor, "b _c _h _w"], Features]:
        """e_hat(x_t), and the features at the four places."""
        role = Capture()
        self._roles = [role]
        noise = self.unet.predict_noise(x, t, **conditions.arguments())
        self._roles = []
        return noise, role.features

    def _hook(self, place: str) -> Callable[..., Tensor | None]:
        def after(block: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            changed: Tensor | None = None
            for role in self._roles:
                replacement = role.after(place, output if changed is None else changed)
                changed = changed if replacement is None else replacement
            return changed

        return after


def guided_blocks(unet: CascadeUNet) -> dict[str, nn.Module]:
    """The block at each of the four places, by place."""
    levels = {
        **{f"down{i}": level for i, level in enumerate(unet.down_blocks)},
        **{f"up{i}": level for i, level in enumerate(unet.up_blocks)},
    }
    return {place: cast(nn.ModuleList, levels[place])[FIRST_ATTENTION] for place in PLACES}


def _repeated(feature: Tensor, count: int) -> Tensor:
    """Repeat a feature for both halves, conditional and unconditional: guidance is never contrasted."""
    return feature if len(feature) == count else feature.repeat(count // len(feature), 1, 1, 1)
