"""The URL of a place in a bucket: what it may be, and what it opens."""

import sys
from pathlib import Path

import pytest

from registry.adapters.buckets.address import Address, parse_address
from registry.adapters.buckets.bucket import open_bucket
from registry.errors import UsageError
from registry.workspace.places import find_place


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://models", Address("s3", "models", "")),
        ("s3://models/", Address("s3", "models", "")),
        ("s3://models/team/registry/", Address("s3", "models", "team/registry")),
        ("gs://models/a", Address("gs", "models", "a")),
        ("az://container/a", Address("az", "container", "a")),
        (
            "s3://models/a?endpoint=https://minio.example.org:9000&region=eu-1",
            Address("s3", "models", "a", "https://minio.example.org:9000", "eu-1"),
        ),
        ("s3://models?endpoint=http://127.0.0.1:5000", Address("s3", "models", "", "http://127.0.0.1:5000")),
        ("s3://models?endpoint=http://[::1]:5000", Address("s3", "models", "", "http://[::1]:5000")),
        ("s3://models?endpoint=http://localhost", Address("s3", "models", "", "http://localhost")),
    ],
)
def test_a_url_is_read(url: str, address: Address) -> None:
    """Scheme, bucket, prefix and the two options."""
    assert address == parse_address(url, {})


@pytest.mark.parametrize(
    "url",
    [
        *("s3://", "s3:///a", "s3://x/y", "s3://-bad/y", "s3://models/../other", "s3://models/a//b", "s3://models/a b"),
        *("s3://models/a%2e%2e/b", "s3://models#a", "s3://models/é", "s3://models/a\\b", "ftp://models/a", "models/a"),
        *("s3://models?endpoint=", "s3://models?a=b", "s3://models?region=a&region=b", "s3://models?endpoint"),
        *("s3://models?endpoint=minio:9000", "s3://models?endpoint=http://minio.example.org", "s3://[models/a"),
        *("s3://models?endpoint=http://127.0.0.1.example.org", "s3://models?endpoint=https://me:secret@minio"),
    ],
)
def test_a_url_that_could_mean_something_else_is_refused(url: str) -> None:
    """No way out of the prefix, no unknown option, nothing in the clear to another machine."""
    with pytest.raises(UsageError):
        parse_address(url, {})


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    """It would be committed, and shown in every error."""
    with pytest.raises(UsageError) as caught:
        parse_address("s3://me:secret@models/a", {})

    assert "secret" not in str(caught.value)


def test_an_endpoint_is_also_taken_from_the_environment() -> None:
    """As the services' own tools have it; and one in the clear needs a word there, too."""
    found = parse_address("s3://models", {"AWS_ENDPOINT_URL": "https://minio.example.org"})
    allowed = {"AWS_ENDPOINT_URL": "http://minio.example.org", "AWS_ALLOW_HTTP": "true"}

    assert "https://minio.example.org" == found.endpoint
    assert "http://minio.example.org" == parse_address("s3://models", allowed).endpoint


@pytest.mark.parametrize(
    ("url", "kind", "settings", "checks"),
    [
        ("s3://models/a?region=eu-1", "S3Store", {"bucket": "models", "region": "eu-1"}, True),
        ("s3://models?endpoint=http://127.0.0.1:1", "S3Store", {"endpoint": "http://127.0.0.1:1"}, True),
        ("gs://models/a", "GCSStore", {"bucket": "models"}, False),
        ("az://container/a", "AzureStore", {"container_name": "container"}, False),
    ],
)
def test_each_service_is_opened_with_its_own_class(
    url: str, kind: str, settings: dict[str, str], checks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only S3 is believed to check what it is sent. No GCS or Azure server was there to try more."""
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "tester")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    bucket = open_bucket(parse_address(url, {}), {})

    for client in (bucket.steady, bucket.once):
        assert kind == type(client).__name__
        assert settings.items() <= dict(client.config).items()
    assert checks is bucket.checks_sha256
    assert 0 == bucket.once.retry_config["max_retries"] < bucket.steady.retry_config["max_retries"]
    assert str("http:" in url).lower() == bucket.steady.client_options["allow_http"]


def test_without_the_extra_the_command_that_brings_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket is asked for, and obstore is not installed."""
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UsageError, match="s3 extra") as caught:
        open_bucket(Address("s3", "models", ""), {})

    assert "pip install 'lockstep-registry[s3]'" == caught.value.mend


def test_an_unknown_profile_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And one that is there gives its keys."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[team]\naws_access_key_id = of-the-team\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    bucket = open_bucket(Address("s3", "models", ""), {"AWS_PROFILE": "team"})
    with pytest.raises(UsageError, match="profile nobody"):
        open_bucket(Address("s3", "models", ""), {"AWS_PROFILE": "nobody"})

    assert "of-the-team" == bucket.steady.credential_provider()["access_key_id"]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (".registry", Path("/project/.registry")),
        ("/srv/registry", Path("/srv/registry")),
        ("file:///srv/the%20registry", Path("/srv/the registry")),
        ("file://localhost/srv/registry", Path("/srv/registry")),
        ("s3://models/a", Address("s3", "models", "a")),
    ],
)
def test_a_place_is_a_directory_or_a_bucket(place: str, found: Path | Address) -> None:
    """As a person writes it into registry.toml, or after `registry push`."""
    assert found == find_place(place, Path("/project"), {})


@pytest.mark.parametrize(
    "place", ["ssh://host/registry", "sftp://host/a", "file://host/a", "file:relative://x", "://x"]
)
def test_another_kind_of_url_is_refused(place: str) -> None:
    """Rather than taken for a directory of that name."""
    with pytest.raises(UsageError):
        find_place(place, Path("/project"), {})
