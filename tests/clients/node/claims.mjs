// What one has and another may not take: an address, a lock, a field, the pods that a budget guards.

import * as k8s from '@kubernetes/client-node';
import { APPLY, MERGE, config, core, eventually, makePod, namespace, op, pick, refused } from './connection.mjs';

const service = (name, clusterIP) =>
  core.createNamespacedService({ namespace, body: { metadata: { name }, spec: { clusterIP, ports: [{ port: 80 }] } } });

op('service-address', async () => {
  const { spec } = await service('housed');
  const taken = await refused(() => service('squatter', spec.clusterIP));
  await core.deleteNamespacedService({ namespace, name: 'housed' });
  const freed = (await service('squatter', spec.clusterIP)).spec.clusterIP === spec.clusterIP;
  return { given: spec.clusterIPs.join() === spec.clusterIP, taken: pick(taken, 'code', 'reason', 'fields'), freed };
});

op('lease-lock', async () => {
  const leases = config.makeApiClient(k8s.CoordinationV1Api);
  const lock = { namespace, name: 'lock' };
  await leases.createNamespacedLease({ namespace, body: { metadata: { name: 'lock' }, spec: { leaseDurationSeconds: 15 } } });
  const [one, other] = [await leases.readNamespacedLease(lock), await leases.readNamespacedLease(lock)];
  [one.spec.holderIdentity, other.spec.holderIdentity] = ['one', 'other'];
  await leases.replaceNamespacedLease({ ...lock, body: one });
  const late = await refused(() => leases.replaceNamespacedLease({ ...lock, body: other }));
  return { late, holder: (await leases.readNamespacedLease(lock)).spec.holderIdentity };
});

op('apply-status-conflict', async () => {
  await makePod('claimed');
  const claim = (fieldManager, phase) => {
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'claimed' }, status: { phase } };
    return core.patchNamespacedPodStatus({ namespace, name: 'claimed', body, fieldManager }, APPLY);
  };
  await claim('first', 'Running');
  return refused(() => claim('second', 'Failed'));
});

op('disruption-budget', async () => {
  const policy = config.makeApiClient(k8s.PolicyV1Api);
  const guard = { namespace, name: 'guard' };
  const guarded = { namespace, name: 'guarded' };
  const spec = { minAvailable: 1, selector: { matchLabels: { guarded: 'yes' } } };
  await policy.createNamespacedPodDisruptionBudget({ namespace, body: { metadata: { name: 'guard' }, spec } });
  await makePod('guarded');
  await core.patchNamespacedPod({ ...guarded, body: { metadata: { labels: { guarded: 'yes' } } } }, MERGE);
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  await core.patchNamespacedPodStatus({ ...guarded, body: { status } }, MERGE);
  await eventually(async () => (await policy.readNamespacedPodDisruptionBudget(guard)).status?.currentHealthy === 1);
  const evict = () => core.createNamespacedPodEviction({ ...guarded, body: { metadata: guarded } });
  const told = await refused(evict);
  await policy.patchNamespacedPodDisruptionBudget({ ...guard, body: { spec: { minAvailable: 0 } } }, MERGE);
  const allowed = await eventually(() =>
    evict().catch((error) => {
      if (error.code !== 429) throw error;
    }),
  );
  return { refused: told, allowed: Boolean(allowed) };
});
