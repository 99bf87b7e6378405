"""Differences between the local cloud and AWS for the deployed templates, besides ``local.emulator.corrections``.

Features that the emulator lacks and no template uses are not listed. ``make parity`` and docs/parity.md show the texts.
"""

from dataclasses import dataclass

AREAS = (
    "deployment",
    "edge",
    "APIs",
    "permissions",
    "functions",
    "events and queues",
    "data",
    "observability",
    "operation",
)

GATEWAY = "tests/unit/gateway/test_gateway_"
FRONT_DOOR_TESTS = "tests/unit/front_door/test_front_door.py"
PROBE = "tests/integration/test_parity.py::test_"
NEEDED = "tests/templates/test_needed_permissions.py::test_"
DELIVERY = "tests/templates/test_delivery_roles.py::test_"
NETWORK = "tests/templates/test_network.py::test_"


@dataclass(frozen=True)
class Difference:
    """``local`` is the local behaviour, or the one without ``where``; ``reason`` explains it and names the substitute.

    ``where`` is a file, or ``file:name``, that bridges or implements the difference; ``tests`` are pytest node ids. ``on_aws``
    tells how to check it on AWS. Each difference has tests, or ``on_aws``, or both.
    """

    name: str
    area: str
    aws: str
    local: str
    reason: str
    where: str = ""
    tests: tuple[str, ...] = ()
    on_aws: str = ""


DIFFERENCES = (
    # --- deployment ---
    Difference(
        "missing-code",
        "deployment",
        aws="a function whose package is not in S3 fails the stack",
        local="the function is created and fails when it is called",
        reason="`sam deploy` uploads each package before it sends the template",
        where="tools/deploy.py:deploy",
        tests=(f"{PROBE}missing_code",),
    ),
    Difference(
        "published-addresses",
        "deployment",
        aws="an API answers at its execute-api host and at its base path of the custom domain",
        local="that host does not resolve; published URLs are rewritten to the front door after each deployment",
        reason="one origin on loopback, with the paths of the custom domain; no TLS",
        where="local/cloud/published_addresses.py:point_to_front_door",
        tests=(
            "tests/unit/cloud/test_published_addresses.py::test_only_execute_api_addresses_change_and_their_paths_stay",
        ),
        on_aws="certificate and DNS of the custom domain: `curl -v https://<domain>/catalog/v1/products`",
    ),
    Difference(
        "layer-platform",
        "deployment",
        aws="the layer is built for Python 3.13 on arm64",
        local="the layer is built for this machine",
        reason="functions run on this machine",
        where="tools/deploy.py:build",
        tests=(
            "tests/integration/test_deploy_path.py::test_the_layer_is_built_for_arm64_and_python_3_13_on_any_machine",
        ),
        on_aws="invoke any function of a dev stage, to check that its libraries load",
    ),
    # --- APIs ---
    Difference(
        "api-deployments",
        "APIs",
        aws="a stage serves the last deployed document, and SAM deploys it when its text changes",
        local="the front door executes the stack's current document",
        reason="the emulator has no snapshots; a test checks that changed parameters in a document cause a deployment",
        where="packages/apigw-executor/src/apigw_executor/deployment.py:assemble",
        tests=("tests/templates/test_versions.py::test_a_parameter_in_the_document_of_an_api_is_served",),
    ),
    Difference(
        "api-documents",
        "APIs",
        aws="API Gateway runs the whole API document",
        local="the emulator keeps type, method, uri and security of it; the front door runs the deployed document",
        reason="docs/decisions/0001: one engine for checks, mapping, direct integrations and gateway responses",
        where="packages/apigw-executor/src/apigw_executor/executor.py:Executor",
        tests=(f"{PROBE}api_documents", f"{GATEWAY}executor.py::test_the_order_of_the_checks"),
    ),
    Difference(
        "mapping-templates",
        "APIs",
        aws="Apache Velocity 1.7 on Java renders mapping templates",
        local="airspeed-ext parses them, and our evaluator renders them like Velocity",
        reason="the library's own evaluator differs for features that our templates use",
        where="packages/apigw-executor/src/apigw_executor/velocity.py",
        tests=(
            f"{GATEWAY}velocity.py::test_the_library_still_differs_where_we_replace_its_evaluator",
            "tests/second_opinion/test_mapping_templates.py::test_responses_are_the_same_bytes",
            "tests/templates/test_vtl_subset.py::test_only_known_methods",
        ),
        on_aws="the integration tests against a stage: `make test-deployed ENV=dev`",
    ),
    Difference(
        "gateway-features",
        "APIs",
        aws="response caches, canaries, VPC links, private APIs, Cognito authorizers, client certificates",
        local="the front door does not have them",
        reason="no template uses them, which a test checks",
        where="packages/apigw-executor/src/apigw_executor/executor.py",
        tests=("tests/templates/test_front_door_scope.py::test_an_api_uses_only_features_of_the_front_door",),
    ),
    Difference(
        "authorizer-cache",
        "APIs",
        aws="a fleet caches an authorizer's policy: another host may invoke the authorizer again",
        local="one cache, which each deployment clears",
        reason="one process; the cached policy is evaluated for each request, as on AWS",
        where="packages/apigw-executor/src/apigw_executor/authorizers.py:GrantCache",
        tests=(f"{GATEWAY}authorization.py::test_a_cached_allow_of_customer_a_does_not_open_customer_b",),
    ),
    Difference(
        "throttles",
        "APIs",
        aws="throttles are best effort over a fleet, and all APIs share the account's limit",
        local="exact token buckets, for each stage and method, usage plan and key; no limit of the account",
        reason="a single process can count exactly",
        where="packages/apigw-executor/src/apigw_executor/throttles.py:Buckets",
        tests=(
            f"{GATEWAY}throttles.py::test_never_more_than_burst_and_rate_allow",
            f"{GATEWAY}limits.py::test_stage_throttling_by_method",
        ),
        on_aws="`ThrottledRequests` of the account under the load of a dev stage",
    ),
    Difference(
        "http-limits",
        "APIs",
        aws="the limit on request heads depends on the service: 10,240 bytes for API Gateway, 32 KB for CloudFront; timeouts "
        "of "
        "slow requests are not published",
        local="10,240 bytes for all (431); 10 seconds for a head, 20 for a body (408); other hosts are refused (421)",
        reason="one server represents all services; requests that it accepts are also accepted on AWS",
        where="local/front_door/http_protocol.py:Wire",
        tests=(
            "tests/abuse/test_http.py::test_an_oversized_request_is_refused",
            "tests/abuse/test_http.py::test_a_slow_client_is_disconnected_and_delays_no_other",
            "tests/abuse/test_http.py::test_another_host_is_refused",
        ),
        on_aws='`curl -sI -H "X-A: $(printf %012000d 0)" https://<domain>/catalog/v1/products`',
    ),
    Difference(
        "header-names",
        "APIs",
        aws="a REST API preserves the case of header names",
        local="names have the form `Idempotency-Key`, regardless of the client's case",
        reason="ASGI servers fold names; functions look up headers case-insensitively",
        where="local/front_door/messages.py:_canonical_name",
        tests=(f"{FRONT_DOOR_TESTS}::test_paths_reach_the_api_as_they_came",),
    ),
    Difference(
        "validation-texts",
        "APIs",
        aws="`$context.error.validationErrorString` is the message of a Java validator",
        local="the same message as far as it is known",
        reason="the messages are not documented; only code and status are part of the contract",
        where="packages/apigw-executor/src/apigw_executor/models.py",
        tests=(f"{GATEWAY}models.py::test_bodies",),
        on_aws="post an invalid body to a dev stage and compare `errors`; AWS does not document whether quotes are escaped",
    ),
    Difference(
        "gateway-response-templates",
        "APIs",
        aws="an integration response uses its first template if none has the type in `Accept`; AWS does not document this for "
        "gateway responses",
        local="the same for both",
        reason="gateway responses have one template, for application/problem+json",
        where="packages/apigw-executor/src/apigw_executor/responses.py:_chosen",
        tests=(f"{GATEWAY}responses.py::test_the_template_by_accept",),
        on_aws="`curl -i -H 'Accept: application/json' https://<api>/<stage>/nothing`: the type is application/problem+json",
    ),
    Difference(
        "numbers-from-parameters",
        "APIs",
        aws="CloudFormation converts a numeric parameter to a string; SAM relies on the undocumented fact that the import "
        "accepts it "
        "for authorizerResultTtlInSeconds",
        local="it is accepted",
        reason="the cache time of the authorizer is a parameter; no other number in a document is one",
        tests=("tests/contract/test_api_documents.py::test_numbers_in_a_document_are_numbers_when_it_is_imported",),
        on_aws="customers deploys, and `aws apigateway get-authorizers` shows 60",
    ),
    # --- permissions ---
    Difference(
        "api-permissions",
        "permissions",
        aws="API Gateway calls a function only if its policy or the integration's role allows this API",
        local="the emulator's gateway calls any function; the front door evaluates the policy or assumes the role",
        reason="a missing AWS::Lambda::Permission would fail only on AWS",
        where="packages/apigw-executor/src/apigw_executor/backends.py:AwsEndpoint",
        tests=(
            f"{GATEWAY}integrations.py::test_a_function_must_allow_this_api",
            f"{GATEWAY}backends.py::test_a_role_must_trust_api_gateway",
            f"{NEEDED}an_authorizer_is_called_through_a_role_that_can_do_just_that",
        ),
    ),
    Difference(
        "closed-to-others",
        "permissions",
        aws="services are reached over TLS by their names, without a signature if a resource allows it; a bucket may allow "
        "CORS",
        local="only requests on loopback that are signed (Signature Version 4) or have the token, not from foreign pages; no "
        "CORS",
        reason="all programs and web pages on this machine can reach the port; only the CDN is public",
        where="local/request_guard.py:check",
        tests=(
            "tests/unit/local/test_request_guard.py::test_only_requests_for_known_hosts_are_served",
            "tests/integration/test_closed_to_others.py::test_the_requests_of_a_foreign_page_are_refused",
            "tests/browser/test_foreign_pages.py::test_a_foreign_page_reads_nothing_and_creates_nothing",
        ),
    ),
    Difference(
        "role-trust",
        "permissions",
        aws="only services that a role trusts can assume it",
        local="any service uses any role; only the front door, as API Gateway, checks the trust policy",
        reason="not enforced; checked statically from the templates",
        tests=(f"{NEEDED}a_role_trusts_exactly_who_assumes_it", f"{PROBE}role_trust"),
    ),
    Difference(
        "state-machine-roles",
        "permissions",
        aws="a state machine may do what its role allows",
        local="a state machine may do anything",
        reason="not enforced; checked statically from templates and definitions",
        tests=(
            f"{PROBE}state_machine_roles",
            "tests/templates/test_state_machines.py::test_the_role_allows_exactly_the_calls_of_the_tasks",
        ),
    ),
    Difference(
        "queue-policies-for-rules",
        "permissions",
        aws="EventBridge sends to a queue only if the queue's policy allows the rule",
        local="it sends to any queue",
        reason="not enforced; checked statically from the templates",
        tests=(
            f"{PROBE}queue_policies_for_rules",
            f"{NEEDED}a_rule_or_schedule_may_reach_its_targets",
            "tests/templates/test_spokes.py::test_the_rule_and_no_other_may_send_to_queue_and_dead_letters",
        ),
    ),
    Difference(
        "schedule-roles",
        "permissions",
        aws="a schedule reaches its target through its role",
        local="a schedule reaches anything",
        reason="not enforced; checked statically from the templates",
        tests=(f"{PROBE}schedule_roles", f"{NEEDED}a_rule_or_schedule_may_reach_its_targets"),
    ),
    Difference(
        "consumer-roles",
        "permissions",
        aws="an event source mapping receives with the role of its function",
        local="a function receives messages that its role may not receive",
        reason="not enforced; checked statically from the templates",
        tests=(f"{PROBE}consumer_roles", f"{NEEDED}a_consumer_may_receive_from_its_source"),
    ),
    Difference(
        "log-permissions",
        "permissions",
        aws="a function writes its log with its role",
        local="logs are written regardless of the role",
        reason="not enforced; checked statically from the templates",
        tests=(f"{PROBE}log_permissions", f"{NEEDED}every_function_may_write_its_log"),
    ),
    Difference(
        "key-policies",
        "permissions",
        aws="a key's policy controls its use; services deliver to encrypted queues as service principals",
        local="key policies are stored but not evaluated",
        reason="not enforced; checked statically from the templates",
        tests=(
            f"{PROBE}key_policies",
            f"{NEEDED}every_service_that_delivers_into_something_encrypted_may_use_the_key",
        ),
        on_aws="place an order in a dev stage: a delivery that the key refuses ends in `FailedInvocations` of its rule",
    ),
    # --- functions ---
    Difference(
        "python-version",
        "functions",
        aws="Python 3.13 on arm64",
        local="the Python that runs the local cloud, on this machine's processor",
        reason="no Docker is needed; the code runs on 3.11 to 3.13",
        tests=(f"{PROBE}python_version",),
        on_aws="`make build` and `sam local invoke` in the Lambda image, or a dev stage",
    ),
    Difference(
        "memory",
        "functions",
        aws="MemorySize is a limit and buys CPU",
        local="no limit, all of the machine's CPU",
        reason="functions are processes of this machine",
        tests=(f"{PROBE}memory",),
        on_aws="`Max Memory Used` in the REPORT lines; durations and cold starts of a dev stage",
    ),
    Difference(
        "temporary-files",
        "functions",
        aws="/tmp belongs to one execution environment, and nothing else can be written",
        local="/tmp is this machine's, shared by all functions, and they can write elsewhere too",
        reason="functions are processes of this machine; where ours write files is checked",
        tests=(
            f"{PROBE}temporary_files",
            "tests/unit/common/test_written_files.py::test_functions_write_temporary_files_only",
        ),
    ),
    Difference(
        "environment",
        "functions",
        aws="a function sees its own variables and those of the runtime",
        local="it also inherits the emulator's, whose environment therefore excludes the developer's variables",
        reason="a function must not depend on a developer's variables",
        where="local/cloud/processes.py:_base_environment",
        tests=(
            f"{PROBE}environment",
            "tests/unit/cloud/test_processes.py::test_functions_do_not_inherit_the_developers_environment",
        ),
    ),
    # --- events and queues ---
    Difference(
        "dead-letters-of-targets",
        "events and queues",
        aws="events that a rule cannot deliver go to its dead-letter queue after its retries",
        local="they are lost",
        reason="not implemented; a static check verifies that each target has a dead-letter queue, retries and permissions",
        tests=(
            f"{PROBE}dead_letters_of_targets",
            "tests/templates/test_spokes.py::test_a_target_retries_for_a_day_and_then_uses_the_spokes_dead_letters",
        ),
        on_aws="remove the queue policy of a spoke in a dev stage, publish an event: it arrives in the spoke's dead-letter "
        "queue",
    ),
    Difference(
        "dead-letters-of-subscriptions",
        "events and queues",
        aws="messages that a topic cannot deliver go to the subscription's dead-letter queue",
        local="they are lost",
        reason="not implemented; a static check verifies the permission to send to the dead-letter queue",
        tests=(f"{PROBE}dead_letters_of_subscriptions", f"{NEEDED}a_subscription_may_deliver"),
        on_aws="the same with the queue policy of the customer migration, and a customer who signs up",
    ),
    Difference(
        "message-groups",
        "events and queues",
        aws="message groups of a FIFO queue are processed in parallel, up to the maximum concurrency",
        local="one batch at a time",
        reason="order within a group holds on both; no test depends on parallel groups",
        tests=(f"{PROBE}message_groups",),
        on_aws="`ConcurrentExecutions` of shipping-ship-order under load",
    ),
    Difference(
        "redrive",
        "events and queues",
        aws="StartMessageMoveTask puts dead letters back",
        local="the operation is missing",
        reason="`python -m tools.cli dead-letters --redrive` sends and deletes message by message, and works on both",
        where="tools/dead_letters.py:redrive",
        tests=(
            f"{PROBE}redrive",
            "tests/unit/tools/test_dead_letters.py::test_a_redrive_moves_the_selected_messages",
        ),
    ),
    Difference(
        "archive",
        "events and queues",
        aws="the template's archive stores all events of the bus",
        local="the archive is omitted; one created by the API archives and replays as on AWS",
        reason="the emulator's CloudFormation lacks the type (unknown-types)",
        where="local/emulator/corrections.py:LEFT_OUT",
        tests=("tests/integration/test_archive_replay.py::test_a_replayed_order_is_not_shipped_again",),
        on_aws="`aws events describe-archive --archive-name checkout-bus`",
    ),
    # --- edge ---
    Difference(
        "cdn-caching",
        "edge",
        aws="CloudFront caches responses according to their Cache-Control",
        local="all requests reach the load balancer",
        reason="the emulator's CDN only routes; tests use a real RFC 9111 cache",
        tests=(
            "tests/integration/test_redirects.py::test_a_cache_sends_one_request",
            "tests/integration/test_sitemaps.py::test_a_cache_sends_one_request",
        ),
        on_aws="`curl -sI https://<site>/home.aspx` twice: `x-cache: Hit from cloudfront`",
    ),
    Difference(
        "edge-protection",
        "edge",
        aws="security groups and the private origin allow only CloudFront",
        local="the types are deployed but not enforced",
        reason="no network is emulated; static checks of the templates verify the allowed sources",
        tests=(f"{NETWORK}only_the_cdn_reaches_the_load_balancer",),
        on_aws="the load balancer does not respond to requests from outside",
    ),
    Difference(
        "web-acl-rates",
        "edge",
        aws="WAF estimates the rate of an address every few seconds, and allows a burst until then",
        local="the front door evaluates the deployed rules and counts each request at once; stage local has higher limits",
        reason="requests that AWS would block are blocked here too; all local clients have one address (samconfig.toml)",
        where="packages/apigw-executor/src/apigw_executor/web_acl.py:Firewall",
        tests=(
            f"{GATEWAY}web_acl.py::test_a_rate_is_of_an_address_and_of_the_window",
            "tests/integration/test_web_acls.py::test_the_front_door_refuses_with_the_deployed_response",
        ),
        on_aws="the web ACLs' sampled requests",
    ),
    Difference(
        "secrets-in-rules",
        "edge",
        aws="CloudFormation replaces {{resolve:secretsmanager:...}} in a property by the value of the secret",
        local="in nested stacks the property is unchanged",
        reason="the front door gets web ACLs with the value; no other property that is read locally has such a reference",
        where="local/emulator/server.py:_web_acl",
        tests=("tests/integration/test_web_acls.py::test_the_calls_of_the_storefront_are_not_counted",),
    ),
    Difference(
        "viewer-functions",
        "edge",
        aws="CloudFront runs its functions for each request",
        local="the front door derives from the code which headers get the viewer's address, and sets them",
        reason="the local cloud does not run JavaScript",
        where="local/front_door/cdn.py:viewer_headers",
        tests=(f"{FRONT_DOOR_TESTS}::test_the_load_balancers_web_acl_ignores_viewer_addresses_sent_by_clients",),
        on_aws="`aws cloudfront test-function` with a forged `x-viewer-address`",
    ),
    *(
        Difference(
            name,
            "edge",
            aws=effect,
            local="it is deployed and matches no request",
            reason="AWS does not publish the rules of its managed groups",
            where="packages/apigw-executor/src/apigw_executor/web_acl.py",
            tests=("tests/templates/test_web_acls.py::test_every_managed_group_is_named_as_a_difference",),
            on_aws="the web ACL's sampled requests, and its metric of the rule",
        )
        for name, effect in (
            (
                "AWSManagedRulesAmazonIpReputationList",
                "for public APIs, it blocks addresses that AWS knows for attacks, scans and floods: 403",
            ),
            (
                "AWSManagedRulesCommonRuleSet",
                "for public APIs and pages, it blocks scripts, paths and addresses of attacks, and very long values, in "
                "query, path, "
                "cookie and header: 403; matches in a body are counted",
            ),
            (
                "AWSManagedRulesKnownBadInputsRuleSet",
                "for APIs and pages, it blocks known exploits (Log4j, Java deserialisation, PROPFIND, Host: localhost): "
                "403; matches in a body are counted",
            ),
        )
    ),
    Difference(
        "permissions-boundary",
        "permissions",
        aws="no role can do more than the boundary of its stage",
        local="the emulator's CloudFormation ignores PermissionsBoundary; of delivery only the integration tests' roles are "
        "deployed",
        reason="an administrator bootstraps an account, and the local cloud has none",
        tests=(
            f"{PROBE}permissions_boundary",
            f"{DELIVERY}every_role_of_the_shop_is_within_the_boundary",
            f"{DELIVERY}the_boundary_allows_every_action_that_roles_are_granted",
        ),
        on_aws="a policy with iam:CreateUser on any role of the shop: the call is still denied",
    ),
    Difference(
        "containers",
        "edge",
        aws="ECS runs the image of the task definition, and registers it with the load balancer",
        local="the container is a process on loopback, with the environment of the task definition; `make start` registers it",
        reason="the local cloud does not need Docker",
        where="local/storefront/container.py:environment",
        tests=("tests/integration/test_storefront.py::test_two_processes_share_sessions",),
        on_aws="`aws ecs describe-services --cluster setpieces-<stage> --services setpieces-<stage>-storefront`",
    ),
    Difference(
        "session-store",
        "edge",
        aws="ElastiCache (Valkey) with TLS and a token",
        local="fakeredis on loopback, without either",
        reason="the protocol is the same, and no further installation is necessary",
        where="local/cloud/processes.py:SESSIONS",
        tests=("tests/integration/test_storefront.py::test_without_the_session_store_every_visitor_is_a_guest",),
        on_aws="`aws elasticache describe-replication-groups`: `TransitEncryptionEnabled`",
    ),
    Difference(
        "cdn-address",
        "edge",
        aws="browsers connect to CloudFront over TLS",
        local="the front door accepts plain HTTP and calls the CDN by its name",
        reason="loopback has no certificate that browsers trust",
        where="local/front_door/cdn.py:fetch",
        tests=(f"{FRONT_DOOR_TESTS}::test_a_path_of_no_service_goes_to_the_cdn",),
        on_aws="`curl -sI http://<site>/` redirects to https",
    ),
    Difference(
        "cookie-names",
        "edge",
        aws="the storefront's cookies are `Secure` and begin with `__Host-`",
        local="they are neither",
        reason="browsers accept such cookies only over https",
        where="local/storefront/container.py:environment",
        tests=(
            "tests/unit/storefront/test_storefront_sessions.py::test_secure_cookie_has_the_host_prefix",
            "tests/unit/storefront/test_storefront_guards.py::test_basket_cookie_is_host_only",
        ),
        on_aws="`curl -si https://<site>/sign-in --data email=...`: `Set-Cookie`",
    ),
    # --- data ---
    Difference(
        "time-to-live",
        "data",
        aws="DynamoDB removes expired items within days",
        local="it removes them within a minute or so",
        reason="readers compare the time, and never rely on the removal of the item",
        tests=(
            "tests/integration/test_basket.py::test_an_expired_basket_is_gone_though_its_item_is_there",
            "tests/integration/test_login.py::test_an_expired_session_is_invalid",
            "tests/integration/test_orders.py::test_an_expired_order_is_gone_though_its_item_is_there",
        ),
    ),
    Difference(
        "capacity",
        "data",
        aws="tables throttle above their capacity, accounts have quotas",
        local="no throttles and no quotas",
        reason="the emulator has no model of capacity; SDK clients retry throttles in the standard mode",
        on_aws="`SETPIECES_STAGE=dev python -m bench orders`, with `ThrottledRequests` of the tables beside it",
    ),
    Difference(
        "delivery-interval",
        "data",
        aws="the stream delivers after `IngestionBufferSeconds` or `IngestionBufferMegabytes`",
        local="it delivers every second, regardless of the size",
        reason="tests must not wait for minutes; objects hold many records in both cases",
        where="local/emulator/firehose.py:SECONDS",
        tests=("tests/integration/test_ingestion.py::test_every_accepted_event_is_stored_unchanged",),
        on_aws="`DeliveryToS3.DataFreshness` of the stream; the transformation's response stays below Lambda's 6 MB",
    ),
    Difference(
        "partial-batches",
        "data",
        aws="a stream above its rate stores some records of a batch and refuses others",
        local="it stores all",
        reason="the emulator has no model of capacity; tests render the response 207 from such a response of the stream",
        tests=("tests/templates/test_ingestion_mapping.py::test_a_partly_stored_batch_lists_the_events_to_resend",),
        on_aws="`aws cloudwatch get-metric-statistics` of the stream's `ThrottledRecords` beside the number of 207 responses",
    ),
    Difference(
        "sudden-end",
        "data",
        aws="acknowledged writes are durable",
        local="the state is written when the cloud stops; after `kill -9` of the emulator only S3 objects remain",
        reason="one process with its state in memory",
        where="local/emulator/server.py:serve",
        on_aws="point-in-time recovery: `aws dynamodb describe-continuous-backups` names the window of each table",
    ),
    # --- observability ---
    Difference(
        "embedded-metrics",
        "observability",
        aws="metrics in logs (EMF) become CloudWatch metrics",
        local="they remain log lines",
        reason="not implemented; functions write them as on AWS",
        tests=(f"{PROBE}embedded_metrics",),
        on_aws="`aws cloudwatch list-metrics --namespace SetPieces` after an order",
    ),
    Difference(
        "queue-metrics",
        "observability",
        aws="depth and age of queues are metrics, and raise the alarms of dead letters and waiting messages",
        local="there are no AWS/SQS metrics, so those alarms go off only in simulated outages",
        reason="not implemented; a static check verifies the alarms of each queue, and tests read the queues",
        where="local/emulator/service_metrics.py",
        tests=(
            f"{PROBE}queue_metrics",
            "tests/integration/test_outages.py::test_outage",
            "tests/templates/test_resources.py::test_dead_letters_raise_an_alarm_and_are_kept_for_two_weeks",
        ),
        on_aws="send a message to a dead-letter queue of a dev stage: its alarm goes off within minutes",
    ),
    Difference(
        "traces",
        "observability",
        aws="X-Ray keeps a sample of the traces, with segments of API Gateway and of AWS services",
        local="no X-Ray; the emulator's process stores all segments of functions, and only those",
        reason="tests can trace a correlation id through all functions",
        where="local/emulator/server.py:XRayDaemon",
        tests=(
            f"{PROBE}traces",
            "tests/integration/test_orders.py::test_one_checkout_has_one_correlation_id_everywhere",
        ),
        on_aws="the trace map of a dev stage, filtered by the annotation `correlation_id`",
    ),
    Difference(
        "access-logs",
        "observability",
        aws="API Gateway writes access logs and AWS/ApiGateway metrics",
        local="the emulator does not; the front door sends them every few seconds",
        reason="alarms and logs of APIs work as on AWS",
        where="packages/apigw-executor/src/apigw_executor/telemetry.py:CloudWatch",
        tests=(f"{GATEWAY}executor.py::test_access_log_and_metrics", f"{GATEWAY}backends.py::test_telemetry"),
    ),
    # --- operation ---
    Difference(
        "alarm-mail",
        "operation",
        aws="alarms reach AlarmEmail once the subscription is confirmed",
        local="mails of SNS are dropped",
        reason="there is no outbox for SNS",
        on_aws="deploy foundation with AlarmEmail, then `aws cloudwatch set-alarm-state` of any alarm to ALARM",
    ),
    Difference(
        "latency",
        "operation",
        aws="cold starts, network and managed services add latency",
        local="all components run on one machine",
        reason="`make bench` compares within one run; its ratios hold on both, its milliseconds only on this machine",
        on_aws="`SETPIECES_STAGE=dev python -m bench orders`; durations in the REPORT lines",
    ),
    Difference(
        "failures-of-aws",
        "operation",
        aws="services occasionally throttle, fail and deliver twice",
        local="tests inject all faults: external systems, killed processes, removed permissions, duplicate messages",
        reason="recovery uses the same code as on AWS; tests/resilience injects the faults",
        tests=("tests/resilience/test_checkout_campaign.py::test_no_order_is_lost_charged_twice_or_shipped_twice",),
        on_aws="AWS Fault Injection Service on a dev stage",
    ),
    Difference(
        "mails",
        "operation",
        aws="SES delivers mails, once their sender is confirmed; in its sandbox only to confirmed recipients",
        local="all mails stay in an outbox; `make mail` shows it",
        reason="nothing leaves this machine",
        where="tools/mail.py:outbox",
        tests=(
            "tests/integration/test_vouchers.py::test_one_mail_brings_the_link_and_no_code",
            "tests/unit/tools/test_mail.py::test_mails_of_all_accounts_come_oldest_first",
        ),
        on_aws="create a batch in a dev stage with your own address as `notify`",
    ),
)
