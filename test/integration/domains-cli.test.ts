import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { domainsCommand } from '../../src/cli/domains.ts';
import { notifications } from '../../src/db/schema-served.ts';
import { customDomains, incidents } from '../../src/db/schema.ts';
import { customDomainRoutes } from '../../src/http/custom-domains.ts';
import { importRoutes } from '../../src/http/domain-import.ts';
import { domainRoutes } from '../../src/http/domains.ts';
import { createTestApi, domainOf, idAt, incidentOf, type TestApi } from '../support/api.ts';
import { type CliRunOptions, runCommand } from '../support/cli.ts';

const now = Date.UTC(2026, 4, 1, 12);

let api: TestApi;
let dir: string;
beforeAll(async () => {
  api = await createTestApi([importRoutes(), domainRoutes(), customDomainRoutes()], now);
  dir = mkdtempSync(path.join(tmpdir(), 'notafter-domains-'));
});
afterAll(async () => {
  await api.close();
  rmSync(dir, { recursive: true });
});
beforeEach(() => api.db.sql`truncate custom_domains, certificate_incidents, certificate_notifications, tunnels`);

const fileOf = (text: string): string => {
  const file = path.join(dir, 'domains.ndjson');
  writeFileSync(file, text);
  return file;
};

const run = (args: readonly string[], options: CliRunOptions = {}) =>
  runCommand(api, domainsCommand, args, { role: 'admin', ...options });
const json = (line: string | undefined): unknown => JSON.parse(line ?? '');

describe('notafter domains put', () => {
  it('registers, changes what is given and removes with --no-', async () => {
    const first = await run([
      'put',
      'A.example.com',
      '--verified',
      '--region',
      'eu',
      '--org-id',
      'o',
      '--failure-policy',
      'hold',
    ]);
    expect(first.code).toBe(0);
    expect(json(first.out[0])).toMatchObject({
      ok: true,
      domain: { domain: 'a.example.com', verified: true, region: 'eu', org_id: 'o' },
    });
    const addresses = ['--probe-address', '192.0.2.1', '--probe-address', '[::1]:8443'];
    const second = await run(['put', 'a.example.com', '--no-region', ...addresses, '--starttls', 'smtp']);
    expect(json(second.out[0])).toMatchObject({
      domain: {
        verified: true,
        region: null,
        org_id: 'o',
        probe_address: ['192.0.2.1', '[::1]:8443'],
        starttls: 'smtp',
      },
    });
    const third = await run([
      'put',
      'a.example.com',
      '--no-verified',
      '--no-org-id',
      '--no-probe-address',
      '--no-starttls',
    ]);
    expect(json(third.out[0])).toMatchObject({
      domain: { verified: false, org_id: null, probe_address: null, starttls: null },
    });
  });

  it('says on a terminal what it did', async () => {
    expect((await run(['put', 'a.example.com'], { columns: 100 })).out.slice(0, 2)).toEqual([
      'registered',
      'a.example.com  pending_route',
    ]);
    expect((await run(['put', 'a.example.com', '--region', 'eu'], { columns: 100 })).out[0]).toBe('saved');
  });

  it.each([
    ['not a host', [], 'HTTP 400: The domain in the path must be a host name'],
    [
      'a.example.com',
      ['--probe-address', 'x'],
      'HTTP 400: probeAddress.0 must be an IP address, with :port where it is not 443',
    ],
  ])('passes on what is wrong: %s %j', async (name, args, message) => {
    expect(await run(['put', name, ...args])).toMatchObject({
      code: 1,
      err: [`notafter domains put: ${message}`],
      out: [],
    });
  });

  it('needs the role', async () => {
    const { code, err } = await run(['put', 'a.example.com'], { role: 'viewer' });
    expect({ code, err }).toEqual({ code: 1, err: ['notafter domains put: HTTP 403: This needs the role admin'] });
  });
});

describe('notafter domains list', () => {
  beforeEach(async () => {
    await api.db.orm.insert(customDomains).values([
      domainOf({
        domain: 'a.example.com',
        org_id: 'o',
        tls_status: 'tls_error',
        drift_state: 'stale_served',
        drift_since: new Date(now),
        tls_last_error: 'rate \u001B[31mlimit',
      }),
      domainOf({ domain: 'b.example.com', region: null, tls_status: 'pending_route', verified: false }),
      domainOf({ domain: 'c.example.org' }),
    ]);
  });

  it.each([
    [[], ['a.example.com', 'b.example.com', 'c.example.org']],
    [['--status', 'tls_error'], ['a.example.com']],
    [['--region', 'unassigned'], ['b.example.com']],
    [['--org-id', 'o'], ['a.example.com']],
    [['--match', '*.example.org'], ['c.example.org']],
    [['--drift', 'stale_served'], ['a.example.com']],
    [['--drift', 'in_step'], []],
  ])('%j', async (args, expected) => {
    const { out } = await run(['list', ...args], { role: 'viewer' });
    expect(json(out[0])).toMatchObject({ domains: expected.map((domain) => ({ domain })) });
  });

  it('is a table on a terminal, harmless to it, with the way to the next page', async () => {
    const { out } = await run(['list', '--limit', '2'], { columns: 120 });
    expect(out[0]).toMatch(/^DOMAIN +STATUS +DRIFT +REGION +ORG +VERIFIED/);
    expect(out[1]).toMatch(/^a\.example\.com +tls_error +stale_served +eu +o +yes .*rate  ?\[31mlimit$/);
    expect(out[2]).toMatch(/^b\.example\.com +pending_route +- +unassigned +- +no/);
    const cursor = out[3]?.replace('more: --cursor ', '') ?? '';
    const rest = await run(['list', '--cursor', cursor]);
    expect(json(rest.out[0])).toMatchObject({ domains: [{ domain: 'c.example.org' }], nextCursor: null });
  });
});

describe('notafter domains list --drift', () => {
  it('takes the states there are, and says which', async () => {
    await expect(run(['list', '--drift', 'stale'])).rejects.toThrow(
      /Allowed choices are in_step, stale_served, unknown_served, addresses_differ/,
    );
  });
});

describe('notafter domains show', () => {
  it('never cuts a fingerprint, however narrow the terminal', async () => {
    const [said, seen] = [`sha256:${'CD'.repeat(32)}`, `sha256:${'AB'.repeat(32)}`];
    await api.db.orm
      .insert(customDomains)
      .values(domainOf({ domain: 'a.example.com', certificate_ref: said, observed_certificate_ref: seen }));
    const { out } = await run(['show', 'a.example.com'], { columns: 80 });
    expect(out.find((line) => line.startsWith('  certificate ref '))).toMatch(new RegExp(` ${said}$`));
    const [events, served] = [out.indexOf('EVENTS'), out.indexOf('SERVED')];
    expect(out[events + 1]).toBe(`  certificate  ${said}`);
    expect(out[served + 1]).toBe(`  certificate  ${seen}`);
  });

  it('says when an incident was resolved', async () => {
    const row = domainOf({ domain: 'a.example.com' });
    await api.db.orm.insert(customDomains).values(row);
    const resolved = { status: 'resolved' as const, resolved_at: new Date(now + 1000), resolved_by: 'auto' };
    await api.db.orm
      .insert(incidents)
      .values(incidentOf(now, { domain: 'a.example.com', domain_id: row.id, ...resolved }));
    const { out } = await run(['show', 'a.example.com'], { columns: 160 });
    expect(out.at(-1)).toMatch(/incident, tier 2 +renewal_failed +resolved 2026-05-01T12:00:01.000Z +-$/);
  });

  it('names the channel of a notification', async () => {
    const row = domainOf({ domain: 'a.example.com' });
    await api.db.orm.insert(customDomains).values(row);
    const [id, at] = [idAt(now), new Date(now)];
    await api.db.orm.insert(notifications).values({
      id,
      kind: 'alert',
      action: 'resolve',
      alert_key: `${row.id}:drift`,
      cycle: 'none',
      class: 'drift',
      severity: 'warning',
      route: 'ticket',
      channel: 'chat',
      domain_id: row.id,
      domain: 'a.example.com',
      summary: 'mended',
      body: {},
      status: 'failed',
      tries: 1,
      last_error: 'the receiver answered 500',
      fired_at: at,
      created_at: at,
      updated_at: at,
    });
    const { out } = await run(['show', 'a.example.com'], { columns: 160 });
    expect(out.at(-1)).toMatch(/notification, chat +drift resolve +failed +the receiver answered 500$/);
  });

  it('shows the row and what happened', async () => {
    const row = domainOf({ domain: 'a.example.com' });
    await api.db.orm.insert(customDomains).values(row);
    await api.db.orm
      .insert(incidents)
      .values(incidentOf(now, { domain: 'a.example.com', domain_id: row.id, reason: 'no luck' }));
    const { out } = await run(['show', 'a.example.com'], { columns: 140, role: 'viewer' });
    expect(out[0]).toBe('a.example.com  issued');
    expect(out.find((line) => line.startsWith('  region'))).toMatch(/^ {2}region +eu$/);
    expect(out.at(-1)).toMatch(/^2026-05-01T12:00:00.000Z +incident, tier 2 +renewal_failed +open +no luck$/);
    expect(json((await run(['show', 'a.example.com', '--json'], { columns: 140 })).out[0])).toMatchObject({
      addresses: [],
    });
  });

  it('says that a name is not registered', async () => {
    expect((await run(['show', 'x.example.com'])).err).toEqual([
      'notafter domains show: HTTP 404: The domain is not registered',
    ]);
  });
});

describe('notafter domains import', () => {
  const good = Array.from({ length: 3000 }, (_, n) => `{"domain":"d${n}.example.com","region":"eu"}`).join('\n');

  it('sends the file and shows how far it is', async () => {
    const { code, out, bars } = await run(['import', fileOf(good)], { columns: 80 });
    expect({ code, out }).toEqual({ code: 0, out: ['3000 imported, 0 failed'] });
    expect(bars.at(-2)).toBe(`[${'#'.repeat(30)}] 100 %`);
    expect(bars.at(-1)).toBe('');
    expect(await api.db.orm.$count(customDomains)).toBe(3000);
  });

  it('tells bad lines and fails', async () => {
    const file = fileOf('{"domain":"a.example.com"}\n{"domain":""}\n');
    const shown = await run(['import', file], { columns: 80 });
    expect(shown).toMatchObject({
      code: 1,
      out: ['1 imported, 1 failed'],
      err: ['notafter domains import: line 2: domain must be a host name'],
    });
    expect(json((await run(['import', file])).out[0])).toMatchObject({ imported: 1, failed: 1, errors: [{ line: 2 }] });
  });

  it('says that there is no such file, and that the role is too low', async () => {
    const missing = await run(['import', path.join(dir, 'none')]);
    expect(missing).toMatchObject({ code: 1, err: ['notafter domains import: the file cannot be read'] });
    const refused = await run(['import', fileOf(good)], { role: 'operator' });
    expect(refused).toMatchObject({ code: 1, err: ['notafter domains import: HTTP 403: This needs the role admin'] });
  });
});

describe('notafter domains verify', () => {
  it('says where the record is missing', async () => {
    await api.db.orm.insert(customDomains).values(domainOf({ domain: 'a.example.com', verified: false }));
    const { code, err } = await run(['verify', 'a.example.com']);
    expect(code).toBe(1);
    expect(err[0]).toContain(
      'HTTP 409: The domain is not verified: at _fdt-verify.a.example.com there is no TXT record',
    );
  });
});
