// The namespace in which everything happens.

import { core, eventually, isGone, namespace, op } from './connection.mjs';

op('namespace-delete', async () => {
  await core.deleteCollectionNamespacedPod({ namespace, gracePeriodSeconds: 0 });
  await core.deleteNamespace({ name: namespace });
  return { gone: await eventually(() => isGone(() => core.readNamespace({ name: namespace }))) };
});
