"""Kinds of one's own: their definition, and objects of them."""

import json
import os

from kubernetes import client, watch

from connection import NS, PATIENCE, WIDGETS, custom, eventually, is_gone, op, raw, refused, with_media_type


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
def custom_apply():
    patching = with_media_type("application/apply-patch+yaml")
    client.CustomObjectsApi(patching).patch_namespaced_custom_object(
        *WIDGETS, "applied", widget("applied", 3), field_manager="first")
    # The client keeps the answer to itself when the object is new.
    applied = custom.get_namespaced_custom_object(*WIDGETS, "applied")
    managers = sorted(f"{entry['manager']}/{entry['operation']}" for entry in applied["metadata"].get("managedFields", []))
    return {"size": applied["spec"]["size"], "color": applied["spec"].get("color"), "managers": managers}


@op
def custom_strict():
    wrong = widget("strict", 1)
    wrong["spec"]["bogus"] = 1
    return refused(custom.create_namespaced_custom_object, *WIDGETS, wrong, field_validation="Strict")


@op
def custom_columns():
    custom.create_namespaced_custom_object(*WIDGETS, widget("tabled", 7))
    _, body = raw(f"/apis/clients.test/v1/namespaces/{NS}/widgets/tabled", "application/json;as=Table;v=v1;g=meta.k8s.io")
    table = json.loads(body)
    shown = [number for number, column in enumerate(table["columnDefinitions"]) if column["priority"] == 0]
    return {"columns": [table["columnDefinitions"][number]["name"].upper() for number in shown],
            "row": [str(table["rows"][0]["cells"][number]) for number in shown]}


@op
def custom_versions():
    older = ("clients.test", "v1beta1", *WIDGETS[2:])
    made = custom.create_namespaced_custom_object(*older, {**widget("dated", 1), "apiVersion": "clients.test/v1beta1"})
    groups = client.ApisApi().get_api_versions().groups
    preferred = [group.preferred_version.version for group in groups if group.name == "clients.test"]
    return {"made": made["apiVersion"], "read": custom.get_namespaced_custom_object(*WIDGETS, "dated")["apiVersion"],
            "color": custom.get_namespaced_custom_object(*WIDGETS, "dated")["spec"]["color"], "preferred": preferred[0]}


@op
def custom_rule():
    custom.create_namespaced_custom_object(*WIDGETS, widget("ruled", 1))
    size = refused(custom.create_namespaced_custom_object, *WIDGETS, widget("large", 100))
    color = refused(custom.patch_namespaced_custom_object, *WIDGETS, "ruled", {"spec": {"color": "blue"}})
    told = ("code", "reason", "fields")
    return {"size": {key: size[key] for key in told}, "color": {key: color[key] for key in told}}


@op
def custom_selectable():
    blue = widget("blue", 1)
    blue["spec"]["color"] = "blue"
    custom.create_namespaced_custom_object(*WIDGETS, blue)
    listed = custom.list_namespaced_custom_object(*WIDGETS, field_selector="spec.color=blue")["items"]
    refusal = refused(custom.list_namespaced_custom_object, *WIDGETS, field_selector="spec.size=1")
    return {"names": [item["metadata"]["name"] for item in listed], "refused": refusal}


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
