"""A detector once it was judged, begun where the records end that it was judged by."""

from dataclasses import replace

from latentwatch.detector.bundle import Bundled
from latentwatch.detector.forecasts.detector import ForecastDetector
from latentwatch.detector.rates import RateDetector
from latentwatch.detector.running_context import RunningContext
from latentwatch.domain.record import Batch


def carried_on(detector: Bundled, holdout: Batch) -> Bundled:
    """What forecasts know of the day and the week, and what was strange lately, gone on through the holdout as if it had been served.

    Scales, components and the promise stay as they were judged. Without that a scorer would begin after a silence as long
    as the holdout, and what comes after a silence is judged leniently.
    """
    if isinstance(detector, RateDetector):
        rates = detector.in_rates(holdout, RunningContext(detector.context).extend(holdout))
        context = replace(detector.context, inner=carried_on(detector.inner, rates))
        return replace(detector, context=context, bundle="")
    return detector.carried_on(holdout) if isinstance(detector, ForecastDetector) else detector
