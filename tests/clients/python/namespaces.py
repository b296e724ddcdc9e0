"""The namespace in which everything happens."""

from connection import NS, core, eventually, is_gone, op


@op
def namespace_delete():
    core.delete_collection_namespaced_pod(NS, grace_period_seconds=0)
    core.delete_namespace(NS)
    return {"gone": eventually(lambda: is_gone(core.read_namespace, NS))}
