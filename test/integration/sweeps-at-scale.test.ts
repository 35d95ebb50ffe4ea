import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDb, type Db } from '../../src/db/client.ts';
import { claimDueNotices, dueChannels } from '../../src/db/deliveries.ts';
import { readGauges } from '../../src/db/gauges.ts';
import { claimDue } from '../../src/db/probes.ts';
import { dueLooks } from '../../src/db/settle.ts';
import { explained } from '../support/explained.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const million = 1_000_000;
const outbox = 200_000;
const now = Date.now();
const budgetMs = 300;

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  const load = postgres(database.url, { max: 1, onnotice: () => undefined });
  await load`
    insert into domain_clocks (domain_id, renewal_due_at, look_due_at, probe_due_at)
    select gen_random_uuid(), now() + (n - 5000) * interval '3 seconds', now() + (n - 3000) * interval '3 seconds',
      now() + (n - 4000) * interval '3 seconds'
    from generate_series(1, ${million}) n`;
  await load`
    insert into certificate_notifications (id, kind, action, alert_key, cycle, class, severity, route, channel, domain_id, domain, summary,
      body, status, next_attempt_at, fired_at, created_at, updated_at)
    select gen_random_uuid(), 'alert', 'fire', n || ':tls_error', 'c', 'tls_error', 'critical', 'ticket', 'c' || n % 5, gen_random_uuid(),
      'a.example', 's', '{}', case when n % 100 = 0 then 'pending' else 'sent' end, case when n % 100 = 0 then now() end, now(), now(), now()
    from generate_series(1, ${outbox}) n`;
  await load`vacuum analyze`;
  await load.end();
  db = connectDb(database.url, { max: 1, name: 'test' });
}, 180_000);
afterAll(async () => {
  await db.close();
  await database.drop();
});

describe('with a million domains', () => {
  it.each<[string, string, (db: Pick<Db, 'sql'>) => Promise<readonly unknown[]>, number]>([
    ['domains to settle', 'domain_clocks_look', (one) => dueLooks(one, { now, limit: 500, without: [] }), 500],
    ['domains to probe', 'domain_clocks_probe', (one) => claimDue(one, { now, leaseMs: 1000, limit: 200 }), 200],
    [
      'notices of a channel',
      'certificate_notifications_due',
      (one) => claimDueNotices(one, 'c0', { now: now + 600_000, limit: 16, leaseMs: 1000 }),
      16,
    ],
    ['channels with something due', 'certificate_notifications_due', (one) => dueChannels(one, now + 600_000), 1],
  ])('finds %s through an index, in time', async (_, index, work, rows) => {
    const { result, plan, ms } = await explained(database.url, work);
    expect(result).toHaveLength(rows);
    expect(plan).toContain(index);
    expect(plan).not.toContain('Seq Scan');
    expect(ms).toBeLessThan(budgetMs);
  });

  it('counts those past their deadline in time', async () => {
    await readGauges(db, now, 72);
    const started = performance.now();
    const { slaBreach } = await readGauges(db, now, 72);
    expect(performance.now() - started).toBeLessThan(budgetMs);
    expect(slaBreach).toBeGreaterThan(4000);
  });
});
