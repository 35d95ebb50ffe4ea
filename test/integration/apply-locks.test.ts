import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { customDomains, events } from '../../src/db/schema.ts';
import { applyScope } from '../../src/processors/apply.ts';
import { createTestApi, domainOf, eventOf, idAt, type TestApi } from '../support/api.ts';
import { waitFor } from '../support/wait.ts';

const start = Date.UTC(2026, 4, 1, 3);

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([], start);
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db
    .sql`truncate custom_domains, domain_clocks, certificate_lifecycle_events, unfinished_events, dead_letters`;
});

/** Registers domains whose ids are in the order of the list. */
const registered = (names: readonly string[]) =>
  api.db.orm.insert(customDomains).values(names.map((domain, at) => domainOf({ id: idAt(start + at), domain })));

/** Puts a pending event into the ledger. */
const pending = async (domain: string, values: Partial<typeof events.$inferInsert> = {}): Promise<string> => {
  const row = eventOf(start, { domain, domain_id: null, event_type: 'renewal_failed', status: 'pending', ...values });
  await api.db.orm.insert(events).values(row);
  return row.id;
};

const rowOf = async (id: string) => {
  const [row] = await api.db.sql`select * from certificate_lifecycle_events where id = ${id}`;
  return row;
};

describe('a group that runs again', () => {
  it.each<[string, Partial<typeof events.$inferInsert>]>([
    ['failed and waits for its next try', { retry_count: 1, next_retry_at: new Date(start + 60_000) }],
    ['was replayed', { generation: 1 }],
    ['was given up', { status: 'failed', retry_count: 6 }],
  ])('leaves an event alone that %s', async (_, values) => {
    await registered(['left.example']);
    const [id, other] = [await pending('left.example', values), await pending('left.example')];
    const before = await rowOf(id);
    const { applied, failed } = await applyScope(api.ctx, { kind: 'group', ids: [id, other] });
    expect([applied, failed]).toEqual([[other], []]);
    expect(await rowOf(id)).toEqual(before);
  });
});

describe('domains', () => {
  it('are locked in the order of their ids, as everywhere, whatever their names are', async () => {
    await registered(['z.example', 'm.example', 'a.example']);
    const ids = await Promise.all(['a.example', 'z.example', 'm.example'].map((domain) => pending(domain)));
    const holder = await api.db.sql.reserve();
    await holder`begin`;
    await holder`select 1 from custom_domains where domain = 'z.example' for update`;
    const applying = applyScope(api.ctx, { kind: 'group', ids });
    await waitFor(
      async () => {
        const rows = await holder`
          select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
        return rows.length === 1;
      },
      { timeoutMs: 20_000, what: 'the group to wait for the first domain' },
    );
    const free = await holder`
      select domain from custom_domains where domain <> 'z.example' order by domain for update skip locked`;
    await holder`rollback`;
    holder.release();
    expect(free.map(({ domain }) => String(domain))).toEqual(['a.example', 'm.example']);
    expect((await applying).applied).toHaveLength(3);
  });
});

describe('an event that undoes its transaction', () => {
  it('fails by itself, and all others of its group are applied', async () => {
    const names = Array.from({ length: 9 }, (_, n) => `d${n}.example`);
    await registered(names);
    await api.db.sql.unsafe(`
      create function poison() returns trigger language plpgsql as $$
        begin if new.domain = 'd5.example' then raise exception 'no such thing'; end if; return new; end $$;
      create trigger poison before update on custom_domains for each row execute function poison()`);
    const ids = await Promise.all(names.map((domain) => pending(domain)));
    const { applied, failed } = await applyScope(api.ctx, { kind: 'group', ids });
    await api.db.sql.unsafe('drop trigger poison on custom_domains; drop function poison');
    const others = ids.filter((_, index) => names[index] !== 'd5.example');
    expect(applied).toEqual(others);
    expect(failed.map(({ event, errorClass, tries }) => [event.domain, errorClass, tries])).toEqual([
      ['d5.example', 'internal', 1],
    ]);
    const rows = await api.db.sql<{ domain: string; status: string; retry_count: number }[]>`
      select domain, status, retry_count from certificate_lifecycle_events where retry_count > 0 or status <> 'applied'`;
    expect([...rows]).toEqual([{ domain: 'd5.example', status: 'pending', retry_count: 1 }]);
  });
});
