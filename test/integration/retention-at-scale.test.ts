import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepRetention } from '../../src/db/retention.ts';
import type { RetentionName } from '../../src/lifecycle/retention.ts';
import { explained } from '../support/explained.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const domains = 20_000;
const perDomain = 6;
const ofOneDomain = 30_000;
const now = Date.now();

let database: TestDatabase;
let sql: postgres.Sql;

/** Renewals a day apart, all of them old: five of six can go. One domain alone has as many as five thousand others. */
beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  await sql`
    insert into custom_domains (id, domain, verification_token, tls_status)
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'd' || n || '.example', 't', 'issued'
    from generate_series(0, ${domains}) n`;
  await sql`alter table certificate_lifecycle_events disable trigger user`;
  await sql`
    insert into certificate_lifecycle_events (id, source, source_event_id, cluster_id, domain_id, domain, event_type, status, outcome,
      occurred_at, certificate_ref, not_before, not_after, renewal_due_at, group_id, content_hash, created_at, updated_at, processed_at)
    select (lpad(to_hex((extract(epoch from t.at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(g.n % 4096), 3, '0') || '8000'
        || lpad(to_hex(g.n), 12, '0'))::uuid,
      'certbot', 'e' || g.n, 'eu', ('00000000-0000-4000-8000-' || lpad(t.d::text, 12, '0'))::uuid, 'd' || t.d || '.example',
      'renewal_succeeded', 'applied', 'applied', t.at, 'sha256:' || g.n, t.at, t.at + interval '90 days', t.at + interval '60 days',
      gen_random_uuid(), '\\x00', t.at, t.at, t.at
    from generate_series(1, ${domains * perDomain + ofOneDomain}) g(n)
    cross join lateral (select
      case when g.n > ${domains * perDomain} then 0 else 1 + g.n % ${domains} end as d,
      now() - interval '500 days' + g.n * interval '40 seconds' as at) t`;
  await sql`alter table certificate_lifecycle_events enable trigger user`;
  await sql`vacuum analyze`;
}, 120_000);
afterAll(async () => {
  await sql.end();
  await database.drop();
});

const sharedBlocks = (plan: string): number =>
  [...plan.matchAll(/^Buffers: shared hit=(\d+)/gm)].reduce((sum, [, hit]) => sum + Number(hit), 0);

describe('a step of retention, with many events', () => {
  const walk = async (name: RetentionName, steps: number, at: number) => {
    let [removed, longest, blocks] = [0, 0, 0];
    const scans: string[] = [];
    for (let step = 0; step < steps; step += 1) {
      const { result, plan, ms } = await explained(database.url, (db) => stepRetention(db, name, 100, at));
      if (result === null) break;
      removed += result;
      longest = Math.max(longest, ms);
      blocks = Math.max(blocks, sharedBlocks(plan));
      scans.push(
        ...(plan.match(
          /Seq Scan on (?:certificate_lifecycle_events|custom_domains|event_identities|cert_event_\w+)/g,
        ) ?? []),
      );
    }
    return { removed, longest, blocks, scans };
  };

  it('looks up what it needs by key, notes identities first, and is short', async () => {
    const noted = await walk('events', 6, now);
    expect(noted).toMatchObject({ removed: 0, scans: [] });
    expect(await sql`select count(*)::int as n from event_identities`).toEqual([{ n: 3000 }]);
    expect(noted.longest).toBeLessThan(3000);
  });

  it('removes what was noted a while ago', async () => {
    const gone = await walk('noted_events', 6, now + 120_000);
    expect(gone).toMatchObject({ removed: 3000, scans: [] });
    expect(gone.longest).toBeLessThan(3000);
    // 500 events with their indexes and their domains: some tens of blocks for each.
    expect(gone.blocks).toBeLessThan(100_000);
  });

  it('costs no more for a domain with very many events', async () => {
    const [first] = await sql<{ id: string }[]>`
      select id from certificate_lifecycle_events where domain = 'd0.example' order by id limit 1`;
    await sql`update retention_walks set position = ${first?.id ?? ''}, finished_at = null`;
    const storm = await walk('events', 6, now + 240_000);
    expect(storm.scans).toEqual([]);
    expect(storm.blocks).toBeLessThan(100_000);
    expect(storm.longest).toBeLessThan(3000);
  });
});
