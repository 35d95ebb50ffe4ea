import { createHash, randomBytes } from 'node:crypto';
import { appRoutes } from '@bull-board/api/dist/routes.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boardRoutes } from '../../src/http/bull-board-rules.ts';
import { samplePath } from '../../src/http/rules.ts';
import {
  boardChanges,
  boardHome,
  type BoardSite,
  boardTokens,
  disagreements,
  openBoardSite,
  untilAgreed,
} from '../support/board.ts';
import { flawsOf, untilApplied, untilSettled } from '../support/ledger.ts';
import { type Backend, backends } from '../support/site.ts';
import { doneState } from '../support/stores.ts';
import { waitFor } from '../support/wait.ts';

const sites = new Map<Backend, BoardSite>();
beforeAll(async () => {
  for (const backend of backends) sites.set(backend, await openBoardSite(backend));
}, 60_000);
afterAll(async () => {
  for (const site of sites.values()) await site.close();
}, 60_000);

const siteOn = (backend: Backend): BoardSite => {
  const site = sites.get(backend);
  if (site === undefined) throw new Error(`the site on ${backend} did not open`);
  return site;
};

interface AuditRow {
  readonly actor: string;
  readonly role: string;
  readonly object_id: string | null;
  readonly after: Readonly<Record<string, unknown>>;
  readonly reason: string | null;
  readonly request_id: string | null;
}

const auditOf = async ({ sql }: BoardSite, after = 0): Promise<AuditRow[]> => [
  ...(await sql<AuditRow[]>`
    select actor, role, object_id, after, reason, request_id from audit_log
    where action = 'queue.change' and seq > ${after} order by seq`),
];

const lastSeq = async ({ sql }: BoardSite): Promise<number> => {
  const [row] = await sql<{ seq: number }[]>`select coalesce(max(seq), 0)::int as seq from audit_log`;
  return row?.seq ?? 0;
};

describe('the routes of the package', () => {
  it('are all guarded', () => {
    const listed = appRoutes.api.map(({ method, route }) => `${String(method)} ${String(route)}`);
    expect(listed.length).toBeGreaterThan(30);
    const guarded = boardRoutes.map(({ method, path }) => `${method} ${path}`);
    expect(listed.filter((route) => !guarded.includes(route))).toEqual([]);
  });

  it.each([
    ['post', '/api/queues/:queueName/add'],
    ['patch', '/api/queues/:queueName/:jobId/update-data'],
    ['patch', '/api/queues/:queueName/:jobId/delay'],
    ['patch', '/api/queues/:queueName/:jobId/priority'],
    ['put', '/api/queues/:queueName/concurrency'],
    ['put', '/api/queues/:queueName/rate-limit'],
    ['put', '/api/queues/:queueName/job-schedulers/:schedulerId/remove'],
  ])('%s %s is for nobody', (method, path) => {
    expect(boardRoutes.find((route) => route.method === method && route.path === path)?.rule.role).toBeNull();
  });
});

describe.each(backends)('on %s', (backend) => {
  const site = (): BoardSite => siteOn(backend);

  it('anonymous callers get 401 on every route', async () => {
    for (const { method, path } of boardRoutes) {
      const answer = await site().board(null, method.toUpperCase(), samplePath(path));
      expect([method, path, answer.status]).toEqual([method, path, 401]);
    }
    expect((await site().board(null, 'DELETE', '/api/queues/cert-events')).status).toBe(401);
    const page = await site().board(null, 'GET', '', { headers: { accept: 'text/html' } });
    expect([page.status, page.headers.get('location')]).toEqual([303, `/console/login?next=%2Fconsole%2Fbull-board`]);
  });

  it.each(['viewer', 'operator', 'admin'] as const)(
    'a change is let through or denied to a %s by the table, and noted',
    async (role) => {
      const { board } = site();
      const from = await lastSeq(site());
      // What would really change the queue is tried for the right to do it further below.
      const tried = boardChanges.filter(
        ({ path, may }) => !may(role) || path.includes('/none/') || path.includes('resume'),
      );
      expect(tried.length).toBeGreaterThan(5);
      for (const { method, path, route, may } of tried) {
        const { status } = await board(role, method, path);
        const expected = may(role) ? [200, 204, 400, 404] : [403];
        expect([route, expected.includes(status)]).toEqual([route, true]);
      }
      const rows = await auditOf(site(), from);
      expect(rows).toHaveLength(tried.length);
      for (const [index, { path, may }] of tried.entries()) {
        expect(rows[index]).toMatchObject({
          role,
          actor: { viewer: 'vera', operator: 'olaf', admin: 'ada' }[role],
          object_id: path.includes('cert-events') ? 'cert-events' : null,
          after: { allowed: may(role), what: expect.any(String) },
        });
        expect(rows[index]?.request_id).not.toBeNull();
      }
    },
  );

  it('unknown changes are denied and noted', async () => {
    const from = await lastSeq(site());
    expect((await site().board('admin', 'DELETE', '/api/queues/cert-events')).status).toBe(404);
    expect((await site().board('viewer', 'DELETE', '/api/queues/cert-events')).status).toBe(403);
    expect(await auditOf(site(), from)).toMatchObject([{ after: { allowed: false } }, { after: { allowed: false } }]);
  });

  it('all may look', async () => {
    for (const { path } of boardRoutes.filter(({ method, rule }) => method === 'get' && rule.role !== null)) {
      const sample = samplePath(path, (name) => (name === 'queueName' ? 'cert-events' : 'none'));
      const { status } = await site().board('viewer', 'GET', sample);
      expect([path, [200, 404].includes(status)]).toEqual([path, true]);
    }
    const seen = (await site().board('viewer', 'GET', '/api/queues')).json();
    expect(seen['queues']).toMatchObject([
      { name: 'cert-events', readOnlyMode: true },
      { name: 'probes' },
      { name: 'notifications' },
      { name: 'maintenance', jobSchedulerCount: expect.any(Number) },
    ]);
    const stats = await site().board('viewer', 'GET', '/api/redis/stats');
    expect(stats.json()).toMatchObject({ backend, version: expect.any(String), clients: {} });
    expect(stats.text).not.toMatch(/password|:\/\/|127\.0\.0\.1/);
    const schedulers = (await site().board('viewer', 'GET', '/api/job-schedulers')).json();
    expect(JSON.stringify(schedulers)).toContain('probe-sweep');
  });

  it('a dead letter that is retried is reopened in the name of who did it, and applied', async () => {
    const { board, mend, sql, deadLetters } = site();
    const [id = ''] = await deadLetters(1);
    const job = (await board('viewer', 'GET', `/api/queues/cert-events/${id}-0`)).json();
    expect(job).toMatchObject({
      status: 'failed',
      job: { data: { id, generation: 0 }, externalUrl: { href: `/console/events/${id}` }, stacktrace: [] },
    });
    await mend([id]);
    expect((await board('operator', 'PUT', `/api/queues/cert-events/${id}-0/retry`)).status).toBe(204);
    await untilApplied(sql, id);
    const replays = await sql`select actor, reason, generation from cert_event_replays where event_id = ${id}`;
    expect([...replays]).toEqual([{ actor: 'olaf', reason: 'retried in Bull Board', generation: 0 }]);
    const [row] =
      await sql`select retry_count, dlq_replay_count, generation from certificate_lifecycle_events where id = ${id}`;
    expect(row).toEqual({ retry_count: 0, dlq_replay_count: 1, generation: 0 });
    const audit =
      await sql`select actor, action from audit_log where object_id = ${id} or after ->> 'job' = ${`${id}-0`} order by seq`;
    expect([...audit]).toEqual([
      { actor: 'olaf', action: 'queue.change' },
      { actor: 'olaf', action: 'event.replay' },
    ]);
    await untilAgreed(site());
    const again = await board('operator', 'PUT', `/api/queues/cert-events/${id}-0/retry`);
    // PostgreSQL keeps no job that is done.
    expect(again.status).toBe(backend === 'redis' ? 400 : 404);
  });

  it('one that fails again is a dead letter again', async () => {
    const { board, sql, deadLetters } = site();
    const [id = ''] = await deadLetters(1);
    expect((await board('operator', 'PUT', `/api/queues/cert-events/${id}-0/retry`)).status).toBe(204);
    await untilSettled(sql);
    await untilAgreed(site());
    const [row] = await sql`select status, dlq_replay_count from certificate_lifecycle_events where id = ${id}`;
    expect(row).toEqual({ status: 'failed', dlq_replay_count: 1 });
  });

  it('all are retried, also where the ledger knows better than the queue', async () => {
    const { board, mend, sql, deadLetters, queue } = site();
    const ids = await deadLetters(5);
    const [settled = '', ...open] = ids;
    await mend(ids);
    // Somebody mended this one past the queue.
    await sql`update certificate_lifecycle_events set status = 'applied', outcome = 'applied', processed_at = now() where id = ${settled}`;
    const answer = await board('operator', 'PUT', '/api/queues/cert-events/retry/failed');
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({ skipped: 0 });
    for (const id of open) await untilApplied(sql, id);
    await untilSettled(sql);
    await untilAgreed(site());
    expect(await queue.getJobState(`${settled}-0`)).toBe(doneState[backend]);
    const replays = await sql`select distinct actor from cert_event_replays where event_id = any(${open}::uuid[])`;
    expect([...replays]).toEqual([{ actor: 'olaf' }]);
    const refused = await board('operator', 'PUT', '/api/queues/cert-events/retry/completed');
    expect(refused.status).toBe(403);
  });

  it('a delayed try is promoted', { timeout: 60_000 }, async () => {
    const { board, sql, tell, queue } = site();
    await tell(`unknown-${backend}.board.example`, 'renewal_failed');
    const id = await waitFor(async () => {
      const [row] = await sql<{ id: string }[]>`
        select id from certificate_lifecycle_events where domain = ${`unknown-${backend}.board.example`} and retry_count > 0`;
      return row !== undefined && (await queue.getJobState(`${row.id}-0`)) === 'delayed' ? row.id : null;
    });
    expect((await board('operator', 'PUT', `/api/queues/cert-events/${id}-0/promote`)).status).toBe(204);
    await waitFor(async () => {
      const [row] = await sql<
        { n: number }[]
      >`select retry_count as n from certificate_lifecycle_events where id = ${id}`;
      return (row?.n ?? 0) >= 2 && (await queue.getJobState(`${id}-0`)) === 'delayed';
    });
    expect((await board('operator', 'PUT', '/api/queues/cert-events/promote')).status).toBe(200);
    await waitFor(async () => {
      const [row] = await sql<
        { n: number }[]
      >`select retry_count as n from certificate_lifecycle_events where id = ${id}`;
      return (row?.n ?? 0) >= 3;
    });
    await untilAgreed(site());
  });

  it('dead letters that were removed, cleaned or emptied away are shown again', { timeout: 180_000 }, async () => {
    const { board, sql, deadLetters, queue } = site();
    const [one = ''] = await deadLetters(3);
    await waitFor(() =>
      sql`select 1 from dead_letters having max(failed_at) < now() - interval '6 seconds'`.then(
        ({ length }) => length > 0,
      ),
    );
    expect((await board('admin', 'PUT', `/api/queues/cert-events/${one}-0/clean`)).status).toBe(204);
    expect(await queue.getJobState(`${one}-0`)).toBe('unknown');
    expect(await disagreements(sql, queue)).not.toEqual([]);
    await untilAgreed(site());
    expect((await board('admin', 'PUT', '/api/queues/cert-events/clean/failed')).status).toBe(200);
    expect(await disagreements(sql, queue)).not.toEqual([]);
    await untilAgreed(site());
    for (const path of ['clean/delayed', 'clean/waiting', 'clean/completed', 'empty'])
      expect([path, (await board('admin', 'PUT', `/api/queues/cert-events/${path}`)).status]).toEqual([path, 200]);
    await untilAgreed(site());
    expect((await board('admin', 'PUT', '/api/queues/cert-events/clean/active')).status).toBe(403);
  });

  it('a queue is paused, said to be so, obliterated and made whole again', { timeout: 120_000 }, async () => {
    const { board, app, sql, tell, queue, deadLetters } = site();
    const [id = ''] = await deadLetters(1);
    expect((await board('admin', 'PUT', '/api/queues/cert-events/obliterate', { body: {} })).status).toBe(400);
    expect((await board('admin', 'PUT', '/api/queues/cert-events/pause')).status).toBe(200);
    await waitFor(async () => (await (await fetch(`${site().url}/readyz`)).text()).includes('cert-events is paused'));
    await tell(`paused-${backend}.board.example`, 'renewal_failed');
    expect(await queue.isPaused()).toBe(true);
    const obliterated = await board('admin', 'PUT', '/api/queues/cert-events/obliterate', { body: { force: true } });
    const { message = null } = obliterated.status === 200 ? {} : obliterated.json();
    const state = await queue.getJobState(`${id}-0`);
    // In PostgreSQL the role that the product runs as owns none of the queue's tables.
    const refused = [409, expect.stringContaining('clean it'), 'failed'];
    expect([obliterated.status, message, state]).toEqual(backend === 'redis' ? [200, null, 'unknown'] : refused);
    expect((await board('admin', 'PUT', '/api/queues/cert-events/resume')).status).toBe(200);
    await untilAgreed(site(), 60_000);
    await waitFor(
      async () => {
        const [row] = await sql<{ n: number }[]>`
        select retry_count as n from certificate_lifecycle_events where domain = ${`paused-${backend}.board.example`}`;
        return (row?.n ?? 0) > 0;
      },
      { timeoutMs: 40_000 },
    );
    expect(app.port).not.toBeNull();
  });

  it('schedules outlive a clean of the delayed jobs', { timeout: 60_000 }, async () => {
    const { board, queues } = site();
    expect((await board('admin', 'PUT', '/api/queues/maintenance/clean/delayed')).status).toBe(200);
    expect((await board('admin', 'PUT', '/api/queues/maintenance/empty')).status).toBe(200);
    const runs = async () => {
      const seen = (await board('viewer', 'GET', '/api/queues?activeQueue=maintenance&status=completed')).json();
      const [newest] =
        JSON.stringify(seen)
          .match(/"finishedOn":\d+/g)
          ?.toSorted()
          .toReversed() ?? [];
      return Number(newest?.slice(13));
    };
    const before = Math.max(await runs(), Date.now());
    await waitFor(async () => (await runs()) > before, { timeoutMs: 40_000, what: 'a schedule to run again' });
    expect(await queues.ping()).toBeUndefined();
  });

  it('job data, names and errors are shown without what could be secret', async () => {
    const { board, queue } = site();
    const canary = `canary-${randomBytes(6).toString('hex')}`;
    await queue.add(
      `https://u:${canary}@host/\u202E${'x'.repeat(400)}`,
      { id: 'x', secret: canary },
      { jobId: `odd-${backend}` },
    );
    await waitFor(async () => (await queue.getJobState(`odd-${backend}`)) === 'failed');
    for (const path of [
      `/api/queues/cert-events/odd-${backend}`,
      '/api/queues?activeQueue=cert-events&status=failed',
    ]) {
      const answer = await board('viewer', 'GET', path);
      expect(answer.status).toBe(200);
      expect(answer.text).toContain(`odd-${backend}`);
      expect(answer.text).not.toContain(canary);
      expect(answer.text).not.toContain('\u202E');
      expect(answer.text.match(/x{300}/)).toBeNull();
    }
    await queue.remove(`odd-${backend}`);
  });

  it('only pages of the console change anything with a cookie', async () => {
    const { board, url, sql } = site();
    const [secret, hash] = [
      randomBytes(32).toString('base64url'),
      (text: string) => createHash('sha256').update(text).digest(),
    ];
    await sql`
      insert into console_sessions (hash, id, actor, role, via, token_hash, created_at, last_seen_at, expires_at)
      values (${hash(secret)}, gen_random_uuid(), 'ada', 'admin', 'token', ${hash(boardTokens.admin)}, now(), now(), now() + interval '1 hour')`;
    const cookie = { cookie: `__Host-notafter=${secret}` };
    expect((await board(null, 'GET', '/api/queues', { headers: cookie })).status).toBe(200);
    const from = await lastSeq(site());
    for (const headers of [{}, { origin: 'https://evil.example' }, { origin: url, 'sec-fetch-site': 'cross-site' }]) {
      const answer = await board(null, 'PUT', '/api/queues/cert-events/none/retry', {
        headers: { ...cookie, ...headers },
      });
      expect(answer.status).toBe(403);
    }
    const own = { ...cookie, origin: url, 'sec-fetch-site': 'same-origin' };
    expect((await board(null, 'PUT', '/api/queues/cert-events/none/retry', { headers: own })).status).toBe(404);
    expect((await auditOf(site(), from)).map(({ actor, after }) => [actor, after['allowed']])).toEqual([
      ['ada', false],
      ['ada', false],
      ['ada', false],
      ['ada', true],
    ]);
    const forged = await board('admin', 'PUT', '/api/queues/cert-events/none/retry', {
      headers: { origin: 'https://evil.example' },
    });
    expect(forged.status).toBe(403);
  });

  it('an administrator of one organisation sees and changes nothing, because queues hold work of all', async () => {
    const { board, sql } = site();
    const token = `nat_${randomBytes(16).toString('base64url')}`;
    await sql`
      insert into access_tokens (id, name, role, org_id, hash, created_at, created_by)
      values (gen_random_uuid(), 'acme', 'admin', 'acme', ${createHash('sha256').update(token).digest()}, now(), 'ada')`;
    const headers = { authorization: `Bearer ${token}` };
    const from = await lastSeq(site());
    for (const path of ['', '/api/queues', '/static/favicon.ico'])
      expect([path, (await board(null, 'GET', path, { headers })).status]).toEqual([path, 403]);
    expect((await board(null, 'PUT', '/api/queues/pause', { headers })).status).toBe(403);
    expect(await auditOf(site(), from)).toMatchObject([
      { actor: 'acme', after: { what: 'pause all', allowed: false } },
    ]);
  });

  it('a large body is refused', async () => {
    const answer = await site().board('admin', 'PUT', '/api/queues/cert-events/obliterate', {
      body: { force: 'x'.repeat(5000) },
    });
    expect(answer.status).toBe(413);
  });

  it('leaves a ledger without flaws', { timeout: 60_000 }, async () => {
    const { sql } = site();
    await untilAgreed(site());
    const found = await flawsOf(sql);
    const own = found.filter(({ flaw }) => flaw === 'applied more than once' || flaw === 'a kept count is wrong');
    expect(own).toEqual([]);
  });
});

describe('addresses', () => {
  it.each(['', '/ops', '/ops/certs'])(
    'with the prefix %j, left in front or taken off, with a slash and without',
    async (prefix) => {
      const site = await openBoardSite('postgres', { NOTAFTER_PUBLIC_URL: `https://notafter.example${prefix}` });
      try {
        for (const front of new Set(['', prefix])) {
          const ask = async (path: string) => {
            const response = await fetch(`${site.url}${front}${boardHome}${path}`, {
              headers: { authorization: `Bearer ${boardTokens.admin}` },
              redirect: 'manual',
            });
            return { response, status: response.status, text: await response.text() };
          };
          for (const path of [
            '',
            '/',
            '/queue/cert-events',
            '/queue/cert-events/',
            '/queue/cert-events/x',
            '/job-schedulers/',
          ]) {
            const { status, text, response } = await ask(path);
            expect([path, status]).toEqual([path, 200]);
            expect(text).toContain(`<base href="${prefix}${boardHome}/"`);
            const policy = response.headers.get('content-security-policy') ?? '';
            expect(policy).toContain("default-src 'none'");
            expect(policy).not.toContain('unsafe');
            expect(text).not.toMatch(/\sstyle=|<style|https?:\/\/(?!www\.w3)/);
            expect(response.headers.get('x-content-type-options')).toBe('nosniff');
          }
          const { text } = await ask('/');
          const scripts = [...text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, file = '']) => file);
          expect(scripts.length).toBeGreaterThan(3);
          for (const file of scripts) expect([file, (await ask(`/${file}`)).status]).toEqual([file, 200]);
          expect((await ask('/api/queues/')).status).toBe(200);
          expect((await ask('/static/../../../package.json')).status).toBe(404);
          expect((await ask('/static/..%2f..%2fpackage.json')).status).toBe(404);
        }
        const login = await fetch(`${site.url}${prefix}${boardHome}/`, {
          headers: { accept: 'text/html' },
          redirect: 'manual',
        });
        expect(login.headers.get('location')).toMatch(new RegExp(`^${prefix}/console/login`));
      } finally {
        await site.close();
      }
    },
  );

  it('are nowhere when nobody can sign in', async () => {
    const site = await openBoardSite('postgres', { CERT_ADMIN_TOKENS: '' }).catch((error: unknown) => String(error));
    if (typeof site === 'string') throw new Error(site);
    try {
      expect((await site.board(null, 'GET', '')).status).toBe(404);
      expect((await site.board('admin', 'PUT', '/api/queues/pause')).status).toBe(404);
    } finally {
      await site.close();
    }
  });
});
