"""`latentwatch serve`: the review app over the settings' database and bundles."""

import socket
from dataclasses import replace

from latentwatch.console import say
from latentwatch.domain.errors import InvalidInput
from latentwatch.review.config import ReviewConfig, check_exposure
from latentwatch.settings import Settings, load_settings
from latentwatch.wiring import ready_database


def review_config(settings: Settings, host: str | None = None, port: int | None = None) -> ReviewConfig:
    """Where the app listens and who may enter. Raises InvalidInput where it would be open to strangers."""
    config = ReviewConfig(
        host=host or settings.host,
        port=settings.port if port is None else port,
        password=settings.password.get_secret_value() if settings.password else None,
        token=settings.token.get_secret_value() if settings.token else None,
        proxies=settings.proxies(),
    )
    check_exposure(config)
    return config


def free_port(host: str, port: int) -> int:
    """The port to listen on: the one asked for, or a free one for 0. Raises InvalidInput when it is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:  # the latter for what no port can be
            reason = getattr(error, "strerror", None) or error
            raise InvalidInput(
                f"review app: cannot listen on {host}:{port} ({reason}); stop what listens there, "
                "or give another port with --port (0 picks a free one)"
            ) from None
        return int(probe.getsockname()[1])


def serve_review(host: str | None, port: int | None) -> None:
    """Serve until stopped."""
    from latentwatch.review.app import serve  # the web stack, which the scorer's image does not have

    settings = load_settings()
    config = review_config(settings, host, port)
    chosen = free_port(config.host, config.port)
    engine = ready_database(settings, patience_seconds=None)
    serve(
        engine,
        replace(config, port=chosen),
        settings.bundles,
        listening=lambda: say(f"review app: http://{config.host}:{chosen}"),
    )
