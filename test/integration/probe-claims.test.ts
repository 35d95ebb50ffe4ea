import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ctx } from '../../src/context.ts';
import { claimDue, loadSubjects } from '../../src/db/probes.ts';
import { customDomains } from '../../src/db/schema.ts';
import { tunnelsFor } from '../../src/db/tunnels.ts';
import type { ProbeResult } from '../../src/lifecycle/served.ts';
import type { Prober } from '../../src/probe/prober.ts';
import { probeDomains } from '../../src/processors/probe-domains.ts';
import { probeSweep } from '../../src/processors/probe-sweep.ts';
import { createTestApi, domainOf, type TestApi } from '../support/api.ts';
import { lookAt } from '../support/looks.ts';
import { waitFor } from '../support/wait.ts';

const minute = 60_000;
const now = Date.UTC(2026, 4, 1, 12);
const leaseMs = 10 * minute;

let api: TestApi;
let tunnel: string;
beforeAll(async () => {
  api = await createTestApi([], now);
  const route = { orgId: null, region: 'eu' };
  tunnel = await api.db.orm.transaction(async (tx) => (await tunnelsFor(tx, [route]))(route));
});
afterAll(() => api.close());
beforeEach(async () => {
  api.setNow(now);
  api.queues.probes.length = 0;
  await api.db.sql`truncate custom_domains, domain_clocks, domain_addresses, probe_observations`;
});

const seed = async (count: number, more: Partial<typeof customDomains.$inferInsert> = {}): Promise<string[]> => {
  const rows = Array.from({ length: count }, () =>
    domainOf({ region: 'eu', target_tunnel_id: tunnel, probe_due_at: new Date(now), ...more }),
  );
  await api.db.orm.insert(customDomains).values(rows);
  return rows.map(({ id }) => id);
};

const claim = (limit = 200, at = now): Promise<string[]> => claimDue(api.db, { now: at, leaseMs, limit });
const proberOf = (probe: Prober['probe']): Prober => ({ probe, close: () => Promise.resolve(), inFlight: () => 0 });
const good = (): Promise<ProbeResult> =>
  Promise.resolve({ looks: [lookAt('192.0.2.1:443', 'ok', 'a', { checkedAt: api.ctx.now() })], fault: null });
const probe = (ids: readonly string[], prober: Prober, asked = false, ctx: Ctx = api.ctx) =>
  probeDomains(ctx, prober, { ids: [...ids], asked });

const rowOf = async (id: string) => {
  const [row] = await api.db.sql<Record<string, unknown>[]>`
    select d.*, (extract(epoch from c.probe_due_at) * 1000)::float8 as clock, (extract(epoch from d.probe_due_at) * 1000)::float8 as due
    from custom_domains d join domain_clocks c on c.domain_id = d.id where d.id = ${id}`;
  if (row === undefined) throw new Error('the domain is gone');
  return row;
};

describe('claims', () => {
  it('never hand out a domain twice, however many are made at once', async () => {
    const ids = await seed(1000);
    const claims = await Promise.all(Array.from({ length: 12 }, () => claim(100)));
    const claimed = claims.flat();
    expect(new Set(claimed).size).toBe(claimed.length);
    const rest = (await claim(1000)).concat(claimed);
    expect(rest.toSorted()).toEqual(ids.toSorted());
    expect(await claim()).toEqual([]);
  });

  it('hand out a domain again when its job was lost', async () => {
    const [id] = await seed(1);
    expect(await claim()).toEqual([id]);
    expect(await claim(200, now + leaseMs - 1)).toEqual([]);
    expect(await claim(200, now + leaseMs)).toEqual([id]);
  });

  it('leave alone what is not looked at by itself, and what is not due', async () => {
    await seed(1, { tls_mode: 'passthrough' });
    await seed(1, { target_tunnel_id: null, region: null });
    await seed(1, { verified: false });
    await seed(1, { probe_due_at: new Date(now + 1) });
    expect(await claim()).toEqual([]);
  });

  it('take the longest due first', async () => {
    const [late] = await seed(1, { probe_due_at: new Date(now - 5) });
    await seed(3);
    expect(await claim(1)).toEqual([late]);
  });
});

describe('the sweep', () => {
  it('hands out all that is due in jobs of 200', async () => {
    const ids = await seed(450);
    expect(await probeSweep(api.ctx)).toMatchObject({ kind: 'done', note: { domains: 450 } });
    expect(api.queues.probes.map((job) => [job.ids.length, job.asked])).toEqual([
      [200, false],
      [200, false],
      [50, false],
    ]);
    expect(api.queues.probes.flatMap((job) => job.ids).toSorted()).toEqual(ids.toSorted());
  });

  it('hands out nothing while the workers have enough', async () => {
    await seed(3);
    const busy = Object.assign(Object.create(api.queues) as typeof api.queues, { unfinishedProbes: async () => 100 }); // all else as it is
    expect(await probeSweep({ ...api.ctx, queues: busy })).toMatchObject({ note: { domains: 0 } });
    expect(await claim()).toHaveLength(3);
  });
});

describe('a job', () => {
  it('saves all other looks when one cannot be saved', async () => {
    const ids = await seed(9);
    await claim();
    const { domain: poisoned } = await rowOf(ids[4] ?? '');
    const prober = proberOf(({ domain }) =>
      domain === poisoned
        ? Promise.resolve({ looks: [], fault: { verdict: 'dns_failed', error: 'text that ends in \0' } })
        : good(),
    );
    expect(await probe(ids, prober)).toMatchObject({ kind: 'done', note: { saved: 8 } });
    const rows = await Promise.all(ids.map(rowOf));
    expect(rows.map((row) => row['tls_last_checked_at'] !== null)).toEqual(ids.map((_, index) => index !== 4));
    expect(rows[4]).toMatchObject({ clock: now + leaseMs });
  });

  it('keeps the certificate and the deadline of a domain that only looks know when its server goes down', async () => {
    const [id = ''] = await seed(1);
    await probe([id], proberOf(good));
    const well = await rowOf(id);
    expect(well).toMatchObject({ tls_fault: null, certificate_filled: true, renewal_due_source: 'lifetime' });
    const down = proberOf(async () => ({ looks: [lookAt('192.0.2.1:443', 'closed')], fault: null }));
    const { certificate_ref, tls_not_after, renewal_due_at } = well;
    for (const minutes of [1, 3]) {
      api.setNow(now + minutes * minute);
      await probe([id], down);
    }
    const certificate = { certificate_ref, tls_not_after, renewal_due_at, certificate_filled: true };
    expect(await rowOf(id)).toMatchObject({ tls_status: 'tls_error', tls_fault: 'closed', ...certificate });
  });

  it('keeps the deployment check that an event asked for while it looked', async () => {
    const [id = ''] = await seed(1);
    await claim();
    const checkAt = now + minute;
    const prober = proberOf(async () => {
      await api.db
        .sql`update custom_domains set probe_due_at = to_timestamp(${checkAt} / 1000.0), probe_checks = 3 where id = ${id}`;
      return good();
    });
    await probe([id], prober);
    expect(await rowOf(id)).toMatchObject({ clock: checkAt, due: checkAt, probe_checks: 3, tls_fault: null });
  });

  it('confirms nothing when two look at the same hiccup', async () => {
    const [id = ''] = await seed(1, { cert_last_event_type: null });
    const down = proberOf(() => Promise.resolve({ looks: [lookAt('192.0.2.1:443', 'closed')], fault: null }));
    await Promise.all([probe([id], down), probe([id], down)]);
    const row = await rowOf(id);
    expect(row).toMatchObject({ tls_fault: null, probe_failures: 2 });
    expect(row['clock']).toBe(row['due']);
    expect(Number(row['due']) - now).toBeGreaterThanOrEqual(30_000);
    api.setNow(Number(row['due']));
    await probe([id], down);
    expect(await rowOf(id)).toMatchObject({ tls_fault: 'closed', tls_status: 'tls_error' });
  });

  it('gives back what this machine could not look at, and saves the others', async () => {
    const ids = await seed(2);
    await claim();
    const [bad = '', fine = ''] = ids;
    const [subject] = await loadSubjects(api.db, [bad]);
    const prober = proberOf(({ domain }) =>
      domain === subject?.domain ? Promise.reject(new Error('no descriptors left')) : good(),
    );
    expect(await probe(ids, prober)).toMatchObject({ note: { domains: 2, saved: 1 } });
    expect(await rowOf(bad)).toMatchObject({ clock: now + minute, tls_last_checked_at: null });
    expect(await rowOf(fine)).toMatchObject({ observed_certificate_ref: expect.stringContaining('sha256:') });
  });

  it('saves nothing older than what is there', async () => {
    const [id = ''] = await seed(1, { tls_last_checked_at: new Date(now + 1), tls_fault: 'expired' });
    expect(await probe([id], proberOf(good))).toMatchObject({ note: { saved: 0 } });
    expect(await rowOf(id)).toMatchObject({ tls_fault: 'expired' });
  });

  it('does without domains that are gone, were deleted meanwhile, or are not looked at any more', async () => {
    const [id = '', gone = ''] = await seed(2);
    const [unrouted = ''] = await seed(1, { target_tunnel_id: null, region: null });
    const looked: string[] = [];
    const prober = proberOf(async ({ domain }) => {
      looked.push(domain);
      await api.db.sql`delete from custom_domains where id = ${gone}`;
      return good();
    });
    const missing = '0198c0de-0000-7000-8000-000000000000';
    expect(await probe([id, gone, unrouted, missing], prober)).toMatchObject({ note: { saved: 1 } });
    expect(looked).toHaveLength(2);
    expect(await api.db.sql`select 1 from domain_addresses where domain_id = ${gone}`).toHaveLength(0);
  });

  it('holds no lock and no connection while it looks', async () => {
    const ids = await seed(50);
    let waiting = 0;
    const gate = Promise.withResolvers<void>();
    const running = probe(
      ids,
      proberOf(async () => {
        waiting += 1;
        await gate.promise;
        return good();
      }),
    );
    await waitFor(() => waiting === 50);
    expect(await api.db.sql`update custom_domains set updated_at = now() returning id`).toHaveLength(50);
    gate.resolve();
    expect(await running).toMatchObject({ note: { saved: 50 } });
  });
});
