"""The four kinds of patches."""

from connection import NS, apps, config_map, daemon_set, make, op, patch, refused


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
