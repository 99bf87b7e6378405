"""Which host a signed link names."""

from urllib.parse import urlsplit

import pytest

from model.settings import ROOT
from setpieces.signed_links import signing_client


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("operation", ["get_object", "put_object"])
@pytest.mark.parametrize("credentials", [{}, {"aws_access_key_id": "a", "aws_secret_access_key": "b"}])
def test_a_signed_link_names_the_regional_host(operation: str, credentials: dict[str, str]):
    url = signing_client(**credentials).generate_presigned_url(operation, Params={"Bucket": "files", "Key": "a.csv"})
    assert urlsplit(url).hostname == "files.s3.eu-central-1.amazonaws.com"


def test_a_signed_link_of_the_local_cloud_has_the_bucket_in_its_path(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    url = signing_client().generate_presigned_url("get_object", Params={"Bucket": "files", "Key": "a.csv"})
    assert url.startswith("http://127.0.0.1:4566/files/a.csv?")


def test_every_function_that_signs_links_uses_this_client():
    texts = {path: path.read_text() for path in (ROOT / "functions").rglob("*.py")}
    signing = {path for path, text in texts.items() if "generate_presigned" in text}
    assert signing
    assert not [path for path in signing if "signing_client(" not in texts[path]]
    assert {path.name for path, text in texts.items() if "signature_version" in text} == {"signed_links.py"}
