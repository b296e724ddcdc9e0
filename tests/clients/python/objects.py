"""Discovery, and what is done to one object."""

import base64

from kubernetes import client, dynamic

from connection import NS, api, apps, config_map, core, daemon_set, is_gone, make, names, op, read, refused


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
