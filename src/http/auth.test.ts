import { Hono } from 'hono';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApi, type TestApi, tokenOf } from '../../test/support/api.ts';
import type { Role } from '../lifecycle/access.ts';
import { configuredActor, hashSecret, sameSecret } from './auth.ts';
import type { HttpEnv } from './env.ts';
import { route } from './route.ts';

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

describe('the owner of a configured token', () => {
  const tokens = [
    { name: 'ann', role: 'viewer', token: 'token of ann' },
    { name: 'ben', role: 'admin', token: 'token:of:ben' },
  ] as const;
  it.each([
    ['token of ann', { name: 'ann', role: 'viewer', orgId: null }],
    ['token:of:ben', { name: 'ben', role: 'admin', orgId: null }],
    ['token of cy', null],
    ['', null],
  ])('%j', (presented, owner) => {
    expect(configuredActor(tokens, hashSecret(presented))).toEqual(owner);
  });

  it('is nobody where there are no tokens', () => {
    expect(configuredActor([], hashSecret(''))).toBeNull();
  });
});

describe('the role that a route demands', () => {
  const demanding = (role: Role) =>
    new Hono<HttpEnv>().get(
      `/${role}`,
      route({
        summary: role,
        tag: 'Test',
        role,
        scope: 'org',
        answers: { 200: { about: 'Who', schema: v.unknown() } },
      }),
      (c) => c.json(c.var.actor),
    );
  let api: TestApi;
  beforeAll(async () => {
    api = await createTestApi([demanding('viewer'), demanding('operator'), demanding('admin')], 0);
  });
  afterAll(() => api.close());
  const get = (path: string, authorization: string | undefined) =>
    api.call('GET', path, { role: null, headers: authorization === undefined ? {} : { authorization } });

  it.each([
    ['viewer', '/viewer', 200],
    ['viewer', '/operator', 403],
    ['viewer', '/admin', 403],
    ['operator', '/viewer', 200],
    ['operator', '/operator', 200],
    ['operator', '/admin', 403],
    ['admin', '/viewer', 200],
    ['admin', '/operator', 200],
    ['admin', '/admin', 200],
  ] as const)('%s at %s: %i', async (role, path, status) => {
    expect((await api.call('GET', path, { role })).status).toBe(status);
  });

  it('names the owner to the route', async () => {
    expect((await get('/admin', `bearer  ${tokenOf('admin')}`)).body).toEqual({
      name: 'admin',
      role: 'admin',
      orgId: null,
    });
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    tokenOf('viewer'),
    `Basic ${tokenOf('viewer')}`,
    'Bearer wrong-token',
    'Bearer nat_wrong-token',
    `Bearer ${tokenOf('viewer')} x`,
    `Bearer ${tokenOf('viewer')}x`,
    `Bearer ${tokenOf('viewer').slice(0, -1)}`,
    'Bearer viewer',
    `XBearer ${tokenOf('viewer')}`,
  ])('%j is 401', async (authorization) => {
    const { status, headers, body } = await get('/viewer', authorization);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer');
    expect(body['message']).toBe('A valid bearer token is required');
  });

  it('tells which role it needs, and never what was presented', async () => {
    const { body } = await api.call('GET', '/admin', { role: 'viewer' });
    expect(body['message']).toBe('This needs the role admin');
    expect(JSON.stringify(body)).not.toContain(tokenOf('viewer'));
  });
});
