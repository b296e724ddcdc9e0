"""What one has and another may not take: an address, a lock, a field, the pods that a budget guards."""

from kubernetes import client
from kubernetes.client.rest import ApiException

from connection import NS, core, eventually, make_pod, op, refused, with_media_type


def service(name, address=None):
    return core.create_namespaced_service(NS, {"metadata": {"name": name}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}})


@op
def service_address():
    spec = service("housed").spec
    taken = refused(service, "squatter", spec.cluster_ip)
    core.delete_namespaced_service("housed", NS)
    moved = service("squatter", spec.cluster_ip).spec.cluster_ip
    return {"given": spec.cluster_ips == [spec.cluster_ip], "freed": moved == spec.cluster_ip,
            "taken": {key: taken[key] for key in ("code", "reason", "fields")}}


@op
def lease_lock():
    leases = client.CoordinationV1Api()
    leases.create_namespaced_lease(NS, {"metadata": {"name": "lock"}, "spec": {"leaseDurationSeconds": 15}})
    one, other = (leases.read_namespaced_lease("lock", NS) for _ in range(2))
    one.spec.holder_identity, other.spec.holder_identity = "one", "other"
    leases.replace_namespaced_lease("lock", NS, one)
    told = refused(leases.replace_namespaced_lease, "lock", NS, other)
    return {"late": told, "holder": leases.read_namespaced_lease("lock", NS).spec.holder_identity}


@op
def apply_status_conflict():
    make_pod("claimed")
    patching = client.CoreV1Api(with_media_type("application/apply-patch+yaml"))

    def claim(manager, phase):
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "claimed"}, "status": {"phase": phase}}
        return patching.patch_namespaced_pod_status("claimed", NS, body, field_manager=manager)
    claim("first", "Running")
    return refused(claim, "second", "Failed")


@op
def disruption_budget():
    policy = client.PolicyV1Api()
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"guarded": "yes"}}}
    policy.create_namespaced_pod_disruption_budget(NS, {"metadata": {"name": "guard"}, "spec": spec})
    make_pod("guarded")
    core.patch_namespaced_pod("guarded", NS, {"metadata": {"labels": {"guarded": "yes"}}})
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    core.patch_namespaced_pod_status("guarded", NS, {"status": ready})
    eventually(lambda: policy.read_namespaced_pod_disruption_budget("guard", NS).status.current_healthy == 1)

    def evict():
        body = {"metadata": {"name": "guarded", "namespace": NS}}
        return core.create_namespaced_pod_eviction("guarded", NS, body, _preload_content=False)
    told = refused(evict)
    policy.patch_namespaced_pod_disruption_budget("guard", NS, {"spec": {"minAvailable": 0}})

    def allowed():
        try:
            return evict()
        except ApiException as error:
            if error.status != 429:
                raise
            return False
    return {"refused": told, "allowed": eventually(allowed)}
