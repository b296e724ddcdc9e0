// Kinds of one's own: their definition, and objects of them.

import { readFileSync } from 'node:fs';
import * as k8s from '@kubernetes/client-node';
import {
  APPLY,
  MERGE,
  PATIENCE,
  WIDGETS,
  config,
  custom,
  eventually,
  isGone,
  names,
  namespace,
  op,
  pick,
  raw,
  refused,
} from './connection.mjs';
import { events, told } from './watches.mjs';

op('crd-create', async () => {
  const definitions = config.makeApiClient(k8s.ApiextensionsV1Api);
  // Its objects name some fields in their own way.
  await definitions.createCustomResourceDefinition({ body: k8s.loadYaml(readFileSync(process.env.WIDGETS, 'utf8')) });
  const established = await eventually(async () => {
    const { status } = await definitions.readCustomResourceDefinition({ name: 'widgets.clients.test' });
    return status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True');
  });
  return { established };
});

const PATH = `/apis/clients.test/v1/namespaces/${namespace}/widgets`;
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

op('custom-apply', async () => {
  const body = widget('applied', 3);
  const applied = await custom.patchNamespacedCustomObject({ ...WIDGETS, name: 'applied', body, fieldManager: 'first' }, APPLY);
  const managers = (applied.metadata.managedFields ?? []).map((entry) => `${entry.manager}/${entry.operation}`).sort();
  return { size: applied.spec.size, color: applied.spec.color, managers };
});

op('custom-strict', () => {
  const body = widget('strict', 1);
  body.spec.bogus = 1;
  return refused(() => custom.createNamespacedCustomObject({ ...WIDGETS, body, fieldValidation: 'Strict' }));
});

op('custom-columns', async () => {
  await makeWidget('tabled', 7);
  const answer = await raw(`${PATH}/tabled`, 'application/json;as=Table;v=v1;g=meta.k8s.io');
  const { columnDefinitions, rows } = await answer.json();
  const shown = [...columnDefinitions.entries()].filter(([, column]) => column.priority === 0);
  const row = shown.map(([number]) => String(rows[0].cells[number]));
  return { columns: shown.map(([, column]) => column.name.toUpperCase()), row };
});

op('custom-versions', async () => {
  const body = { ...widget('dated', 1), apiVersion: 'clients.test/v1beta1' };
  const made = await custom.createNamespacedCustomObject({ ...WIDGETS, version: 'v1beta1', body });
  const found = await custom.getNamespacedCustomObject({ ...WIDGETS, name: 'dated' });
  const { groups } = await config.makeApiClient(k8s.ApisApi).getAPIVersions();
  const preferred = groups.find((group) => group.name === 'clients.test').preferredVersion.version;
  return { made: made.apiVersion, read: found.apiVersion, color: found.spec.color, preferred };
});

op('custom-rule', async () => {
  await makeWidget('ruled', 1);
  const size = await refused(() => makeWidget('large', 100));
  const color = await refused(() => patchWidget('ruled', { spec: { color: 'blue' } }));
  return { size: pick(size, 'code', 'reason', 'fields'), color: pick(color, 'code', 'reason', 'fields') };
});

op('custom-selectable', async () => {
  const body = widget('blue', 1);
  body.spec.color = 'blue';
  await custom.createNamespacedCustomObject({ ...WIDGETS, body });
  const listed = await custom.listNamespacedCustomObject({ ...WIDGETS, fieldSelector: 'spec.color=blue' });
  const told = await refused(() => custom.listNamespacedCustomObject({ ...WIDGETS, fieldSelector: 'spec.size=1' }));
  return { names: names(listed), refused: told };
});

op('custom-watch', async () => {
  const { resourceVersion } = (await custom.listNamespacedCustomObject(WIDGETS)).metadata;
  await makeWidget('seen', 1);
  await patchWidget('seen', { spec: { size: 2 } });
  await removeWidget('seen');
  return told(await events(PATH, { resourceVersion, timeoutSeconds: PATIENCE }, 3));
});
