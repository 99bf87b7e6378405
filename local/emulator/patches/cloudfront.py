"""Patches of CloudFront."""

from local.emulator.patch import patch, replace_in_function


@patch(
    "private-origins",
    area="edge",
    aws="a VPC origin defines its protocol; the shop's is HTTP",
    emulator="the viewer's protocol is used, but a load balancer accepts only HTTP: 502",
    reason="the VPC origin is omitted (unknown-types), and with it its protocol",
    upstream="not reported",
)
def connect_to_vpc_origins_over_http() -> None:
    from ministack.services import cloudfront

    replace_in_function(
        cloudfront,
        "_dataplane_origin",
        'if custom is not None else "match-viewer"',
        'if custom is not None else "http-only"',
    )
