"""Settings come from the environment, secrets from files, and what is wrong is said in one line."""

from pathlib import Path

import pytest

from latentwatch.settings import InvalidSettings, load_settings, unknown_variables


def test_without_any_variable_everything_is_embedded():
    """A laptop needs no setting: SQLite, a folder, the loopback address, and no secret."""
    settings = load_settings()
    assert settings.database == "sqlite:///latentwatch.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8484)
    assert settings.password is None


def test_a_secret_may_come_from_a_file_and_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The file's text counts, without its line end; printing the settings does not give it away."""
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    monkeypatch.setenv("LATENTWATCH_PASSWORD_FILE", str(secret))
    settings = load_settings()
    assert settings.password is not None
    assert settings.password.get_secret_value() == "open sesame"
    assert "sesame" not in repr(settings)


def test_channels_may_be_a_yaml_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One name and address a line is enough."""
    file = tmp_path / "channels.yaml"
    file.write_text("oncall: json://localhost\nnight: json://elsewhere\n")
    monkeypatch.setenv("LATENTWATCH_CHANNELS_FILE", str(file))
    assert sorted(load_settings().channels) == ["night", "oncall"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "many"}, "LATENTWATCH_PORT"),
        ({"PORT": "70000"}, "65535"),
        ({"PASSWORD_FILE": "/nowhere/password"}, "cannot be read"),
        ({"PASSWORD_FILE": "/dev/null", "PASSWORD": "x"}, "both set"),
        ({"CHANNELS": "oncall"}, "LATENTWATCH_CHANNELS: is not JSON"),
        ({"CHANNELS_FILE": "/dev/null"}, "is not a mapping"),
        ({"LOG_LEVEL": "chatty"}, "LATENTWATCH_LOG_LEVEL"),
        ({"KAFKA_SECURITY": "sasl_ssl"}, "needs a user and a password; set LATENTWATCH_KAFKA_USER"),
        ({"KAFKA_USER": "watch"}, "security plaintext does not use it"),
        ({"KAFKA_CERTIFICATE": "/dev/null"}, "certificates are set, but security plaintext does not use them"),
        ({"KAFKA_CA": "/nowhere/ca.pem"}, "LATENTWATCH_KAFKA_CA: /nowhere/ca.pem cannot be read"),
        ({"REGISTRY_CA": "-----BEGIN CERTIFICATE-----"}, "drop the _FILE"),
        ({"REGISTRY_TOKEN": "a", "REGISTRY_USER": "b"}, "unset one of them"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(variables, said, monkeypatch: pytest.MonkeyPatch):
    """The message names the variable or its file, and fits on a line."""
    for name, value in variables.items():
        monkeypatch.setenv(f"LATENTWATCH_{name}", value)
    with pytest.raises(InvalidSettings, match=said) as caught:
        load_settings()
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_misspelt_variable_is_found_with_the_one_that_was_meant():
    """Nothing of ours in the environment goes unnoticed."""
    strays = unknown_variables({"LATENTWATCH_DATABSE": "x", "LATENTWATCH_PORT": "1", "HOME": "/"})
    assert strays == {"LATENTWATCH_DATABSE": "LATENTWATCH_DATABASE"}


def test_proxies_are_addresses_or_networks():
    """What is neither is refused by name: believing a proxy that is not meant would be worse than none."""
    assert load_settings(trusted_proxies="10.0.0.7, 10.1.0.0/16,").proxies() == ("10.0.0.7", "10.1.0.0/16")
    assert load_settings().proxies() == ()
    for wrong in ("proxy.example", "*", "10.0.0.7/8"):
        with pytest.raises(InvalidSettings, match="LATENTWATCH_TRUSTED_PROXIES"):
            load_settings(trusted_proxies=wrong)


def test_settings_may_be_printed():
    """What is printed may be read by anybody: neither a secret nor an address that holds one is among it."""
    settings = load_settings(database="postgresql://me@db/x?password=sesame", password="sesame", token="sesame")
    assert "sesame" not in repr(settings)
