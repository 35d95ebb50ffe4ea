import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Appended, appendEvents } from '../../src/db/append.ts';
import { reopenEvent } from '../../src/db/reopen.ts';
import { stepRetention } from '../../src/db/retention.ts';
import { customDomains } from '../../src/db/schema.ts';
import { parseEvent } from '../../src/lifecycle/event.ts';
import { foldHistory } from '../../src/lifecycle/fold.ts';
import type { RetentionName } from '../../src/lifecycle/retention.ts';
import type { LedgerEvent } from '../../src/lifecycle/types.ts';
import { applyScope } from '../../src/processors/apply.ts';
import { createTestApi, domainOf, type TestApi } from '../support/api.ts';
import { flawsOf, openLedger, type Sql } from '../support/ledger.ts';
import { ledgerEvent } from '../support/properties.ts';

const start = Date.UTC(2026, 4, 1, 12);
const minute = 60_000;
// Old after nine seconds; the clock moves by minutes.
const days = 0.0001;

let api: TestApi;
let sql: Sql;
let clock = start;
beforeAll(async () => {
  api = await createTestApi([], start);
  const [row] = await api.db.sql<{ name: string }[]>`select current_database() as name`;
  const { host, port, user, pass } = api.db.sql.options;
  sql = await openLedger(`postgres://${user}:${String(pass ?? '')}@${host[0]}:${port[0]}/${row?.name}`);
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

const expectedOf = (events: readonly LedgerEvent[]) => {
  const { state, open } = foldHistory(events);
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
      fc.asyncProperty(stories, async ({ events, timed, acts: script }) => {
        const domain = await register();
        const bodies = events.map((event, index) =>
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
      { numRuns: runs },
    );
    expect(gone).toBeGreaterThan(runs / 4);
    expect(await flawsOf(sql)).toEqual([]);
  }, 120_000);
});
