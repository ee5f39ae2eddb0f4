"""What the paper claims beside what the run found: what it agrees with, what it contradicts, what it leaves open."""

from collections import UserDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pages.judgement import listing
from pages.printed import N_NON_RESPONDERS, N_RESPONDERS, printed
from reading.results import Result

AGREES, DISAGREES, OPEN = KINDS = ("agrees", "disagrees", "open")
NAMES = {AGREES: "in keeping", DISAGREES: "not in keeping", OPEN: "left open"}
MODELS = ("1", "2", "3", "4")
NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six")


class Found(UserDict[str, Result]):
    """The results of a run by their names, and the titles of the chapters that show them."""

    def __init__(self, results: Mapping[str, Result], titles: Mapping[str, str]) -> None:
        super().__init__(results)
        self.titles = titles


class Judged(NamedTuple):
    """A claim of the paper, what it prints, what the run found, and what follows."""

    claim: str
    printed: str
    found: str
    kind: str
    why: str
    where: str


# --- links


def address(result: Result) -> str:
    """Return where a result is shown, from the book's root."""
    return f"notebooks/{result.chapter}.html#{result.at}"


def link(chapter: str, at: str, text: str) -> str:
    """Return a link to a place in a chapter."""
    return f'<a href="notebooks/{chapter}.html#{at}">{text}</a>'


def where(result: Result, found: Found) -> str:
    """Return a link to where a result is shown, by the chapter's title."""
    return link(result.chapter, result.at, found.titles[result.chapter])


# --- claims


def judged(found: Found, words: Mapping[str, str]) -> list[Judged]:
    """Return every claim that the run can be held against, in the order of the paper."""
    alpha = 1 - float(words["level_percent"]) / 100
    rows = [*aucs(found), *gains(found), accuracy(found), *log_ranks(found, alpha), margin(found)]
    return [row for row in rows if row]


def judge(found: Found, name: str, claim: str, text: str, verdict: tuple[str, str]) -> Judged:
    """Return a claim judged by one result; what was not computed, or of too few, leaves it open."""
    result = found[name]
    kind, why = (OPEN, result.why or result.text) if result.value is None or result.few else verdict
    return Judged(claim, text, result.text, kind, why, where(result, found))


def aucs(found: Found) -> Iterable[Judged]:
    """Yield the AUC of each model: does the interval hold the printed one?"""
    for model in MODELS:
        value, width = (printed("Table 2", model, "test_auc", what) for what in ("value", "plus_minus"))
        name, claim = f"auc_{model}", f"model {model} reaches the printed AUC"
        yield judge(found, name, claim, f"AUC {value} ± {width}", auc_verdict(found[name], float(value)))


def auc_verdict(result: Result, value: float) -> tuple[str, str]:
    """Return whether an AUC's interval holds a printed one, and whether it leaves out guessing."""
    if result.low is None or result.high is None:
        return OPEN, "there is no interval"
    guessing = ", and guessing too" if result.holds(0.5) else ""
    if result.holds(value):
        return (OPEN if guessing else AGREES), f"the interval holds the printed AUC{guessing}"
    return DISAGREES, f"the interval lies {'above' if result.low > value else 'below'} the printed AUC"


def gains(found: Found) -> Iterable[Judged]:
    """Yield what the margin, and what attention, add to the AUC."""
    best = float(printed("Table 2", "4", "test_auc"))
    for name, other, claim in (
        ("gain_margin", "3", "the margin adds to the core"),
        ("gain_attention", "2", "attention adds to a plain network"),
    ):
        gain = best - float(printed("Table 2", other, "test_auc"))
        yield judge(found, name, claim, f"AUC {gain:+.2f}", gain_verdict(found[name]))


def gain_verdict(result: Result) -> tuple[str, str]:
    """Return what the interval of a difference says: above zero, below it, or neither."""
    if result.low is None or result.high is None:
        return OPEN, "there is no interval"
    if result.holds(0):
        return OPEN, "the interval holds zero"
    return (AGREES, "the interval lies above zero") if result.low > 0 else (DISAGREES, "it is lower instead")


def accuracy(found: Found) -> Judged:
    """Return whether model 4 is right more often than always naming the larger class."""
    result, rate = found["accuracy"], found["no_information"].value
    verdict = OPEN, "there is no interval"
    if rate is not None and result.low is not None and result.high is not None:
        told = f"always naming the larger class reaches {rate:.0f} %, "
        verdict = OPEN, told + "which the interval holds"
        if not result.holds(rate):
            verdict = (AGREES, told + "which is less") if result.low > rate else (DISAGREES, told + "which is more")
    text = f"{printed('Table 2', '4', 'test_accuracy')} % ± {printed('Table 2', '4', 'test_accuracy', 'plus_minus')}"
    return judge(found, "accuracy", "model 4 is mostly right", text, verdict)


def log_ranks(found: Found, alpha: float) -> Iterable[Judged]:
    """Yield whether responders, and those whom model 4 calls so, live longer without recurrence."""
    for row, whose in (("truth", "true"), ("model 4", "predicted")):
        p = found[f"log_rank_{row}"].value
        ratio = found[f"hazard_{row}"].value
        verdict = OPEN, "no clear difference; few recurrences would hide one"
        if p is not None and p < alpha:
            turned = ratio is not None and ratio < 1
            verdict = (DISAGREES, "responders recur earlier") if turned else (AGREES, "the groups differ clearly")
        text, claim = printed("Figure 5", row, "log-rank p"), f"the {whose} groups differ in survival (log-rank p)"
        yield judge(found, f"log_rank_{row}", claim, text, verdict)


def margin(found: Found) -> Judged | None:
    """Return whether the margin of MBF and of EAC weighs more in the trained network than in random ones."""
    both = [found[name] for name in ("margin_MBF", "margin_EAC") if name in found]
    if not both:
        return None
    claim, text = "the margin carries what the network uses", "margins of MBF and EAC"
    told = "; ".join(f"{result.name.removeprefix('margin_')} {result.text}" for result in both)
    return Judged(claim, text, told, *margin_verdict(both), where(both[0], found))


def margin_verdict(both: list[Result]) -> tuple[str, str]:
    """Return whether two maps' margins weigh more, or less, than with random weights; one map alone leaves it open."""
    ends = [(result.low, result.high) for result in both if result.low is not None and result.high is not None]
    if len(ends) < 2:
        return OPEN, "not computed of both"
    n_more, n_less = (sum(flags) for flags in zip(*((low > 0, high < 0) for low, high in ends), strict=True))
    if n_more == 2:
        return AGREES, "the margins of both weigh more than with random weights"
    if n_less == 2:
        return DISAGREES, "the margins of both weigh less than with random weights"
    return OPEN, f"random weights show as much, or more, in {'one of the two' if n_more else 'both'}"


def table(rows: Iterable[Judged]) -> str:
    """Return claims, printed figures and what was found as a table in Markdown."""
    lines = [
        f"| {row.claim} | {row.printed} | {row.found} | {NAMES[row.kind]}: {row.why} | {row.where} |" for row in rows
    ]
    return "\n".join(["| the paper | printed | this run | judged | where |", "| --- | --- | --- | --- | --- |", *lines])


def listed(rows: Iterable[Judged], kind: str) -> str:
    """Return the claims of one kind as a list, or that there is none."""
    lines = [f"- {row.claim[0].upper()}{row.claim[1:]}: {row.why} ({row.where})." for row in rows if row.kind == kind]
    return "\n".join(lines) or "None of the claims above."


# --- sentences


def counted(n: int, what: str) -> str:
    """Return a number of things as words: No pair, One pair, Two pairs, 12 pairs."""
    return f"{NUMBERS[n] if n < len(NUMBERS) else n} {what}{'s' * (n > 1)}"


def counted_patients(found: Found, whose: str) -> str:
    """Return how many patients there are, and whose: 181 simulated patients, 1 recorded patient."""
    return f"{found['patients'].text} {whose} patient{'s' * (found['patients'].value != 1)}"


def of_them(found: Found) -> str:
    """Return how many of a run's patients do not respond: none, one, some or all of them."""
    lost, n = found["lost"].value, found["patients"].value
    if lost == n and n != 1:
        return "all of them non-responders"
    few = {0: "none of them a non-responder", 1: "one of them a non-responder"}
    return few.get(int(lost or 0), f"{found['lost'].text} of them non-responders")


def kept_unseen(n_test: str) -> str:
    """Return how many test patients were kept: none was, one was, 50 were."""
    return {"0": "none was", "1": "one was"}.get(n_test, f"{n_test} were")


def abstract(found: Found, words: Mapping[str, str]) -> str:
    """Return question, methods, results and conclusion in four paragraphs, as the run has them."""
    parts = {
        "Question": "Can deep networks tell from ultrasound, before chemotherapy, which breast tumour will not "
        "respond? {cite:t}`taleghamar2022` trained four on maps of tissue properties and print test AUCs "
        f"of {printed('Table 2', '1', 'test_auc')} to {printed('Table 2', '4', 'test_auc')}.",
        "Methods": "The study is rebuilt from the raw echo to the survival curve, and judged on "
        f"{counted_patients(found, words['whose'])}, {of_them(found)}; {kept_unseen(words['n_test'])} kept unseen.",
        "Results": " ".join(filter(None, results(found, words))),
        "Conclusion": conclusion(words),
    }
    return "\n\n".join(f"**{name}.** {text}" for name, text in parts.items())


def results(found: Found, words: Mapping[str, str]) -> list[str]:
    """Return one sentence for each of the main results."""
    alpha = 1 - float(words["level_percent"]) / 100
    return [of_aucs(found), of_pairs(found["pairs"]), of_survival(found["log_rank_model 4"], alpha), of_margin(found),
            of_lead(found), of_audit(found)]  # fmt: skip


def of_aucs(found: Found) -> str:
    """Return what the four AUCs are, and of how many the interval leaves out guessing."""
    four = [found[f"auc_{model}"] for model in MODELS]
    values = [result.value for result in four if result.value is not None]
    if not values:
        return f"No test AUC can be given ({four[-1].text})."
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    told = (
        f"The networks reach test AUCs of {low} to {high}" if low != high else f"The networks reach a test AUC of {low}"
    )
    if four[-1].few:
        return f"{told}, which says little ({four[-1].few})."
    n_clear = sum(result.low is not None and result.low > 0.5 for result in four)
    return (
        f"{told}; {counted(n_clear, 'interval').lower()} of four leave{'s' * (n_clear < 2)} out 0.5, which is guessing."
    )


def of_pairs(result: Result) -> str:
    """Return how many pairs of models a test tells apart."""
    if result.value is None or result.few:
        return ""
    n = int(result.value)
    return f"{counted(n, 'pair')} of models can be told apart on these patients."


def of_survival(result: Result, alpha: float) -> str:
    """Return whether the groups that model 4 calls differ in survival."""
    who = "The groups that the last network calls"
    if result.value is None:
        return f"Survival of the predicted groups is {result.text}."
    told = "differ in" if result.value < alpha else "do not clearly differ in"
    return f"{who} {told} recurrence-free survival (log-rank p {result.text}{f'; {result.few}' * bool(result.few)})."


def of_margin(found: Found) -> str:
    """Return in which maps the margin weighs more than in networks of random weights."""
    known = [result for name, result in found.items() if name.startswith("margin_") and result.low is not None]
    if not known:
        return "Whether the margin weighs more than in networks of random weights is not computed."
    more = [result.name.removeprefix("margin_") for result in known if result.low is not None and result.low > 0]
    if not more:
        return "In no map does the margin weigh more than in networks of random weights."
    return f"The margin weighs more than in networks of random weights in {listing(more)}."


def of_lead(found: Found) -> str:
    """Return who leads on new simulated patients: a network of the paper or a regression on simple features."""
    result = found["lead_networks"]
    told = {
        AGREES: "the last network leads a regression on simple features",
        DISAGREES: "a regression on simple features leads the last network",
        OPEN: "neither the last network nor a regression on simple features clearly leads",
    }[gain_verdict(result)[0]]
    return (
        f"In cohorts drawn anew, judged on new simulated patients, {told}; the network's lead in AUC is {result.text}."
    )


def of_audit(found: Found) -> str:
    """Return how the paper's figures agree with one another."""
    return (
        f"Of {found['audited'].text} figures of the paper that can be computed anew, {found['reproduced'].text} are "
        f"reproduced; an AUC's interval that holds what it promises is {found['width'].text} times as wide as printed."
    )


def conclusion(words: Mapping[str, str]) -> str:
    """Return what follows, of simulated or of recorded patients."""
    if words["whose"] == "simulated":
        return (
            "Every step can be run, moved and held against a known answer. What is found here is how the method "
            "behaves on simulated patients; of real ones it says nothing."
        )
    return (
        "Every step can be run and moved on recorded patients. One cohort and one split decide nothing: what is found "
        "here needs patients from elsewhere before it means anything for care."
    )


def printed_figures(found: Found) -> str:
    """Return what the paper's own figures allow, whoever the patients of the run are."""
    luck, p, n = found["luck"], found["p_accuracy"], N_RESPONDERS + N_NON_RESPONDERS
    return "\n".join(
        [
            f"- {of_audit(found).removesuffix('.')} ({where(found['width'], found)}).",
            f"- Model 4 is right in {printed('Table 2', '4', 'test_accuracy')} % of {n} patients, naming all of them "
            f"responders in {100 * N_RESPONDERS / n:.0f} %: p = {p.text} ({where(p, found)}).",
            f"- With {n} test patients the worse of two models of the paper looks at least as good as the better in "
            f"{luck.text} of simulated studies ({where(luck, found)}).",
        ]
    )
