"""Watches, and informers that survive what happens to them."""

import json
import os
import socket
import threading
import time

from kubernetes import watch
from kubernetes.client.rest import ApiException
from kubernetes.informer import SharedInformer

from connection import NS, PATIENCE, core, eventually, make, names, op


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


@op
def continue_expired():
    for number in range(3):
        make(f"leaf-{number}", labels={"leaf": "yes"})
    page = core.list_namespaced_config_map(NS, label_selector="leaf=yes", limit=1)
    core.delete_namespaced_config_map("leaf-1", NS)
    control("expire")
    try:
        core.list_namespaced_config_map(NS, label_selector="leaf=yes", limit=1, _continue=page.metadata._continue)
    except ApiException as error:
        told = json.loads(error.body)
    rest = core.list_namespaced_config_map(NS, label_selector="leaf=yes", _continue=told["metadata"]["continue"])
    return {"code": told["code"], "reason": told["reason"], "rest": names(rest)}
