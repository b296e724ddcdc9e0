"""Who may do what, who is who, and events."""

import base64
import json

from kubernetes import client
from kubernetes.client.rest import ApiException

from connection import NS, as_user, core, eventually, names, op, refused


def token():
    spec = {"spec": {"audiences": [], "expirationSeconds": 3600}}
    return core.create_namespaced_service_account_token("default", NS, spec).status.token


@op
def token_request():
    claims = token().split(".")[1]
    return {"subject": json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]}


@op
def token_review():
    review = client.AuthenticationV1Api().create_token_review({"spec": {"token": token()}})
    return {"authenticated": review.status.authenticated, "user": review.status.user.username}


def may(**attributes):
    review = {"spec": {"resourceAttributes": attributes}}
    return client.AuthorizationV1Api().create_self_subject_access_review(review).status.allowed


@op
def access_review():
    acting = client.ApiClient()
    acting.set_default_header("Impersonate-User", "nobody")
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": NS}}}
    other = client.AuthorizationV1Api(acting).create_self_subject_access_review(review).status.allowed
    return {"own": may(verb="create", resource="pods", namespace=NS), "other": other}


@op
def self_subject_review():
    found = client.AuthenticationV1Api().create_self_subject_review({}).status.user_info
    return {"master": "system:masters" in found.groups}


@op
def impersonation():
    return refused(as_user("nobody").list_namespaced_config_map, NS)


@op
def role_binding():
    access = client.RbacAuthorizationV1Api()
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    access.create_namespaced_role(NS, {"metadata": {"name": "reader"}, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}
    access.create_namespaced_role_binding(NS, {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]})

    def granted():
        try:
            return as_user("reader").read_namespaced_config_map("settings", NS)
        except ApiException:
            return False
    eventually(granted)
    return {"get": True, "delete": refused(as_user("reader").delete_namespaced_config_map, "settings", NS)["reason"]}


@op
def rules_review():
    acting = client.ApiClient()
    acting.set_default_header("Impersonate-User", "reader")
    told = client.AuthorizationV1Api(acting).create_self_subject_rules_review({"spec": {"namespace": NS}}).status
    verbs = [rule.verbs for rule in told.resource_rules if "configmaps" in rule.resources]
    return {"configmaps": verbs, "incomplete": told.incomplete}


@op
def role_aggregation():
    access = client.RbacAuthorizationV1Api()
    gather = {"clusterRoleSelectors": [{"matchLabels": {"clients.test/gather": "yes"}}]}
    access.create_cluster_role({"metadata": {"name": "gathering"}, "aggregationRule": gather, "rules": []})
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    access.create_cluster_role({"metadata": {"name": "gathered", "labels": {"clients.test/gather": "yes"}}, "rules": [rule]})
    eventually(lambda: access.read_cluster_role("gathering").rules)
    rules = access.read_cluster_role("gathering").rules
    return {"rules": [f"{','.join(rule.verbs)} {','.join(rule.resources)}" for rule in rules]}


@op
def impersonation_denied():
    """A service account may be nobody but itself."""
    limited = client.Configuration.get_default_copy()
    limited.cert_file = limited.key_file = None
    limited.api_key = {"authorization": f"Bearer {token()}"}
    acting = client.ApiClient(limited)
    acting.set_default_header("Impersonate-User", "somebody")
    return refused(client.CoreV1Api(acting).list_namespaced_config_map, NS)


@op
def event_core():
    about = {"kind": "ConfigMap", "name": "settings", "namespace": NS}
    core.create_namespaced_event(NS, {"metadata": {"name": "told"}, "involvedObject": about, "reason": "Told", "message": "m", "type": "Normal"})
    found = core.list_namespaced_event(NS, field_selector="involvedObject.name=settings,reason=Told")
    return {"names": names(found), "type": found.items[0].type}


@op
def event_v1():
    about = {"kind": "ConfigMap", "name": "settings", "namespace": NS}
    event = {"metadata": {"name": "noted"}, "regarding": about, "reason": "Noted", "note": "n", "type": "Normal", "action": "Noting",
             "reportingController": "clients.test/matrix", "reportingInstance": "one", "eventTime": "2026-01-02T03:04:05.000000Z"}
    client.EventsV1Api().create_namespaced_event(NS, event)
    found = core.read_namespaced_event("noted", NS)
    return {"message": found.message, "about": found.involved_object.name}
