import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { customDomains } from '../../src/db/schema.ts';
import { createTestApi, domainOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);
const day = 86_400_000;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([], now);
  const rows = Array.from({ length: 5000 }, () => domainOf({ renewal_due_at: new Date(now + day) }));
  for (let from = 0; from < rows.length; from += 1000)
    await api.db.orm.insert(customDomains).values(rows.slice(from, from + 1000));
  await api.db.sql`vacuum analyze custom_domains, domain_clocks`;
});
afterAll(() => api.close());

/** What PostgreSQL read and wrote of the clocks while the first 150 domains were changed. */
const costOf = (change: 'look' | 'nothing'): Promise<Record<'read' | 'written', number>> =>
  api.db.sql.begin(async (tx) => {
    const counters = async () => {
      // Together with what this connection did before and has not reported yet.
      const [row] = await tx<{ read: number; written: number }[]>`
        select (seq_tup_read + idx_tup_fetch)::int as read, n_tup_upd::int as written
        from pg_stat_xact_user_tables where relname = 'domain_clocks'`;
      return row ?? { read: 0, written: 0 };
    };
    const before = await counters();
    await tx`
      update custom_domains
      set look_due_at = case when ${change} = 'look' then to_timestamp(${now} / 1000.0) else look_due_at end, updated_at = now()
      where id = any(array(select id from custom_domains order by id limit 150))`;
    const after = await counters();
    return { read: after.read - before.read, written: after.written - before.written };
  });

describe('clocks', () => {
  it('of the domains that change are read and written, and no others', async () => {
    expect(await costOf('look')).toEqual({ read: 150, written: 150 });
    const rows = await api.db.sql`
      select d.id from custom_domains d left join domain_clocks c on c.domain_id = d.id
      where c.domain_id is null or c.look_due_at is distinct from d.look_due_at`;
    expect(rows).toEqual([]);
  });

  it('are not touched when nothing changes that they tell', async () => {
    expect(await costOf('nothing')).toEqual({ read: 0, written: 0 });
  });
});
