"""Two runs over the same items, side by side: by content (SHA-256) and name, else by content alone where that is unambiguous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from .agreement import Agreement, agreement
from .library import OpenRun

COLUMNS = ("item", "sha256", "raw", "p_value", "flagged", "thumbnail")
LABELS = ("flagged", "not flagged")
FEWEST = 3  # items, for a correlation of ranks


@dataclass(frozen=True, eq=False)
class Paired:
    """What two runs say of the items that both have scored.

    Arguments:
        table: a pandas DataFrame with `item`, `thumbnail`, `other_item`, and of either run (`first_`, `second_`) `p`, `raw`,
            `flagged` and `rank` (1 is the oddest); `moved` is how many ranks an item is odder in the second.
        only_first, only_second: how many items one of them alone has scored.
    """

    table: Any
    only_first: int
    only_second: int

    @property
    def agreement(self) -> Agreement | None:
        """Of their decisions; None without items."""
        named = [
            [LABELS[0] if flagged else LABELS[1] for flagged in self.table[f"{run}_flagged"]]
            for run in ("first", "second")
        ]
        return agreement(named[0], named[1], LABELS)

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's, of the scores; None where it is not defined."""
        if len(self.table) < FEWEST:
            return None
        rho = float(spearmanr(self.table["first_raw"], self.table["second_raw"]).statistic)
        return rho if np.isfinite(rho) else None


def paired(first: OpenRun, second: OpenRun) -> Paired:
    """The items that both runs have scored."""
    one, other = _scored(first), _scored(second)
    same = one.merge(other, on=["item", "sha256"], suffixes=("_1", "_2")).assign(other_item=lambda table: table["item"])
    left = one[~one["item"].isin(same["item"])].drop_duplicates("sha256", keep=False)
    right = other[~other["item"].isin(same["item"])].drop_duplicates("sha256", keep=False)
    moved = left.merge(right, on="sha256", suffixes=("_1", "_2"))
    moved = moved.rename(columns={"item_1": "item", "item_2": "other_item"})
    import pandas as pd

    both = pd.concat([same, moved], ignore_index=True)
    table = pd.DataFrame({name: both[name] for name in ("item", "other_item")})
    table["thumbnail"] = both["thumbnail_1"]
    for run, suffix in (("first", "_1"), ("second", "_2")):
        table[f"{run}_p"] = both[f"p_value{suffix}"].astype(float)
        table[f"{run}_raw"] = both[f"raw{suffix}"].astype(float)
        table[f"{run}_flagged"] = both[f"flagged{suffix}"].fillna(False).astype(bool)
        table[f"{run}_rank"] = table[f"{run}_raw"].rank(ascending=False, method="min").astype(int)
    table["moved"] = table["first_rank"] - table["second_rank"]
    return Paired(table, len(one) - len(table), len(other) - len(table))


def _scored(run: OpenRun) -> Any:
    import pandas as pd

    table = run.table
    frame = pd.DataFrame({name: table.column(name) for name in COLUMNS}, columns=list(COLUMNS))
    return frame[frame["raw"].notna() & frame["p_value"].notna()].drop_duplicates("item", keep="last")
