"""Patches of ECS."""

from local.emulator.patch import patch, replace_in_function


@patch(
    "container-secrets",
    area="edge",
    aws="ECS gives a container the secrets that its declared task definition names",
    emulator="their names and values are lost, as is the command of a health check",
    reason="the storefront runs with the environment of its task definition",
    upstream="not reported",
)
def keep_secrets_of_containers() -> None:
    from ministack.services.cloudformation import provisioners

    replace_in_function(
        provisioners,
        "_normalize_container_defs",
        'elif camel == "logConfiguration"',
        """elif camel in ("secrets", "healthCheck"):
                v = _pascal_to_camel(v)
            elif camel == "logConfiguration\"""",
    )
