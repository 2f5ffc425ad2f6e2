"""Sparklines as inline SVG with a fixed number of points: the last minutes of a stream, and a feature over an alert."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from markupsafe import Markup

from latentwatch.alerts.reading import MinuteTotal
from latentwatch.alerts.reading.glimpses import Glimpse
from latentwatch.review.words import number

_POINTS = 60
_WIDTH, _HEIGHT = 140.0, 26.0


def spark(totals: Sequence[MinuteTotal], span_minutes: int) -> Markup:
    """Records per stretch as a line; stretches with flagged records have a stroke below."""
    if not totals:
        return Markup('<span class="muted">no records yet</span>')
    start = totals[-1].minute - timedelta(minutes=span_minutes - 1)
    scored, flagged = [0] * _POINTS, [0] * _POINTS
    for total in totals:
        slot = int((total.minute - start).total_seconds() / 60 * _POINTS / span_minutes)
        if 0 <= slot < _POINTS:
            scored[slot] += total.scored
            flagged[slot] += total.flagged
    top = max(scored) or 1
    step = _WIDTH / (_POINTS - 1)
    line = " ".join(
        f"{slot * step:.1f},{_HEIGHT - 3 - (_HEIGHT - 5) * count / top:.1f}" for slot, count in enumerate(scored)
    )
    hits = "".join(f"M{slot * step:.1f} {_HEIGHT:.0f}v-4" for slot, count in enumerate(flagged) if count)
    words = f"{sum(scored):,} records, {sum(flagged):,} flagged in the last {span_minutes // 60} hours of the stream"
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" role="img" aria-label="{words}"><title>{words}</title>'
        '<polygon class="area" points="0,{base} {line} {w},{base}"/><polyline class="line" points="{line}"/>'
        '<path class="hit" d="{hits}"/></svg>'
    ).format(w=f"{_WIDTH:.0f}", h=f"{_HEIGHT:.0f}", base=f"{_HEIGHT - 3:.0f}", line=line, hits=hits, words=words)


def glimpse_spark(glimpse: Glimpse, unit: str) -> Markup:
    """A feature over an alert as a line: what is usual is shaded, and a stroke stands where the alert began. Nothing for what is no
    number."""
    known = np.flatnonzero(np.isfinite(glimpse.line))
    if len(known) < 2:
        return Markup()
    usual = glimpse.usual
    shown = [*glimpse.line[known].tolist(), *((usual.low, usual.high) if usual else ())]
    low, width = min(shown), max(shown) - min(shown) or 1.0
    across, down = _WIDTH / max(1, len(glimpse.line) - 1), _HEIGHT - 4

    def height(value: float) -> float:
        return float(_HEIGHT - 2 - down * (value - low) / width)

    line = " ".join(f"{place * across:.1f},{height(glimpse.line[place]):.1f}" for place in known.tolist())
    band = Markup()
    if usual:
        band = Markup('<rect class="area" x="0" y="{top:.1f}" width="{w:.0f}" height="{high:.1f}"/>').format(
            top=height(usual.high), w=_WIDTH, high=max(1.0, height(usual.low) - height(usual.high))
        )
    words = in_words(glimpse, unit)
    return Markup(
        '<svg class="spark" viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{words}"><title>{words}</title>{band}'
        '<path class="hit" d="M{began:.1f} 0v{h:.0f}"/><polyline class="line" points="{line}"/></svg>'
    ).format(w=_WIDTH, h=_HEIGHT, words=words, band=band, began=glimpse.began * across, line=line)


def in_words(glimpse: Glimpse, unit: str) -> str:
    """Value and expected, or value and what is usual where nothing was expected; empty where not even the value is known."""
    if glimpse.value is None:
        return ""
    said = f"{glimpse.feature} {number(glimpse.value)}{' ' + unit if unit else ''}"
    if glimpse.expected is not None:
        return f"{said}, expected {number(glimpse.expected)}"
    usual = glimpse.usual
    return f"{said}, usually {number(usual.low)} to {number(usual.high)}" if usual else said
