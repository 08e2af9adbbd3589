"""Sockets are near the data where the path allows it, else under a short private name."""

import os
from pathlib import Path

import pytest

from clinic.adapters.embedded import POSTGRES_SOCKET, Place, socket_folder


def test_a_plain_short_path_keeps_its_sockets_near() -> None:
    assert socket_folder(Path("/srv/cadence/var")) == Path("/srv/cadence/var/run")


@pytest.mark.parametrize(
    "folder", ["/srv/my clinic/var", "/srv/clínica/var", "/srv/" + "long/" * 20 + "var", "/srv/a?b/var"]
)
def test_other_paths_get_a_short_private_one(folder: str) -> None:
    found = socket_folder(Path(folder))
    assert found.name.startswith(f"cadence-{os.getuid()}-")
    assert " " not in found.name
    assert found == socket_folder(Path(folder))
    assert found != socket_folder(Path(folder + "2"))


def test_the_longest_socket_name_fits() -> None:
    for length in range(40, 120):
        longest = socket_folder(Path("/" + "x" * length)) / f"{POSTGRES_SOCKET}.lock"
        assert len(os.fsencode(longest)) <= 103


def test_the_addresses_name_the_sockets() -> None:
    place = Place(data=Path("/srv/var"), sockets=Path("/srv/var/run"))
    assert place.redis_url() == "unix:///srv/var/run/redis.sock?db=0"
    assert place.broker_url() == "redis+socket:///srv/var/run/redis.sock?virtual_host=0"
    assert place.database_settings()["HOST"] == "/srv/var/run"
