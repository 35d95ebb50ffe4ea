import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveDomain } from '../../src/db/domains.ts';
import { openForReplay, reopenEvent, type Reopened } from '../../src/db/reopen.ts';
import { customDomains, events } from '../../src/db/schema.ts';
import { resumeWaiting } from '../../src/http/registration.ts';
import type { EventType } from '../../src/lifecycle/types.ts';
import { domainOf, eventOf } from '../support/api.ts';
import { openStage, type Part, type Scenario, type Stage, work } from './stage.ts';

const full = process.env['NOTAFTER_MODEL'] === 'full';

/** Pairs of which nobody dies unless all is asked for: they have many schedules, and others die at the same steps. */
const unlessFull = new Set([
  'run two groups that meet on their domains in opposite order',
  'apply an event and one that came before it',
  'run the last try of an event',
  'try an event while its domain is registered',
]);

/** How many of the two may die in one schedule: both are tried with NOTAFTER_MODEL=full. */
const deathsIn = (name: string): number => (full ? 2 : unlessFull.has(name) ? 0 : 1);

const names = ['a.example.com', 'b.example.com'] as const;

interface Given {
  readonly domain?: string;
  readonly type?: EventType;
  readonly status?: 'pending' | 'failed' | 'applied';
  /** Tries that failed so far. */
  readonly tries?: number;
  /** Minutes before the others that it happened. */
  readonly earlier?: number;
}

/** Puts events into the ledger as ingest leaves them, and gives their ids, those that were received first in front. */
const put = async (
  { db, now }: Stage,
  given: readonly Given[],
  domains: readonly string[] = names,
): Promise<string[]> => {
  if (domains.length > 0) await db.orm.insert(customDomains).values(domains.map((domain) => domainOf({ domain })));
  const rows = given.map(
    ({ domain = names[0], type = 'renewal_failed', status = 'pending', tries = 0, earlier = 0 }, index) =>
      eventOf(now() + index, {
        domain,
        domain_id: null,
        event_type: type,
        status,
        outcome: null,
        retry_count: tries,
        occurred_at: new Date(now() - earlier * 60_000),
        processed_at: status === 'failed' ? new Date(now()) : null,
        ...(status === 'failed' && { error_class: 'internal', last_error: 'no answer' }),
      }),
  );
  await db.orm.insert(events).values(rows);
  return rows.map(({ id }) => id);
};

/** Puts the events into one group, and the group into the queue. */
const grouped = async ({ sql, queues }: Stage, ids: readonly string[], group = uuidv7()): Promise<string> => {
  await sql`update certificate_lifecycle_events set group_id = ${group} where id = any(${[...ids]}::uuid[])`;
  await queues.enqueueGroup(group, ids);
  return group;
};

const failuresOf = async ({ sql }: Stage): Promise<number[]> => {
  const rows = await sql<{ n: number }[]>`select cert_failure_count as n from custom_domains order by domain`;
  return rows.map(({ n }) => n);
};

const eventsAre = async ({ sql }: Stage, expected: readonly object[]): Promise<unknown[]> => {
  const found = await sql`
    select e.status, e.generation, e.retry_count as tries,
      (select count(*)::int from noted_applications n where n.event_id = e.id) as applications
    from certificate_lifecycle_events e order by e.id`;
  return JSON.stringify([...found]) === JSON.stringify(expected)
    ? []
    : [{ flaw: 'the events are not as they must be', found: [...found], expected }];
};

const once = { status: 'applied', generation: 0, tries: 0, applications: 1 };

const countsAre = async (stage: Stage, expected: readonly number[]): Promise<unknown[]> => {
  const found = await failuresOf(stage);
  return JSON.stringify(found) === JSON.stringify(expected)
    ? []
    : [{ flaw: 'a failure is not counted once', found, expected }];
};

const jobsOf = ({ id, generation, retry_count: tries }: Reopened) => [{ id, generation, tries, delayMs: 0 }];

/** A person who has an event replayed, whatever it is. */
const replay =
  (id: string): Part =>
  async ({ db, queues, now }) => {
    const outcome = await reopenEvent(db, {
      id,
      actor: 'somebody',
      reason: null,
      force: true,
      resetRetry: true,
      now: now(),
    });
    if (outcome.kind === 'reopened') await queues.enqueueEvents(jobsOf(outcome.event));
  };

/** A runner of a bulk replay, that takes the event as it was when the replay was planned. */
const replayInBulk =
  (id: string, groupId: string): Part =>
  async ({ db, queues, now }) => {
    const by = {
      actor: 'bulk',
      reason: null,
      now: now(),
      resetRetry: true,
      by: 'bulk',
      replayId: null,
      groupId,
      from: 'failed',
    } as const;
    const opened = await openForReplay(db, [{ id }], by);
    for (const { generation } of opened) await queues.enqueueOpened(groupId, generation, [id]);
  };

const register =
  (domain: string): Part =>
  async (ctx) => {
    await saveDomain(
      ctx.db,
      domain,
      { verified: true, tlsMode: 'termination' },
      { now: ctx.now(), warnDays: 30, slaWarningHours: 72 },
    );
    await resumeWaiting(ctx, [domain]);
  };

const scenarios: Readonly<Record<string, Scenario>> = {
  'run one group that seemed to have stalled': {
    prepare: async (stage) => {
      const ids = await put(stage, [{}, { domain: names[1] }]);
      return [await grouped(stage, ids)];
    },
    parts: ([group = '']) => [work(group), work(group)],
    alike: true,
    check: async (stage) => [...(await countsAre(stage, [1, 1])), ...(await eventsAre(stage, [once, once]))],
  },
  'run two groups that meet on their domains in opposite order': {
    prepare: async (stage) => {
      const [a = '', b = '', c = '', d = ''] = await put(stage, [{}, { domain: names[1] }, { domain: names[1] }, {}]);
      return [await grouped(stage, [a, b]), await grouped(stage, [c, d])];
    },
    parts: ([one = '', two = '']) => [work(one), work(two)],
    check: async (stage) => [
      ...(await countsAre(stage, [2, 2])),
      ...(await eventsAre(stage, [once, once, once, once])),
    ],
  },
  'apply an event and one that came before it': {
    prepare: async (stage) => {
      const [a = '', b = '', c = ''] = await put(stage, [
        {},
        { earlier: 5, type: 'renewal_succeeded' },
        { earlier: 9 },
      ]);
      return [await grouped(stage, [a]), await grouped(stage, [b, c])];
    },
    parts: ([one = '', two = '']) => [work(one), work(two)],
    check: async (stage) => [...(await countsAre(stage, [1, 0])), ...(await eventsAre(stage, [once, once, once]))],
  },
  'run the group of an event and a job of its own': {
    prepare: async (stage) => {
      const ids = await put(stage, [{}, {}]);
      const [id = ''] = ids;
      await stage.queues.enqueueEvents([{ id, generation: 0, tries: 0, delayMs: 0 }]);
      return [await grouped(stage, ids), `${id}-0`];
    },
    parts: ([group = '', own = '']) => [work(group), work(own)],
    check: async (stage) => [...(await countsAre(stage, [2, 0])), ...(await eventsAre(stage, [once, once]))],
  },
  'fail to apply what nobody can, each once': {
    prepare: async (stage) => [await grouped(stage, await put(stage, [{}], []))],
    parts: ([group = '']) => [work(group), work(group)],
    alike: true,
    check: (stage) => eventsAre(stage, [{ status: 'failed', generation: 0, tries: 2, applications: 0 }]),
  },
  'run the last try of an event': {
    prepare: async (stage) => {
      const ids = await put(stage, [{ tries: 1 }], []);
      const [id = ''] = ids;
      await stage.queues.enqueueEvents([{ id, generation: 0, tries: 1, delayMs: 0 }]);
      return [`${id}-0`];
    },
    parts: ([own = '']) => [work(own), work(own)],
    alike: true,
    check: (stage) => eventsAre(stage, [{ status: 'failed', generation: 0, tries: 2, applications: 0 }]),
  },
  'apply an event that is replayed meanwhile': {
    prepare: async (stage) => {
      const ids = await put(stage, [{}]);
      return [await grouped(stage, ids), ...ids];
    },
    parts: ([group = '', id = '']) => [work(group), replay(id)],
    // Once for each generation that was reached before it was over.
    check: async (stage) => countsAre(stage, [1, 0]),
  },
  'replay one dead letter at once, by hand and in bulk': {
    prepare: (stage) => put(stage, [{ status: 'failed', tries: 2 }]),
    parts: ([id = '']) => [replayInBulk(id, uuidv7()), replayInBulk(id, uuidv7())],
    alike: true,
    check: async (stage) => countsAre(stage, [1, 0]),
  },
  'try an event while its domain is registered': {
    prepare: async (stage) => [await grouped(stage, await put(stage, [{}, {}], []))],
    parts: ([group = '']) => [work(group), register(names[0])],
    check: async () => [],
  },
};

describe.each(Object.keys(scenarios))('two that %s', (name) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  });
  afterAll(() => stage.close());

  it(
    'end the same way in every order of their steps, wherever one dies',
    { timeout: full ? 3_600_000 : 240_000 },
    async () => {
      const scenario = scenarios[name];
      if (scenario === undefined) throw new Error('no such scenario');
      const started = performance.now();
      const found = await stage.explore(scenario, deathsIn(name));
      process.stdout.write(
        `measured: ${name}: ${found.schedules} schedules, ${found.deaths} deaths, ${found.reconciled} reconciled, ${Math.round(performance.now() - started)} ms\n`,
      );
      expect(found.flaws).toEqual([]);
      expect(found.schedules).toBeGreaterThan(1);
    },
  );
});
