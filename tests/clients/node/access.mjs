// Who may do what, who is who, and events.

import * as k8s from '@kubernetes/client-node';
import { by, config, core, eventually, names, namespace, op, refused } from './connection.mjs';

async function token() {
  const body = { spec: { audiences: [], expirationSeconds: 3600 } };
  return (await core.createNamespacedServiceAccountToken({ namespace, name: 'default', body })).status.token;
}

op('token-request', async () => {
  const claims = JSON.parse(Buffer.from((await token()).split('.')[1], 'base64url'));
  return { subject: claims.sub };
});

op('token-review', async () => {
  const reviews = config.makeApiClient(k8s.AuthenticationV1Api);
  const { status } = await reviews.createTokenReview({ body: { spec: { token: await token() } } });
  return { authenticated: status.authenticated, user: status.user?.username };
});

op('access-review', async () => {
  const reviews = config.makeApiClient(k8s.AuthorizationV1Api);
  const body = { spec: { resourceAttributes: { verb: 'create', resource: 'pods', namespace } } };
  const own = (await reviews.createSelfSubjectAccessReview({ body })).status.allowed;
  const other = (await reviews.createSelfSubjectAccessReview({ body }, by('nobody'))).status.allowed;
  return { own, other };
});

op('self-subject-review', async () => {
  const reviews = config.makeApiClient(k8s.AuthenticationV1Api);
  const { status } = await reviews.createSelfSubjectReview({ body: {} });
  return { master: status.userInfo.groups.includes('system:masters') };
});

op('impersonation', () => refused(() => core.listNamespacedConfigMap({ namespace }, by('nobody'))));

op('role-binding', async () => {
  const access = config.makeApiClient(k8s.RbacAuthorizationV1Api);
  const metadata = { name: 'reader' };
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }];
  await access.createNamespacedRole({ namespace, body: { metadata, rules } });
  const group = { apiGroup: 'rbac.authorization.k8s.io', name: 'reader' };
  const body = { metadata, roleRef: { ...group, kind: 'Role' }, subjects: [{ ...group, kind: 'User' }] };
  await access.createNamespacedRoleBinding({ namespace, body });
  const settings = { namespace, name: 'settings' };
  const get = await eventually(() => core.readNamespacedConfigMap(settings, by('reader')).catch(() => false));
  const told = await refused(() => core.deleteNamespacedConfigMap(settings, by('reader')));
  return { get, delete: told.reason };
});

op('rules-review', async () => {
  const reviews = config.makeApiClient(k8s.AuthorizationV1Api);
  const { status } = await reviews.createSelfSubjectRulesReview({ body: { spec: { namespace } } }, by('reader'));
  const about = status.resourceRules.filter((rule) => rule.resources?.includes('configmaps'));
  return { configmaps: about.map((rule) => rule.verbs), incomplete: status.incomplete };
});

op('role-aggregation', async () => {
  const access = config.makeApiClient(k8s.RbacAuthorizationV1Api);
  const labels = { 'clients.test/gather': 'yes' };
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: labels }] };
  await access.createClusterRole({ body: { metadata: { name: 'gathering' }, aggregationRule, rules: [] } });
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }];
  await access.createClusterRole({ body: { metadata: { name: 'gathered', labels }, rules } });
  const gathered = async () => (await access.readClusterRole({ name: 'gathering' })).rules ?? [];
  await eventually(async () => (await gathered()).length > 0);
  return { rules: (await gathered()).map((rule) => `${rule.verbs} ${rule.resources}`) };
});

/// A service account may be nobody but itself.
op('impersonation-denied', async () => {
  const limited = new k8s.KubeConfig();
  limited.loadFromClusterAndUser(config.getCurrentCluster(), { name: 'limited', token: await token() });
  const maps = limited.makeApiClient(k8s.CoreV1Api);
  return refused(() => maps.listNamespacedConfigMap({ namespace }, by('somebody')));
});

const about = { kind: 'ConfigMap', name: 'settings', namespace };

op('event-core', async () => {
  const body = { metadata: { name: 'told' }, involvedObject: about, reason: 'Told', message: 'm', type: 'Normal' };
  await core.createNamespacedEvent({ namespace, body });
  const found = await core.listNamespacedEvent({ namespace, fieldSelector: 'involvedObject.name=settings,reason=Told' });
  return { names: names(found), type: found.items[0].type };
});

op('event-v1', async () => {
  const reporter = { action: 'Noting', reportingController: 'clients.test/matrix', reportingInstance: 'one' };
  const eventTime = new k8s.V1MicroTime('2026-01-02T03:04:05Z');
  const body = { metadata: { name: 'noted' }, regarding: about, reason: 'Noted', note: 'n', type: 'Normal', eventTime, ...reporter };
  await config.makeApiClient(k8s.EventsV1Api).createNamespacedEvent({ namespace, body });
  const found = await core.readNamespacedEvent({ namespace, name: 'noted' });
  return { message: found.message, about: found.involvedObject.name };
});
