"""Which of the process's clients of AWS a function calls."""

import re

import pytest

from model.settings import ROOT


@pytest.mark.parametrize("operation", ["upload_part", "complete_multipart_upload", "upload_fileobj"])
def test_uploads_to_s3_use_the_patient_client(operation: str):
    """A call sends up to 8 MB to S3, which the 2 s of a request do not suffice for."""
    sources = [path.read_text() for path in (ROOT / "functions").rglob("*.py")]
    clients = [client for text in sources for client in re.findall(rf"(\w+)\(\"s3\"\)\.{operation}\(", text)]
    assert set(clients) == {"patient_client"}
