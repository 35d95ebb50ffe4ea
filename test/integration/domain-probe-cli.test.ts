import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { domainsCommand } from '../../src/cli/domains.ts';
import { domainAddresses } from '../../src/db/schema-served.ts';
import { customDomains } from '../../src/db/schema.ts';
import { domainRoutes } from '../../src/http/domains.ts';
import { createTestApi, domainOf, type TestApi } from '../support/api.ts';
import { runCommand } from '../support/cli.ts';
import { waitFor } from '../support/wait.ts';

const now = Date.UTC(2026, 4, 1, 12);
const name = 'shop.example.com';
const [renewed, old] = [`sha256:${'CD'.repeat(32)}`, `sha256:${'AB'.repeat(32)}`];

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([domainRoutes()], now);
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db.sql`truncate custom_domains, domain_addresses, probe_observations`;
  api.queues.probes.length = 0;
});

interface Case {
  readonly domain?: Partial<typeof customDomains.$inferInsert>;
  /** What each address serves: a certificate, or null for none. */
  readonly served: readonly (string | null)[];
  readonly notAfter?: number;
}

const seed = async ({ domain = {}, served, notAfter = now }: Case): Promise<void> => {
  const row = domainOf({
    domain: name,
    certificate_ref: renewed,
    cert_last_event_type: 'renewal_succeeded',
    cert_last_event_at: new Date(now - 60_000),
    observed_certificate_ref: served[0] ?? null,
    ...domain,
  });
  await api.db.orm.insert(customDomains).values(row);
  const addresses = served.map((ref, index) => ({
    domain_id: row.id,
    address: `192.0.2.${index + 1}:443`,
    certificate_ref: ref,
    tls_not_after: ref === null ? null : new Date(notAfter),
    verdict: 'ok' as const,
    depth: 'full' as const,
    checked_at: new Date(now),
  }));
  await api.db.orm.insert(domainAddresses).values(addresses);
};

const probe = async (columns: number | null) => {
  const running = runCommand(api, domainsCommand, ['probe', name, '--wait'], { columns });
  await waitFor(() => api.queues.probes.length > 0);
  await api.db.sql`update custom_domains set tls_last_checked_at = now()`;
  const { code, out, err } = await running;
  return { code, out: [...out, ...err] };
};

describe('notafter domains probe --wait', () => {
  const stale = { drift_state: 'stale_served', drift_since: new Date(now) } as const;

  it.each<[string, Case, string]>([
    [
      'an old certificate',
      { domain: stale, served: [old] },
      `renewed, but the old certificate is still served: expected ${renewed}, served ${old}`,
    ],
    [
      'one that nobody knows',
      { domain: { ...stale, drift_state: 'unknown_served' }, served: [old] },
      `a certificate is served that no event spoke of: expected ${renewed}, served ${old}`,
    ],
    [
      'addresses that differ',
      { domain: { ...stale, drift_state: 'addresses_differ' }, served: [renewed, old] },
      `the addresses do not serve the same certificate: expected ${renewed}, served ${old} at 192.0.2.2:443`,
    ],
    [
      'addresses that differ, and events that named none',
      { domain: { ...stale, drift_state: 'addresses_differ', certificate_ref: null }, served: [old, renewed] },
      `the addresses do not serve the same certificate: served ${old}`,
    ],
    [
      'an old one within the grace',
      { served: [old] },
      `not yet the renewed certificate: expected ${renewed}, served ${old}`,
    ],
    [
      'one address that is behind within the grace',
      { served: [renewed, old] },
      `not yet the renewed certificate: expected ${renewed}, served ${old} at 192.0.2.2:443`,
    ],
    [
      'another end, where events named no hash',
      { domain: { certificate_ref: null, tls_not_after: new Date(now + 1000) }, served: [old] },
      `not yet the renewed certificate: expected one that ends 2026-05-01T12:00:01.000Z, served ${old}`,
    ],
  ])('fails and says why: %s', async (_, given, line) => {
    await seed(given);
    const { code, out } = await probe(80);
    expect(out[1]).toBe(`drift: ${line}`);
    expect(code).toBe(1);
  });

  it.each<[string, Case]>([
    ['in step', { domain: { ...stale, drift_state: 'in_step' }, served: [renewed, renewed] }],
    ['not judged yet, and the renewed one', { served: [renewed.toLowerCase()] }],
    ['no certificate seen', { served: [null] }],
    ['events named none', { domain: { certificate_ref: old, certificate_filled: true }, served: [old] }],
    ['passed through', { domain: { tls_mode: 'passthrough' }, served: [old] }],
    ['the same end', { domain: { certificate_ref: 'serial:1', tls_not_after: new Date(now + 1) }, served: [old] }],
  ])('is well: %s', async (_, given) => {
    await seed(given);
    const { code, out } = await probe(80);
    expect(out.filter((line) => line.startsWith('drift'))).toEqual([]);
    expect(code).toBe(0);
  });

  it('fails where a program reads the answer, too', async () => {
    await seed({ domain: stale, served: [old] });
    const { code, out } = await probe(null);
    expect(JSON.parse(out[0] ?? '')).toMatchObject({ domain: { drift_state: 'stale_served' } });
    expect(code).toBe(1);
  });
});

describe('a look that notafter itself keeps from being good', () => {
  it.each([
    ['untrusted', 'it is self-signed', 'it is self-signed; for a CA of your own set CERT_PROBE_TRUSTED_CA_FILE'],
    [
      'address_refused',
      'the address is private and may not be probed',
      'the address is private and may not be probed; if it is yours, set CERT_PROBE_ALLOWED_CIDRS',
    ],
    [
      'address_refused',
      'port 99 may not be probed at public addresses',
      'port 99 may not be probed at public addresses; if it is meant, set CERT_PROBE_ALLOWED_PORTS',
    ],
    ['expired', 'it has ended', 'it has ended'],
  ] as const)('says what to set: %s, %s', async (verdict, error, shown) => {
    await seed({ domain: { tls_fault: verdict, tls_fault_error: error }, served: [old] });
    await api.db.sql`update domain_addresses set verdict = ${verdict}, error = ${error}`;
    const { code, out } = await probe(250);
    expect(code).toBe(1);
    expect(out[1]).toBe(shown);
    expect(out.at(-1)).toContain(`  ${shown}`);
  });
});
