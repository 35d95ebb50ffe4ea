import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config.ts';
import { type Appended, appendEvents } from '../../src/db/append.ts';
import { reopenEvent } from '../../src/db/reopen.ts';
import { stepRetention } from '../../src/db/retention.ts';
import { customDomains, events, incidents } from '../../src/db/schema.ts';
import { renderMetrics } from '../../src/http/metrics-collect.ts';
import { parseEvent } from '../../src/lifecycle/event.ts';
import { foldHistory } from '../../src/lifecycle/fold.ts';
import type { RetentionName } from '../../src/lifecycle/retention.ts';
import type { LedgerEvent } from '../../src/lifecycle/types.ts';
import { applyScope } from '../../src/processors/apply.ts';
import { retention } from '../../src/processors/retention.ts';
import { createTestApi, domainOf, eventOf, incidentOf, type TestApi } from '../support/api.ts';
import { flawsOf, openLedger, type Sql } from '../support/ledger.ts';
import { ledgerEvent } from '../support/properties.ts';

const start = Date.UTC(2026, 4, 1, 12);
const minute = 60_000;
const day = 86_400_000;
// Old after nine seconds; the clock moves by minutes.
const days = 0.0001;

let api: TestApi;
let sql: Sql;
let clock = start;
beforeAll(async () => {
  api = await createTestApi([], start);
  const [row] = await api.db.sql<{ name: string }[]>`select current_database() as name`;
  const { host, port, user, pass } = api.db.sql.options;
  sql = await openLedger(`postgres://${user}:${pass ?? ''}@${host[0]}:${port[0]}/${row?.name}`);
});
afterAll(async () => {
  await sql.end();
  await api.close();
});

const tick = (ms = minute): number => {
  clock += ms;
  api.setNow(clock);
  return clock;
};

/** A whole round through a table, as many steps as it takes. */
const round = async (name: RetentionName = 'events'): Promise<number> => {
  const at = tick(10 * minute);
  let removed = 0;
  for (;;) {
    const step = await stepRetention(api.db, name, days, at);
    if (step === null) return removed;
    removed += step;
  }
};

const register = async (domain = `${randomUUID()}.example.com`): Promise<string> => {
  await api.db.orm.insert(customDomains).values(domainOf({ domain }));
  return domain;
};

type Body = Readonly<Record<string, unknown>>;

/** Sends bodies in one group and applies what is new. */
const tell = async (domain: string, bodies: readonly Body[]): Promise<{ answers: Appended[]; at: number }> => {
  const at = tick();
  const group = bodies.map((body) => ({
    id: uuidv7({ msecs: at }),
    source: 'certbot',
    clusterId: 'eu',
    domain,
    parsed: parseEvent({ ...body, domain }, at),
    provenanceSubject: null,
    receivedAt: at,
  }));
  const answers = await appendEvents(api.db, group, uuidv7());
  const ids = answers.flatMap((answer) => (answer.kind === 'created' ? [answer.id] : []));
  if (ids.length > 0) await applyScope(api.ctx, { kind: 'group', ids });
  return { answers, at };
};

/** Events as senders word them, some without a time of their own. */
const bodyOf = (event: LedgerEvent, timed: boolean): Body => ({
  sourceEventId: `id-${event.id}`,
  eventType: event.eventType,
  ...(timed && { occurredAt: start - minute + (event.occurredAt - 1_000_000) }),
  ...(event.certificateRef !== null && { certificateRef: event.certificateRef }),
  notBefore: event.notBefore,
  notAfter: event.notAfter,
  renewalDueAt: event.renewalDueAt,
  ...(event.reason !== null && { reason: event.reason }),
  ...(event.callbackAttempt !== null && { callbackAttempt: event.callbackAttempt }),
});

const told = (body: Body, id: string, receivedAt: number): LedgerEvent => {
  const { happenedAt, certificateRef, reason, ...rest } = parseEvent(body, receivedAt);
  return {
    id,
    source: 'certbot',
    clusterId: 'eu',
    sourceEventId: rest.sourceEventId ?? null,
    eventType: rest.eventType,
    occurredAt: happenedAt,
    certificateRef: certificateRef ?? null,
    notBefore: rest.notBefore,
    notAfter: rest.notAfter,
    renewalDueAt: rest.renewalDueAt,
    reason: reason ?? null,
    callbackClass: null,
    callbackAction: null,
    callbackAttempt: rest.callbackAttempt ?? null,
  };
};

const stateOf = async (domain: string) => {
  const [row] = await sql`
    select cert_last_event_id as id, cert_last_event_type as type, certificate_ref as ref, cert_due_current as current,
      (extract(epoch from cert_last_event_at) * 1000)::float8 as at, (extract(epoch from tls_not_before) * 1000)::float8 as start,
      (extract(epoch from tls_not_after) * 1000)::float8 as end, (extract(epoch from cert_renewal_due_at) * 1000)::float8 as due,
      (extract(epoch from cert_last_success_at) * 1000)::float8 as success, cert_last_error as error, cert_failure_count as failures,
      (extract(epoch from cert_last_failure_at) * 1000)::float8 as failed_at,
      (select coalesce(json_agg(json_build_array(incident_type, tier) order by incident_type), '[]') from certificate_incidents i
       where i.domain = d.domain and i.status <> 'resolved') as open
    from custom_domains d where domain = ${domain}`;
  return row;
};

const expectedOf = (its: readonly LedgerEvent[]) => {
  const { state, open } = foldHistory(its);
  return {
    id: state.lastEventId,
    type: state.lastEventType,
    ref: state.certificateRef,
    current: state.dueCurrent,
    at: state.lastEventAt,
    start: state.notBefore,
    end: state.notAfter,
    due: state.renewalDueAt,
    success: state.lastSuccessAt,
    error: state.error,
    failures: state.failureCount,
    failed_at: state.lastFailureAt,
    open: [...open.values()]
      .map(({ type, tier }) => [type, tier])
      .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  };
};

type Act =
  | { readonly do: 'tell'; readonly which: readonly number[] }
  | { readonly do: 'retain' | 'replay'; readonly which: number };

const acts: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }).map((which): Act => ({ do: 'tell', which })),
  },
  { weight: 2, arbitrary: fc.nat(9).map((which): Act => ({ do: 'retain', which })) },
  { weight: 1, arbitrary: fc.nat(9).map((which): Act => ({ do: 'replay', which })) },
);

const stories = fc.record({
  events: fc.uniqueArray(ledgerEvent(), { minLength: 4, maxLength: 10, selector: ({ id }) => id }),
  timed: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
  acts: fc.array(acts, { minLength: 4, maxLength: 14 }),
});

const replay = async (id: string): Promise<void> => {
  const outcome = await reopenEvent(api.db, {
    id,
    actor: 'a',
    reason: null,
    force: true,
    resetRetry: true,
    now: tick(),
  });
  if (outcome.kind === 'reopened')
    await applyScope(api.ctx, { kind: 'event', id, generation: outcome.event.generation });
};

describe('retention of the ledger', () => {
  it('gives the state and incidents of all events ever told, in any order of arrivals, repeats, replays and removals', async () => {
    let gone = 0;
    const runs = process.env['CI'] === 'true' ? 150 : 60;
    await fc.assert(
      fc.asyncProperty(stories, async ({ events: its, timed, acts: script }) => {
        const domain = await register();
        const bodies = its.map((event, index) =>
          bodyOf({ ...event, id: `${domain}-${event.id}` }, timed[index] ?? true),
        );
        const known = new Map<number, LedgerEvent>();
        for (const act of script) {
          if (act.do === 'tell') {
            const which = act.which.filter((index) => index < bodies.length);
            const { answers, at } = await tell(
              domain,
              which.map((index) => bodies[index] ?? {}),
            );
            for (const [place, answer] of answers.entries()) {
              const index = which[place] ?? 0;
              const before = known.get(index);
              if (answer.kind === 'conflict') throw new Error('the same content was called another');
              if (before === undefined) known.set(index, told(bodies[index] ?? {}, answer.id, at));
              else if (answer.kind !== 'duplicate' || answer.id !== before.id)
                throw new Error('an event that is known was taken for a new one');
            }
          } else if (act.do === 'retain') {
            gone += await round();
            if (act.which % 2 === 0) gone += await round('noted_events');
          } else {
            const event = known.get(act.which);
            if (event !== undefined) await replay(event.id);
          }
          expect(await stateOf(domain)).toEqual(expectedOf([...known.values()]));
        }
        await sql`delete from certificate_lifecycle_events where domain = ${domain}`;
        await sql`delete from custom_domains where domain = ${domain}`;
      }),
      // A story that fails is small, and to look for a smaller one takes minutes.
      { numRuns: runs, endOnFailure: true },
    );
    expect(gone).toBeGreaterThan(runs / 4);
    expect(await flawsOf(sql)).toEqual([]);
  }, 120_000);
});

describe('an event that was noted', () => {
  it('stays while it is replayed, however long it waits, and goes when it is applied and old again', async () => {
    const domain = await register();
    const whole = { eventType: 'renewal_succeeded', notAfter: start + day, renewalDueAt: start + minute };
    const { answers } = await tell(domain, [
      { ...whole, sourceEventId: `${domain}-1`, certificateRef: 'one', occurredAt: start - 2000 },
    ]);
    await tell(domain, [{ ...whole, sourceEventId: `${domain}-2`, certificateRef: 'two', occurredAt: start - 1000 }]);
    const id = answers[0]?.kind === 'created' ? answers[0].id : '';
    const there = async () =>
      (await sql<{ status: string }[]>`select status from certificate_lifecycle_events where id = ${id}`)[0]?.status;
    const noted = () => sql`select 1 from event_identities where event_id = ${id}`;
    await round();
    expect(await noted()).toHaveLength(1);
    const replayed = await reopenEvent(api.db, {
      id,
      actor: 'a',
      reason: null,
      force: true,
      resetRetry: true,
      now: tick(),
    });
    tick(day);
    await round('noted_events');
    expect(await there()).toBe('pending');
    expect(await noted()).toHaveLength(0);
    const generation = replayed.kind === 'reopened' ? replayed.event.generation : -1;
    await applyScope(api.ctx, { kind: 'event', id, generation });
    await round();
    await round('noted_events');
    expect(await there()).toBeUndefined();
    expect(await stateOf(domain)).toMatchObject({ ref: 'two' });
  });
});

describe('retention of everything', () => {
  const old = { CERT_RETENTION_IDENTITIES_DAYS: '0' };
  const short = ['EVENTS', 'NOTIFICATIONS', 'OBSERVATIONS', 'INCIDENTS', 'REPLAYS'].map((of) => [
    `CERT_RETENTION_${of}_DAYS`,
    '1',
  ]);
  const run = async (env: Readonly<Record<string, string>>) => {
    const ctx = { ...api.ctx, config: parseConfig(env, () => '') };
    const outcome = await retention(ctx, { stopping: new AbortController().signal });
    return { outcome, text: await renderMetrics(ctx) };
  };
  const count = async (table: string): Promise<number> => {
    const [row] = await sql<{ n: number }[]>`select count(*)::int as n from ${sql(table)}`;
    return row?.n ?? 0;
  };

  beforeAll(async () => {
    const emptied = ['certificate_lifecycle_events', 'cert_event_attempts', 'cert_event_replays', 'event_identities'];
    for (const table of ['retention_walks', ...emptied, 'certificate_incidents']) await sql`delete from ${sql(table)}`;
    const at = new Date(tick());
    const domain = await register();
    const fresh = eventOf(clock, { domain });
    const dead = {
      status: 'failed',
      error_class: 'internal',
      last_error: 'x',
      outcome: null,
      processed_at: at,
    } as const;
    await api.db.orm
      .insert(events)
      .values([
        fresh,
        eventOf(clock, { domain, ...dead }),
        eventOf(clock, { domain, status: 'pending', outcome: null, processed_at: null }),
        eventOf(clock, { domain }),
      ]);
    await sql`
      insert into cert_event_attempts (event_id, generation, attempt, error_class, error, created_at)
      values (${fresh.id}, 0, 1, 'internal', 'x', ${at})`;
    await sql`insert into cert_event_replays (event_id, generation, actor, created_at) values (${fresh.id}, 1, 'a', ${at})`;
    await api.db.orm
      .insert(incidents)
      .values([
        incidentOf(clock, { status: 'resolved', resolved_at: at }),
        incidentOf(clock, { status: 'open' }),
        incidentOf(clock, { status: 'acknowledged' }),
      ]);
    for (const status of ['sent', 'dead', 'pending', 'failed']) {
      const id = randomUUID();
      await sql`
        insert into certificate_notifications (id, kind, action, alert_key, cycle, class, severity, route, channel, summary, body, status,
          next_attempt_at, fired_at, created_at, updated_at)
        values (${id}, 'alert', 'fire', ${id}, 'c', 'tls_error', 'critical', 'ticket', 'c', 's', '{}', ${status},
          ${status === 'sent' || status === 'dead' ? null : at}, ${at}, ${at}, ${at})`;
      await sql`
        insert into notification_attempts (notification_id, attempt, delivered, duration_ms, created_at) values (${id}, 1, true, 1, ${at})`;
    }
    const look = randomUUID();
    for (const address of ['192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.1'])
      await sql`
        insert into probe_observations (domain_id, address, verdict, depth, created_at) values (${look}, ${address}, 'ok', 'full', ${at})`;
    for (const state of ['done', 'running'])
      await sql`
        insert into replays (state, filter, force, reset_retry, rate_per_second, planned_by, total, created_at, expires_at, finished_at)
        values (${state}, '{}', false, true, 1, 'a', 0, ${at}, ${at}, ${state === 'done' ? at : null})`;
    await sql`
      insert into console_sessions (hash, id, actor, role, via, created_at, last_seen_at, expires_at)
      select decode(md5(n::text), 'hex'), gen_random_uuid(), 'a', 'viewer', 'token', ${at}, ${at}, ${at}::timestamptz + n * interval '30 days'
      from generate_series(0, 1) n`;
    await sql`insert into access_attempts (key, points, expire) values ('old', 1, ${clock}), ('new', 1, ${clock + 365 * day})`;
    await sql`
      insert into audit_log (at, actor, actor_kind, action, object_type) values (${at}, 'a', 'person', 'x', 'event')`;
  });

  it('removes nothing that is young, and nothing that is kept for ever', async () => {
    const before = await count('certificate_lifecycle_events');
    tick(day / 2);
    await run({ ...old, ...Object.fromEntries(short) });
    expect(await count('certificate_lifecycle_events')).toBe(before);
    tick(20 * day);
    await sql`update retention_walks set finished_at = null`;
    await run({ ...old, ...Object.fromEntries(short.map(([name]) => [name, '0'])) });
    expect(await count('certificate_lifecycle_events')).toBe(before);
    expect(await count('certificate_notifications')).toBe(4);
  });

  it('leaves what is alive, with what belongs to it, and the audit log', async () => {
    await sql`update retention_walks set finished_at = null`;
    await run({ ...old, ...Object.fromEntries(short) });
    tick(2 * minute);
    const { outcome, text } = await run({ ...old, ...Object.fromEntries(short) });
    expect(outcome).toMatchObject({ kind: 'done', note: { unfinished: false } });
    const left = await sql`select status, count(*)::int as n from certificate_lifecycle_events group by 1 order by 1`;
    expect(left).toEqual([
      { status: 'failed', n: 1 },
      { status: 'pending', n: 1 },
    ]);
    const tables = {
      cert_event_attempts: 0,
      cert_event_replays: 0,
      event_identities: 2,
      certificate_incidents: 2,
      certificate_notifications: 2,
      notification_attempts: 2,
      probe_observations: 2,
      replays: 1,
      console_sessions: 1,
      access_attempts: 1,
      audit_log: 1,
    };
    for (const [table, n] of Object.entries(tables)) expect([table, await count(table)]).toEqual([table, n]);
    expect(await sql`select status from certificate_notifications order by 1`).toEqual([
      { status: 'failed' },
      { status: 'pending' },
    ]);
    expect(text).toMatch(/^fdt_cert_retention_removed_total\{of="notifications"\} 2$/m);
    expect(text).toMatch(/^fdt_cert_retention_last_round_timestamp_seconds\{of="events"\} \d+/m);
    expect(text).toMatch(/^fdt_cert_sweep_last_success_timestamp_seconds\{sweep="retention"\} \d+/m);
    expect(text).not.toContain('of="identities"');
  });

  it('waits for no lock that somebody holds on an old row', async () => {
    await sql`update retention_walks set finished_at = null, position = null`;
    const [row] = await sql<{ id: string }[]>`
      insert into certificate_incidents (id, domain_id, domain, incident_type, tier, status, context, resolved_at, created_at, updated_at)
      values (${uuidv7({ msecs: start })}, gen_random_uuid(), 'locked.example', 'tls_error', 1, 'resolved', '{}', ${new Date(start)},
        ${new Date(start)}, ${new Date(start)}) returning id`;
    const id = row?.id ?? '';
    await sql.begin(async (tx) => {
      await tx`select 1 from certificate_incidents where id = ${id} for update`;
      await run({ ...old, ...Object.fromEntries(short) });
    });
    expect(await sql`select id from certificate_incidents where id = ${id}`).toHaveLength(1);
    await sql`update retention_walks set finished_at = null, position = null`;
    await run({ ...old, ...Object.fromEntries(short) });
    expect(await sql`select id from certificate_incidents where id = ${id}`).toHaveLength(0);
  });
});
