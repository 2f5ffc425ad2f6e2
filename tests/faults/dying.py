"""A command's process that kills itself at the n-th point where it would make something lasting: `python -m tests.faults.dying`.

Words: what to do (retrain, migrate), at which point to die, and what that takes. The points of `retrain` are each file that
is put in its place and each commit; those of `migrate` each statement.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event


def main(what: str, point: int, *words: str) -> None:
    """Do it, or die on the way."""
    left = point

    def reach(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if what == "migrate":
        from latentwatch.alerts.database import migrate, open_database

        event.listen(Engine, "before_cursor_execute", reach)
        migrate(open_database(*words))
        return
    from latentwatch.retraining import retrain

    event.listen(Engine, "commit", reach)
    sys.addaudithook(lambda name, _: reach() if name == "os.rename" else None)
    file, history = words
    retrain(Path(file), "the-same-run", [history], lambda step, share: None)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
