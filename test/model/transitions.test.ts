import * as fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openForReplay } from '../../src/db/reopen.ts';
import { customDomains, events } from '../../src/db/schema.ts';
import { applyOpened, groupApplier } from '../../src/processors/apply-group.ts';
import { domainOf, eventOf } from '../support/api.ts';
import { flawsOf } from '../support/ledger.ts';
import { cases } from '../support/properties.ts';
import { openStage, type Stage } from './stage.ts';

// One database, many events at once: each event of a batch is a case of its own, and all take their steps together.
const batch = 1000;
const domains = Array.from({ length: 20 }, (_, index) => `d${index}.example.com`);
const steps = ['apply', 'apply again', 'replay the dead', 'replay the applied', 'replay the dead twice'] as const;

/** One event: whether its domain is registered, and what is done with it in turn. */
const lives = fc.record({
  registered: fc.boolean(),
  domain: fc.nat({ max: domains.length - 1 }),
  does: fc.array(fc.constantFrom(...steps), { minLength: 1, maxLength: 6 }),
});
type Life = typeof lives extends fc.Arbitrary<infer T> ? T : never;

interface Position {
  readonly id: string;
  readonly status: 'pending' | 'applied' | 'failed';
  readonly generation: number;
  readonly retry_count: number;
}

const seen = new Set<string>();

let stage: Stage;
beforeAll(async () => {
  // The first failed try is the last, so that there are dead letters to replay.
  stage = await openStage(1);
  await stage.db.orm.insert(customDomains).values(domains.map((domain) => domainOf({ domain })));
});
afterAll(() => stage.close());

const positions = async (ids: readonly string[]): Promise<Map<string, Position>> => {
  const rows = await stage.sql<Position[]>`
    select id, status, generation, retry_count from certificate_lifecycle_events where id = any(${[...ids]}::uuid[])`;
  return new Map(rows.map((row) => [row.id, row]));
};

const applyAll = async (ids: readonly string[]): Promise<void> => {
  const { ctx } = stage;
  await groupApplier(ctx)({ ids: [...ids] });
  const generations = Map.groupBy(await positions(ids), ([, { generation }]) => generation);
  for (const [generation, rows] of generations)
    if (generation > 0) await applyOpened(ctx, { ids: rows.map(([id]) => id), generation });
};

const replayAll = (ids: readonly string[], from: 'failed' | 'applied') =>
  openForReplay(
    stage.db,
    ids.map((id) => ({ id })),
    { actor: 'somebody', reason: null, now: stage.now(), resetRetry: true, by: 'person', replayId: null, from },
  );

/** Does one step with all of these events, and gives how often each was opened anew. */
const take = async (step: (typeof steps)[number], ids: readonly string[]): Promise<Map<string, number>> => {
  const opened = new Map<string, number>();
  const count = (rows: readonly { readonly id: string }[]): void => {
    for (const { id } of rows) opened.set(id, (opened.get(id) ?? 0) + 1);
  };
  if (step === 'apply' || step === 'apply again') await applyAll(ids);
  else if (step === 'replay the applied') count(await replayAll(ids, 'applied'));
  else {
    count(await replayAll(ids, 'failed'));
    if (step === 'replay the dead twice') count(await replayAll(ids, 'failed'));
  }
  return opened;
};

/** Checks one step of one event against what is allowed. */
const judge = (before: Position, after: Position, step: (typeof steps)[number], opened: number): void => {
  const replay = step.startsWith('replay');
  const takes = step === 'replay the applied' ? 'applied' : 'failed';
  seen.add(`${step}: ${before.status} to ${after.status}`);
  // P8: twice is once. Only an event in that very state is opened, and it is opened once.
  expect(opened).toBe(replay && before.status === takes ? 1 : 0);
  expect(after.generation).toBe(before.generation + opened);
  if (opened > 0) expect(after).toMatchObject({ status: 'pending', retry_count: 0 });
  // P7: what has ended stays as it is, but for a replay with its new generation.
  else if (before.status !== 'pending' || replay) expect(after).toEqual(before);
  // A try moves a pending event on, or is noted.
  else if (after.status === 'applied') expect(after.retry_count).toBe(before.retry_count);
  else expect([before.retry_count, before.retry_count + 1]).toContain(after.retry_count);
};

const prepare = async (all: readonly Life[]): Promise<string[]> => {
  await stage.sql.unsafe(
    'delete from certificate_lifecycle_events; delete from cert_event_attempts; delete from cert_event_replays',
  );
  await stage.sql.unsafe('delete from certificate_incidents; delete from noted_applications');
  await stage.sql.unsafe(
    'update custom_domains set cert_last_event_id = null, cert_last_event_type = null, cert_last_event_at = null, cert_failure_count = 0',
  );
  const group = uuidv7();
  const rows = all.map(({ registered, domain }, index) =>
    eventOf(stage.now() + index, {
      domain: registered ? (domains[domain] ?? '') : `${index}.unknown.example`,
      domain_id: null,
      event_type: 'renewal_failed',
      status: 'pending',
      outcome: null,
      group_id: group,
    }),
  );
  await stage.db.orm.insert(events).values(rows);
  return rows.map(({ id }) => id);
};

const live = async (all: readonly Life[]): Promise<void> => {
  const ids = await prepare(all);
  const longest = Math.max(...all.map(({ does }) => does.length));
  for (let turn = 0; turn < longest; turn += 1) {
    for (const step of steps) {
      const acting = ids.filter((_, index) => all[index]?.does[turn] === step);
      if (acting.length === 0) continue;
      const before = await positions(acting);
      const opened = await take(step, acting);
      const after = await positions(acting);
      for (const id of acting) {
        const [was, is] = [before.get(id), after.get(id)];
        if (was === undefined || is === undefined) throw new Error('an event is gone');
        judge(was, is, step, opened.get(id) ?? 0);
      }
    }
  }
  const doubled = (await flawsOf(stage.sql)).filter(({ flaw }) => flaw === 'applied more than once');
  expect(doubled).toEqual([]);
};

describe('the life of an event', { timeout: 240_000 }, () => {
  it('P7, P8: takes only allowed steps; what has ended stays so but for a replay; replaying twice is replaying once', async () => {
    const runs = Math.ceil(cases().numRuns / batch);
    await fc.assert(fc.asyncProperty(fc.array(lives, { minLength: batch, maxLength: batch }), live), {
      numRuns: runs,
      endOnFailure: true,
    });
    expect([...seen]).toEqual(
      expect.arrayContaining([
        'apply: pending to applied',
        'apply: pending to failed',
        'apply again: applied to applied',
        'apply again: failed to failed',
        'replay the dead: failed to pending',
        'replay the dead twice: failed to pending',
        'replay the dead: applied to applied',
        'replay the applied: applied to pending',
      ]),
    );
  });
});
