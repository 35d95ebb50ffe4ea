import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runDoctor } from '../../src/cli/doctor.ts';
import { freePort } from '../support/ports.ts';

// A server that is ready, takes one token, and answers what a test says.
let server: Server;
let port = 0;
let dead: readonly string[] = [];
let token = '';
beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = (status: number, body: unknown) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const url = request.url ?? '';
    if (url === '/id/.well-known/openid-configuration') return answer(200, { issuer: `http://127.0.0.1:${port}/id` });
    if (url === '/other/.well-known/openid-configuration') return answer(200, { issuer: 'https://id.example' });
    if (url === '/readyz') return answer(200, { checks: { database: 'ok' } });
    if (url === '/v1/domains/cert-events') {
      return request.headers['x-cert-event-token'] === 'good' ? answer(400, {}) : answer(401, { message: 'Bad token' });
    }
    if (request.headers.authorization !== `Bearer ${token}`) return answer(401, {});
    if (url.startsWith('/v1/admin/notifications?status=dead')) {
      return answer(200, { notifications: dead.map((channel) => ({ channel })), stats: { dead: dead.length } });
    }
    return answer(200, {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port; // it listens on TCP
});
afterAll(() => new Promise<void>((resolve) => void server.close(() => resolve())));
beforeEach(() => {
  dead = [];
  token = 'good';
});

const doctor = async (env: Readonly<Record<string, string>> = {}) => {
  const out: string[] = [];
  const io = {
    env: {
      NOTAFTER_URL: `http://127.0.0.1:${port}`,
      CERT_METRICS_PORT: String(await freePort()),
      NOTAFTER_TOKEN: 'good',
      ...env,
    },
    now: () => Date.now(),
    stdout: (line: string) => void out.push(line),
    stderr: (line: string) => void out.push(line),
    fetch,
  };
  const code = await runDoctor(io, false);
  return { code, line: (name: string): string => out.find((one) => one.slice(6).startsWith(name)) ?? '' };
};

describe('notafter doctor', () => {
  it('asks the identity provider whether it is what the issuer says', async () => {
    const at = async (issuer: string) => {
      const env = {
        NOTAFTER_OIDC_ISSUER: issuer,
        NOTAFTER_OIDC_CLIENT_ID: 'notafter',
        NOTAFTER_OIDC_ROLES: 'ops=operator',
        NOTAFTER_PUBLIC_URL: 'https://ops.example/certs/',
      };
      return (await doctor(env)).line('sign-on');
    };
    const good = await at(`http://127.0.0.1:${port}/id`);
    expect(good).toMatch(/^ok .*https:\/\/ops\.example\/certs\/console\/login\/oidc\/callback$/);
    expect(await at(`http://127.0.0.1:${port}/other`)).toMatch(/^FAIL .*names another issuer/);
    expect(await at(`http://127.0.0.1:${port}/nothing`)).toMatch(/^FAIL .*answers 401 at/);
    expect(await at(`http://127.0.0.1:${await freePort()}`)).toMatch(/^warn .*does not answer \(ECONNREFUSED\)/);
    expect((await doctor()).line('sign-on')).toBe('');
  });

  it('says how to mend notifications that were given up', async () => {
    dead = ['chat', 'chat'];
    const one = await doctor();
    expect(one.line('notices')).toMatch(
      /^warn +notices +2 dead on channel chat: .*requeue --status dead --channel chat$/,
    );
    dead = ['chat', 'mail'];
    expect((await doctor()).line('notices')).toMatch(/2 dead on channels chat, mail: .*requeue --status dead$/);
    dead = [];
    expect((await doctor()).line('notices')).toMatch(/^ok +notices +no dead notifications$/);
  });

  it('does not miss the metrics on a host that only reports', async () => {
    const { code, line } = await doctor();
    expect(line('metrics')).toMatch(/^ok +metrics +not looked at: .* does not answer this host \(ECONNREFUSED\)$/);
    expect(code).toBe(0);
  });

  it('misses them beside the server', async () => {
    const { code, line } = await doctor({ PORT: String(port) });
    expect(line('metrics')).toMatch(/^FAIL +metrics/);
    expect(code).toBe(1);
  });

  it('names the variable that a refused token came from', async () => {
    token = 'another';
    const own = await doctor({ CERT_ADMIN_TOKENS: `ops:admin:${'x'.repeat(20)}`, NOTAFTER_TOKEN: 'x'.repeat(20) });
    expect(own.line('tokens')).toMatch(/refuses the admin token ops of CERT_ADMIN_TOKENS: /);
    const sender = await doctor({ NOTAFTER_INGEST_TOKEN: 'bad', NOTAFTER_SOURCE: 'lego' });
    expect(sender.line('tokens')).toMatch(
      /^FAIL +tokens +the server refuses the admin token admin of NOTAFTER_TOKEN: /,
    );
    expect(sender.line('ingest')).toMatch(/Bad token, with the token of NOTAFTER_INGEST_TOKEN: /);
  });

  it('looks at the token that commands present also where the server names its own', async () => {
    token = 'x'.repeat(20);
    const { line } = await doctor({ CERT_ADMIN_TOKENS: `ops:admin:${token}`, NOTAFTER_TOKEN: 'stale' });
    expect(line('tokens')).toMatch(/refuses the admin token admin of NOTAFTER_TOKEN: /);
  });
});
