// The four kinds of patches.

import {
  APPLY,
  JSON_PATCH,
  MERGE,
  STRATEGIC,
  apps,
  configMap,
  daemonSet,
  make,
  namespace,
  op,
  patch,
  pick,
  refused,
} from './connection.mjs';

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
