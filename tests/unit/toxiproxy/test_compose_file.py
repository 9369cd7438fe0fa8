"""The compose file: not run here (no Docker engine), so its parts are held by tests."""

from pathlib import Path

import pytest
import yaml

from galeproof.toxiproxy.server import VERSION

FILE = Path(__file__).parents[3] / "docker-compose.toxiproxy.yml"
SERVICE_KEYS = {"image", "network_mode", "command", "healthcheck", "profiles", "ports", "environment"}


@pytest.fixture
def compose():
    """The file as YAML."""
    return yaml.safe_load(FILE.read_text())


def test_it_has_services_only_and_known_keys(compose):
    """A misspelt key would be an error of Compose that nobody here would see."""
    assert {"services"} == set(compose)
    assert {"toxiproxy", "pact-broker"} == set(compose["services"])
    for service in compose["services"].values():
        assert set(service) <= SERVICE_KEYS


def test_toxiproxy_is_the_pinned_version(compose):
    """The same that `galeproof toxiproxy install` builds."""
    assert f"ghcr.io/shopify/toxiproxy:{VERSION}" == compose["services"]["toxiproxy"]["image"]


def test_lanes_are_reached_and_reach_the_origin(compose):
    """On the host's own network, with no published ports (they are picked later), on loopback only."""
    service = compose["services"]["toxiproxy"]
    assert "host" == service["network_mode"]
    assert "ports" not in service
    assert ["-host=127.0.0.1", "-port=8474"] == service["command"]


def test_the_broker_is_optional_and_on_loopback(compose):
    """It starts only with its profile."""
    service = compose["services"]["pact-broker"]
    assert ["broker"] == service["profiles"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_it_says_that_it_was_not_run():
    """Whoever reads it knows what it is worth."""
    assert "Not run where it was written" in FILE.read_text()
