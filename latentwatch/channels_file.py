"""The file of notification channels, which LATENTWATCH_CHANNELS_FILE names: a line `name: address` each, for its owner alone."""

from pathlib import Path

import yaml

from latentwatch.alerts.channels import open_channels
from latentwatch.domain.bounded_yaml import load_yaml
from latentwatch.domain.errors import InvalidInput
from latentwatch.domain.private_files import create_private_file

CHANNELS_FILE = "channels.yaml"


def add_channel(file: Path, address: str) -> str:
    """Write an address down under a name of its kind, unless it is there; returns its name.

    Raises InvalidInput for an address that Apprise does not know, or a file that holds something else or cannot be written.
    """
    kind = "".join(letter for letter in address.partition("://")[0].lower() if letter.isalnum()) or "channel"
    open_channels({kind: address})
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        known = load_yaml(text)[1] or {}
        if not isinstance(known, dict):
            raise InvalidInput(f"{file}: is no list of channels; write a line 'name: address' for each")
        for name, other in known.items():
            if other == address:
                return str(name)
        name = next(each for each in (kind, *(f"{kind}{number}" for number in range(2, 1_000))) if each not in known)
        file.parent.mkdir(exist_ok=True)
        create_private_file(file)
        line = yaml.safe_dump({name: address}, allow_unicode=True, width=10_000)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(line if not text or text.endswith("\n") else f"\n{line}")
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: cannot hold a channel ({error}); check it, and its folder's permissions") from None
    return name
