"""Lives and deaths: finalizers, owners, grace, and what happens to an object by its subresources."""

import json

from connection import NS, apps, core, eventually, is_gone, make, make_pod, op, patch, read


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
