// Watches, and informers that survive what happens to them.

import { connect } from 'node:net';
import * as k8s from '@kubernetes/client-node';
import {
  CONFIG_MAPS,
  MERGE,
  PATIENCE,
  config,
  eventually,
  list,
  make,
  names,
  op,
  patch,
  pick,
  remove,
  watching,
} from './connection.mjs';

async function changes(name, labels) {
  await make(name, { n: '1' }, labels);
  await patch(name, { data: { n: '2' } }, MERGE);
  await remove(name);
}

/// The first events of a watch, or all until it ends by itself.
export function events(path, query, count) {
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

export const told = (seen) => ({ events: seen.map(([type, object]) => `${type} ${object.metadata.name ?? ''}`.trim()) });
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

op('continue-expired', async () => {
  const labelSelector = 'leaf=yes';
  for (const number of [0, 1, 2]) await make(`leaf-${number}`, undefined, { leaf: 'yes' });
  const { _continue } = (await list({ labelSelector, limit: 1 })).metadata;
  await remove('leaf-1');
  await control('expire');
  const told = await list({ labelSelector, limit: 1, _continue }).catch((error) => JSON.parse(error.body));
  const rest = await list({ labelSelector, _continue: told.metadata.continue });
  return { ...pick(told, 'code', 'reason'), rest: names(rest) };
});
