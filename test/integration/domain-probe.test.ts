import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { domainsCommand } from '../../src/cli/domains.ts';
import { domainAddresses, probeObservations } from '../../src/db/schema-served.ts';
import { customDomains } from '../../src/db/schema.ts';
import { domainRoutes } from '../../src/http/domains.ts';
import type { Role } from '../../src/lifecycle/access.ts';
import { createTestApi, domainOf, type TestApi, tokenOf } from '../support/api.ts';
import { runCommand } from '../support/cli.ts';
import { waitFor } from '../support/wait.ts';

const now = Date.UTC(2026, 4, 1, 12);
const name = 'shop.example.com';
const ref = `sha256:${'AB'.repeat(32)}`;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([domainRoutes()], now);
});
afterAll(() => api.close());

/** A domain of which events and a look say different things. */
const seed = async (): Promise<string> => {
  const at = new Date(now);
  const row = domainOf({
    domain: name,
    certificate_ref: `sha256:${'CD'.repeat(32)}`,
    cert_last_event_type: 'renewal_succeeded',
    cert_last_event_at: new Date(now - 60_000),
    observed_certificate_ref: ref,
    observed_not_after: new Date(now + 86_400_000),
    tls_last_checked_at: at,
    drift_state: 'stale_served',
    drift_since: at,
  });
  await api.db.orm.insert(customDomains).values(row);
  const address = '192.0.2.1:443';
  const found = { domain_id: row.id, address, certificate_ref: ref, verdict: 'ok' as const, depth: 'full' as const };
  await api.db.orm.insert(domainAddresses).values({ ...found, checked_at: at });
  await api.db.orm.insert(probeObservations).values({ ...found, created_at: at });
  return row.id;
};

let id: string;
beforeEach(async () => {
  await api.db.sql`truncate custom_domains, domain_addresses, probe_observations`;
  id = await seed();
  api.queues.probes.length = 0;
  api.queues.failWith = null;
  api.queues.hang = false;
});

const post = (domain: string, role: Role) =>
  api.app.request(`/v1/admin/domains/${domain}/probe`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenOf(role)}` },
  });

describe('POST /v1/admin/domains/:domain/probe', () => {
  it('queues a look that was asked for', async () => {
    const answer = await post('SHOP.example.com', 'operator');
    expect(answer.status).toBe(202);
    expect(await answer.json()).toEqual({ ok: true, domain: name, queued: true });
    expect(api.queues.probes).toEqual([{ ids: [id], asked: true }]);
  });

  it.each([
    ['a viewer', name, 'viewer' as const, 403],
    ['an unknown name', 'none.example.com', 'operator' as const, 404],
    ['what is no name', 'a%20b', 'operator' as const, 400],
  ])('refuses %s', async (_, domain, role, status) => {
    expect((await post(domain, role)).status).toBe(status);
    expect(api.queues.probes).toEqual([]);
  });

  it.each(['fails', 'hangs'])('says what to do when the queue %s', async (how) => {
    if (how === 'fails') api.queues.failWith = new Error('away');
    else api.queues.hang = true;
    const answer = await post(name, 'operator');
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(await answer.json()).toMatchObject({ message: expect.stringContaining('nothing was probed: try again') });
  });
});

describe('GET /v1/admin/domains/:domain', () => {
  it('shows addresses and what looks found', async () => {
    const headers = { authorization: `Bearer ${tokenOf('viewer')}` };
    const answer = await api.app.request(`/v1/admin/domains/${name}`, { headers });
    expect(await answer.json()).toMatchObject({
      addresses: [
        {
          address: '192.0.2.1:443',
          certificate_ref: ref,
          tls_not_after: null,
          verdict: 'ok',
          error: null,
          depth: 'full',
          checked_at: new Date(now).toISOString(),
        },
      ],
      timeline: [{ kind: 'probe', at: new Date(now).toISOString(), address: '192.0.2.1:443', verdict: 'ok' }],
    });
  });
});

const run = (args: readonly string[], columns: number | null = null) =>
  runCommand(api, domainsCommand, args, { columns });

describe('notafter domains', () => {
  it('show prints both truths, drift and every address', async () => {
    const { out } = await run(['show', name], 200);
    const line = (start: string): string => out.find((one) => one.startsWith(start)) ?? '';
    expect(line('certificate  ')).toMatch(/sha256:CD.* sha256:AB/);
    expect(line('found')).toMatch(/renewal_succeeded +ok$/);
    expect(line('drift')).toBe('drift: stale_served since 2026-05-01T12:00:00.000Z');
    expect(line('192.0.2.1:443')).toMatch(/ok +- +full +2026-05-01T12:00:00.000Z +sha256:AB/);
    expect(out.at(-1)).toMatch(/^2026-05-01T12:00:00.000Z +probe +192.0.2.1:443 +ok +sha256:AB/);
  });

  it('probe asks and goes', async () => {
    expect(await run(['probe', name], 80)).toMatchObject({ code: 0, out: [`${name} is looked at`], err: [] });
    const { out } = await run(['probe', name]);
    expect(JSON.parse(out[0] ?? '')).toEqual({ ok: true, domain: name, queued: true });
    expect(api.queues.probes).toHaveLength(2);
  });

  it.each([
    ['ok', 0],
    ['expired', 1],
  ] as const)('probe --wait prints what was found; the code of %s is %d', async (verdict, code) => {
    const running = run(['probe', name, '--wait'], 120);
    await waitFor(() => api.queues.probes.length > 0);
    const fault = verdict === 'ok' ? null : verdict;
    await api.db.sql`
      update custom_domains set tls_last_checked_at = now(), tls_fault = ${fault}, tls_fault_error = ${fault},
        drift_state = 'in_step' where id = ${id}`;
    await api.db.sql`update domain_addresses set verdict = ${verdict}`;
    const { code: exit, out } = await running;
    expect(exit).toBe(code);
    expect(out.find((line) => line.startsWith('192.0.2.1:443'))).toContain(verdict);
  });

  it('probe says that a name is not registered', async () => {
    const { code, err } = await run(['probe', 'none.example.com']);
    expect({ code, err }).toEqual({
      code: 1,
      err: ['notafter domains probe: HTTP 404: The domain is not registered'],
    });
  });
});
