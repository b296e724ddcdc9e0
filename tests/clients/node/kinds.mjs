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
  refused,
} from './connection.mjs';
import { events, told } from './watches.mjs';

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

op('custom-watch', async () => {
  const { resourceVersion } = (await custom.listNamespacedCustomObject(WIDGETS)).metadata;
  await makeWidget('seen', 1);
  await patchWidget('seen', { spec: { size: 2 } });
  await removeWidget('seen');
  const path = `/apis/clients.test/v1/namespaces/${namespace}/widgets`;
  return told(await events(path, { resourceVersion, timeoutSeconds: PATIENCE }, 3));
});
