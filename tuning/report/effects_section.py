"""The section of a report that says which factor matters."""

from __future__ import annotations

from collections.abc import Iterator

from tuning.report.effects import Effect
from tuning.report.findings import Findings
from tuning.report.page import Block, Heading, Paragraph, Picture, Table
from tuning.report.wording import NONE, Measure, listing
from tuning.space.dimensions import Choice, Range

ALPHA = 0.05
HOW = (
    "How this is reckoned: least squares of an additive model with all factors. The mean of a level is what it would "
    "be if all levels of the other factors were equally frequent; where it is missing, the trials do not separate it "
    "from other factors, and the picture has a hollow mark at the plain mean. p is how often chance alone would make "
    "the levels of a factor differ so much, each factor by itself. The share is what it alone explains. "
    "A range with many values is cut into thirds. A name with slashes is a parameter of one option, compared within it."
)


def effects_section(findings: Findings) -> list[Block]:
    """Say which factors matter, and what each of their levels is worth.

    Args:
        findings: Findings.

    Returns:
        List of blocks.
    """
    if not findings.effects:
        return [Heading("What matters"), Paragraph("Nothing was varied among the trials that can be compared.")]
    blocks: list[Block] = [Heading("What matters"), Paragraph(_what_matters(findings.effects))]
    rows = [
        [effect.name, str(len(effect.levels)), _p(effect), _share(effect)]
        for effect in _by_importance(findings.effects)
    ]
    blocks.append(Table(["factor", "levels", "p", "share of variance, %"], rows))
    blocks.append(Paragraph(_basis(findings)))
    blocks.append(Picture("main_effects", "mean of each level of each factor, with its 95 % interval"))
    columns = ["factor", "level", "trials", "plain mean", "mean, all else equal", "95 % interval"]
    levels = [row for effect in findings.effects for row in _levels(effect, findings.measure)]
    return [*blocks, Table(columns, levels), Paragraph(HOW)]


def _by_importance(effects: list[Effect]) -> list[Effect]:
    return sorted(effects, key=lambda effect: (effect.p is None, effect.p or 0.0, -(effect.share or 0.0)))


def _what_matters(effects: list[Effect]) -> str:
    tested = [effect for effect in _by_importance(effects) if effect.p is not None]
    matter = [effect.name for effect in tested if effect.p < ALPHA]
    rest = [effect.name for effect in tested if effect.p >= ALPHA]
    open_ = [effect.name for effect in effects if effect.p is None]
    parts = [f"The choice of {listing(matter)} changes the score by more than noise."] if matter else []
    parts += [f"No effect can be told from noise for {listing(rest)}."] if rest else []
    parts += [f"The trials are too few, or too much alike, to test {listing(open_)}."] if open_ else []
    return " ".join(parts)


def _p(effect: Effect) -> str:
    return NONE if effect.p is None else "< 0.001" if effect.p < 0.001 else f"{effect.p:.3f}"


def _share(effect: Effect) -> str:
    return NONE if effect.share is None else f"{100 * effect.share:.1f}"


def _levels(effect: Effect, measure: Measure) -> list[list[str]]:
    rows = []
    for level in effect.levels:
        interval = NONE if level.low is None else f"{measure.number(level.low)} to {measure.number(level.high)}"
        means = [measure.number(level.plain), measure.number(level.mean)]
        rows.append([effect.name, level.label, str(level.trials), *means, interval])
    return rows


def _basis(findings: Findings) -> str:
    known = {effect.name for effect in findings.effects}
    unknown = [name for name in _names(findings.results.study.parsed_space.dimensions) if name not in known]
    text = f"Estimated from {findings.basis}."
    return f"{text} Too few trials or levels to tell: {listing(unknown)}." if unknown else text


def _names(dimensions: tuple[Choice | Range, ...]) -> Iterator[str]:
    """Name the dimensions that leave a choice."""
    for dimension in dimensions:
        options = dimension.options if isinstance(dimension, Choice) else ()
        if len(options) != 1:
            yield dimension.name
        for option in options:
            yield from _names(option.parameters)
