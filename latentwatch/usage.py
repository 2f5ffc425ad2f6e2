"""What a wrong command line is told, beyond what the parser knows."""

import re
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

_EXTRA = re.compile(r"Got unexpected extra arguments?.*\((.*)\)")


class AdvisingGroup(TyperGroup):
    """Commands of which one that gets several files for one, as a shell makes of a bare pattern, says how to give them."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            message = getattr(error, "message", "")
            found = _EXTRA.match(message) if isinstance(message, str) else None
            if found is not None and all(Path(word).exists() for word in found[1].split()):
                error.message = (  # type: ignore[attr-defined]  # the parser's own error has it
                    f"{message}: these are files, as the shell leaves of a pattern. Put the pattern in quotes, such as"
                    " '*.csv', so that this command finds the files itself"
                )
            raise
