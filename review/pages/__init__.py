"""The six pages; importing this registers them with NiceGUI."""

from review.pages import alert, dead, inbox, latent, live, models, overview

__all__ = ["alert", "dead", "inbox", "latent", "live", "models", "overview"]
