"""The table of where incidents lie on their monitor's map, beside those of `latentwatch.alerts.tables`."""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from latentwatch.alerts.columns import Row


class IncidentPlaceRow(Row):
    """One incident's place. All of a monitor's are replaced together, by whoever places them anew."""

    __tablename__ = "incident_places"

    monitor: Mapped[str] = mapped_column(String(63), primary_key=True)
    incident: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    x: Mapped[float]
    """In parts of the map's width, as `y` is."""
    y: Mapped[float]
