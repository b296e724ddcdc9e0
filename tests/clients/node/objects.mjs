// Discovery, and what is done to one object.

import * as k8s from '@kubernetes/client-node';
import {
  MERGE,
  STRATEGIC,
  apps,
  config,
  configMap,
  core,
  daemonSet,
  isGone,
  make,
  names,
  namespace,
  op,
  patch,
  pick,
  read,
  refused,
  remove,
} from './connection.mjs';

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
