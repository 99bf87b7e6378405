"""The secrets of one local cloud: random, made once for each state folder, readable by their owner only.

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

# MiniStack takes an account's id for the access key id of its root, and works in that account.
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

    Processes that create it at the same time all read the same one.
    """
    file = folder / FILE
    if not file.exists():
        _create(file)
    return str(json.loads(file.read_text())["secret_access_key"])


def _create(file: Path) -> None:
    """Write the file in full under another name (mode 600), then link it unless another process was first."""
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
    """The value of ``TOKEN_HEADER`` in requests of the local cloud's own tools."""
    return derived(secret, "administration")


def derived(secret: str, purpose: str) -> str:
    """A secret for one purpose, from which the others cannot be computed (HMAC-SHA256, hexadecimal)."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()
