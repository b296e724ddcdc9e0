"""The connection to the server, and what operations of every subject do with it."""

import json
import time

from kubernetes import client, config
from kubernetes.client.rest import ApiException

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
    fields = {cause["field"] for cause in causes if "field" in cause}
    if fields:
        told["fields"] = sorted(fields)
    reasons = [cause["reason"] for cause in causes if "field" not in cause]
    if reasons:
        told["cause"] = ",".join(reasons)
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
    metadata = {"name": name, "labels": labels, **metadata}
    # To apply null is not the same as to leave out.
    said = {"metadata": {key: value for key, value in metadata.items() if value is not None}, **({"data": data} if data else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", **said}


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


def with_media_type(media_type):
    """A client that sends what its caller says, where others would guess."""
    telling = client.ApiClient()
    telling.select_header_content_type = lambda *_, **__: media_type
    return telling


def patch(name, body, media_type, **options):
    return client.CoreV1Api(with_media_type(media_type)).patch_namespaced_config_map(name, NS, body, **options)
