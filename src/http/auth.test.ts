import { Hono } from 'hono';
import { pino } from 'pino';
import { beforeAll, describe, expect, it } from 'vitest';
import { RecordingQueues } from '../../test/support/api.ts';
import { parseConfig } from '../config.ts';
import { connectDb } from '../db/client.ts';
import { createMetrics } from '../metrics.ts';
import { actorOf, hashSecret, knownTokens, requireRole, sameSecret } from './auth.ts';
import type { HttpEnv } from './env.ts';
import { onError } from './problem.ts';

describe('comparing secrets', () => {
  const kept = hashSecret('the right secret');
  it.each([
    ['the right secret', true],
    ['the right secre', false],
    ['the right secret ', false],
    ['The right secret', false],
    ['', false],
    ['x'.repeat(100_000), false],
    ['the right secret\0', false],
  ])('%j: %s', (presented, same) => {
    expect(sameSecret(kept, presented)).toBe(same);
  });

  it('tells apart what is spelled in other characters', () => {
    expect(sameSecret(hashSecret('é'), 'e\u0301')).toBe(false);
    expect(sameSecret(hashSecret('é'), 'é')).toBe(true);
  });
});

describe('the owner of a token', () => {
  const tokens = knownTokens([
    { name: 'ann', role: 'viewer', token: 'token of ann' },
    { name: 'ben', role: 'admin', token: 'token:of:ben' },
  ]);
  it.each([
    ['token of ann', { name: 'ann', role: 'viewer', orgId: null }],
    ['token:of:ben', { name: 'ben', role: 'admin', orgId: null }],
    ['token of cy', null],
    ['', null],
  ])('%j', (presented, owner) => {
    expect(actorOf(tokens, presented)).toEqual(owner);
  });

  it('is nobody where there are no tokens', () => {
    expect(actorOf([], '')).toBeNull();
  });
});

describe('the role that a route demands', () => {
  const appWith = (tokens: string | undefined): Hono<HttpEnv> => {
    const app = new Hono<HttpEnv>();
    app.onError(onError);
    app.use(async (c, next) => {
      c.set('ctx', {
        config: parseConfig({ CERT_ADMIN_TOKENS: tokens }, () => ''),
        // Nothing here asks it anything.
        db: connectDb('postgres://nobody@127.0.0.1:1/none', { max: 1, name: 'none' }),
        queues: new RecordingQueues(),
        log: pino({ level: 'silent' }),
        metrics: createMetrics(),
        now: () => 0,
        resolveTxt: () => Promise.resolve([]),
      });
      await next();
    });
    app.get('/viewer', requireRole('viewer'), (c) => c.json(c.var.actor));
    app.get('/operator', requireRole('operator'), (c) => c.json(c.var.actor));
    return app.get('/admin', requireRole('admin'), (c) => c.json(c.var.actor));
  };
  let app: Hono<HttpEnv>;
  beforeAll(() => {
    app = appWith('vera:viewer:viewer-token,otto:operator:operator-token,anna:admin:admin:token');
  });
  const get = async (path: string, authorization: string | undefined, on = app) => {
    const answer = await on.request(path, { headers: authorization === undefined ? {} : { authorization } });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> }; // every answer is an object
  };

  it.each([
    ['viewer-token', '/viewer', 200],
    ['viewer-token', '/operator', 403],
    ['viewer-token', '/admin', 403],
    ['operator-token', '/viewer', 200],
    ['operator-token', '/operator', 200],
    ['operator-token', '/admin', 403],
    ['admin:token', '/viewer', 200],
    ['admin:token', '/operator', 200],
    ['admin:token', '/admin', 200],
  ])('%s at %s: %i', async (token, path, status) => {
    expect((await get(path, `Bearer ${token}`)).status).toBe(status);
  });

  it('names the owner to the route', async () => {
    expect((await get('/admin', 'bearer  admin:token')).body).toEqual({ name: 'anna', role: 'admin', orgId: null });
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'viewer-token',
    'Basic viewer-token',
    'Bearer wrong-token',
    'Bearer viewer-token x',
    'Bearer viewer-tokenx',
    'Bearer viewer-toke',
    'Bearer anna',
    'XBearer viewer-token',
  ])('%j is 401', async (authorization) => {
    const { status, headers, body } = await get('/viewer', authorization);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer');
    expect(body['message']).toBe('A valid bearer token is required');
  });

  it('tells which role it needs, and never what was presented', async () => {
    const { body } = await get('/admin', 'Bearer viewer-token');
    expect(body['message']).toBe('This needs the role admin');
    expect(JSON.stringify(body)).not.toContain('viewer-token');
  });

  it('lets nobody in where no token is configured', async () => {
    const closed = appWith(undefined);
    for (const token of ['', 'undefined', 'null'])
      expect((await get('/viewer', `Bearer ${token}`, closed)).status).toBe(401);
  });
});
