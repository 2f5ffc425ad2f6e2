"""Errors, named by what the caller should do next."""


class LatentwatchError(Exception):
    """Root of every error raised on purpose. The message says what was wrong, where, and what to do.

    `exit_code` is what the command line returns when the error ends a command.
    """

    exit_code = 1


class InvalidInput(LatentwatchError):
    """Something the user gave cannot be used as it is; correct it and run again."""

    exit_code = 2


class InvalidMonitor(InvalidInput):
    """A monitor file is wrong; names file, line and fix."""


class InvalidHistory(InvalidInput):
    """Training data cannot be used: empty, too short, or without the monitor's fields."""


class BundleRefused(InvalidInput):
    """This process cannot serve a bundle, which says nothing of others; whoever was about to keeps the one it has."""


class BundleAway(BundleRefused):
    """A bundle's folder is missing or cannot be read from here; look again later."""

    exit_code = 3


class BundleChanged(BundleRefused):
    """A bundle's content does not match its hash. Found twice, that is the bundle's own fault and not the reader's."""


class NotFound(InvalidInput):
    """What was asked for by its name or number does not exist."""


class Unavailable(LatentwatchError):
    """A service is away or answered with a passing fault; wait and try again."""

    exit_code = 3


class PartitionLost(LatentwatchError):
    """Another process moved a partition's offset; roll back, drop the partition and go on with the others.

    `partitions` holds the partitions that were lost.
    """

    def __init__(self, message: str, partitions: tuple[int, ...]) -> None:
        super().__init__(message)
        self.partitions = partitions


class StreamRefused(LatentwatchError):
    """Too much of a stream cannot be read for it to be the stream the monitor describes; stop and tell a person."""

    exit_code = 4


class TopicRecreated(LatentwatchError):
    """The topic that was read was deleted and made anew, and the monitor says to read the new one; begin again."""

    exit_code = 3


class LoopFailed(LatentwatchError):
    """An unattended run ended without doing what it was started for."""

    exit_code = 5


class NothingNew(LatentwatchError):
    """The version that serves learned from the same history under the same settings, so that nothing was trained."""


class StillLearning(LoopFailed):
    """The first model's time has not come: the stream has not been seen for as long as the monitor says; run again later."""
