"""The operations of the client matrix through the Python client; one line of JSON for each, {"op", "result"}."""

import base64
import json
import os
import socket
import threading
import time
import traceback
import warnings

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.informer import SharedInformer

NS = "team"
PATIENCE = 20
OPERATIONS = []

config.load_kube_config()
api = client.ApiClient()
core = client.CoreV1Api()
apps = client.AppsV1Api()
custom = client.CustomObjectsApi()
WIDGETS = ("clients.test", "v1", NS, "widgets")


def op(function):
    OPERATIONS.append(function)
    return function


def refused(call, *arguments, **options):
    """How the server refuses a call."""
    try:
        call(*arguments, **options)
    except ApiException as error:
        return refusal(error)
    return "not refused"


def refusal(error):
    body = json.loads(error.body)
    told = {"code": body["code"], "reason": body["reason"], "message": body["message"]}
    causes = (body.get("details") or {}).get("causes") or []
    if causes:
        told["fields"] = sorted({cause.get("field", "") for cause in causes})
    return told


def eventually(check):
    deadline = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come about")
        time.sleep(0.05)
    return True


def is_gone(read, *arguments):
    try:
        read(*arguments)
    except ApiException as error:
        if error.status == 404:
            return True
        raise
    return False


def config_map(name, data=None, labels=None, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels, **metadata}, "data": data}


def make(name, data=None, labels=None, **metadata):
    return core.create_namespaced_config_map(NS, config_map(name, data, labels, **metadata))


def read(name):
    return core.read_namespaced_config_map(name, NS)


def names(listed):
    return sorted(item.metadata.name for item in listed.items)


def pod(name, node="n1"):
    container = {"name": "main", "image": "pause"}
    return {"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [container]}}


def make_pod(name):
    eventually(lambda: not is_gone(core.read_namespaced_service_account, "default", NS))
    return core.create_namespaced_pod(NS, pod(name))


def daemon_set(name):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "main", "image": "pause"}]}}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def raw(path, accept):
    """A request of one's own making, over the client's connections; its headers and bytes."""
    answer = api.call_api(path, "GET", header_params={"Accept": accept}, auth_settings=["BearerToken"],
                          _preload_content=False, _return_http_data_only=True)
    return answer.headers, answer.data


def as_user(name):
    acting = client.ApiClient()
    acting.set_default_header("Impersonate-User", name)
    return client.CoreV1Api(acting)


# Discovery


@op
def version():
    found = client.VersionApi().get_code()
    return {"major": found.major, "minor": found.minor}


@op
def groups():
    found = {group.name: group.preferred_version.version for group in client.ApisApi().get_api_versions().groups}
    return {name: found.get(name) for name in ("apps", "batch", "coordination.k8s.io", "rbac.authorization.k8s.io")}


@op
def resources():
    found = next(one for one in apps.get_api_resources().resources if one.name == "daemonsets")
    return {"kind": found.kind, "namespaced": found.namespaced, "short": found.short_names, "verbs": sorted(found.verbs)}


# Objects


@op
def namespace_create():
    made = core.create_namespace({"metadata": {"name": NS}})
    return {"name": made.metadata.name, "phase": made.status.phase}


@op
def configmap_create():
    made = make("settings", {"a": "b"})
    return {"data": made.data, "identified": bool(made.metadata.uid and made.metadata.resource_version)}


@op
def configmap_get():
    return {"data": read("settings").data}


@op
def configmap_replace():
    found = read("settings")
    found.data["a"] = "c"
    return {"data": core.replace_namespaced_config_map("settings", NS, found).data}


@op
def generate_name():
    name = core.create_namespaced_config_map(NS, {"metadata": {"generateName": "made-"}}).metadata.name
    return {"prefix": name[:5], "length": len(name)}


@op
def already_exists():
    return refused(make, "settings")


@op
def not_found():
    return refused(read, "missing")


@op
def conflict():
    stale = make("contended", {"a": "1"})
    core.patch_namespaced_config_map("contended", NS, {"data": {"a": "2"}})
    return refused(core.replace_namespaced_config_map, "contended", NS, stale)


@op
def invalid():
    wrong = daemon_set("wrong")
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    wrong["spec"]["template"]["spec"]["containers"][0].pop("image")
    told = refused(apps.create_namespaced_daemon_set, NS, wrong)
    return {key: told[key] for key in ("code", "reason", "fields")}


@op
def strict_validation():
    wrong = {**config_map("strict"), "bogus": 1}
    return refused(core.create_namespaced_config_map, NS, wrong, field_validation="Strict")


@op
def validation_warning():
    wrong = {**config_map("warned"), "bogus": 1}
    _, _, headers = core.create_namespaced_config_map_with_http_info(NS, wrong, field_validation="Warn")
    return {"warning": headers.get("Warning", "").removeprefix('299 - "').removesuffix('"').replace('\\"', '"')}


@op
def dry_run():
    made = core.create_namespaced_config_map(NS, config_map("dry", {"a": "b"}), dry_run="All")
    return {"data": made.data, "stored": not is_gone(read, "dry")}


@op
def delete():
    make("shortlived")
    told = core.delete_namespaced_config_map("shortlived", NS)
    return {"answer": told.status, "gone": is_gone(read, "shortlived")}


@op
def delete_precondition():
    make("kept")
    other = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    told = refused(core.delete_namespaced_config_map, "kept", NS, body=other)
    return {"code": told["code"], "reason": told["reason"], "stored": not is_gone(read, "kept")}


@op
def secret_binary():
    data = bytes(range(256))
    core.create_namespaced_secret(NS, {"metadata": {"name": "binary"}, "data": {"key": base64.b64encode(data).decode()}})
    found = core.read_namespaced_secret("binary", NS)
    return {"same": base64.b64decode(found.data["key"]) == data, "type": found.type}


@op
def secret_string_data():
    made = core.create_namespaced_secret(NS, {"metadata": {"name": "strings"}, "stringData": {"key": "value"}})
    return {"data": made.data}


@op
def daemonset_defaults():
    made = apps.create_namespaced_daemon_set(NS, daemon_set("agent"))
    return {"strategy": made.spec.update_strategy.type, "unavailable": made.spec.update_strategy.rolling_update.max_unavailable,
            "history": made.spec.revision_history_limit, "pull": made.spec.template.spec.containers[0].image_pull_policy,
            "generation": made.metadata.generation}


@op
def daemonset_generation():
    change = {"spec": {"minReadySeconds": 1}}
    return {"generation": apps.patch_namespaced_daemon_set("agent", NS, change).metadata.generation}


@op
def service():
    core.create_namespaced_service(NS, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}})
    spec = core.read_namespaced_service("web", NS).spec
    core.delete_namespaced_service("web", NS)
    return {"type": spec.type, "affinity": spec.session_affinity, "protocol": spec.ports[0].protocol, "target": spec.ports[0].target_port}


@op
def untyped():
    """The dynamic client, which knows kinds by discovery alone."""
    maps = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
    maps.create(namespace=NS, body=config_map("untyped", {"u": "1"}, {"untyped": "yes"}))
    changed = maps.patch(namespace=NS, name="untyped", body={"data": {"u": "2"}}, content_type="application/merge-patch+json")
    listed = maps.get(namespace=NS, label_selector="untyped=yes")
    maps.delete(namespace=NS, name="untyped")
    return {"data": changed.data.to_dict(), "names": names(listed), "gone": is_gone(read, "untyped")}


@op
def lease():
    leases = client.CoordinationV1Api()
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.123456Z"}
    leases.create_namespaced_lease(NS, {"metadata": {"name": "turn"}, "spec": spec})
    found = leases.read_namespaced_lease("turn", NS)
    found.spec.holder_identity = "you"
    changed = leases.replace_namespaced_lease("turn", NS, found)
    renewed = changed.spec.renew_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"holder": changed.spec.holder_identity, "renewed": renewed}


# Patches


def patch(name, body, media_type, **options):
    """A patch whose media type the caller says, which the client would guess."""
    patching = client.ApiClient()
    patching.select_header_content_type = lambda *_, **__: media_type
    return client.CoreV1Api(patching).patch_namespaced_config_map(name, NS, body, **options)


@op
def patch_json():
    make("patched", {"a": "b"})
    return {"data": patch("patched", [{"op": "replace", "path": "/data/a", "value": "json"}], "application/json-patch+json").data}


@op
def patch_json_test():
    told = refused(patch, "settings", [{"op": "test", "path": "/data/a", "value": "no"}], "application/json-patch+json")
    return {"code": told["code"], "reason": told["reason"]}


@op
def patch_merge():
    make("merged", {"a": "b", "c": "d"})
    return {"data": patch("merged", {"data": {"a": None, "e": "f"}}, "application/merge-patch+json").data}


@op
def patch_strategic():
    apps.create_namespaced_daemon_set(NS, daemon_set("strategic"))
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "pause"}]}}}}
    changed = apps.patch_namespaced_daemon_set("strategic", NS, side)
    return {"containers": [container.name for container in changed.spec.template.spec.containers]}


def apply(data, manager, force=None):
    return patch("applied", config_map("applied", data), "application/apply-patch+yaml", field_manager=manager, force=force)


def managers(found):
    return sorted(f"{entry.manager}/{entry.operation}" for entry in found.metadata.managed_fields or [])


@op
def apply_create():
    made = apply({"a": "1", "b": "2"}, "first")
    return {"data": made.data, "managers": managers(made)}


@op
def apply_remove():
    return {"data": apply({"a": "1"}, "first").data}


@op
def apply_conflict():
    return refused(apply, {"a": "2"}, "second")


@op
def apply_force():
    changed = apply({"a": "2"}, "second", force=True)
    return {"data": changed.data, "managers": managers(changed)}


# Lists


@op
def label_selector():
    for name, tier in (("one", "gold"), ("two", "silver"), ("three", "bronze")):
        make(f"tier-{name}", labels={"tier": tier, "set": "tiers"})
    listed = lambda selector: names(core.list_namespaced_config_map(NS, label_selector=selector))
    return {"equal": listed("tier=gold"), "in": listed("tier in (gold,silver)"), "not": listed("set=tiers,tier!=gold"),
            "absent": listed("set,!tier")}


@op
def field_selector():
    listed = names(core.list_namespaced_config_map(NS, field_selector="metadata.name=settings"))
    return {"names": listed, "refused": refused(core.list_namespaced_config_map, NS, field_selector="data.a=b")}


@op
def paging():
    for number in range(25):
        make(f"page-{number:02}", labels={"page": "yes"})
    sizes, remaining, seen, token = [], [], set(), None
    while token != "":
        page = core.list_namespaced_config_map(NS, label_selector="page=yes", limit=10, _continue=token)
        sizes.append(len(page.items))
        remaining.append(page.metadata.remaining_item_count)
        seen |= set(names(page))
        token = page.metadata._continue or ""
    plain = core.list_namespaced_secret(NS, limit=1).metadata.remaining_item_count
    return {"sizes": sizes, "seen": len(seen), "remaining": remaining, "unselected": plain}


@op
def delete_collection():
    core.delete_collection_namespaced_config_map(NS, label_selector="page=yes")
    return {"left": len(core.list_namespaced_config_map(NS, label_selector="page=yes").items),
            "others": not is_gone(read, "settings")}


# Watches


def changes(name, **labels):
    make(name, {"n": "1"}, labels)
    core.patch_namespaced_config_map(name, NS, {"data": {"n": "2"}})
    core.delete_namespaced_config_map(name, NS)


def told(count, list_call=core.list_namespaced_config_map, **options):
    """The first events of a watch, or all until it ends by itself."""
    seen, watching = [], watch.Watch()
    for event in watching.stream(list_call, NS, **options):
        seen.append(f"{event['type']} {event['raw_object']['metadata'].get('name', '')}".strip())
        if len(seen) == count:
            watching.stop()
    return seen


def now(selector=None):
    return core.list_namespaced_config_map(NS, label_selector=selector).metadata.resource_version


@op
def watch_from_version():
    start = now()
    changes("passing", watched="version")
    return {"events": told(3, label_selector="watched=version", resource_version=start, timeout_seconds=PATIENCE)}


@op
def watch_from_zero():
    make("zero", labels={"watched": "zero"})
    return {"events": told(0, label_selector="watched=zero", resource_version="0", timeout_seconds=1)}


@op
def watch_unset():
    make("unset", labels={"watched": "unset"})
    return {"events": told(0, label_selector="watched=unset", timeout_seconds=1)}


@op
def watch_bookmarks():
    make("bookmarked", labels={"watched": "bookmarks"})
    start = now()
    return {"events": told(1, label_selector="watched=bookmarks", resource_version=start, allow_watch_bookmarks=True, timeout_seconds=5)}


@op
def streaming_list():
    make("streamed", labels={"watched": "stream"})
    seen, watching = [], watch.Watch()
    options = {"send_initial_events": True, "resource_version_match": "NotOlderThan", "allow_watch_bookmarks": True}
    for event in watching.stream(core.list_namespaced_config_map, NS, label_selector="watched=stream", timeout_seconds=PATIENCE, **options):
        seen.append(event["type"])
        marks = event["raw_object"]["metadata"].get("annotations") or {}
        if event["type"] == "BOOKMARK":
            seen.append(marks.get("k8s.io/initial-events-end"))
            watching.stop()
    return {"events": seen}


@op
def watch_transition():
    start = now()
    make("turning")
    for label in ("in", "in", "out"):
        stamp = {"data": {"at": str(time.monotonic())}, "metadata": {"labels": {"turn": label}}}
        core.patch_namespaced_config_map("turning", NS, stamp)
    return {"events": told(3, label_selector="turn=in", resource_version=start, timeout_seconds=PATIENCE)}


@op
def watch_expired():
    try:
        for _ in watch.Watch().stream(core.list_namespaced_config_map, NS, resource_version="1", timeout_seconds=5):
            return "an event"
    except ApiException as error:
        return {"code": error.status, "reason": error.reason.split(":")[0]}
    return "no refusal"


def control(word):
    """Has the harness cut all connections, or let the server forget its history."""
    host, port = os.environ["CONTROL"].rsplit(":", 1)
    with socket.create_connection((host, int(port))) as line:
        line.sendall(f"{word}\n".encode())
        assert line.makefile().readline() == "done\n"


def informed(selector):
    informer = SharedInformer(core.list_namespaced_config_map, namespace=NS, label_selector=selector)
    seen = []
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(kind, lambda item, kind=kind: seen.append(f"{kind} {item.metadata.name}"))
    informer.start()
    return informer, seen


def end(informer):
    """Without the wait for its thread, which sits in a read until the server says something."""
    threading.Thread(target=informer.stop, daemon=True).start()


@op
def informer():
    make("first", labels={"informed": "plain"})
    watching, seen = informed("informed=plain")
    eventually(lambda: len(seen) == 1)
    changes("second", informed="plain")
    eventually(lambda: len(seen) == 4)
    end(watching)
    return {"events": seen}


@op
def informer_disconnect():
    watching, seen = informed("informed=cut")
    make("before-cut", labels={"informed": "cut"})
    eventually(lambda: "ADDED before-cut" in seen)
    control("cut")
    make("after-cut", labels={"informed": "cut"})
    eventually(lambda: "ADDED after-cut" in seen)
    end(watching)
    return {"cached": sorted(item.metadata.name for item in watching.cache.list())}


@op
def informer_expired():
    watching, seen = informed("informed=expired")
    make("before-restart", labels={"informed": "expired"})
    eventually(lambda: "ADDED before-restart" in seen)
    control("expire")
    eventually(lambda: "ADDED meanwhile" in seen)
    end(watching)
    return {"cached": sorted(item.metadata.name for item in watching.cache.list())}


# Lives and deaths


@op
def finalizer():
    make("held", finalizers=["clients.test/hold"])
    core.delete_namespaced_config_map("held", NS)
    marked = read("held").metadata.deletion_timestamp is not None
    patch("held", {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    return {"marked": marked, "gone": is_gone(read, "held")}


@op
def graceful_deletion():
    make_pod("graceful")
    core.delete_namespaced_pod("graceful", NS, grace_period_seconds=30)
    found = core.read_namespaced_pod("graceful", NS).metadata
    marked = {"seconds": found.deletion_grace_period_seconds, "marked": found.deletion_timestamp is not None}
    core.delete_namespaced_pod("graceful", NS, grace_period_seconds=0)
    return {**marked, "gone": is_gone(core.read_namespaced_pod, "graceful", NS)}


def family(name, **options):
    owner = make(f"{name}-owner").metadata
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name, "uid": owner.uid, **options}
    make(f"{name}-child", ownerReferences=[reference], finalizers=["clients.test/hold"] if options else None)
    return f"{name}-owner", f"{name}-child"


@op
def propagation_background():
    owner, child = family("background")
    core.delete_namespaced_config_map(owner, NS, propagation_policy="Background")
    return {"owner": is_gone(read, owner), "child": eventually(lambda: is_gone(read, child))}


@op
def propagation_orphan():
    owner, child = family("orphan")
    core.delete_namespaced_config_map(owner, NS, propagation_policy="Orphan")
    eventually(lambda: is_gone(read, owner))
    return {"owners": read(child).metadata.owner_references or []}


@op
def propagation_foreground():
    owner, child = family("foreground", blockOwnerDeletion=True)
    core.delete_namespaced_config_map(owner, NS, propagation_policy="Foreground")
    waiting = read(owner).metadata
    eventually(lambda: read(child).metadata.deletion_timestamp)
    patch(child, {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    return {"finalizers": waiting.finalizers, "gone": eventually(lambda: is_gone(read, owner))}


@op
def status_subresource():
    make_pod("reporting")
    change = {"metadata": {"labels": {"a": "b"}}, "spec": {"activeDeadlineSeconds": 9}, "status": {"phase": "Running"}}
    found = core.patch_namespaced_pod_status("reporting", NS, change)
    return {"phase": found.status.phase, "deadline": found.spec.active_deadline_seconds}


@op
def scale():
    labels = {"app": "scaled"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "pause"}]}}
    apps.create_namespaced_deployment(NS, {"metadata": {"name": "scaled"}, "spec": {"selector": {"matchLabels": labels}, "template": template}})
    found = apps.read_namespaced_deployment_scale("scaled", NS)
    apps.patch_namespaced_deployment_scale("scaled", NS, {"spec": {"replicas": 3}})
    return {"kind": found.kind, "before": found.spec.replicas, "after": apps.read_namespaced_deployment("scaled", NS).spec.replicas}


@op
def eviction():
    make_pod("evicted")
    told = core.create_namespaced_pod_eviction("evicted", NS, {"metadata": {"name": "evicted", "namespace": NS}}, _preload_content=False)
    return {"status": json.loads(told.data)["status"], "marked": core.read_namespaced_pod("evicted", NS).metadata.deletion_timestamp is not None}


# Who may do what


def token():
    spec = {"spec": {"audiences": [], "expirationSeconds": 3600}}
    return core.create_namespaced_service_account_token("default", NS, spec).status.token


@op
def token_request():
    claims = token().split(".")[1]
    return {"subject": json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]}


@op
def token_review():
    review = client.AuthenticationV1Api().create_token_review({"spec": {"token": token()}})
    return {"authenticated": review.status.authenticated, "user": review.status.user.username}


def may(**attributes):
    review = {"spec": {"resourceAttributes": attributes}}
    return client.AuthorizationV1Api().create_self_subject_access_review(review).status.allowed


@op
def access_review():
    acting = client.ApiClient()
    acting.set_default_header("Impersonate-User", "nobody")
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": NS}}}
    other = client.AuthorizationV1Api(acting).create_self_subject_access_review(review).status.allowed
    return {"own": may(verb="create", resource="pods", namespace=NS), "other": other}


@op
def self_subject_review():
    found = client.AuthenticationV1Api().create_self_subject_review({}).status.user_info
    return {"master": "system:masters" in found.groups}


@op
def impersonation():
    return refused(as_user("nobody").list_namespaced_config_map, NS)


@op
def role_binding():
    access = client.RbacAuthorizationV1Api()
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    access.create_namespaced_role(NS, {"metadata": {"name": "reader"}, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}
    access.create_namespaced_role_binding(NS, {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]})

    def granted():
        try:
            return as_user("reader").read_namespaced_config_map("settings", NS)
        except ApiException:
            return False
    eventually(granted)
    return {"get": True, "delete": refused(as_user("reader").delete_namespaced_config_map, "settings", NS)["reason"]}


# Events


@op
def event_core():
    about = {"kind": "ConfigMap", "name": "settings", "namespace": NS}
    core.create_namespaced_event(NS, {"metadata": {"name": "told"}, "involvedObject": about, "reason": "Told", "message": "m", "type": "Normal"})
    found = core.list_namespaced_event(NS, field_selector="involvedObject.name=settings,reason=Told")
    return {"names": names(found), "type": found.items[0].type}


@op
def event_v1():
    about = {"kind": "ConfigMap", "name": "settings", "namespace": NS}
    event = {"metadata": {"name": "noted"}, "regarding": about, "reason": "Noted", "note": "n", "type": "Normal", "action": "Noting",
             "reportingController": "clients.test/matrix", "reportingInstance": "one", "eventTime": "2026-01-02T03:04:05.000000Z"}
    client.EventsV1Api().create_namespaced_event(NS, event)
    found = core.read_namespaced_event("noted", NS)
    return {"message": found.message, "about": found.involved_object.name}


# Kinds of one's own


@op
def crd_create():
    definitions = client.ApiextensionsV1Api()
    with open(os.environ["WIDGETS"], encoding="utf-8") as file:
        definitions.create_custom_resource_definition(json.load(file))

    def established():
        status = definitions.read_custom_resource_definition("widgets.clients.test").status
        return any(one.type == "Established" and one.status == "True" for one in (status and status.conditions) or [])
    return {"established": eventually(established)}


def widget(name, size):
    return {"apiVersion": "clients.test/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": size}}


@op
def custom_objects():
    made = custom.create_namespaced_custom_object(*WIDGETS, widget("w", 1))
    changed = custom.patch_namespaced_custom_object(*WIDGETS, "w", {"spec": {"size": 2}})
    listed = [item["metadata"]["name"] for item in custom.list_namespaced_custom_object(*WIDGETS)["items"]]
    custom.delete_namespaced_custom_object(*WIDGETS, "w")
    return {"color": made["spec"]["color"], "size": changed["spec"]["size"], "generation": changed["metadata"]["generation"],
            "names": listed, "gone": is_gone(custom.get_namespaced_custom_object, *WIDGETS, "w")}


@op
def custom_invalid():
    told = refused(custom.create_namespaced_custom_object, *WIDGETS, widget("wrong", "big"))
    return {key: told[key] for key in ("code", "reason", "fields")}


@op
def custom_status():
    custom.create_namespaced_custom_object(*WIDGETS, widget("reporting", 1))
    change = {"spec": {"size": 9}, "status": {"ready": True}}
    changed = custom.patch_namespaced_custom_object_status(*WIDGETS, "reporting", change)
    return {"size": changed["spec"]["size"], "ready": changed["status"]["ready"], "generation": changed["metadata"]["generation"]}


@op
def custom_watch():
    start = custom.list_namespaced_custom_object(*WIDGETS)["metadata"]["resourceVersion"]
    custom.create_namespaced_custom_object(*WIDGETS, widget("seen", 1))
    custom.patch_namespaced_custom_object(*WIDGETS, "seen", {"spec": {"size": 2}})
    custom.delete_namespaced_custom_object(*WIDGETS, "seen")
    seen, watching = [], watch.Watch()
    for event in watching.stream(custom.list_namespaced_custom_object, *WIDGETS, resource_version=start, timeout_seconds=PATIENCE):
        seen.append(f"{event['type']} {event['raw_object']['metadata']['name']}")
        if len(seen) == 3:
            watching.stop()
    return {"events": seen}


# Forms


@op
def table():
    _, body = raw(f"/api/v1/namespaces/{NS}/configmaps/settings", "application/json;as=Table;v=v1;g=meta.k8s.io")
    return {"columns": [column["name"].upper() for column in json.loads(body)["columnDefinitions"]]}


@op
def metadata_only():
    accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    _, body = raw(f"/api/v1/namespaces/{NS}/configmaps/settings", accept)
    found = json.loads(body)
    return {"kind": found["kind"], "data": "data" in found, "name": found["metadata"]["name"]}


@op
def protobuf():
    headers, body = raw(f"/api/v1/namespaces/{NS}/configmaps/settings", "application/vnd.kubernetes.protobuf")
    return {"type": headers["Content-Type"], "magic": body[:3].decode()}


@op
def namespace_delete():
    core.delete_collection_namespaced_pod(NS, grace_period_seconds=0)
    core.delete_namespace(NS)
    return {"gone": eventually(lambda: is_gone(core.read_namespace, NS))}


def main():
    warnings.simplefilter("ignore")
    for operation in OPERATIONS:
        try:
            result = operation()
        except Exception as error:
            where = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == __file__]
            said = error.body if isinstance(error, ApiException) else error
            result = {"error": f"{type(error).__name__}: {said} (lines {where})"}
        print(json.dumps({"op": operation.__name__.replace("_", "-"), "result": result}), flush=True)


main()
# The informers' threads may sit in a read.
os._exit(0)
