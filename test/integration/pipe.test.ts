import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningApp, startApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { eventJobId } from '../../src/queues/job-id.ts';
import { openQueues, type OpenQueues } from '../../src/queues/open.ts';
import { type JobQueue, postgresStore, redisStore, type Store } from '../../src/queues/store.ts';
import {
  admin,
  type Answer,
  credentials,
  eventBody,
  type EventBody,
  mixedEvents,
  register,
  registerMany,
  send,
} from '../support/driver.ts';
import { flawsOf, openLedger, type Sql, unfolded, untilApplied, untilSettled } from '../support/ledger.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { withLeastRights } from '../support/rights.ts';
import { doneState } from '../support/stores.ts';
import { waitFor } from '../support/wait.ts';

const backends = ['redis', 'postgres'] as const;
type Backend = (typeof backends)[number];

interface EventRow {
  readonly id: string;
  readonly status: string;
  readonly outcome: string | null;
  readonly generation: number;
  readonly retry_count: number;
  readonly dlq_replay_count: number;
  readonly domain_id: string | null;
  readonly error_class: string | null;
  readonly last_error: string | null;
}

/** The product on one queue backend, and everything needed to look at it from outside. */
interface Pipe {
  readonly app: RunningApp;
  readonly url: string;
  readonly sql: Sql;
  readonly queue: JobQueue;
  readonly queues: OpenQueues;
  readonly store: Store;
  readonly database: TestDatabase;
  readonly redis: TestRedis | null;
  readonly dataDir: string;
  /** An event for a domain that nobody registers, sent when the pipe was opened. */
  readonly doomed: Promise<string>;
  readonly row: (id: string) => Promise<EventRow>;
  readonly untilRow: (
    id: string,
    what: string,
    holds: (row: EventRow) => boolean,
    timeoutMs?: number,
  ) => Promise<EventRow>;
}

const accepted = async (url: string, body: EventBody): Promise<string> => {
  const answer = await send(url, body);
  expect(answer).toMatchObject({ status: 202 });
  return String(answer.body['eventId']);
};

const openPipe = async (backend: Backend): Promise<Pipe> => {
  const database = await createTestDatabase();
  const redis = backend === 'redis' ? await startRedis() : null;
  const dataDir = mkdtempSync(path.join(tmpdir(), 'notafter-pipe-'));
  const sql = await openLedger(database.url);
  const env = {
    ...credentials,
    DATABASE_URL: database.url,
    ...(redis !== null && { REDIS_URL: redis.url }),
    PORT: '0',
    CERT_METRICS_PORT: '0',
    NOTAFTER_HOST: '127.0.0.1',
    NOTAFTER_DATA_DIR: dataDir,
    CERT_EVENT_BASE_BACKOFF_SECONDS: '1',
    CERT_PROBE_FALLBACK_ENABLED: 'false',
  };
  const app = await startApp(
    parseConfig(withLeastRights(env), () => ''),
    { api: true, worker: true },
    pino({ level: 'silent' }),
  );
  const url = `http://127.0.0.1:${app.port}`;
  const ignore = (): undefined => undefined;
  const store = redis === null ? postgresStore(database.url, 3, ignore) : redisStore(redis.url, '{notafter}', ignore);
  await store.check();
  const row = async (id: string): Promise<EventRow> => {
    const [found] = await sql<EventRow[]>`
      select id, status, outcome, generation, retry_count, dlq_replay_count, domain_id, error_class, last_error
      from certificate_lifecycle_events where id = ${id}`;
    if (found === undefined) throw new Error(`there is no event ${id}`);
    return found;
  };
  return {
    app,
    url,
    sql,
    store,
    database,
    redis,
    dataDir,
    row,
    queue: await store.queue('cert-events', {}),
    queues: openQueues(store, 6),
    doomed: accepted(url, eventBody('never-registered.example', 'renewal_failed')),
    untilRow: (id, what, holds, timeoutMs = 15_000) =>
      waitFor(
        async () => {
          const found = await row(id);
          if (!holds(found)) throw new Error(JSON.stringify(found));
          return found;
        },
        { timeoutMs, what },
      ),
  };
};

const closePipe = async ({ app, sql, queue, queues, store, database, redis, dataDir }: Pipe): Promise<void> => {
  await app.stop();
  await queue.close();
  await queues.close();
  await store.close();
  await sql.end();
  await database.drop();
  await redis?.stop();
  rmSync(dataDir, { recursive: true, force: true });
};

const pipes = new Map<Backend, Pipe>();
// Both at once, because giving an event up takes half a minute of waiting.
beforeAll(async () => {
  await Promise.all(backends.map(async (backend) => pipes.set(backend, await openPipe(backend))));
});
afterAll(async () => {
  await Promise.all([...pipes.values()].map(closePipe));
});

describe.each(backends)('the pipe with its queues in %s', (backend) => {
  const pipe = (): Pipe => {
    const open = pipes.get(backend);
    if (open === undefined) throw new Error('the pipe is not open');
    return open;
  };
  let named = 0;
  const newName = (): string => `n${(named += 1)}.example.org`;
  const newDomain = (settings?: Record<string, unknown>): Promise<string> => register(pipe().url, newName(), settings);
  const post = (body: EventBody): Promise<Answer> => send(pipe().url, body);
  const accept = (body: EventBody): Promise<string> => accepted(pipe().url, body);
  const apply = async (body: EventBody): Promise<EventRow> => {
    const id = await accept(body);
    await untilApplied(pipe().sql, id);
    return pipe().row(id);
  };
  /** The row but for what the settle pass writes in its own time. */
  const domainRow = async (domain: string): Promise<Record<string, unknown>> => {
    const [row] = await pipe().sql`select * from custom_domains where domain = ${domain}`;
    const { alerting: _alerting, look_due_at: _look, ...rest } = { ...row };
    return rest;
  };
  const incidentsOf = async (domain: string): Promise<Record<string, unknown>[]> => [
    ...(await pipe().sql`
      select id, incident_type, tier, status, event_id, reason, context, resolved_by from certificate_incidents where domain = ${domain} order by id`),
  ];
  /** Gives an event up at once, as one that can never be applied: its type is not one this version knows. */
  const spoilAndFail = async (domain: string): Promise<{ id: string; body: EventBody }> => {
    const { sql, untilRow } = pipe();
    const body = eventBody(domain, 'renewal_failed');
    // The worker waits behind the domain's row until the ledger says something that it cannot apply.
    const id = await sql.begin(async (tx) => {
      await tx`select 1 from custom_domains where domain = ${domain} for update`;
      const sent = await accept(body);
      await tx`update certificate_lifecycle_events set event_type = 'revoked' where id = ${sent}`;
      return sent;
    });
    await untilRow(id, 'the dead letter', ({ status }) => status === 'failed');
    return { id, body };
  };
  const mend = (id: string) =>
    pipe().sql`update certificate_lifecycle_events set event_type = 'renewal_failed' where id = ${id}`;
  const jobState = (id: string, generation: number): Promise<string> =>
    pipe().queue.getJobState(eventJobId(id, generation));

  describe('an accepted event', () => {
    it('is applied once: row, domain and incident agree', async () => {
      const domain = await newDomain();
      const occurredAt = Date.now() - 60_000;
      const body = eventBody(domain, 'renewal_failed', {
        reason: 'dns',
        callbackAttempt: 3,
        callbackClass: 'renewal',
        callbackAction: 'failed',
        occurredAt,
      });
      const event = await apply(body);
      expect(event).toMatchObject({
        status: 'applied',
        outcome: 'applied',
        retry_count: 0,
        generation: 0,
        error_class: null,
      });
      const state = await domainRow(domain);
      expect(state).toMatchObject({
        id: event.domain_id,
        tls_status: 'tls_error',
        tls_last_error: 'dns',
        cert_failure_count: 1,
        cert_retry_backoff_seconds: 60,
        cert_last_event_id: event.id,
        cert_last_event_type: 'renewal_failed',
        cert_last_event_at: new Date(occurredAt),
        cert_next_retry_at: new Date(occurredAt + 60_000),
      });
      expect(await incidentsOf(domain)).toMatchObject([
        {
          incident_type: 'renewal_failed',
          tier: 3,
          status: 'open',
          event_id: event.id,
          reason: 'dns',
          context: { sourceEventId: body.sourceEventId },
        },
      ]);
    });

    it('that is sent again is the same event, and nothing is applied again', async () => {
      const domain = await newDomain();
      const body = eventBody(domain, 'renewal_failed', { payload: { a: 1, b: [2] } });
      const { id } = await apply(body);
      const before = await domainRow(domain);
      const again = await post(body);
      expect(again.status).toBe(202);
      expect(again.body).toMatchObject({ eventId: id, duplicate: true, status: 'applied' });
      const many = await Promise.all(Array.from({ length: 20 }, () => post(body)));
      expect(new Set(many.map((answer) => answer.body['eventId']))).toEqual(new Set([id]));
      await apply(eventBody(await newDomain(), 'issuance_succeeded'));
      expect(await domainRow(domain)).toEqual(before);
    });

    it('is refused with other content under its identity', async () => {
      const domain = await newDomain();
      const body = eventBody(domain, 'renewal_failed', { reason: 'dns' });
      const { id } = await apply(body);
      const other = await post({ ...body, reason: 'caa' });
      expect(other.status).toBe(409);
      expect(other.body).toMatchObject({ message: 'Event identity already used with different content' });
      expect(await domainRow(domain)).toMatchObject({
        tls_last_error: 'dns',
        cert_last_event_id: id,
        cert_failure_count: 1,
      });
    });

    it('whose job runs a second time leaves every row as it is', async () => {
      const domain = await newDomain();
      const { id } = await apply(eventBody(domain, 'renewal_failed'));
      const { sql, queues, queue } = pipe();
      const rows = async () => [
        await domainRow(domain),
        [...(await sql`select * from certificate_lifecycle_events where id = ${id}`)],
        await incidentsOf(domain),
      ];
      const before = await rows();
      const groupId = uuidv7();
      await queues.enqueueGroup(groupId, [id]);
      await queues.enqueueEvents([{ id, generation: 0, tries: 0, delayMs: 0 }]);
      for (const job of [groupId, eventJobId(id, 0)])
        await waitFor(async () => (await queue.getJobState(job)) === doneState[backend], { what: `job ${job}` });
      expect(await rows()).toEqual(before);
    });
  });

  describe('an event that cannot be applied yet', () => {
    it('waits for its domain and is applied when that is registered', async () => {
      const domain = newName();
      const id = await accept(eventBody(domain, 'issuance_succeeded', { certificateRef: 'ref' }));
      await pipe().untilRow(id, 'the first failed try', ({ retry_count }) => retry_count > 0);
      expect(await pipe().row(id)).toMatchObject({ status: 'pending', error_class: 'unresolved', domain_id: null });
      await register(pipe().url, domain);
      await untilApplied(pipe().sql, id, 3000);
      expect(await pipe().row(id)).toMatchObject({
        outcome: 'applied',
        generation: 1,
        retry_count: 0,
        error_class: null,
        last_error: null,
      });
      expect(await domainRow(domain)).toMatchObject({ certificate_ref: 'ref' });
    });

    it('leaves its group while its neighbours are applied', async () => {
      const [domain, missing] = [await newDomain(), newName()];
      // Sent in one turn of the event loop: what waits while one commit runs goes into the next, together.
      const bodies = Array.from({ length: 30 }, (_, index) =>
        eventBody(index % 3 === 0 ? missing : domain, 'certificate_expiring'),
      );
      const ids = await Promise.all(bodies.map(accept));
      const groups = await pipe().sql<{ together: boolean }[]>`
        select count(distinct domain) > 1 as together from certificate_lifecycle_events where id = any(${ids}) group by group_id`;
      expect(groups.some(({ together }) => together)).toBe(true);
      await waitFor(async () => {
        const rows = await Promise.all(ids.map((id) => pipe().row(id)));
        return rows.every(({ status, retry_count }, index) =>
          index % 3 === 0 ? status === 'pending' && retry_count > 0 : status === 'applied',
        );
      });
      for (const [index, id] of ids.entries()) expect((await pipe().row(id)).retry_count > 0).toBe(index % 3 === 0);
      await register(pipe().url, missing);
      for (const id of ids) await untilApplied(pipe().sql, id);
    });

    it('and never can be is a dead letter at once, without harm to its group', async () => {
      const [bad, good] = [await newDomain(), await newDomain()];
      const { sql } = pipe();
      const [ids, badId] = await sql.begin(async (tx) => {
        await tx`select 1 from custom_domains where domain in (${bad}, ${good}) order by id for update`;
        const bodies = [bad, bad, good, bad].map((domain) => eventBody(domain, 'renewal_failed'));
        const all = await Promise.all(bodies.map(accept));
        const [first = ''] = all;
        await tx`update certificate_lifecycle_events set event_type = 'revoked' where id = ${first}`;
        return [all, first] as const;
      });
      for (const id of ids.slice(1)) await untilApplied(sql, id);
      const row = await pipe().untilRow(badId, 'the dead letter', ({ status }) => status === 'failed');
      expect(row).toMatchObject({ retry_count: 1, error_class: 'invalid' });
      expect(await domainRow(bad)).toMatchObject({ cert_failure_count: 2 });
      await waitFor(async () => (await jobState(badId, 0)) === 'failed', { what: 'the job in the failed set' });
      await mend(badId);
      await admin(pipe().url, 'POST', `/cert-events/${badId}/replay`, {});
      await untilApplied(sql, badId);
      expect(await domainRow(bad)).toMatchObject({ cert_failure_count: 3 });
    });
  });

  describe('a dead letter', () => {
    it('is replayed in a new generation with all its tries', async () => {
      const { url, sql } = pipe();
      const domain = await newDomain();
      const { id } = await spoilAndFail(domain);
      await waitFor(async () => (await jobState(id, 0)) === 'failed', { what: 'the job in the failed set' });
      await mend(id);
      const answer = await admin(url, 'POST', `/cert-events/${id}/replay`, { reason: 'mended' });
      expect(answer).toMatchObject({ status: 200 });
      await untilApplied(sql, id);
      expect(await pipe().row(id)).toMatchObject({
        generation: 1,
        retry_count: 0,
        dlq_replay_count: 1,
        outcome: 'applied',
        error_class: null,
      });
      const replays = await sql`select generation, actor, reason from cert_event_replays where event_id = ${id}`;
      expect([...replays]).toEqual([{ generation: 1, actor: 'driver', reason: 'mended' }]);
      expect(await domainRow(domain)).toMatchObject({ cert_failure_count: 1 });
      await waitFor(async () => (await jobState(id, 0)) === 'unknown', { what: 'the old job to leave the failed set' });
    });

    it('that is sent again by its source is queued again', async () => {
      const { sql } = pipe();
      const domain = await newDomain();
      const { id, body } = await spoilAndFail(domain);
      await mend(id);
      const answer = await post(body);
      expect(answer.status).toBe(202);
      expect(answer.body).toMatchObject({ eventId: id, duplicate: true, status: 'pending' });
      await untilApplied(sql, id);
      const replays = await sql`select generation, actor from cert_event_replays where event_id = ${id}`;
      expect([...replays]).toEqual([{ generation: 1, actor: 'source' }]);
      expect(await domainRow(domain)).toMatchObject({ cert_failure_count: 1 });
    });

    it('of an unregistered domain is applied when that is registered', async () => {
      const { sql } = pipe();
      const domain = newName();
      const id = await accept(eventBody(domain, 'renewal_failed'));
      await pipe().untilRow(id, 'a failed try', ({ retry_count }) => retry_count > 0);
      // As after the last of its tries, without waiting for them.
      await sql`update certificate_lifecycle_events set status = 'failed', retry_count = 6 where id = ${id}`;
      await register(pipe().url, domain);
      await untilApplied(sql, id, 3000);
      expect(await pipe().row(id)).toMatchObject({ generation: 1, retry_count: 0, outcome: 'applied' });
    });

    it('is applied also when the registration of its domain did not live to say so', { timeout: 40_000 }, async () => {
      const { sql } = pipe();
      const [domain, other] = [newName(), newName()];
      const id = await accept(eventBody(domain, 'renewal_failed'));
      await pipe().untilRow(id, 'a failed try', ({ retry_count }) => retry_count > 0);
      await sql`
        update certificate_lifecycle_events set status = 'failed', retry_count = 6, updated_at = now() - interval '1 minute'
        where id = ${id}`;
      await register(pipe().url, other);
      await sql`update custom_domains set domain = ${domain} where domain = ${other}`;
      await untilApplied(sql, id, 30_000);
      expect(await pipe().row(id)).toMatchObject({ generation: 1, outcome: 'applied' });
    });

    it('that somebody retries in the queue itself is followed by the ledger', async () => {
      const { sql, queue } = pipe();
      const domain = await newDomain();
      const { id } = await spoilAndFail(domain);
      await waitFor(async () => (await jobState(id, 0)) === 'failed');
      await mend(id);
      // The queue's own handle: what a dashboard calls.
      const whole = queue as typeof queue & { getJob(id: string): Promise<{ retry(): Promise<void> } | undefined> };
      await (await whole.getJob(eventJobId(id, 0)))?.retry();
      await untilApplied(sql, id);
      expect(await pipe().row(id)).toMatchObject({ generation: 0, outcome: 'applied', dlq_replay_count: 1 });
    });

    it('whose last try runs a second time stays given up', async () => {
      const { sql, queues } = pipe();
      const { id } = await spoilAndFail(await newDomain());
      await waitFor(async () => (await jobState(id, 0)) === 'failed', { what: 'the job in the failed set' });
      // As when a worker dies between the commit of that try and the end of its job.
      await queues.enqueueEvents([{ id, generation: 0, tries: 0, delayMs: 0, again: true }]);
      await waitFor(async () => (await jobState(id, 0)) === 'failed', { what: 'the job in the failed set again' });
      expect(await pipe().row(id)).toMatchObject({ status: 'failed', retry_count: 1, dlq_replay_count: 0 });
      expect(await sql`select 1 from cert_event_attempts where event_id = ${id}`).toHaveLength(1);
    });
  });

  describe('a replay of an applied event', () => {
    it('needs force, and changes nothing', async () => {
      const { url, sql } = pipe();
      const domain = await newDomain();
      await apply(eventBody(domain, 'renewal_failed'));
      const { id } = await apply(eventBody(domain, 'renewal_failed', { reason: 'caa' }));
      const [before, incidents] = [await domainRow(domain), await incidentsOf(domain)];
      const refused = await admin(url, 'POST', `/cert-events/${id}/replay`, {});
      expect(refused.status).toBe(409);
      const forced = await admin(url, 'POST', `/cert-events/${id}/replay`, { force: true });
      expect(forced).toMatchObject({ status: 200 });
      await pipe().untilRow(id, 'the replay', ({ status, generation }) => status === 'applied' && generation === 1);
      const { updated_at: _now, ...after } = await domainRow(domain);
      const { updated_at: _then, ...same } = before;
      expect(after).toEqual(same);
      expect(await incidentsOf(domain)).toEqual(incidents);
      const replays = await sql`select generation from cert_event_replays where event_id = ${id}`;
      expect([...replays]).toEqual([{ generation: 1 }]);
    });

    it('of an event that does not exist is 404', async () => {
      expect((await admin(pipe().url, 'POST', `/cert-events/${uuidv7()}/replay`, {})).status).toBe(404);
    });
  });

  it('gives the same domain whatever order its events come in', async () => {
    const [straight, mixed] = [await newDomain(), await newDomain()];
    const base = Date.now() - 3_600_000;
    const story = (domain: string): EventBody[] => [
      eventBody(domain, 'issuance_succeeded', {
        occurredAt: base,
        certificateRef: 'a',
        notAfter: base + 90 * 86_400_000,
      }),
      eventBody(domain, 'renewal_failed', { occurredAt: base + 1000, reason: 'dns' }),
      eventBody(domain, 'renewal_failed', { occurredAt: base + 2000, callbackAttempt: 3 }),
      eventBody(domain, 'renewal_succeeded', {
        occurredAt: base + 3000,
        certificateRef: 'b',
        renewalDueAt: base + 86_400_000,
      }),
      eventBody(domain, 'renewal_failed', { occurredAt: base + 4000, reason: 'late' }),
      eventBody(domain, 'issuance_failed', { occurredAt: base + 5000 }),
    ];
    for (const body of story(straight)) await apply(body);
    const outcomes: (string | null)[] = [];
    const events = story(mixed);
    for (const index of [5, 3, 0, 4, 2, 1]) {
      const body = events[index];
      if (body !== undefined) outcomes.push((await apply(body)).outcome);
    }
    expect(outcomes).toEqual(['applied', 'superseded', 'superseded', 'superseded', 'superseded', 'superseded']);
    const own = new Set([
      'id',
      'domain',
      'verification_token',
      'cert_last_event_id',
      'created_at',
      'updated_at',
      'last_verified_at',
      // When it is looked at again depends on when its events came, not on what they say.
      'look_due_at',
      'probe_due_at',
      'probe_checks',
    ]);
    const shared = async (domain: string) =>
      Object.fromEntries(Object.entries(await domainRow(domain)).filter(([name]) => !own.has(name)));
    expect(await shared(mixed)).toEqual(await shared(straight));
    expect(await shared(straight)).toMatchObject({
      cert_failure_count: 2,
      certificate_ref: 'b',
      tls_status: 'tls_error',
      cert_last_event_type: 'issuance_failed',
    });
    const live = async (domain: string) =>
      (await incidentsOf(domain))
        .filter(({ status }) => status !== 'resolved')
        .map(({ incident_type, tier, reason }) => ({ incident_type, tier, reason }));
    const byType = (a: { incident_type: unknown }, b: { incident_type: unknown }): number =>
      String(a.incident_type) < String(b.incident_type) ? -1 : 1;
    expect((await live(mixed)).toSorted(byType)).toEqual((await live(straight)).toSorted(byType));
  });

  it('opens, raises, re-opens and resolves incidents', async () => {
    const { url } = pipe();
    const domain = await newDomain();
    await apply(eventBody(domain, 'renewal_failed', { reason: 'dns' }));
    const [first] = await incidentsOf(domain);
    expect(first).toMatchObject({ tier: 2, status: 'open', reason: 'dns' });
    const acked = await admin(url, 'POST', `/cert-incidents/${String(first?.['id'])}/ack`, { note: 'seen' });
    expect(acked).toMatchObject({ status: 200 });
    await apply(eventBody(domain, 'renewal_failed'));
    expect(await incidentsOf(domain)).toMatchObject([
      { id: first?.['id'], tier: 2, status: 'acknowledged', reason: 'dns' },
    ]);
    const raise = await apply(eventBody(domain, 'renewal_failed', { callbackAttempt: 3 }));
    expect(await incidentsOf(domain)).toMatchObject([
      { id: first?.['id'], tier: 3, status: 'open', reason: 'dns', event_id: raise.id },
    ]);
    await apply(eventBody(domain, 'renewal_failed', { reason: 'caa' }));
    expect(await incidentsOf(domain)).toMatchObject([{ tier: 3, status: 'open', reason: 'caa' }]);
    const success = await apply(eventBody(domain, 'renewal_succeeded'));
    expect(await incidentsOf(domain)).toMatchObject([
      {
        id: first?.['id'],
        tier: 3,
        status: 'resolved',
        resolved_by: 'event',
        context: { resolvedByEventId: success.id },
      },
    ]);
    await apply(eventBody(domain, 'renewal_failed'));
    expect(await incidentsOf(domain)).toMatchObject([{ status: 'resolved' }, { tier: 2, status: 'open' }]);
  });

  it('folds a thousand mixed events over fifty domains to the reference state', async () => {
    const { url, sql } = pipe();
    const next = mixedEvents(await registerMany(url, 50, 'mixed.example'), 7);
    const bodies = Array.from({ length: 1000 }, next);
    const senders = Array.from({ length: 20 }, async (_, lane) => {
      for (let index = lane; index < bodies.length; index += 20) {
        const body = bodies[index];
        if (body !== undefined) await accept(body);
      }
    });
    await Promise.all(senders);
    const identities = bodies.map(({ sourceEventId }) => sourceEventId);
    await waitFor(
      async () => {
        const [row] = await sql<{ n: number }[]>`
          select count(*)::int as n from certificate_lifecycle_events where source_event_id = any(${identities}) and status = 'applied'`;
        return row?.n === 1000;
      },
      { timeoutMs: 20_000, what: 'a thousand applied events' },
    );
    expect(await unfolded(sql)).toEqual([]);
  });

  it('gives an event up at its sixth failure, after the backoff of the contract', { timeout: 60_000 }, async () => {
    const { sql, untilRow, doomed } = pipe();
    const id = await doomed;
    const row = await untilRow(id, 'the dead letter', ({ status }) => status === 'failed', 50_000);
    expect(row).toMatchObject({
      retry_count: 6,
      error_class: 'unresolved',
      last_error: 'The domain is not registered',
      generation: 0,
    });
    const tries = await sql<{ attempt: number; error_class: string; at: number; next: number | null }[]>`
      select attempt, error_class, (extract(epoch from created_at) * 1000)::float8 as at, (extract(epoch from next_retry_at) * 1000)::float8 as next
      from cert_event_attempts where event_id = ${id} order by id`;
    expect(tries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(tries.map(({ error_class }) => error_class))).toEqual(new Set(['unresolved']));
    expect(tries.map(({ at, next }) => (next === null ? null : Math.round((next - at) / 1000)))).toEqual([
      1,
      2,
      4,
      8,
      16,
      null,
    ]);
    // Never before its time, and soon after it.
    const late = tries.slice(1).map(({ at }, index) => at - (tries[index]?.next ?? Number.NaN));
    expect(late.filter((ms) => !(ms > -50 && ms < 2500))).toEqual([]);
    await waitFor(async () => (await jobState(id, 0)) === 'failed', { what: 'the job in the failed set' });
  });

  it('leaves nothing pending, nothing applied twice, and counts that a recount confirms', async () => {
    const { sql } = pipe();
    await untilSettled(sql);
    expect(await flawsOf(sql)).toEqual([]);
  });
});
