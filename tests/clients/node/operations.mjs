// The operations of the client matrix through the Node client; one line of JSON for each, {op, result}.

import { connect } from 'node:net';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import fetch from 'node-fetch';
import * as k8s from '@kubernetes/client-node';

const namespace = 'team';
const PATIENCE = 20;
const operations = [];
const op = (name, run) => operations.push([name, run]);

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const watching = new k8s.Watch(config);
const CONFIG_MAPS = `/api/v1/namespaces/${namespace}/configmaps`;
const WIDGETS = { group: 'clients.test', version: 'v1', namespace, plural: 'widgets' };

const as = (mediaType) => k8s.setHeaderOptions('Content-Type', mediaType);
const by = (user) => k8s.setHeaderOptions('Impersonate-User', user);
const JSON_PATCH = as(k8s.PatchStrategy.JsonPatch);
const MERGE = as(k8s.PatchStrategy.MergePatch);
const STRATEGIC = as(k8s.PatchStrategy.StrategicMergePatch);
const APPLY = as(k8s.PatchStrategy.ServerSideApply);

/// How the server refuses a call.
async function refused(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof k8s.ApiException)) throw error;
    const body = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    const told = { code: body.code, reason: body.reason, message: body.message };
    const causes = body.details?.causes ?? [];
    if (causes.length > 0) told.fields = [...new Set(causes.map((cause) => cause.field ?? ''))].sort();
    return told;
  }
  return 'not refused';
}

const pick = (object, ...members) => Object.fromEntries(members.map((member) => [member, object[member]]));

async function eventually(check) {
  const deadline = Date.now() + PATIENCE * 1000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error('it did not come about');
    await sleep(50);
  }
  return true;
}

async function isGone(read) {
  try {
    await read();
  } catch (error) {
    if (error.code === 404) return true;
    throw error;
  }
  return false;
}

const configMap = (name, data, labels, more) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels, ...more }, data });
const make = (name, data, labels, more) => core.createNamespacedConfigMap({ namespace, body: configMap(name, data, labels, more) });
const read = (name) => core.readNamespacedConfigMap({ namespace, name });
const remove = (name, more) => core.deleteNamespacedConfigMap({ namespace, name, ...more });
const list = (selection) => core.listNamespacedConfigMap({ namespace, ...selection });
const patch = (name, body, how, more) => core.patchNamespacedConfigMap({ namespace, name, body, ...more }, how);
const names = (listed) => listed.items.map((item) => item.metadata.name).sort();

async function makePod(name) {
  await eventually(async () => !(await isGone(() => core.readNamespacedServiceAccount({ namespace, name: 'default' }))));
  const spec = { nodeName: 'n1', containers: [{ name: 'main', image: 'pause' }] };
  return core.createNamespacedPod({ namespace, body: { metadata: { name }, spec } });
}
const readPod = (name) => core.readNamespacedPod({ namespace, name });

function daemonSet(name) {
  const labels = { app: name };
  const spec = { nodeSelector: { no: 'node' }, containers: [{ name: 'main', image: 'pause' }] };
  return { metadata: { name }, spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } } };
}

/// A request of one's own making, with the client's credentials.
async function raw(path, accept) {
  const options = await config.applyToFetchOptions({});
  options.headers.set('Accept', accept);
  return fetch(config.getCurrentCluster().server + path, options);
}

// Discovery

op('version', async () => pick(await config.makeApiClient(k8s.VersionApi).getCode(), 'major', 'minor'));

op('groups', async () => {
  const { groups } = await config.makeApiClient(k8s.ApisApi).getAPIVersions();
  const version = (name) => groups.find((group) => group.name === name)?.preferredVersion.version;
  return Object.fromEntries(['apps', 'batch', 'coordination.k8s.io', 'rbac.authorization.k8s.io'].map((name) => [name, version(name)]));
});

op('resources', async () => {
  const found = (await apps.getAPIResources()).resources.find((one) => one.name === 'daemonsets');
  return { kind: found.kind, namespaced: found.namespaced, short: found.shortNames, verbs: found.verbs.sort() };
});

// Objects

op('namespace-create', async () => {
  const made = await core.createNamespace({ body: { metadata: { name: namespace } } });
  return { name: made.metadata.name, phase: made.status.phase };
});

op('configmap-create', async () => {
  const { data, metadata } = await make('settings', { a: 'b' });
  return { data, identified: Boolean(metadata.uid && metadata.resourceVersion) };
});

op('configmap-get', async () => pick(await read('settings'), 'data'));

op('configmap-replace', async () => {
  const body = await read('settings');
  body.data.a = 'c';
  return pick(await core.replaceNamespacedConfigMap({ namespace, name: 'settings', body }), 'data');
});

op('generate-name', async () => {
  const { metadata } = await make(undefined, undefined, undefined, { generateName: 'made-' });
  return { prefix: metadata.name.slice(0, 5), length: metadata.name.length };
});

op('already-exists', () => refused(() => make('settings')));
op('not-found', () => refused(() => read('missing')));

op('conflict', async () => {
  const body = await make('contended', { a: '1' });
  await patch('contended', { data: { a: '2' } }, MERGE);
  return refused(() => core.replaceNamespacedConfigMap({ namespace, name: 'contended', body }));
});

op('invalid', async () => {
  const body = daemonSet('wrong');
  body.spec.template.metadata.labels = { app: 'other' };
  delete body.spec.template.spec.containers[0].image;
  return pick(await refused(() => apps.createNamespacedDaemonSet({ namespace, body })), 'code', 'reason', 'fields');
});

op('dry-run', async () => {
  const made = await core.createNamespacedConfigMap({ namespace, body: configMap('dry', { a: 'b' }), dryRun: 'All' });
  return { data: made.data, stored: !(await isGone(() => read('dry'))) };
});

op('delete', async () => {
  await make('shortlived');
  const { status } = await remove('shortlived');
  return { answer: status, gone: await isGone(() => read('shortlived')) };
});

op('delete-precondition', async () => {
  await make('kept');
  const body = { preconditions: { uid: '00000000-0000-0000-0000-000000000000' } };
  const told = await refused(() => remove('kept', { body }));
  return { ...pick(told, 'code', 'reason'), stored: !(await isGone(() => read('kept'))) };
});

op('secret-binary', async () => {
  const data = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'binary' }, data: { key: data.toString('base64') } } });
  const found = await core.readNamespacedSecret({ namespace, name: 'binary' });
  return { same: Buffer.from(found.data.key, 'base64').equals(data), type: found.type };
});

op('secret-string-data', async () => {
  const body = { metadata: { name: 'strings' }, stringData: { key: 'value' } };
  return pick(await core.createNamespacedSecret({ namespace, body }), 'data');
});

op('daemonset-defaults', async () => {
  const { spec, metadata } = await apps.createNamespacedDaemonSet({ namespace, body: daemonSet('agent') });
  return {
    strategy: spec.updateStrategy.type,
    unavailable: spec.updateStrategy.rollingUpdate.maxUnavailable,
    history: spec.revisionHistoryLimit,
    pull: spec.template.spec.containers[0].imagePullPolicy,
    generation: metadata.generation,
  };
});

op('daemonset-generation', async () => {
  const body = { spec: { minReadySeconds: 1 } };
  const changed = await apps.patchNamespacedDaemonSet({ namespace, name: 'agent', body }, STRATEGIC);
  return { generation: changed.metadata.generation };
});

op('service', async () => {
  const body = { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }], selector: { app: 'web' } } };
  await core.createNamespacedService({ namespace, body });
  const { spec } = await core.readNamespacedService({ namespace, name: 'web' });
  await core.deleteNamespacedService({ namespace, name: 'web' });
  const [port] = spec.ports;
  return { type: spec.type, affinity: spec.sessionAffinity, protocol: port.protocol, target: port.targetPort };
});

// The client for any object, which knows kinds by discovery alone.
op('untyped', async () => {
  const objects = k8s.KubernetesObjectApi.makeApiClient(config);
  const object = configMap('untyped', { u: '1' }, { untyped: 'yes' }, { namespace });
  await objects.create(object);
  const changed = await objects.patch({ ...object, data: { u: '2' } }, undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
  const listed = await objects.list('v1', 'ConfigMap', namespace, undefined, undefined, undefined, undefined, 'untyped=yes');
  await objects.delete(object);
  return { data: changed.data, names: names(listed), gone: await isGone(() => objects.read(object)) };
});

op('lease', async () => {
  const leases = config.makeApiClient(k8s.CoordinationV1Api);
  const renewTime = new k8s.V1MicroTime('2026-01-02T03:04:05.123Z');
  const spec = { holderIdentity: 'me', leaseDurationSeconds: 15, renewTime };
  await leases.createNamespacedLease({ namespace, body: { metadata: { name: 'turn' }, spec } });
  const body = await leases.readNamespacedLease({ namespace, name: 'turn' });
  body.spec.holderIdentity = 'you';
  const changed = await leases.replaceNamespacedLease({ namespace, name: 'turn', body });
  return { holder: changed.spec.holderIdentity };
});

// Patches

op('patch-json', async () => {
  await make('patched', { a: 'b' });
  return pick(await patch('patched', [{ op: 'replace', path: '/data/a', value: 'json' }], JSON_PATCH), 'data');
});

op('patch-json-test', async () => {
  const test = [{ op: 'test', path: '/data/a', value: 'no' }];
  return pick(await refused(() => patch('settings', test, JSON_PATCH)), 'code', 'reason');
});

op('patch-merge', async () => {
  await make('merged', { a: 'b', c: 'd' });
  return pick(await patch('merged', { data: { a: null, e: 'f' } }, MERGE), 'data');
});

op('patch-strategic', async () => {
  await apps.createNamespacedDaemonSet({ namespace, body: daemonSet('strategic') });
  const body = { spec: { template: { spec: { containers: [{ name: 'side', image: 'pause' }] } } } };
  const changed = await apps.patchNamespacedDaemonSet({ namespace, name: 'strategic', body }, STRATEGIC);
  return { containers: changed.spec.template.spec.containers.map((container) => container.name) };
});

const apply = (data, fieldManager, force) => patch('applied', configMap('applied', data), APPLY, { fieldManager, force });
const managers = (found) => (found.metadata.managedFields ?? []).map((entry) => `${entry.manager}/${entry.operation}`).sort();

op('apply-create', async () => {
  const made = await apply({ a: '1', b: '2' }, 'first');
  return { data: made.data, managers: managers(made) };
});

op('apply-remove', async () => pick(await apply({ a: '1' }, 'first'), 'data'));
op('apply-conflict', () => refused(() => apply({ a: '2' }, 'second')));

op('apply-force', async () => {
  const changed = await apply({ a: '2' }, 'second', true);
  return { data: changed.data, managers: managers(changed) };
});

// Lists

op('label-selector', async () => {
  for (const [name, tier] of [['one', 'gold'], ['two', 'silver'], ['three', 'bronze']]) {
    await make(`tier-${name}`, undefined, { tier, set: 'tiers' });
  }
  const listed = async (labelSelector) => names(await list({ labelSelector }));
  return {
    equal: await listed('tier=gold'),
    in: await listed('tier in (gold,silver)'),
    not: await listed('set=tiers,tier!=gold'),
    absent: await listed('set,!tier'),
  };
});

op('field-selector', async () => ({
  names: names(await list({ fieldSelector: 'metadata.name=settings' })),
  refused: await refused(() => list({ fieldSelector: 'data.a=b' })),
}));

op('paging', async () => {
  for (let number = 0; number < 25; number += 1) await make(`page-${String(number).padStart(2, '0')}`, undefined, { page: 'yes' });
  const [sizes, remaining, seen] = [[], [], new Set()];
  let _continue;
  do {
    const page = await list({ labelSelector: 'page=yes', limit: 10, _continue });
    sizes.push(page.items.length);
    remaining.push(page.metadata.remainingItemCount ?? null);
    names(page).forEach((name) => seen.add(name));
    _continue = page.metadata._continue;
  } while (_continue);
  const plain = await core.listNamespacedSecret({ namespace, limit: 1 });
  return { sizes, seen: seen.size, remaining, unselected: plain.metadata.remainingItemCount };
});

op('delete-collection', async () => {
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'page=yes' });
  const left = (await list({ labelSelector: 'page=yes' })).items.length;
  return { left, others: !(await isGone(() => read('settings'))) };
});

// Watches

async function changes(name, labels) {
  await make(name, { n: '1' }, labels);
  await patch(name, { data: { n: '2' } }, MERGE);
  await remove(name);
}

/// The first events of a watch, or all until it ends by itself.
function events(path, query, count) {
  return new Promise((resolve, reject) => {
    const seen = [];
    const done = (error) => (error && error.name !== 'AbortError' ? reject(error) : resolve(seen));
    let request;
    const note = async (type, object) => {
      seen.push([type, object]);
      if (seen.length === count) (await request).abort();
    };
    request = watching.watch(path, query, note, done);
  });
}

const told = (seen) => ({ events: seen.map(([type, object]) => `${type} ${object.metadata.name ?? ''}`.trim()) });
const now = async () => (await list({ limit: 1 })).metadata.resourceVersion;

op('watch-from-version', async () => {
  const resourceVersion = await now();
  await changes('passing', { watched: 'version' });
  return told(await events(CONFIG_MAPS, { labelSelector: 'watched=version', resourceVersion, timeoutSeconds: PATIENCE }, 3));
});

op('watch-from-zero', async () => {
  await make('zero', undefined, { watched: 'zero' });
  return told(await events(CONFIG_MAPS, { labelSelector: 'watched=zero', resourceVersion: '0', timeoutSeconds: 1 }));
});

op('watch-unset', async () => {
  await make('unset', undefined, { watched: 'unset' });
  return told(await events(CONFIG_MAPS, { labelSelector: 'watched=unset', timeoutSeconds: 1 }));
});

op('watch-bookmarks', async () => {
  const query = { resourceVersion: await now(), allowWatchBookmarks: true, timeoutSeconds: 5 };
  return told(await events(CONFIG_MAPS, query, 1));
});

op('streaming-list', async () => {
  await make('streamed', undefined, { watched: 'stream' });
  const initial = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true };
  const seen = await events(CONFIG_MAPS, { labelSelector: 'watched=stream', timeoutSeconds: PATIENCE, ...initial }, 2);
  return { events: [...seen.map(([type]) => type), seen.at(-1)[1].metadata.annotations?.['k8s.io/initial-events-end']] };
});

op('watch-transition', async () => {
  const resourceVersion = await now();
  await make('turning');
  for (const [at, turn] of ['in', 'in', 'out'].entries()) {
    await patch('turning', { data: { at: String(at) }, metadata: { labels: { turn } } }, MERGE);
  }
  return told(await events(CONFIG_MAPS, { labelSelector: 'turn=in', resourceVersion, timeoutSeconds: PATIENCE }, 3));
});

op('watch-expired', async () => {
  const [[, status]] = await events(CONFIG_MAPS, { resourceVersion: '1', timeoutSeconds: 5 }, 1);
  return pick(status, 'code', 'reason');
});

/// Has the harness cut all connections, or let the server forget its history.
async function control(word) {
  const [host, port] = process.env.CONTROL.split(':');
  const line = connect(Number(port), host);
  line.write(`${word}\n`);
  for await (const answer of line) if (String(answer) !== 'done\n') throw new Error(`the gateway says ${answer}`);
}

/// An informer that is started again when it fails, as its documentation asks for.
async function informed(labelSelector) {
  const informer = k8s.makeInformer(config, CONFIG_MAPS, () => list({ labelSelector }), labelSelector);
  const seen = [];
  for (const [event, type] of [['add', 'ADDED'], ['update', 'MODIFIED'], ['delete', 'DELETED']]) {
    informer.on(event, (object) => seen.push(`${type} ${object.metadata.name}`));
  }
  const state = { over: false };
  informer.on('error', () => setTimeout(() => state.over || informer.start(), 100));
  await informer.start();
  const end = () => {
    state.over = true;
    return informer.stop();
  };
  return { seen, end, cached: () => informer.list().map((object) => object.metadata.name).sort() };
}

op('informer', async () => {
  await make('first', undefined, { informed: 'plain' });
  const { seen, end } = await informed('informed=plain');
  await changes('second', { informed: 'plain' });
  await eventually(() => seen.length === 4);
  await end();
  return { events: seen };
});

op('informer-disconnect', async () => {
  const { seen, end, cached } = await informed('informed=cut');
  await make('before-cut', undefined, { informed: 'cut' });
  await eventually(() => seen.includes('ADDED before-cut'));
  await control('cut');
  await eventually(() => make('after-cut', undefined, { informed: 'cut' }).catch(() => false));
  await eventually(() => seen.includes('ADDED after-cut'));
  await end();
  return { cached: cached() };
});

op('informer-expired', async () => {
  const { seen, end, cached } = await informed('informed=expired');
  await make('before-restart', undefined, { informed: 'expired' });
  await eventually(() => seen.includes('ADDED before-restart'));
  await control('expire');
  await eventually(() => seen.includes('ADDED meanwhile'));
  await end();
  return { cached: cached() };
});

// Lives and deaths

const RELEASE = { metadata: { finalizers: null } };

op('finalizer', async () => {
  await make('held', undefined, undefined, { finalizers: ['clients.test/hold'] });
  await remove('held');
  const marked = Boolean((await read('held')).metadata.deletionTimestamp);
  await patch('held', RELEASE, MERGE);
  return { marked, gone: await isGone(() => read('held')) };
});

op('graceful-deletion', async () => {
  await makePod('graceful');
  await core.deleteNamespacedPod({ namespace, name: 'graceful', gracePeriodSeconds: 30 });
  const { metadata } = await readPod('graceful');
  await core.deleteNamespacedPod({ namespace, name: 'graceful', gracePeriodSeconds: 0 });
  const marked = Boolean(metadata.deletionTimestamp);
  return { seconds: metadata.deletionGracePeriodSeconds, marked, gone: await isGone(() => readPod('graceful')) };
});

async function family(name, options) {
  const { metadata } = await make(`${name}-owner`);
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: metadata.name, uid: metadata.uid, ...options };
  const finalizers = options ? ['clients.test/hold'] : undefined;
  await make(`${name}-child`, undefined, undefined, { ownerReferences: [reference], finalizers });
  return [`${name}-owner`, `${name}-child`];
}

op('propagation-background', async () => {
  const [owner, child] = await family('background');
  await remove(owner, { propagationPolicy: 'Background' });
  return { owner: await isGone(() => read(owner)), child: await eventually(() => isGone(() => read(child))) };
});

op('propagation-orphan', async () => {
  const [owner, child] = await family('orphan');
  await remove(owner, { propagationPolicy: 'Orphan' });
  await eventually(() => isGone(() => read(owner)));
  return { owners: (await read(child)).metadata.ownerReferences ?? [] };
});

op('propagation-foreground', async () => {
  const [owner, child] = await family('foreground', { blockOwnerDeletion: true });
  await remove(owner, { propagationPolicy: 'Foreground' });
  const { finalizers } = (await read(owner)).metadata;
  await eventually(async () => (await read(child)).metadata.deletionTimestamp);
  await patch(child, RELEASE, MERGE);
  return { finalizers, gone: await eventually(() => isGone(() => read(owner))) };
});

op('status-subresource', async () => {
  await makePod('reporting');
  const body = { spec: { activeDeadlineSeconds: 9 }, status: { phase: 'Running' } };
  const found = await core.patchNamespacedPodStatus({ namespace, name: 'reporting', body }, MERGE);
  return { phase: found.status.phase, deadline: found.spec.activeDeadlineSeconds ?? null };
});

op('scale', async () => {
  const { spec } = daemonSet('scaled');
  delete spec.template.spec.nodeSelector;
  const name = 'scaled';
  await apps.createNamespacedDeployment({ namespace, body: { metadata: { name }, spec } });
  const found = await apps.readNamespacedDeploymentScale({ namespace, name });
  await apps.patchNamespacedDeploymentScale({ namespace, name, body: { spec: { replicas: 3 } } }, MERGE);
  const after = (await apps.readNamespacedDeployment({ namespace, name })).spec.replicas;
  return { kind: found.kind, before: found.spec.replicas, after };
});

op('eviction', async () => {
  await makePod('evicted');
  const body = { metadata: { name: 'evicted', namespace } };
  const told = await core.createNamespacedPodEviction({ namespace, name: 'evicted', body });
  // The client takes the answer for an Eviction, which has no status.
  return { status: told.kind === 'Status' ? 'Success' : told, marked: Boolean((await readPod('evicted')).metadata.deletionTimestamp) };
});

// Who may do what

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

// Events

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

// Kinds of one's own

op('crd-create', async () => {
  const definitions = config.makeApiClient(k8s.ApiextensionsV1Api);
  await definitions.createCustomResourceDefinition({ body: JSON.parse(readFileSync(process.env.WIDGETS)) });
  const established = await eventually(async () => {
    const { status } = await definitions.readCustomResourceDefinition({ name: 'widgets.clients.test' });
    return status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True');
  });
  return { established };
});

const widget = (name, size) => ({ apiVersion: 'clients.test/v1', kind: 'Widget', metadata: { name }, spec: { size } });
const makeWidget = (name, size) => custom.createNamespacedCustomObject({ ...WIDGETS, body: widget(name, size) });
const patchWidget = (name, body) => custom.patchNamespacedCustomObject({ ...WIDGETS, name, body }, MERGE);
const removeWidget = (name) => custom.deleteNamespacedCustomObject({ ...WIDGETS, name });

op('custom-objects', async () => {
  const made = await makeWidget('w', 1);
  const changed = await patchWidget('w', { spec: { size: 2 } });
  const listed = names(await custom.listNamespacedCustomObject(WIDGETS));
  await removeWidget('w');
  const gone = await isGone(() => custom.getNamespacedCustomObject({ ...WIDGETS, name: 'w' }));
  return { color: made.spec.color, size: changed.spec.size, generation: changed.metadata.generation, names: listed, gone };
});

op('custom-invalid', async () => pick(await refused(() => makeWidget('wrong', 'big')), 'code', 'reason', 'fields'));

op('custom-status', async () => {
  await makeWidget('reporting', 1);
  const body = { spec: { size: 9 }, status: { ready: true } };
  const changed = await custom.patchNamespacedCustomObjectStatus({ ...WIDGETS, name: 'reporting', body }, MERGE);
  return { size: changed.spec.size, ready: changed.status.ready, generation: changed.metadata.generation };
});

op('custom-watch', async () => {
  const { resourceVersion } = (await custom.listNamespacedCustomObject(WIDGETS)).metadata;
  await makeWidget('seen', 1);
  await patchWidget('seen', { spec: { size: 2 } });
  await removeWidget('seen');
  const path = `/apis/clients.test/v1/namespaces/${namespace}/widgets`;
  return told(await events(path, { resourceVersion, timeoutSeconds: PATIENCE }, 3));
});

// Forms

op('table', async () => {
  const answer = await raw(`${CONFIG_MAPS}/settings`, 'application/json;as=Table;v=v1;g=meta.k8s.io');
  return { columns: (await answer.json()).columnDefinitions.map((column) => column.name.toUpperCase()) };
});

op('metadata-only', async () => {
  const answer = await raw(`${CONFIG_MAPS}/settings`, 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io');
  const found = await answer.json();
  return { kind: found.kind, data: 'data' in found, name: found.metadata.name };
});

op('protobuf', async () => {
  const answer = await raw(`${CONFIG_MAPS}/settings`, 'application/vnd.kubernetes.protobuf');
  const magic = Buffer.from(await answer.arrayBuffer()).subarray(0, 3).toString();
  return { type: answer.headers.get('content-type'), magic };
});

op('namespace-delete', async () => {
  await core.deleteCollectionNamespacedPod({ namespace, gracePeriodSeconds: 0 });
  await core.deleteNamespace({ name: namespace });
  return { gone: await eventually(() => isGone(() => core.readNamespace({ name: namespace }))) };
});

for (const [name, run] of operations) {
  let result;
  try {
    result = await run();
  } catch (error) {
    result = { error: String(error.body ?? error.stack ?? error) };
  }
  console.log(JSON.stringify({ op: name, result }));
}
// Sockets that are kept alive must not keep the program.
process.exit(0);
