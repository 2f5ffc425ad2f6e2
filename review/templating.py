"""Pages' fragments: templates that escape whatever came from a stream or a person."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from latentwatch.domain.alert import dispute
from latentwatch.domain.silence import calendar_in_words
from latentwatch.review import words

_environment = Environment(
    loader=PackageLoader("latentwatch.review", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    count=words.count,
    number=words.number,
    roughly=words.roughly,
    rate=words.rate,
    percent=words.percent,
    unbroken=words.unbroken,
    surprise=words.surprise,
    odds=words.odds,
    duration=words.duration,
    ago=words.ago,
    clock=words.clock_time,
    entity=words.entity_name,
    dispute=dispute,
    calendar=calendar_in_words,
)


def render(template: str, **values: Any) -> Markup:
    """A template filled in; every value is escaped unless it is markup already."""
    return Markup(_environment.get_template(template).render(**values))
