// The connection to the server, and what operations of every subject do with it.

import { setTimeout as sleep } from 'node:timers/promises';
import fetch from 'node-fetch';
import * as k8s from '@kubernetes/client-node';

export const namespace = 'team';
export const PATIENCE = 20;
export const operations = [];
export const op = (name, run) => operations.push([name, run]);

export const config = new k8s.KubeConfig();
config.loadFromDefault();
export const core = config.makeApiClient(k8s.CoreV1Api);
export const apps = config.makeApiClient(k8s.AppsV1Api);
export const custom = config.makeApiClient(k8s.CustomObjectsApi);
export const watching = new k8s.Watch(config);
export const CONFIG_MAPS = `/api/v1/namespaces/${namespace}/configmaps`;
export const WIDGETS = { group: 'clients.test', version: 'v1', namespace, plural: 'widgets' };

export const as = (mediaType) => k8s.setHeaderOptions('Content-Type', mediaType);
export const by = (user) => k8s.setHeaderOptions('Impersonate-User', user);
export const JSON_PATCH = as(k8s.PatchStrategy.JsonPatch);
export const MERGE = as(k8s.PatchStrategy.MergePatch);
export const STRATEGIC = as(k8s.PatchStrategy.StrategicMergePatch);
export const APPLY = as(k8s.PatchStrategy.ServerSideApply);

/// How the server refuses a call.
export async function refused(call) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof k8s.ApiException)) throw error;
    const body = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    const told = { code: body.code, reason: body.reason, message: body.message };
    const causes = body.details?.causes ?? [];
    const fields = causes.filter((cause) => cause.field).map((cause) => cause.field);
    if (fields.length > 0) told.fields = [...new Set(fields)].sort();
    const reasons = causes.filter((cause) => !cause.field).map((cause) => cause.reason);
    if (reasons.length > 0) told.cause = reasons.join();
    return told;
  }
  return 'not refused';
}

export const pick = (object, ...members) => Object.fromEntries(members.map((member) => [member, object[member]]));

export async function eventually(check) {
  const deadline = Date.now() + PATIENCE * 1000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error('it did not come about');
    await sleep(50);
  }
  return true;
}

export async function isGone(read) {
  try {
    await read();
  } catch (error) {
    if (error.code === 404) return true;
    throw error;
  }
  return false;
}

export const configMap = (name, data, labels, more) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels, ...more }, data });
export const make = (name, data, labels, more) => core.createNamespacedConfigMap({ namespace, body: configMap(name, data, labels, more) });
export const read = (name) => core.readNamespacedConfigMap({ namespace, name });
export const remove = (name, more) => core.deleteNamespacedConfigMap({ namespace, name, ...more });
export const list = (selection) => core.listNamespacedConfigMap({ namespace, ...selection });
export const patch = (name, body, how, more) => core.patchNamespacedConfigMap({ namespace, name, body, ...more }, how);
export const names = (listed) => listed.items.map((item) => item.metadata.name).sort();

export async function makePod(name) {
  await eventually(async () => !(await isGone(() => core.readNamespacedServiceAccount({ namespace, name: 'default' }))));
  const spec = { nodeName: 'n1', containers: [{ name: 'main', image: 'pause' }] };
  return core.createNamespacedPod({ namespace, body: { metadata: { name }, spec } });
}
export const readPod = (name) => core.readNamespacedPod({ namespace, name });

export function daemonSet(name) {
  const labels = { app: name };
  const spec = { nodeSelector: { no: 'node' }, containers: [{ name: 'main', image: 'pause' }] };
  return { metadata: { name }, spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } } };
}

/// A request of one's own making, with the client's credentials.
export async function raw(path, accept) {
  const options = await config.applyToFetchOptions({});
  options.headers.set('Accept', accept);
  return fetch(config.getCurrentCluster().server + path, options);
}
