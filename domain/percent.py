"""A share as people read it, the same in the judge's words, on the command line and on the pages."""


def percent(share: float) -> str:
    """Two significant digits below ten, none behind the point above; less than one in ten million is none.

    >>> percent(0.00123), percent(0.0312), percent(0.5), percent(0.0), percent(0.0000004), percent(1e-9)
    ('0.12 %', '3.1 %', '50 %', '0 %', '0.00004 %', '0 %')
    """
    value = share * 100
    if value >= 10 or value < 1e-5:
        return f"{value:.0f} %"
    text = f"{float(f'{value:.2g}'):.7f}".rstrip("0").rstrip(".")
    return f"{text} %"
