"""URIs that MLflow is told: which registry they name, and which version in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.model.names import is_model_name
from gitreg.errors import InvalidRequest
from gitreg.mlflow.uri import RegistryUri, check_path, parse, parse_version_path, split


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("gitreg:///srv/repo", RegistryUri("/srv/repo")),
        ("gitreg:/srv/repo/", RegistryUri("/srv/repo")),
        ("GITREG:///srv/my%20repo", RegistryUri("/srv/my repo")),
        ("gitreg:///", RegistryUri("/")),
        ("gitreg:///r?strict=true&push=TRUE", RegistryUri("/r", push=True, strict=True)),
        ("gitreg:///r?dest=s3://b/a+b%26c", RegistryUri("/r", dest="s3://b/a+b&c")),
        ("gitreg+ssh://git@host/r.git", RegistryUri("ssh://git@host/r.git", push=True)),
        ("gitreg+https://host/r.git", RegistryUri("https://host/r.git", push=True)),
        ("gitreg+file:///r?push=true", RegistryUri("file:///r", push=True)),
        ("gitreg+file:///r/-/churn/3/MLmodel", RegistryUri("file:///r", push=True)),
    ],
)
def test_a_registry_is_named(uri: str, expected: RegistryUri) -> None:
    assert parse(uri) == expected


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("gitreg://host/r", "must be absolute"),
        ("gitreg:r", "must be absolute"),
        ("gitreg:////host/r", "must be absolute"),
        ("gitreg:///a#b", "%23"),
        ("gitreg+ext://sh", "scheme"),
        ("sqlite:///x", "scheme"),
        ("gitreg+https://-oProxy/x", "neither a folder nor"),
        ("gitreg+https://host/r?push=false", "publishes every write"),
        ("gitreg:///r?push=yes", "true or false"),
        ("gitreg:///r?push=true&push=true", "twice"),
        ("gitreg:///r?dest=", "dest is empty"),
        ("gitreg:///r?color=red", "unknown option"),
    ],
)
def test_what_names_none_is_refused(uri: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        parse(uri)


def test_a_mistyped_option_is_told_with_the_near_miss() -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse("gitreg:///r?pusch=true")
    assert raised.value.hint == "did you mean 'push'?"


def test_a_login_is_neither_in_messages_nor_in_uris_of_versions() -> None:
    registry = parse("gitreg+https://ada:s3cret@host/r.git")
    assert registry.location == "https://ada:s3cret@host/r.git"
    assert registry.version_uri("churn", 3) == "gitreg+https://host/r.git/-/churn/3"
    with pytest.raises(InvalidRequest) as raised:
        parse("gitreg+https://ada:s3cret@host/r.git?psh=true")
    assert "s3cret" not in str(raised.value)


names = st.text(min_size=1, max_size=30).filter(is_model_name)
folders = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(part.replace("/", "-").replace("\0", "-") for part in parts)
)


@given(folders, names, st.integers(1, 10**9 - 1), st.booleans(), st.none() | st.text(min_size=1))
def test_uris_come_back(
    location: str, model: str, version: int, strict: bool, dest: str | None
) -> None:
    registry = RegistryUri(location, strict=strict, dest=dest)
    assert parse(str(registry)) == registry
    whole, inner = split(registry.version_uri(model, version) + "/data/model.pkl?strict=true")
    assert parse(whole) == RegistryUri(location, strict=True)
    found = parse_version_path(inner)
    assert (found.model, found.version, found.path) == (model, version, "data/model.pkl")


@pytest.mark.parametrize("inner", ["", "churn", "churn/0", "churn/x/y", "-/1", "churn/1/../../x"])
def test_what_names_no_version_is_refused(inner: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_version_path(inner)


@pytest.mark.parametrize("path", ["..", "a/../b", "/etc/passwd", "a\0b"])
def test_a_path_stays_in_its_artifact(path: str) -> None:
    with pytest.raises(InvalidRequest):
        check_path(path)
