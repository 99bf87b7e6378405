"""The secrets of one local cloud: random, created once in each state folder, readable by their owner only.

``credentials.json`` holds the secret access key of the account's root. The token with which the local cloud's own tools
use its administrative routes is derived from it. The emulator reads the file: functions inherit its environment, so no
secret may be there.
"""

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from pathlib import Path

# MiniStack treats an account id as the access key id of the root of that account.
ROOT_ACCESS_KEY_ID = "000000000000"
TOKEN_HEADER = "x-setpieces-token"
FILE = "credentials.json"


def private_folder(folder: Path) -> Path:
    """``folder``, created if it is absent, with mode 700."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def root_secret(folder: Path) -> str:
    """The secret access key of the local cloud whose state is in ``folder``; created if it is absent.

    Processes that create it at the same time all return the same secret.
    """
    file = folder / FILE
    if not file.exists():
        _create(file)
    return str(json.loads(file.read_text())["secret_access_key"])


def _create(file: Path) -> None:
    """Write a temporary file (mode 600), then link it under the name of ``file`` unless another process has done so."""
    descriptor, partial = tempfile.mkstemp(dir=private_folder(file.parent), prefix=f".{file.name}.")
    try:
        with open(descriptor, "w") as content:
            json.dump({"secret_access_key": secrets.token_urlsafe(30)}, content)
        os.link(partial, file)
    except FileExistsError:
        pass
    finally:
        Path(partial).unlink()


def token(secret: str) -> str:
    """The value of ``TOKEN_HEADER`` in requests to administrative routes."""
    return derived(secret, "administration")


def derived(secret: str, purpose: str) -> str:
    """A secret for one purpose (HMAC-SHA256, hexadecimal). It does not reveal ``secret`` or those for other purposes."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()
