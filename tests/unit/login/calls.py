"""Calls of the login service's functions, and an identity provider whose response the test sets."""

from typing import Any

from login import clients
from setpieces.authorizers import Unauthorized
from setpieces.external import Answer
from setpieces.sessions import session_hash
from tests.service import Response, Service

ADA: dict[str, Any] = {"identity_id": "id-1", "customer_id": "C1", "roles": []}
ADMIN: dict[str, Any] = {"identity_id": "id-9", "customer_id": None, "roles": ["admin"]}
CREDENTIALS = {"email": "ada@example.com", "password": "correct horse"}
METHOD_ARN = "arn:aws:execute-api:eu-central-1:000000000000:abc/local/GET/v1/things/1"
# Sessions are shorter than deployed ones: tests count their minutes.
MINUTES, IDLE_MINUTES = 60, 20
ADMIN_MINUTES, ADMIN_IDLE_MINUTES = 30, 10
PER_CLIENT, PER_ADDRESS = 10, 25


class Login:
    """The login service. ``answer`` is the identity provider's response or error, ``requests`` the bodies that it received."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.answer: Answer | Exception = Answer(200, ADA)
        self.requests: list[dict[str, Any]] = []

    def identity_provider(
        self, system: str, method: str, *path: str, body: dict[str, Any], timeout: float, repeatable: bool
    ) -> Answer:
        """As ``external.call``."""
        assert (system, method, path) == ("identity", "POST", ("authentications",))
        assert 0 < timeout <= clients.CALL_SECONDS
        self.requests.append(body)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def call(
        self, function: str, body: Any = None, token: str | None = None, *, client: str = "192.0.2.1", **path: str
    ) -> Response:
        """The response to a request from the address ``client``, in the session of ``token``."""
        headers = {"X-Forwarded-For": f"{client}, 198.51.100.7"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.service.call(function, body, headers=headers, path=path)

    def sign_in(self, identity: dict[str, Any] = ADA) -> str:
        """The token of a new session."""
        self.answer = Answer(200, identity)
        response = self.call("create_session", CREDENTIALS)
        assert response.status == 201
        return str(response.body["session_token"])

    def authorize(self, function: str, authorization: str | None) -> dict[str, Any]:
        """An authorizer's response to a request with this header."""
        headers = {} if authorization is None else {"Authorization": authorization}
        event = {"type": "REQUEST", "methodArn": METHOD_ARN, "headers": headers, "requestContext": {"requestId": "r"}}
        policy: dict[str, Any] = self.service.invoke(function, event)
        return policy

    def is_alive(self, token: str) -> bool:
        """True if the session is valid."""
        try:
            return effect(self.authorize("authorize_guest", f"Bearer {token}")) == "Allow"
        except Unauthorized:
            return False

    def sessions(self) -> list[dict[str, Any]]:
        """The stored sessions, without the other items of the table."""
        return [item for item in self.service.items("Table") if "issued_at" in item]

    def change_session(self, token: str, **members: Any) -> None:
        """Set members of a stored session."""
        [session] = [item for item in self.sessions() if item["session_hash"] == session_hash(token)]
        self.service.put("Table", session | members)


def effect(policy: dict[str, Any]) -> str:
    """``Allow`` or ``Deny``."""
    [statement] = policy["policyDocument"]["Statement"]
    assert statement["Resource"] == METHOD_ARN
    return str(statement["Effect"])
