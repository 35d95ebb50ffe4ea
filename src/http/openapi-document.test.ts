import { readFileSync } from 'node:fs';
import { Hono } from 'hono';
import { pino } from 'pino';
import { afterAll, describe, expect, it } from 'vitest';
import { RecordingQueues } from '../../test/support/api.ts';
import { parseConfig } from '../config.ts';
import type { Ctx } from '../context.ts';
import { connectDb } from '../db/client.ts';
import { createMetrics } from '../metrics.ts';
import { createApp } from './app.ts';
import type { HttpEnv } from './env.ts';
import { ingestSink } from './ingest-sink.ts';

// Nothing here asks the database, so nothing connects.
const db = connectDb('postgres://127.0.0.1:1/none', { max: 1, name: 'test' });
const ctx: Ctx = {
  config: parseConfig({}, () => ''),
  db,
  queues: new RecordingQueues(),
  log: pino({ level: 'silent' }),
  metrics: createMetrics(),
  now: () => 0,
  elapsed: () => 0,
  resolveTxt: () => Promise.resolve([]),
};
const app = createApp(ctx, ingestSink(ctx), () => Promise.resolve({ ready: true, checks: {} }));
afterAll(() => db.close());

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: object }>>>>;
}

const served = async (of: Pick<Hono<HttpEnv>, 'request'>): Promise<Document> =>
  (await (await of.request('/openapi.json')).json()) as Document; // held against the routes below

/** Every value under a key of this name, however deep. */
const valuesOf = (value: unknown, key: string): unknown[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => (name === key ? [inner] : valuesOf(inner, key)));
};

const resolves = (document: unknown, reference: unknown): boolean => {
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return false;
  let at: unknown = document;
  for (const part of reference.slice(2).split('/')) {
    at = typeof at === 'object' && at !== null ? Object.entries(at).find(([name]) => name === part)?.[1] : undefined;
  }
  return at !== undefined;
};

/** `METHOD /path` of every route of the API, middleware left out, in the document's spelling. */
const routesOf = (of: Pick<typeof app, 'routes'>): string[] => [
  ...new Set(
    of.routes
      .filter(({ method, path }) => method !== 'ALL' && path.startsWith('/v1'))
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`),
  ),
];

const described = ({ paths }: Document): string[] =>
  Object.entries(paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`));

describe('the OpenAPI document', () => {
  it('is the one in docs/openapi.json (npm run docs)', async () => {
    const file = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as unknown;
    expect(await served(app)).toEqual(file);
  });

  it('describes every route under /v1 and no other', async () => {
    const routes = routesOf(app);
    expect(routes.length).toBeGreaterThan(20);
    expect(described(await served(app)).toSorted()).toEqual(routes.toSorted());
  });

  it('would miss a route that does not describe itself', async () => {
    const other = createApp(ctx, ingestSink(ctx), () => Promise.resolve({ ready: true, checks: {} }));
    const silent = new Hono<HttpEnv>().get('/v1/silent', (c) => c.text(''));
    other.route('/', silent);
    expect(routesOf(other)).toContain('GET /v1/silent');
    expect(described(await served(other))).not.toContain('GET /v1/silent');
  });

  it('holds no reference that leads nowhere', async () => {
    const document = await served(app);
    const references = valuesOf(document, '$ref');
    expect(references.length).toBeGreaterThan(10);
    expect(references.filter((reference) => !resolves(document, reference))).toEqual([]);
    expect(resolves(document, '#/components/schemas/Nothing')).toBe(false);
  });

  it('names every path parameter, once, and an answer for every operation', async () => {
    const { paths } = await served(app);
    for (const [path, item] of Object.entries(paths)) {
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const operation of Object.values(item)) {
        const given = valuesOf(operation, 'parameters')
          .flat()
          .filter((parameter) => valuesOf(parameter, 'in').includes('path'))
          .flatMap((parameter) => valuesOf(parameter, 'name'));
        expect(given).toEqual(wanted);
        expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true);
      }
    }
  });

  it('shows what callers send and are sent, not what is made of it', async () => {
    const { paths } = await served(app);
    const put = JSON.stringify(paths['/v1/admin/domains/{domain}']?.['put']);
    const address = {
      anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 16 }],
    };
    expect(put).toContain(JSON.stringify({ anyOf: [address, { type: 'null' }] }));
    const answer = valuesOf(paths['/v1/admin/audit/export']?.['get'], '200');
    expect(valuesOf(answer, 'content').flatMap((content) => Object.keys(content ?? {}))).toEqual([
      'application/x-ndjson',
      'text/csv',
    ]);
  });

  it('gives ingest its headers, its body and every status of its answers', async () => {
    const ingest = (await served(app)).paths['/v1/domains/cert-events']?.['post'];
    expect(valuesOf(valuesOf(ingest, 'parameters'), 'name')).toEqual([
      'x-cert-event-token',
      'x-cert-source',
      'x-cert-cluster',
      'x-cert-timestamp',
      'x-cert-signature',
    ]);
    expect(Object.keys(ingest?.responses ?? {})).toEqual([
      '202',
      '400',
      '401',
      '403',
      '404',
      '409',
      '413',
      '415',
      '429',
      '503',
    ]);
    expect(JSON.stringify(valuesOf(ingest, 'requestBody'))).toContain('renewal_succeeded');
  });
});
