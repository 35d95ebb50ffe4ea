import { afterAll, beforeAll, expect, it } from 'vitest';
import { explained } from '../support/explained.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const many = 300;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

it('what a change costs grows with its rows, also on a connection whose first change was of one row', async () => {
  const { result, plan } = await explained(
    database.url,
    async ({ sql }) => {
      await sql`
        insert into custom_domains (id, domain, verification_token, tls_status)
        select uuidv7(), n || '.example', '', 'pending' from generate_series(1, ${many}::int) n`;
      await sql`
        insert into certificate_lifecycle_events (id, source, domain, event_type, occurred_at, group_id, content_hash, created_at, updated_at)
        select uuidv7(), 's', n || '.example', 'renewal_succeeded', now(), uuidv7(), '', now(), now() from generate_series(1, ${many}::int) n`;
      for (const upTo of [1, many]) {
        await sql`update custom_domains set tls_status = 'issued', look_due_at = now(), cert_last_event_at = now()
          where split_part(domain, '.', 1)::int <= ${upTo}`;
        await sql`update certificate_lifecycle_events set status = 'applied' where split_part(domain, '.', 1)::int <= ${upTo}`;
        await sql`update certificate_lifecycle_events set status = 'failed' where split_part(domain, '.', 1)::int <= ${upTo}`;
      }
      return {
        counts: await sql`select tls_status, sum(n)::int as n from domain_counts group by 1 having sum(n) <> 0`,
        unfinished: await sql`select status, count(*)::int as n from unfinished_events group by 1`,
        letters: await sql`select count(*)::int as n from dead_letters`,
      };
    },
    { nested: true },
  );
  expect(result).toEqual({
    counts: [{ tls_status: 'issued', n: many }],
    unfinished: [{ status: 'failed', n: many }],
    letters: [{ n: many }],
  });
  const loops = [...plan.matchAll(/Named Tuplestore Scan.*loops=(\d+)/g)].map(([, count]) => Number(count));
  expect(loops.length).toBeGreaterThan(20);
  expect(Math.max(...loops)).toBe(1);
});
