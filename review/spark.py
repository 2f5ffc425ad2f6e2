"""Sparklines: the last minutes of a stream as inline SVG with a fixed number of points."""

from collections.abc import Sequence
from datetime import timedelta

from markupsafe import Markup

from latentwatch.alerts.reading import MinuteTotal

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
