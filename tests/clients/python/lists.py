"""Selectors, pages, collections, and the forms of an answer."""

import json

from connection import NS, core, is_gone, make, names, op, raw, read, refused


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
def list_exact():
    make("exact-old", labels={"exact": "yes"})
    listed = lambda **options: core.list_namespaced_config_map(NS, label_selector="exact=yes", **options)
    version = listed().metadata.resource_version
    make("exact-new", labels={"exact": "yes"})
    return {"then": names(listed(resource_version=version, resource_version_match="Exact")), "now": names(listed())}


@op
def delete_collection():
    core.delete_collection_namespaced_config_map(NS, label_selector="page=yes")
    return {"left": len(core.list_namespaced_config_map(NS, label_selector="page=yes").items),
            "others": not is_gone(read, "settings")}


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
def yaml():
    headers, body = raw(f"/api/v1/namespaces/{NS}/configmaps/settings", "application/yaml")
    return {"type": headers["Content-Type"], "starts": "".join(body.decode().splitlines(keepends=True)[:2])}
