// Selectors, pages, collections, and the forms of an answer.

import { CONFIG_MAPS, core, isGone, list, make, names, namespace, op, raw, read, refused } from './connection.mjs';

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

op('list-exact', async () => {
  const labelSelector = 'exact=yes';
  await make('exact-old', undefined, { exact: 'yes' });
  const { resourceVersion } = (await list({ labelSelector })).metadata;
  await make('exact-new', undefined, { exact: 'yes' });
  const then = names(await list({ labelSelector, resourceVersion, resourceVersionMatch: 'Exact' }));
  return { then, now: names(await list({ labelSelector })) };
});

op('delete-collection', async () => {
  await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'page=yes' });
  const left = (await list({ labelSelector: 'page=yes' })).items.length;
  return { left, others: !(await isGone(() => read('settings'))) };
});

op('table', async () => {
  const answer = await raw(`${CONFIG_MAPS}/settings`, 'application/json;as=Table;v=v1;g=meta.k8s.io');
  return { columns: (await answer.json()).columnDefinitions.map((column) => column.name.toUpperCase()) };
});

op('metadata-only', async () => {
  const answer = await raw(`${CONFIG_MAPS}/settings`, 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io');
  const found = await answer.json();
  return { kind: found.kind, data: 'data' in found, name: found.metadata.name };
});

op('yaml', async () => {
  const answer = await raw(`${CONFIG_MAPS}/settings`, 'application/yaml');
  const lines = (await answer.text()).split('\n');
  return { type: answer.headers.get('content-type'), starts: `${lines[0]}\n${lines[1]}\n` };
});

op('protobuf', async () => {
  const answer = await raw(`${CONFIG_MAPS}/settings`, 'application/vnd.kubernetes.protobuf');
  const magic = Buffer.from(await answer.arrayBuffer()).subarray(0, 3).toString();
  return { type: answer.headers.get('content-type'), magic };
});
