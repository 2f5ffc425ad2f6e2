"""YAML that people wrote, read within bounds: a few hundred bytes of aliases can otherwise stand for gigabytes."""

from typing import Any

import yaml

MAX_DEPTH = 32
MAX_NODES = 100_000
"""Values of a file, those that aliases repeat counted each time; a monitor of a thousand features has some 5,000."""


def load_yaml(text: str) -> tuple[yaml.Node | None, Any]:
    """The tree, which knows its lines, and the data of a YAML text; (None, None) of an empty one.

    Raises yaml.YAMLError, also for what goes beyond the bounds and for a value, such as a date, that cannot be.
    """
    _check_bounds(text)
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    try:
        return tree, yaml.safe_load(text)
    except (ValueError, OverflowError) as error:  # a month 13, a number of 5,000 digits
        raise yaml.YAMLError(f"a value cannot be read ({error})") from None


def _check_bounds(text: str) -> None:
    """Counts on the flat row of events, which is made without recursion and without repeating what aliases stand for."""
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]  # anchor and size so far of each collection we are within
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, 1))
            if len(open_) > MAX_DEPTH:
                raise _beyond(f"nested more than {MAX_DEPTH} deep", event)
            continue
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in [anchor for anchor, _ in open_]:
                raise _beyond(f"alias *{event.anchor} stands within itself", event)
            size = sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
            if event.anchor:
                sizes[event.anchor] = size
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
            if anchor:
                sizes[anchor] = size
        else:
            continue
        anchor, before = open_[-1]
        open_[-1] = (anchor, before + size)
        if before + size > MAX_NODES:
            raise _beyond(f"stands for more than {MAX_NODES:,} values, aliases written out", event)


def _beyond(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    mark: Any = event.start_mark  # its type has two names, of which either serves
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
