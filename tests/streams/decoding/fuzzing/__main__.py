"""Mutated messages against the real decoders: `python -m tests.streams.decoding.fuzzing --seconds 60`, or `make fuzz`."""

import argparse
import secrets
import sys
import warnings

from latentwatch.domain.clock import SystemClock
from tests.streams.decoding.fuzzing.rounds import Escaped, Tally, play

_TELL_SECONDS = 5.0


def main() -> int:
    """Play rounds until the time is up or a message escapes; 1 then."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1 << 31), help="the first round's; one of its own else"
    )
    options = parser.parse_args()
    warnings.simplefilter("error")
    clock, tally, seed = SystemClock(), Tally(), options.seed
    started = told = clock.monotonic()
    while (now := clock.monotonic()) - started < options.seconds:
        try:
            play(seed, tally)
        except Escaped as error:
            print(f"{error}\nThe same again: make fuzz ARGS='--seed {seed} --seconds 1'", file=sys.stderr)
            return 1
        seed += 1
        if now - told >= _TELL_SECONDS:
            told = now
            print(f"{now - started:4.0f} s  {tally}", flush=True)
    print(f"nothing escaped, seeds {options.seed} to {seed - 1}: {tally}\n{tally.reasons_in_words()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
