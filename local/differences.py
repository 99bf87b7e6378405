"""Where the local cloud differs from AWS in what we deploy, besides the corrections of ``local.corrections``.

What the emulator lacks and none of our templates uses is not here. Texts are shown by ``make parity`` and in docs/parity.md.
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
PROBE = "tests/integration/test_parity.py::test_"
POLICIES = "tests/templates/test_policies.py::test_"
NETWORK = "tests/templates/test_network.py::test_"


@dataclass(frozen=True)
class Difference:
    """``local`` is what happens here, or would without ``where``; ``reason`` is why, and what stands in.

    ``where`` is a file, or ``file:name``, that bridges or holds the difference; ``tests`` are pytest node ids. What only AWS
    can show, and how, is ``on_aws``. Every difference has tests, or ``on_aws``, or both.
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
        where="local/deploy.py:deploy",
        tests=(f"{PROBE}missing_code",),
    ),
    Difference(
        "published-addresses",
        "deployment",
        aws="an API answers at its execute-api host and at its base path of the custom domain",
        local="that host leads nowhere; published addresses are rewritten to the front door after each deployment",
        reason="one origin on loopback, with the paths of the custom domain; no TLS",
        where="local/publish.py:local_addresses",
        tests=("tests/unit/local/test_local_publish.py::test_only_execute_api_addresses_change_and_their_paths_stay",),
        on_aws="certificate and DNS of the custom domain: `curl -v https://<domain>/catalog/v1/products`",
    ),
    Difference(
        "layer-platform",
        "deployment",
        aws="the layer is built for Python 3.13 on arm64",
        local="the layer is built for this machine",
        reason="functions run on this machine",
        where="local/deploy.py:build",
        tests=(
            "tests/integration/test_deploy_path.py::test_the_layer_is_built_for_arm64_and_python_3_13_on_any_machine",
        ),
        on_aws="that its libraries load there: invoke any function of a dev stage",
    ),
    # --- APIs ---
    Difference(
        "api-deployments",
        "APIs",
        aws="a stage serves the document as it was last deployed, and SAM deploys it when its text changes",
        local="the front door runs the document as the stack has it",
        reason="the emulator keeps no snapshots; that a parameter within a document leads to a deployment is checked",
        where="local/gateway/deployment.py:assemble",
        tests=("tests/templates/test_versions.py::test_a_parameter_in_the_document_of_an_api_is_served",),
    ),
    Difference(
        "api-documents",
        "APIs",
        aws="API Gateway runs the whole API document",
        local="the emulator keeps type, method, uri and security of it; the front door runs the deployed document",
        reason="docs/decisions/0001: one engine for checks, mapping, direct integrations and gateway responses",
        where="local/gateway/executor.py:Executor",
        tests=(f"{PROBE}api_documents", f"{GATEWAY}executor.py::test_the_order_of_the_checks"),
    ),
    Difference(
        "mapping-templates",
        "APIs",
        aws="Apache Velocity 1.7 on Java renders mapping templates",
        local="airspeed-ext reads them, and an evaluator of ours renders them as Velocity does",
        reason="the library's own evaluator differs where our templates live",
        where="local/gateway/velocity.py",
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
        reason="no template uses them, which is checked",
        where="local/gateway/executor.py",
        tests=("tests/templates/test_front_door_scope.py::test_an_api_uses_what_the_front_door_has",),
    ),
    Difference(
        "authorizer-cache",
        "APIs",
        aws="a cached authorizer policy is kept by a fleet: another host may ask the authorizer again",
        local="one cache, which each deployment empties",
        reason="one process; what is cached is the policy, judged anew for each request, as on AWS",
        where="local/gateway/authorizers.py:GrantCache",
        tests=(f"{GATEWAY}executor.py::test_a_cached_allow_of_customer_a_does_not_open_customer_b",),
    ),
    Difference(
        "throttles",
        "APIs",
        aws="throttles are best effort over a fleet, and all APIs share the account's limit",
        local="exact token buckets, for each stage and method, usage plan and key; no limit of the account",
        reason="one process has no fleet to be approximate over",
        where="local/gateway/throttles.py:Buckets",
        tests=(
            f"{GATEWAY}throttles.py::test_never_more_than_burst_and_rate_allow",
            f"{GATEWAY}executor.py::test_stage_throttling_by_method",
        ),
        on_aws="`ThrottledRequests` of the account under the load of a dev stage",
    ),
    Difference(
        "http-limits",
        "APIs",
        aws="heads are limited by whom they reach: API Gateway takes 10,240 bytes, CloudFront 32 KB; slow requests are ended "
        "after a time that is not published",
        local="10,240 bytes for all (431); 10 seconds for a head, 20 for a body (408); other hosts are refused (421)",
        reason="one server stands for all of them; what passes here passes there",
        where="local/wire.py:Wire",
        tests=(
            "tests/abuse/test_http.py::test_what_is_too_large_is_refused",
            "tests/abuse/test_http.py::test_who_is_slow_is_sent_away_and_keeps_nobody_waiting",
            "tests/abuse/test_http.py::test_a_host_that_is_not_this_shop_is_refused",
        ),
        on_aws='`curl -sI -H "X-A: $(printf %012000d 0)" https://<domain>/catalog/v1/products`',
    ),
    Difference(
        "header-names",
        "APIs",
        aws="a REST API passes header names on as the client wrote them",
        local="names arrive as `Idempotency-Key`, whatever the client wrote",
        reason="ASGI servers fold names; functions look headers up without regard to case",
        where="local/front_door.py:_cased",
        tests=(f"{GATEWAY}front_door.py::test_paths_reach_the_api_as_they_came",),
    ),
    Difference(
        "validation-texts",
        "APIs",
        aws="`$context.error.validationErrorString` is the text of a Java validator",
        local="the same text as far as it is known",
        reason="the texts are not documented; clients are promised the code and the status",
        where="local/gateway/models.py",
        tests=(f"{GATEWAY}models.py::test_bodies",),
        on_aws="post an invalid body to a dev stage and compare `errors`; that quotes in it are escaped is said nowhere",
    ),
    Difference(
        "gateway-response-templates",
        "APIs",
        aws="of an integration response's templates the first is taken if none has the type in `Accept`; for a gateway "
        "response nothing is documented",
        local="the same for both",
        reason="gateway responses have one template, for application/problem+json",
        where="local/gateway/responses.py:_chosen",
        tests=(f"{GATEWAY}responses.py::test_the_template_by_accept",),
        on_aws="`curl -i -H 'Accept: application/json' https://<api>/<stage>/nothing`: the type is application/problem+json",
    ),
    Difference(
        "numbers-from-parameters",
        "APIs",
        aws="CloudFormation makes text of a parameter that is a number; that the import takes it for "
        "authorizerResultTtlInSeconds is what SAM relies on, and not documented",
        local="it is taken",
        reason="how long reads may go on is a parameter; no other number in a document is one",
        tests=("tests/contract/test_api_documents.py::test_numbers_in_a_document_are_numbers_when_it_is_imported",),
        on_aws="customers deploys, and `aws apigateway get-authorizers` shows 60",
    ),
    # --- permissions ---
    Difference(
        "api-permissions",
        "permissions",
        aws="API Gateway calls a function only if its policy or the integration's role allows this API",
        local="the emulator's gateway calls any function; the front door asks the policy or assumes the role",
        reason="a missing AWS::Lambda::Permission would show on AWS only",
        where="local/gateway/backends.py:Emulator",
        tests=(
            f"{GATEWAY}executor.py::test_a_function_must_allow_this_api",
            f"{GATEWAY}backends.py::test_a_role_must_trust_api_gateway",
            f"{POLICIES}an_authorizer_is_called_through_a_role_that_can_do_just_that",
        ),
    ),
    Difference(
        "closed-to-others",
        "permissions",
        aws="reached over TLS by its names, unsigned where a resource allows it; a bucket may allow other origins (CORS)",
        local="serves loopback, no foreign pages, and only what is signed (Signature Version 4) or has the token; no CORS",
        reason="every program and web page on this machine reaches the port; no resource of ours is public but the CDN",
        where="local/request_guard.py:check",
        tests=(
            "tests/unit/local/test_local_request_guard.py::test_which_hosts_are_served",
            "tests/integration/test_closed_to_others.py::test_the_requests_of_a_foreign_page_are_refused",
            "tests/browser/test_foreign_pages.py::test_a_foreign_page_reads_nothing_and_creates_nothing",
        ),
    ),
    Difference(
        "role-trust",
        "permissions",
        aws="a role is assumed only by the services that it trusts",
        local="any service uses any role; only the front door looks, in API Gateway's place",
        reason="not enforced; checked statically from the templates",
        tests=(f"{POLICIES}a_role_trusts_exactly_who_assumes_it", f"{PROBE}role_trust"),
    ),
    Difference(
        "state-machine-roles",
        "permissions",
        aws="a state machine may do what its role allows",
        local="a state machine may do anything",
        reason="not enforced; checked statically from templates and definitions",
        tests=(
            f"{PROBE}state_machine_roles",
            "tests/templates/test_state_machines.py::test_the_role_has_what_the_tasks_call_and_no_more",
        ),
    ),
    Difference(
        "queue-policies-for-rules",
        "permissions",
        aws="EventBridge sends to a queue only if the queue's policy lets that rule",
        local="it sends to any queue",
        reason="not enforced; checked statically from the templates",
        tests=(
            f"{PROBE}queue_policies_for_rules",
            f"{POLICIES}a_rule_or_schedule_may_reach_its_targets",
            "tests/templates/test_spokes.py::test_the_rule_and_no_other_may_send_to_queue_and_dead_letters",
        ),
    ),
    Difference(
        "schedule-roles",
        "permissions",
        aws="a schedule reaches its target through its role",
        local="a schedule reaches anything",
        reason="not enforced; checked statically from the templates",
        tests=(f"{PROBE}schedule_roles", f"{POLICIES}a_rule_or_schedule_may_reach_its_targets"),
    ),
    Difference(
        "consumer-roles",
        "permissions",
        aws="an event source mapping receives with the role of its function",
        local="a function gets messages that its role may not receive",
        reason="not enforced; checked statically from the templates",
        tests=(f"{PROBE}consumer_roles", f"{POLICIES}a_consumer_may_receive_from_its_source"),
    ),
    Difference(
        "log-permissions",
        "permissions",
        aws="a function writes its log with its role",
        local="logs are written whatever the role says",
        reason="not enforced; checked statically from the templates",
        tests=(f"{PROBE}log_permissions", f"{POLICIES}every_function_may_write_its_log"),
    ),
    Difference(
        "key-policies",
        "permissions",
        aws="a key's policy says who may use it; services deliver to encrypted queues with their own identity",
        local="key policies are stored and not read",
        reason="not enforced; checked statically from the templates",
        tests=(
            f"{PROBE}key_policies",
            f"{POLICIES}every_service_that_delivers_into_something_encrypted_may_use_the_key",
        ),
        on_aws="place an order in a dev stage: a delivery that the key refuses ends in `FailedInvocations` of its rule",
    ),
    # --- functions ---
    Difference(
        "python-version",
        "functions",
        aws="Python 3.13 on arm64",
        local="the Python that runs the local cloud, on this machine's processor",
        reason="no Docker is needed; code is kept to what 3.11 to 3.13 know",
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
        local="it also inherits the emulator's, which therefore gets none of the developer's",
        reason="a variable that only a developer has must not make a function work",
        where="local/processes.py:_clean",
        tests=(
            f"{PROBE}environment",
            "tests/unit/local/test_local_processes.py::test_functions_inherit_nothing_of_the_developers",
        ),
    ),
    # --- events and queues ---
    Difference(
        "dead-letters-of-targets",
        "events and queues",
        aws="what a rule cannot deliver goes to its dead letters after its retries",
        local="it is lost",
        reason="not done; that each target has dead letters, retries and leave to use them is checked statically",
        tests=(
            f"{PROBE}dead_letters_of_targets",
            "tests/templates/test_spokes.py::test_a_target_retries_for_a_day_and_then_uses_the_spokes_dead_letters",
        ),
        on_aws="remove the queue policy of a spoke in a dev stage, put an event: it is in the spoke's dead letters",
    ),
    Difference(
        "dead-letters-of-subscriptions",
        "events and queues",
        aws="what a topic cannot deliver goes to the subscription's dead letters",
        local="it is lost",
        reason="not done; that the dead letters may be sent to is checked statically",
        tests=(f"{PROBE}dead_letters_of_subscriptions", f"{POLICIES}a_subscription_may_deliver"),
        on_aws="the same with the queue policy of the customer migration, and a customer who signs up",
    ),
    Difference(
        "message-groups",
        "events and queues",
        aws="message groups of a FIFO queue are worked on side by side, up to the maximum concurrency",
        local="one batch at a time",
        reason="order within a group holds on both; no test counts on groups in parallel",
        tests=(f"{PROBE}message_groups",),
        on_aws="`ConcurrentExecutions` of shipping-ship-order under load",
    ),
    Difference(
        "redrive",
        "events and queues",
        aws="StartMessageMoveTask puts dead letters back",
        local="the operation is not there",
        reason="`python -m local.cli dead-letters --redrive` sends and deletes message by message, and so does on both",
        where="local/dead_letters.py:redrive",
        tests=(
            f"{PROBE}redrive",
            "tests/unit/local/test_local_dead_letters.py::test_a_redrive_moves_what_it_is_told_to",
        ),
    ),
    Difference(
        "archive",
        "events and queues",
        aws="the template's archive keeps every event of the bus",
        local="the archive is left out; one made through the API archives and replays as on AWS",
        reason="CloudFormation here does not know the type (unknown-types)",
        where="local/corrections.py:LEFT_OUT",
        tests=("tests/integration/test_archive_replay.py::test_a_replayed_order_is_not_shipped_again",),
        on_aws="`aws events describe-archive --archive-name checkout-bus`",
    ),
    # --- edge ---
    Difference(
        "cdn-caching",
        "edge",
        aws="CloudFront keeps answers as long as their Cache-Control says",
        local="every request reaches the load balancer",
        reason="the emulator's CDN routes only; a real RFC 9111 cache shows what may be kept",
        tests=(
            "tests/integration/test_redirects.py::test_a_cache_asks_once",
            "tests/integration/test_sitemaps.py::test_a_cache_asks_once",
        ),
        on_aws="`curl -sI https://<site>/home.aspx` twice: `x-cache: Hit from cloudfront`",
    ),
    Difference(
        "edge-protection",
        "edge",
        aws="security groups and the private origin keep everybody but CloudFront out",
        local="the types are deployed and nothing is enforced",
        reason="no network is emulated; rules over the templates show who is let in",
        tests=(f"{NETWORK}only_the_cdn_reaches_the_load_balancer",),
        on_aws="the load balancer's name does not answer from outside",
    ),
    Difference(
        "web-acl-rates",
        "edge",
        aws="WAF estimates the rate of an address every few seconds, and lets a burst pass until then",
        local="the front door evaluates the deployed rules and counts each request at once; stage local has higher limits",
        reason="nothing passes that AWS would refuse; all clients of this machine have one address (samconfig.toml)",
        where="local/gateway/web_acl.py:Firewall",
        tests=(
            f"{GATEWAY}web_acl.py::test_a_rate_is_of_an_address_and_of_the_window",
            "tests/integration/test_web_acls.py::test_the_front_door_refuses_with_the_deployed_response",
        ),
        on_aws="the web ACLs' sampled requests",
    ),
    Difference(
        "secrets-in-rules",
        "edge",
        aws="CloudFormation puts the value of a secret where a property has {{resolve:secretsmanager:...}}",
        local="in nested stacks the property stays as it is written",
        reason="the front door gets web ACLs with the value; nothing else that is read here has such a property",
        where="local/emulator.py:_web_acl",
        tests=("tests/integration/test_web_acls.py::test_the_calls_of_the_storefront_are_not_counted",),
    ),
    Difference(
        "viewer-functions",
        "edge",
        aws="CloudFront runs its functions for each request",
        local="the front door reads in the code which headers are set to the viewer's address, and sets them",
        reason="nothing here runs JavaScript",
        where="local/edge.py:viewer_headers",
        tests=(f"{GATEWAY}front_door.py::test_the_load_balancers_web_acl_counts_viewers_whatever_they_say_to_be",),
        on_aws="`aws cloudfront test-function` with a forged `x-viewer-address`",
    ),
    *(
        Difference(
            name,
            "edge",
            aws=effect,
            local="it is deployed and matches nothing",
            reason="AWS does not publish the rules of its managed groups",
            where="local/gateway/web_acl.py",
            tests=("tests/templates/test_web_acls.py::test_every_managed_group_is_named_as_a_difference",),
            on_aws="the web ACL's sampled requests, and its metric of the rule",
        )
        for name, effect in (
            (
                "AWSManagedRulesAmazonIpReputationList",
                "before public APIs, addresses that AWS knows for attacks, scans and floods are refused: 403",
            ),
            (
                "AWSManagedRulesCommonRuleSet",
                "before public APIs and pages, scripts, paths and addresses of attacks in query, path, cookie and header are "
                "refused, so are very long ones: 403; what is in a body is counted",
            ),
            (
                "AWSManagedRulesKnownBadInputsRuleSet",
                "before APIs and pages, known exploits (Log4j, Java deserialisation, PROPFIND, Host: localhost) are refused: "
                "403; what is in a body is counted",
            ),
        )
    ),
    Difference(
        "permissions-boundary",
        "permissions",
        aws="no role can do more than the boundary of its stage",
        local="CloudFormation here ignores PermissionsBoundary; of delivery only the integration tests' roles are deployed",
        reason="an account is bootstrapped by an administrator, of which there is none here",
        tests=(
            f"{PROBE}permissions_boundary",
            f"{POLICIES}every_role_of_the_shop_is_within_the_boundary",
            f"{POLICIES}the_boundary_has_what_roles_are_granted",
        ),
        on_aws="a policy with iam:CreateUser on any role of the shop: the call is still denied",
    ),
    Difference(
        "containers",
        "edge",
        aws="ECS runs the image of the task definition, and registers it with the load balancer",
        local="it is a process on loopback, with the environment of the task definition; `make start` registers it",
        reason="there is no Docker",
        where="local/storefront.py:environment",
        tests=("tests/integration/test_storefront.py::test_two_processes_share_sessions",),
        on_aws="`aws ecs describe-services --cluster setpieces-<stage> --services setpieces-<stage>-storefront`",
    ),
    Difference(
        "session-store",
        "edge",
        aws="ElastiCache (Valkey) with TLS and a token",
        local="fakeredis on loopback, without either",
        reason="the protocol is the same, and nothing else has to be installed",
        where="local/processes.py:SESSIONS",
        tests=("tests/integration/test_storefront.py::test_without_the_session_store_everybody_is_a_guest",),
        on_aws="`aws elasticache describe-replication-groups`: `TransitEncryptionEnabled`",
    ),
    Difference(
        "cdn-address",
        "edge",
        aws="browsers ask CloudFront over TLS",
        local="the front door ends TLS that is not there and asks the CDN by its name",
        reason="loopback has no certificate that browsers know",
        where="local/edge.py:fetch",
        tests=(f"{GATEWAY}front_door.py::test_what_is_no_services_is_the_cdns",),
        on_aws="`curl -sI http://<site>/` leads to https",
    ),
    Difference(
        "cookie-names",
        "edge",
        aws="the storefront's cookies are `Secure` and begin with `__Host-`",
        local="they are neither",
        reason="browsers take such cookies over https only",
        where="local/storefront.py:environment",
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
        reason="readers judge by the time, never by whether the item is there",
        tests=(
            "tests/integration/test_basket.py::test_an_expired_basket_is_gone_though_its_item_is_there",
            "tests/integration/test_login.py::test_an_expired_session_is_none",
            "tests/integration/test_orders.py::test_an_expired_order_is_gone_though_its_item_is_there",
        ),
    ),
    Difference(
        "capacity",
        "data",
        aws="tables throttle above their capacity, accounts have quotas",
        local="no table throttles, nothing has a quota",
        reason="the emulator has no model of capacity; SDK clients retry throttles in the standard mode",
        on_aws="`SETPIECES_STAGE=dev python -m bench orders`, with `ThrottledRequests` of the tables beside it",
    ),
    Difference(
        "delivery-interval",
        "data",
        aws="the stream delivers after `IngestionBufferSeconds` or `IngestionBufferMegabytes`",
        local="it delivers every second, and never for the size",
        reason="nobody waits minutes for a test; objects hold many records either way",
        where="local/firehose.py:SECONDS",
        tests=("tests/integration/test_ingestion.py::test_every_accepted_event_is_kept_as_it_was_sent",),
        on_aws="`DeliveryToS3.DataFreshness` of the stream; the transform's answer stays below Lambda's 6 MB",
    ),
    Difference(
        "partial-batches",
        "data",
        aws="a stream above its rate keeps some records of a batch and refuses others",
        local="it keeps all",
        reason="the emulator has no model of capacity; the answer 207 is rendered from such an answer of the stream",
        tests=(
            "tests/templates/test_ingestion_mapping.py::test_a_batch_that_was_kept_in_part_says_which_events_to_send_again",
        ),
        on_aws="`aws cloudwatch get-metric-statistics` of the stream's `ThrottledRecords` beside the answers 207",
    ),
    Difference(
        "sudden-end",
        "data",
        aws="what was answered is durable",
        local="state is written when the cloud stops; after `kill -9` of the emulator only S3 objects are kept",
        reason="one process with its state in memory",
        where="local/emulator.py:serve",
        on_aws="point-in-time recovery: `aws dynamodb describe-continuous-backups` names the window of each table",
    ),
    # --- observability ---
    Difference(
        "embedded-metrics",
        "observability",
        aws="metrics in logs (EMF) become CloudWatch metrics",
        local="they stay lines of the log",
        reason="not done; functions write them as on AWS",
        tests=(f"{PROBE}embedded_metrics",),
        on_aws="`aws cloudwatch list-metrics --namespace SetPieces` after an order",
    ),
    Difference(
        "queue-metrics",
        "observability",
        aws="depth and age of queues are metrics, and raise the alarms of dead letters and waiting messages",
        local="there are no AWS/SQS metrics, so those alarms ring in simulated outages only",
        reason="not done; that every queue has the alarms is checked statically, and tests look into the queues",
        where="local/service_metrics.py",
        tests=(
            f"{PROBE}queue_metrics",
            "tests/integration/test_outages.py::test_outage",
            "tests/templates/test_resources.py::test_dead_letters_raise_an_alarm_and_are_kept_for_two_weeks",
        ),
        on_aws="send a message to a dead-letter queue of a dev stage: its alarm rings within minutes",
    ),
    Difference(
        "traces",
        "observability",
        aws="X-Ray keeps a sample of the traces, with segments of API Gateway and of AWS services",
        local="no X-Ray; the emulator's process keeps every segment that functions send, and only those",
        reason="a test can then follow one correlation id through every function",
        where="local/emulator.py:XRayDaemon",
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
        where="local/gateway/telemetry.py:CloudWatch",
        tests=(f"{GATEWAY}executor.py::test_access_log_and_metrics", f"{GATEWAY}backends.py::test_telemetry"),
    ),
    # --- operation ---
    Difference(
        "alarm-mail",
        "operation",
        aws="alarms reach AlarmEmail once the subscription is confirmed",
        local="mail of SNS vanishes",
        reason="there is no outbox for SNS",
        on_aws="deploy foundation with AlarmEmail, then `aws cloudwatch set-alarm-state` of any alarm to ALARM",
    ),
    Difference(
        "latency",
        "operation",
        aws="cold starts, network and managed services take their time",
        local="everything is one machine",
        reason="`make bench` compares within one run; its ratios hold on both, its milliseconds on none but this machine",
        on_aws="`SETPIECES_STAGE=dev python -m bench orders`; durations in the REPORT lines",
    ),
    Difference(
        "failures-of-aws",
        "operation",
        aws="services throttle, fail and deliver twice now and then",
        local="faults are those that tests make: outside systems, killed processes, taken permissions, repeated messages",
        reason="each recovers by the same code as on AWS; tests/resilience makes them on purpose",
        tests=("tests/resilience/test_checkout_campaign.py::test_no_order_is_lost_charged_twice_or_shipped_twice",),
        on_aws="AWS Fault Injection Service on a dev stage",
    ),
    Difference(
        "mails",
        "operation",
        aws="SES delivers mails, once their sender is confirmed; in its sandbox only to confirmed recipients",
        local="mails stay in an outbox, whoever they are for; `make mail` shows it",
        reason="nothing leaves this machine",
        where="local/mail.py:outbox",
        tests=(
            "tests/integration/test_vouchers.py::test_one_mail_brings_the_link_and_no_code",
            "tests/unit/local/test_local_mail.py::test_mails_of_all_accounts_come_oldest_first",
        ),
        on_aws="ask for a batch in a dev stage with your own address as `notify`",
    ),
)
