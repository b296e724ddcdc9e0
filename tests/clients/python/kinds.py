"""Kinds of one's own: their definition, and objects of them."""

import json
import os

from kubernetes import client, watch

from connection import PATIENCE, WIDGETS, custom, eventually, is_gone, op, refused, with_media_type


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
    applied = client.CustomObjectsApi(patching).patch_namespaced_custom_object(
        *WIDGETS, "applied", widget("applied", 3), field_manager="first")
    managers = sorted(f"{entry['manager']}/{entry['operation']}" for entry in applied["metadata"].get("managedFields", []))
    return {"size": applied["spec"]["size"], "color": applied["spec"].get("color"), "managers": managers}


@op
def custom_strict():
    wrong = widget("strict", 1)
    wrong["spec"]["bogus"] = 1
    return refused(custom.create_namespaced_custom_object, *WIDGETS, wrong, field_validation="Strict")


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
