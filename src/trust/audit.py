"""The paper's printed figures, computed anew from one another. What was printed stands in ``pages.printed``.

>>> verdict(100 * 44 / 50, "88")
'reproduced'
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from beyond.comparison import no_information_rate
from pages.printed import N_NON_RESPONDERS, N_RESPONDERS, PRINTED, printed

VALIDATION = 21, 9  # responders and non-responders among validation patients, found likewise
COLUMNS = ["place", "figure", "printed", "recomputed", "verdict"]
COMPARISONS = 5  # log-rank tests that the paper prints
REPRODUCED, CUT, SHORT = "reproduced", "reproduced if cut off, not rounded", "printed too short"


def unit_of(text: str) -> float:
    """Return the unit of the last printed digit: 0.1 for "64.4", 1 for "80"."""
    return 10.0 ** -len(text.partition(".")[2])


def verdict(value: float, text: str, unit: float | None = None) -> str:
    """Say whether ``value`` gives the printed text, and if not, by how much it is off."""
    off, unit = value - float(text), unit or unit_of(text)
    if abs(off) <= unit / 2 + 1e-9:
        return REPRODUCED
    return CUT if 0 < off < unit - 1e-9 else f"not reproduced: off by {off:+.2g}"


def finding(
    place: str, figure: str, text: str, value: float, digits: int = 1, unit: float | None = None
) -> dict[str, str]:
    """Return one line of the audit."""
    return dict(zip(COLUMNS, (place, figure, text, f"{value:.{digits}f}", verdict(value, text, unit)), strict=True))


def findings(rows: Iterable[Any]) -> pd.DataFrame:
    """Return lines of the audit as a table."""
    return pd.DataFrame(list(rows), columns=COLUMNS)


def shown(table: pd.DataFrame, told: str = "") -> str:
    """Return lines of the audit in Markdown, below what is told of them."""
    return f"{told}\n\n" * bool(told) + table.to_markdown(index=False, disable_numparse=True)


# --- whole numbers behind percentages


def counts(text: str, total: int, cut: bool = False) -> list[int]:
    """Return every k for which k of ``total`` patients is the printed percentage; ``cut`` allows cut-off digits."""
    allowed, share, unit = {REPRODUCED, CUT} if cut else {REPRODUCED}, float(text), unit_of(text)
    near = range(max(0, int(total * (share - unit) / 100)), min(total, int(total * (share + unit) / 100) + 1) + 1)
    return [k for k in near if verdict(100 * k / total, text) in allowed]


def confusions(
    accuracy: str, specificity: str, sensitivity: str, n_responders: int, n_non_responders: int, cut: bool = False
) -> list[tuple[int, int]]:
    """Return every (responders found, non-responders found) that gives the three printed percentages."""
    right = set(counts(accuracy, n_responders + n_non_responders, cut))
    return [
        (kept, found)
        for kept in counts(specificity, n_responders, cut)
        for found in counts(sensitivity, n_non_responders, cut)
        if kept + found in right
    ]


def printed_rates(split: str) -> list[tuple[str, str, str]]:
    """Return (accuracy, specificity, sensitivity) of the four models as printed for "validation" or "test"."""
    names = ("accuracy", "specificity", "sensitivity")
    rates = ([printed("Table 2", str(model), f"{split}_{name}") for name in names] for model in (1, 2, 3, 4))
    return [(accuracy, specificity, sensitivity) for accuracy, specificity, sensitivity in rates]


def splits_behind(split: str, n_patients: int, cut: bool = False) -> list[tuple[int, int]]:
    """Return every (n_responders, n_non_responders) of ``n_patients`` that gives all four models' printed rates."""
    printed_four = printed_rates(split)
    return [
        (n_patients - n, n)
        for n in range(1, n_patients)
        if all(confusions(*rates, n_patients - n, n, cut) for rates in printed_four)
    ]


def wald(share: float, n: int) -> float:
    """Return the half-width 1.96 sqrt(p (1 - p) / n) of the textbook's 95 % interval of a proportion."""
    return norm.ppf(0.975) * np.sqrt(share * (1 - share) / n)


def widths_that_fit(split: str, n_patients: int) -> int:
    """Return how many of the four models' printed half-widths of the accuracy are Wald's of so many patients."""
    names = [(str(model), f"{split}_accuracy") for model in (1, 2, 3, 4)]
    pairs = [(printed("Table 2", *name), printed("Table 2", *name, "plus_minus")) for name in names]
    return sum(verdict(100 * wald(float(rate) / 100, n_patients), width) == REPRODUCED for rate, width in pairs)


def rates_and_widths(split: str, n_responders: int, n_non_responders: int, cut: bool = False) -> pd.DataFrame:
    """Return the audit of one half of Table 2: each rate from whole numbers, each half-width by Wald."""
    rows, n = [], n_responders + n_non_responders
    for model, rates in enumerate(printed_rates(split), start=1):
        kept, found = confusions(*rates, n_responders, n_non_responders, cut)[0]
        shares = (kept + found) / n, kept / n_responders, found / n_non_responders
        names = "accuracy", f"specificity, {kept} of {n_responders}", f"sensitivity, {found} of {n_non_responders}"
        place = f"Table 2, model {model}, {split}"
        rows += [finding(place, *three) for three in zip(names, rates, [100 * s for s in shares], strict=True)]
        width = printed("Table 2", str(model), f"{split}_accuracy", "plus_minus")
        rows.append(finding(place, f"± of accuracy, Wald, n = {n}", width, 100 * wald(shares[0], n)))
    return findings(rows)


# --- Table 1


def patients() -> pd.DataFrame:
    """Return the audit of how many patients there are, and how many respond."""
    n = {key: int(printed("Methods", "patients", key)) for key in ("all", "training", "test", "validation")}
    lost = {"all": int(printed("Methods", "non-responders")), "test": N_NON_RESPONDERS}
    lost["training"] = lost["all"] - lost["test"]
    both = int(printed("Methods", "responders")) + lost["all"]
    treated = sum(float(printed("Table 1", f"Treatment: {name}")) for name in ("AC-T/D", "FEC-D"))
    rows = [
        finding("Methods", "patients: training + test", str(n["all"]), n["training"] + n["test"], 0),
        finding("Methods", "patients: responders + non-responders", str(n["all"]), both, 0),
        finding("Methods", "about so many % are test patients", "30", 100 * n["test"] / n["all"], unit=5),
        finding("Methods", "about so many % of training validate", "25", 100 * n["validation"] / n["training"], unit=5),
        finding("Discussion", "% on AC-T/D or FEC-D", printed("Discussion", "AC-T/D or FEC-D"), treated),
    ]
    for group in ("all", "training", "test"):
        share = 100 * (n[group] - lost[group]) / n[group]
        rows.append(
            finding("Table 1", f"% responders, {group}", printed("Table 1", "Response: responder", group), share)
        )
    return findings(rows)


def pooled_means() -> pd.DataFrame:
    """Return the audit of Table 1's means and SDs: "all" from training and test patients."""
    n = np.array([int(printed("Methods", "patients", group)) for group in ("training", "test")])
    rows = []
    for name in ("Age", "Initial tumour size", "Residual tumour size"):
        mean, sd = (np.array([float(printed("Table 1", name, group, what)) for group in ("training", "test")])
                    for what in ("value", "plus_minus"))  # fmt: skip
        pooled = n @ mean / n.sum()
        spread = np.sqrt(((n - 1) @ sd**2 + n @ (mean - pooled) ** 2) / (n.sum() - 1))
        rows.append(finding("Table 1", f"{name}, mean", printed("Table 1", name), pooled, 2))
        rows.append(finding("Table 1", f"{name}, SD", printed("Table 1", name, what="plus_minus"), spread, 2))
    return findings(rows)


def denominators(texts: Sequence[str], limit: int, whole: bool = True, cut: bool = False) -> list[int]:
    """Return every number of patients up to ``limit`` that can give all of the percentages.

    ``whole``: the categories exclude one another and leave nobody out, so that their counts add up.
    """
    possible = []
    for n in range(1, limit + 1):
        ways = [counts(text, n, cut) for text in texts]
        if all(ways) and (not whole or sum(map(min, ways)) <= n <= sum(map(max, ways))):
            possible.append(n)
    return possible


def table1_denominators(cut: bool = False) -> pd.DataFrame:
    """Return, per variable of Table 1, the possible numbers of patients of each column.

    ``adds_up``: pairs (training, test) whose counts also give every percentage of "all".
    """
    table, rows = PRINTED[PRINTED.row.str.contains(": ") & (PRINTED.place == "Table 1")], {}
    for variable, part in table.groupby(table.row.str.split(": ").str[0], sort=False):
        texts = {group: part[part.column == group].value.tolist() for group in ("all", "training", "test")}
        whole = variable != "Molecular"
        possible = {group: denominators(texts[group], int(printed("Methods", "patients", group)), whole, cut)
                    for group in texts}  # fmt: skip
        pairs = [pair for pair in product(possible["training"], possible["test"]) if sum(pair) in possible["all"]]
        rows[variable] = possible | {"adds_up": [pair for pair in pairs if adds_up(texts, *pair, cut)]}
    return pd.DataFrame(rows).T


def adds_up(texts: Mapping[str, Sequence[str]], n_training: int, n_test: int, cut: bool = False) -> bool:
    """Return whether counts of training and test patients can sum to every percentage of "all"."""
    return all(
        {i + j for i in counts(one, n_training, cut) for j in counts(other, n_test, cut)}
        & set(counts(whole, n_training + n_test, cut))
        for whole, one, other in zip(texts["all"], texts["training"], texts["test"], strict=True)
    )


def sums(strict: pd.DataFrame, lenient: pd.DataFrame) -> pd.DataFrame:
    """Return the audit of whether counts of training and test patients make up all, by variable of Table 1.

    ``strict`` and ``lenient`` are ``table1_denominators`` of rounded and of cut-off percentages.
    """
    rows = []
    for variable in strict.index:
        pairs = strict.adds_up[variable] or lenient.adds_up[variable]
        told = REPRODUCED if strict.adds_up[variable] else CUT if pairs else "not reproduced: the columns do not add up"
        pair = ", ".join(f"{a} + {b}" for a, b in pairs[-1:]) or "no pair"
        rows.append(("Table 1", f"{variable}: counts of training + test = all", "3 columns", pair, told))
    return findings(rows)


def listed(numbers: Sequence[int]) -> str:
    """Return a list of numbers as text, the largest five of a long one."""
    return "none" if not numbers else ", ".join(map(str, numbers[-5:])) + (" (and smaller)" if len(numbers) > 5 else "")


def both_listed(rounded: Sequence[int], either: Sequence[int]) -> str:
    """Return the numbers that fit rounded percentages, then those that fit only if digits were cut off."""
    more = sorted(set(either) - set(rounded))
    return listed(rounded) + (f" + {listed(more)}" if more else "")


# --- the AUC, and what accuracy has to beat


def hanley_mcneil(auc: float, n_positive: int, n_negative: int) -> float:
    """Return the standard error of an AUC by Hanley and McNeil 1982, equations 1 and 2."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (q1 - auc**2) + (n_negative - 1) * (q2 - auc**2)
    return np.sqrt(variance / (n_positive * n_negative))


def auc_widths() -> pd.DataFrame:
    """Return the audit of the printed half-widths of the AUC: as a proportion's, and as an AUC's."""
    rows, n = [], N_RESPONDERS + N_NON_RESPONDERS
    for model in (1, 2, 3, 4):
        auc, width = (printed("Table 2", str(model), "test_auc", what) for what in ("value", "plus_minus"))
        error = hanley_mcneil(float(auc), N_NON_RESPONDERS, N_RESPONDERS)
        place = f"Table 2, model {model}, test"
        rows.append(finding(place, f"± of AUC as a proportion, n = {n}", width, wald(float(auc), n), 3))
        honest = norm.ppf(0.975) * error
        rows.append(finding(place, "± of AUC, Hanley and McNeil, 10 against 40", width, honest, 3))
        rows[-1]["verdict"] = f"{SHORT}: {honest / float(width):.1f} times as wide would be right"
    return findings(rows)


def bounds() -> pd.DataFrame:
    """Return the audit of what can only be bounded: the AUC by its operating point, the loss by its wrong calls.

    A curve through (1 - specificity, sensitivity) has an area from sensitivity * specificity to 1 - (1 - sensitivity)
    (1 - specificity); a wrong call at a threshold of 0.5 costs at least ln 2 in a cross entropy that weighs all alike.
    """
    rows = []
    for model, (validation, test) in enumerate(zip(printed_rates("validation"), printed_rates("test"), strict=True), 1):
        wrong = sum(VALIDATION) - sum(confusions(*validation, *VALIDATION, cut=True)[0])
        specificity, sensitivity = (float(rate) / 100 for rate in test[1:])
        ranges = {
            "test AUC": (sensitivity * specificity, 1 - (1 - sensitivity) * (1 - specificity)),
            "validation loss": (wrong * np.log(2) / sum(VALIDATION), np.inf),
        }
        for name, (low, high) in ranges.items():
            text = printed("Table 2", str(model), name.lower().replace(" ", "_"))
            told = "possible" if low <= float(text) <= high else "impossible"
            span = f"{low:.2f} to {high:.2f}" if np.isfinite(high) else f"at least {low:.2f}"
            rows.append((f"Table 2, model {model}", name, text, span, told))
    return findings(rows)


def against_no_information() -> pd.DataFrame:
    """Return the test accuracy of each model, with the exact p-value of being above the no-information rate."""
    n = N_RESPONDERS + N_NON_RESPONDERS
    rate = no_information_rate(np.arange(n) < N_NON_RESPONDERS)
    right = {m: sum(confusions(*r, N_RESPONDERS, N_NON_RESPONDERS)[0]) for m, r in enumerate(printed_rates("test"), 1)}
    return pd.DataFrame({
        "right": right, "accuracy": {m: k / n for m, k in right.items()}, "no_information": rate,
        "p": {m: binomtest(k, n, rate, alternative="greater").pvalue for m, k in right.items()},
    }).rename_axis("model")  # fmt: skip


def accuracies_against_nothing() -> pd.DataFrame:
    """Return the audit of each model's test accuracy against that of always answering "responder"."""
    rows = []
    for model, row in against_no_information().iterrows():
        side = "higher" if row.accuracy > row.no_information else "lower"
        told = f"{side}, p {'<' if row.p < 0.05 else '≥'} 0.05" if row.accuracy != row.no_information else "equal"
        found = f"{100 * row.no_information:.0f} %, p = {row.p:.2f}"
        figure = "accuracy against always answering 'responder'"
        rows.append((f"Table 2, model {model}, test", figure, f"{100 * row.accuracy:.0f} %", found, told))
    return findings(rows)


# --- survival


def log_rank_p_values() -> dict[str, float]:
    """Return the log-rank p-values of Figure 5 by their groups."""
    return {row: float(printed("Figure 5", row, "log-rank p")) for row in ("truth", "model 4", "model 3")}


def corrected(p_values: Mapping[str, float]) -> pd.DataFrame:
    """Return the audit of p-values multiplied by the number of comparisons (Bonferroni)."""
    rows = []
    for row, p in p_values.items():
        stays = "stays below 0.05" if COMPARISONS * p < 0.05 else "does not stay below 0.05"
        told = stays if p < 0.05 else "above 0.05 either way"
        text, found = printed("Figure 5", row, "log-rank p"), f"{min(1, COMPARISONS * p):.2f}"
        rows.append(("Figure 5", f"log-rank p, {row}, times five comparisons", text, found, told))
    return findings(rows)
