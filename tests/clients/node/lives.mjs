// Lives and deaths: finalizers, owners, grace, and what happens to an object by its subresources.

import {
  MERGE,
  apps,
  core,
  daemonSet,
  eventually,
  isGone,
  make,
  makePod,
  namespace,
  op,
  patch,
  read,
  readPod,
  remove,
} from './connection.mjs';

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
