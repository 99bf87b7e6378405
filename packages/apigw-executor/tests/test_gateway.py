"""One document in front of an endpoint, called directly and over HTTP."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator

import pytest
from botocore.credentials import Credentials
from gateway_fakes import HANG

from apigw_executor import BadDocument, EndpointDown, Gateway, Request, Server

DOCUMENT = """
openapi: 3.0.1
info: {title: echo, version: "1"}
components:
  securitySchemes:
    key: {type: apiKey, name: x-api-key, in: header}
paths:
  /echo/{id}:
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses:
          default:
            statusCode: 200
            responseTemplates:
              application/json: >-
                {"id":"$input.params('id')","q":"$input.params('q')","stage":"$context.stage","v":"$stageVariables.v"}
  /nothing:
    get:
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 204}'}
        responses: {default: {statusCode: 204}}
  /keyed:
    get:
      security: [{key: []}]
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: {application/json: '{"statusCode": 200}'}
        responses: {default: {statusCode: 200}}
  /items:
    get:
      x-amazon-apigateway-integration:
        type: aws
        httpMethod: POST
        uri: arn:aws:apigateway:eu-central-1:dynamodb:action/Scan
        credentials: arn:aws:iam::1:role/r
        requestTemplates: {application/json: '{"TableName": "t"}'}
        responses: {default: {statusCode: 200}}
"""


@pytest.fixture
def gateway() -> Gateway:
    return Gateway.from_document(
        DOCUMENT,
        endpoint="http://127.0.0.1:1",
        region="eu-central-1",
        credentials=Credentials("test", "test"),
        stage="dev",
        stage_variables={"v": "1"},
        api_keys=["secret"],
    )


@pytest.fixture
def address(gateway: Gateway) -> Iterator[str]:
    with Server(gateway, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.url.removeprefix("http://")
        server.shutdown()
        thread.join()


def test_a_document_answers_requests(gateway: Gateway) -> None:
    response = gateway.handle(Request("GET", "/echo/a%20b", query=(("q", "x"),)))
    assert (response.status, response.body) == (200, b'{"id":"a b","q":"x","stage":"dev","v":"1"}')
    assert response.header("content-type") == "application/json"
    assert gateway.handle(Request("GET", "/unknown")).status == 403


def test_api_keys(gateway: Gateway) -> None:
    statuses = [
        gateway.handle(Request("GET", "/keyed", (("X-Api-Key", key),))).status for key in ("secret", "other", "")
    ]
    assert statuses == [200, 403, 403]


def test_an_endpoint_that_is_down_is_an_exception(gateway: Gateway) -> None:
    with pytest.raises(EndpointDown):
        gateway.handle(Request("GET", "/items"))


@pytest.mark.parametrize("text", ["", "- a", "a: [", "paths: 5", "paths: !Sub x", "a: " + "[" * 5000])
def test_a_bad_document_is_refused(text: str) -> None:
    with pytest.raises(BadDocument):
        Gateway.from_document(text, endpoint="http://127.0.0.1:1", region="eu", credentials=Credentials("a", "b"))


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/echo/1?q=a%26b", 200, b'{"id":"1","q":"a&b","stage":"dev","v":"1"}'),
        ("PATCH", "/echo/1", 200, b'{"id":"1","q":"","stage":"dev","v":"1"}'),
        ("HEAD", "/echo/1", 200, b""),
        ("GET", "/nothing", 204, b""),
        ("GET", "/items", 503, b'{"message":"The endpoint does not answer"}'),
    ],
)
def test_over_http(address: str, method: str, path: str, status: int, body: bytes) -> None:
    connection = http.client.HTTPConnection(address, timeout=HANG)
    for _ in range(2):
        connection.request(method, path, b"{}" if method == "PATCH" else None)
        response = connection.getresponse()
        assert (response.status, response.read()) == (status, body)
    connection.close()


def test_a_chunked_body_is_refused(address: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=HANG)
    connection.putrequest("POST", "/echo/1")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()  # without the body: the server closes the connection, and sending could fail first
    assert connection.getresponse().status == 411
    connection.close()
