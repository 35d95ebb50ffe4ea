import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { customDomains, events } from '../../src/db/schema.ts';
import { reconciler } from '../../src/processors/reconcile.ts';
import { eventJobId } from '../../src/queues/job-id.ts';
import { createTestApi, domainOf, eventOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([], now);
});
afterAll(() => api.close());
beforeEach(async () => {
  api.queues.groups.length = 0;
  api.queues.jobs.length = 0;
  api.setNow(now);
  await api.db.sql`truncate certificate_lifecycle_events, unfinished_events, dead_letters, custom_domains`;
});

let second = 0;
/** Accepts events of one group, each a millisecond after the one before. */
const accept = async (count: number): Promise<string> => {
  const groupId = uuidv7();
  second += 1;
  const rows = Array.from({ length: count }, (_, index) =>
    eventOf(now - 3_600_000 + 1000 * second + index, { status: 'pending', group_id: groupId }),
  );
  await api.db.orm.insert(events).values(rows);
  return groupId;
};

/** Event ids by the group that the ledger has them in. */
const ledger = async (): Promise<Map<string, string[]>> => {
  const rows = await api.db.sql<{ group_id: string; ids: string[] }[]>`
    select group_id, array_agg(id order by id) as ids from certificate_lifecycle_events group by group_id`;
  return new Map(rows.map(({ group_id, ids }) => [group_id, ids]));
};

/** The reconciler, before a store that carries what it was given and these groups. */
const reconcile = (doubtful: boolean, carried: readonly string[] = []) => {
  const queues = Object.assign(Object.create(api.queues), {
    carried: (ids: readonly string[]) => {
      const jobs = api.queues.jobs.map(({ id, generation }) => eventJobId(id, generation));
      const all = new Set([...carried, ...jobs, ...api.queues.groups.map(({ groupId }) => groupId)]);
      return Promise.resolve(new Set(ids.filter((id) => all.has(id))));
    },
  });
  return reconciler({ ...api.ctx, queues })(doubtful);
};

it('large groups that a store has lost are queued again as they are, small ones together, and each event once', async () => {
  const large = [];
  for (let n = 0; n < 7; n += 1) large.push(await accept(300));
  for (let n = 0; n < 20; n += 1) await accept(3);
  expect((await reconcile(true))?.requeued).toBe(2160);
  const queued = api.queues.groups;
  expect(new Set(queued.flatMap(({ eventIds }) => eventIds)).size).toBe(2160);
  expect(queued.flatMap(({ eventIds }) => eventIds)).toHaveLength(2160);
  const sizes = new Map(queued.map(({ groupId, eventIds }) => [groupId, eventIds.length]));
  // The seventh is cut by the end of a page of two thousand; what is left of it goes with the small ones.
  expect(large.map((id) => sizes.get(id))).toEqual([300, 300, 300, 300, 300, 300, 200]);
  expect(queued).toHaveLength(8);
  const held = await ledger();
  for (const { groupId, eventIds } of queued) expect(held.get(groupId)).toEqual(eventIds.toSorted());
});

it('a group whose job is gone from a store that is as it was moves to a new one', async () => {
  const [lost, carried] = [await accept(100), await accept(100)];
  const before = await ledger();
  expect((await reconcile(false, [carried]))?.requeued).toBe(100);
  const [moved] = api.queues.groups;
  expect(api.queues.groups).toHaveLength(1);
  expect(moved?.groupId).not.toBe(lost);
  expect(moved?.eventIds.toSorted()).toEqual(before.get(lost));
  const held = await ledger();
  expect(held.get(moved?.groupId ?? '')).toEqual(before.get(lost));
  expect(held.get(carried)).toEqual(before.get(carried));
});

it.each([
  ['that waits for its next try', { status: 'pending', next_retry_at: new Date(now + 60_000) }],
  ['that has given up', { status: 'failed', processed_at: new Date(now - 3_600_000) }],
] as const)(
  'an event %s is reopened once when its domain is registered, however long its job then waits',
  async (_, values) => {
    const tried = { retry_count: 3, domain_id: null, error_class: 'unresolved', outcome: null, ...values } as const;
    const event = eventOf(now - 3_600_000, { domain: 'late.example', ...tried });
    await api.db.orm.insert(events).values(event);
    await api.db.orm.insert(customDomains).values(domainOf({ domain: 'late.example' }));
    for (let minute = 0; minute < 3; minute += 1) {
      api.setNow(now + minute * 60_000);
      expect((await reconcile(false))?.requeued).toBe(minute === 0 ? 1 : 0);
    }
    expect(api.queues.jobs).toMatchObject([{ id: event.id, generation: 1, tries: 0 }]);
    const [row] = await api.db
      .sql`select status, generation, retry_count from certificate_lifecycle_events where id = ${event.id ?? ''}`;
    expect(row).toEqual({ status: 'pending', generation: 1, retry_count: 0 });
  },
);
