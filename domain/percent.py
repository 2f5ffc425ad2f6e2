"""A share as people read it, the same in the judge's words, on the command line and on the pages."""


def percent(share: float) -> str:
    """Two significant digits below ten, none behind the point above.

    >>> percent(0.00123), percent(0.0312), percent(0.5), percent(0.0), percent(0.0000004)
    ('0.12 %', '3.1 %', '50 %', '0 %', '0.00004 %')
    """
    value = share * 100
    if abs(value) >= 10 or value == 0:
        return f"{value:.0f} %"
    text = f"{float(f'{value:.2g}'):.10f}".rstrip("0").rstrip(".")
    return f"{text} %"
