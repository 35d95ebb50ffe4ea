import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadForApply, loadHistory } from '../../src/db/apply.ts';
import { customDomains, events } from '../../src/db/schema.ts';
import { createTestApi, domainOf, eventOf, idAt, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);
const day = 86_400_000;
const domain = 'shop.example.com';
const row = domainOf({ domain });

let api: TestApi;
let applied: { id: string; occurredAt: number }[];

/** Renewals a minute apart; those that `whole` picks say all there is to say. */
const fill = async (whole: (index: number) => boolean, count = 100): Promise<void> => {
  await api.db.orm.delete(events);
  const rows = Array.from({ length: count }, (_, index) => {
    const at = now - (count - index) * 60_000;
    return eventOf(at, {
      domain,
      domain_id: row.id,
      status: 'applied',
      event_type: 'renewal_succeeded',
      occurred_at: new Date(at),
      certificate_ref: `sha256:${index}`,
      not_after: new Date(now + 90 * day),
      renewal_due_at: whole(index) ? new Date(now + 60 * day) : null,
    });
  });
  await api.db.orm.insert(events).values(rows);
  applied = rows.map(({ id, occurred_at }) => ({ id, occurredAt: occurred_at.getTime() }));
};

const historyFor = async (lateAt: number): Promise<string[]> => {
  const last = applied.at(-1);
  if (last === undefined) throw new Error('fill comes first');
  const first = { id: '00000000-0000-7000-8000-000000000000', occurredAt: lateAt };
  const history = await api.db.sql.begin((tx) =>
    loadHistory(tx, [{ id: row.id, domain, lastEventId: last.id, first }]),
  );
  return (history.get(row.id) ?? []).map(({ id }) => id);
};

beforeAll(async () => {
  api = await createTestApi([], now);
  await api.db.orm.insert(customDomains).values(row);
});
afterAll(() => api.close());

describe('the history for a late event', () => {
  // The first of all: a connection keeps the plan that it made first.
  it('is read without the rest of a domain that has very many events', async () => {
    await fill((index) => index % 10 === 0, 2000);
    const [first, last] = [{ id: '00000000-0000-7000-8000-000000000000', occurredAt: now - 90_000 }, applied.at(-1)];
    const read = await api.db.sql.begin(async (tx) => {
      await loadForApply(tx, { kind: 'group', ids: [] });
      await loadHistory(tx, [{ id: row.id, domain, lastEventId: last?.id ?? '', first }]);
      const [rows] = await tx<{ n: number }[]>`
        select idx_tup_fetch::int as n from pg_stat_xact_user_tables where relname = 'certificate_lifecycle_events'`;
      return rows?.n ?? Number.NaN;
    });
    expect(read).toBeLessThan(60);
  });

  it('begins at the last success before it that says all', async () => {
    await fill((index) => index % 10 === 0);
    expect(await historyFor(now - 5.5 * 60_000)).toEqual(applied.slice(90).map(({ id }) => id));
    expect(await historyFor(now - 15.5 * 60_000)).toEqual(applied.slice(80).map(({ id }) => id));
    await fill((index) => index === 30);
    expect(await historyFor(now - 5.5 * 60_000)).toEqual(applied.slice(30).map(({ id }) => id));
  });

  it('holds what was received long before that success and says to be later', async () => {
    await fill((index) => index % 10 === 0);
    await api.db
      .sql`update certificate_lifecycle_events set occurred_at = occurred_at + interval '4 minutes' where certificate_ref = 'sha256:88'`;
    expect(await historyFor(now - 5.5 * 60_000)).toEqual([...applied.slice(90), applied[88]].map((one) => one?.id));
    await api.db
      .sql`update certificate_lifecycle_events set occurred_at = occurred_at - interval '3 minutes' where certificate_ref = 'sha256:88'`;
    expect(await historyFor(now - 5.5 * 60_000)).toEqual(applied.slice(90).map(({ id }) => id));
  });

  it('holds what says to be a little later than that success and came a little before', async () => {
    await fill((index) => index % 10 === 0);
    await api.db
      .sql`update certificate_lifecycle_events set id = ${idAt(now - 10 * 60_000 - 4000)}, created_at = created_at + interval '56 seconds',
        occurred_at = occurred_at + interval '60.5 seconds' where certificate_ref = 'sha256:89'`;
    expect(await historyFor(now - 5.5 * 60_000)).toHaveLength(11);
  });

  it('is whole where that success says to be from before 1970', async () => {
    await fill((index) => index === 30);
    for (const at of ['1970-01-01T00:00:02Z', '0001-01-01T00:00:00Z']) {
      await api.db.sql`update certificate_lifecycle_events set occurred_at = ${at} where certificate_ref = 'sha256:30'`;
      expect(await historyFor(now - 5.5 * 60_000)).toHaveLength(100);
    }
  });

  it('is whole where no such success is near', async () => {
    await fill(() => false);
    expect(await historyFor(now - 5.5 * 60_000)).toHaveLength(100);
    await fill((index) => index === 3, 600);
    expect(await historyFor(now - 5.5 * 60_000)).toHaveLength(600);
  });

  it('is whole for an event from before all others', async () => {
    await fill(() => true);
    expect(await historyFor(now - 200 * 60_000)).toHaveLength(100);
  });

  it('is that of the domain as it is registered now', async () => {
    await fill(() => true);
    await api.db
      .sql`update certificate_lifecycle_events set domain_id = gen_random_uuid() where certificate_ref = 'sha256:99'`;
    expect(await historyFor(now - 0.5 * 60_000)).toEqual([applied[98]?.id]);
  });
});
