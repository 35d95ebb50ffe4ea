import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditCommand } from '../../src/cli/audit.ts';
import { insertToken } from '../../src/db/access-tokens.ts';
import type { AuditRow } from '../../src/db/audit-reads.ts';
import { incidents } from '../../src/db/schema.ts';
import { auditList, checkpointAnswer, verifyAnswer } from '../../src/http/audit-answers.ts';
import { auditRoutes } from '../../src/http/audit.ts';
import { hashSecret, tokenPrefix } from '../../src/http/auth.ts';
import { customDomainRoutes } from '../../src/http/custom-domains.ts';
import { importRoutes } from '../../src/http/domain-import.ts';
import { domainRoutes } from '../../src/http/domains.ts';
import { incidentRoutes } from '../../src/http/incidents.ts';
import type { ChainReport, Checkpoint } from '../../src/lifecycle/audit-chain.ts';
import { auditCheckpointer } from '../../src/processors/audit-checkpoint.ts';
import { createTestApi, incidentOf, type TestApi, tokenOf } from '../support/api.ts';
import { runCommand } from '../support/cli.ts';

const now = Date.UTC(2026, 4, 1, 12);
const base = '/v1/admin/audit';
const secret = 'a secret of the test';

let api: TestApi;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'notafter-audit-'));
  const routes = [auditRoutes(), importRoutes(), domainRoutes(), customDomainRoutes(), incidentRoutes()];
  api = await createTestApi(routes, now);
});
afterAll(async () => {
  await api.close();
  rmSync(directory, { recursive: true });
});

interface List {
  entries: AuditRow[];
  nextCursor: string | null;
  stats: { total: number };
}
const list = async (query = ''): Promise<List> => {
  const { status, body } = await api.call<List>('GET', `${base}?${query}`);
  expect(status).toBe(200);
  v.assert(auditList, body);
  return body;
};
const newest = async (query = ''): Promise<AuditRow | undefined> => (await list(query)).entries[0];
const total = async (): Promise<number> => (await list()).stats.total;
const ok = async (method: string, at: string, body?: unknown, headers = {}) => {
  const answer = await api.call(method, at, { body, headers });
  expect(answer.status).toBeLessThan(300);
  return answer.body;
};

describe('what a change leaves behind', () => {
  it.each(['\\u0000', 'a\\\\u0000\\', '\\ud800', '"\\'])('an organisation that is called %s', async (orgId) => {
    await ok('PUT', '/v1/admin/domains/odd.example', { verified: true, orgId });
    expect(await newest()).toMatchObject({ object_id: 'odd.example', org_id: orgId, after: { org_id: orgId } });
  });

  it('a domain that is registered, changed, probed, routed and removed', async () => {
    await ok('PUT', '/v1/admin/domains/one.example', { verified: true, region: 'eu', orgId: 'acme' });
    expect(await newest()).toMatchObject({
      actor: 'admin',
      actor_kind: 'person',
      role: 'admin',
      action: 'domain.create',
      object_type: 'domain',
      object_id: 'one.example',
      org_id: 'acme',
      before: null,
      after: { verified: true, region: 'eu', org_id: 'acme', tls_mode: 'termination' },
    });
    await ok('PUT', '/v1/admin/domains/one.example', { region: 'us', verified: true });
    expect(await newest()).toMatchObject({
      action: 'domain.change',
      before: { region: 'eu' },
      after: { region: 'us' },
    });
    expect(Object.keys(Object((await newest())?.after))).toEqual(['region']);
    await ok('POST', '/v1/admin/domains/one.example/probe');
    expect(await newest()).toMatchObject({ action: 'domain.probe', object_id: 'one.example', org_id: 'acme' });

    const made = await ok('POST', '/v1/domains/custom', { domain: 'two.example' });
    const { id, verification_token: token } = v.parse(
      v.object({ domain: v.object({ id: v.string(), verification_token: v.string() }) }),
      made,
    ).domain;
    expect(await newest()).toMatchObject({ action: 'domain.create', object_id: 'two.example' });
    await ok('POST', `/v1/domains/custom/${id}/route`, { region: 'eu' });
    expect(await newest()).toMatchObject({
      action: 'domain.change',
      before: { region: null },
      after: { region: 'eu' },
    });
    await ok('PUT', `/v1/domains/custom/${id}/failure-policy`, { failurePolicy: 'hold' });
    expect(await newest()).toMatchObject({ after: { cert_failure_policy: 'hold' } });
    await ok('POST', `/v1/domains/custom/${id}/unroute`, {});
    expect(await newest()).toMatchObject({ before: { region: 'eu' }, after: { region: null } });
    await ok('DELETE', `/v1/domains/custom/${id}`);
    expect(await newest()).toMatchObject({
      action: 'domain.delete',
      object_id: 'two.example',
      after: null,
      before: { verified: false },
    });
    const all = JSON.stringify((await list()).entries);
    expect(all).not.toContain('verification_token');
    expect(all).not.toContain(token);
  });

  it('incidents, once, with the note as the reason', async () => {
    const [row] = await api.db.orm
      .insert(incidents)
      .values(incidentOf(now, { org_id: 'acme' }))
      .returning();
    const before = await total();
    await ok('POST', `/v1/admin/cert-incidents/${row?.id}/ack`, { note: 'on it' });
    await ok('POST', `/v1/admin/cert-incidents/${row?.id}/ack`, { note: 'me too' });
    await ok('POST', `/v1/admin/cert-incidents/${row?.id}/resolve`, {});
    const [second, first] = (await list(`objectType=incident&objectId=${row?.id}`)).entries;
    expect(first).toMatchObject({
      action: 'incident.acknowledge',
      reason: 'on it',
      before: { status: 'open' },
      after: { status: 'acknowledged' },
    });
    expect(second).toMatchObject({
      action: 'incident.resolve',
      reason: null,
      before: { status: 'acknowledged' },
      org_id: 'acme',
    });
    expect(await total()).toBe(before + 2);
  });

  it('an import, in one row', async () => {
    const lines = '{"domain":"i1.example"}\n{"domain":"i2.example"}\nnonsense\n';
    await ok('POST', '/v1/admin/domains/import', lines, { 'content-type': 'application/x-ndjson' });
    expect(await newest()).toMatchObject({
      action: 'domain.import',
      after: { imported: 2, failed: 1, bytes: lines.length, whole: true },
    });
  });

  it('nothing where nothing changed', async () => {
    await ok('PUT', '/v1/admin/domains/same.example', { region: 'eu' });
    const before = await total();
    await ok('PUT', '/v1/admin/domains/same.example', { region: 'eu' });
    expect((await api.call('POST', `/v1/admin/cert-incidents/${crypto.randomUUID()}/ack`, { body: {} })).status).toBe(
      404,
    );
    expect((await api.call('PUT', '/v1/admin/domains/same.example', { body: { region: 1 } })).status).toBe(400);
    await ok('POST', '/v1/admin/domains/import', 'nonsense\n', { 'content-type': 'application/x-ndjson' });
    expect(await total()).toBe(before);
  });

  it('nothing of either when the row cannot be written', async () => {
    await api.db.sql`alter table audit_log add constraint no_rows check (actor <> 'admin') not valid`;
    expect((await api.call('PUT', '/v1/admin/domains/never.example', { body: {} })).status).toBe(500);
    await api.db.sql`alter table audit_log drop constraint no_rows`;
    expect((await api.call('GET', '/v1/admin/domains/never.example')).status).toBe(404);
  });
});

describe('the list', () => {
  it.each([
    'actor=admin',
    'action=domain.change',
    'objectType=domain',
    'objectId=one.example',
    'orgId=acme',
    `since=${now}`,
  ])('is narrowed by %s, page by page', async (query) => {
    const whole = await list(`${query}&limit=500`);
    expect(whole.entries.length).toBeGreaterThan(0);
    expect(whole.stats.total).toBe(whole.entries.length);
    const seen: number[] = [];
    let cursor: string | null = null;
    do {
      const page: List = await list(`${query}&limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
      seen.push(...page.entries.map(({ seq }) => seq));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(whole.entries.map(({ seq }) => seq));
  });

  it.each(['actor=nobody', `until=${now}`, 'requestId=x', 'action=token.create'])('is empty for %s', async (query) => {
    expect(await list(query)).toMatchObject({ entries: [], stats: { total: 0 } });
  });

  it.each(['action=nothing', 'limit=0', 'cursor=x', 'what=1'])('refuses %s', async (query) => {
    expect((await api.call('GET', `${base}?${query}`)).status).toBe(400);
  });

  it('is not for viewers', async () => {
    for (const at of ['', '/export?format=csv', '/verify', '/checkpoint'])
      expect((await api.call('GET', `${base}${at}`, { role: 'viewer' })).status).toBe(403);
  });

  it('shows an organisation its own rows only', async () => {
    const token = `${tokenPrefix}of-the-test`;
    await insertToken(api.db, {
      id: crypto.randomUUID(),
      name: 'acme',
      role: 'operator',
      org_id: 'acme',
      hash: hashSecret(token),
      created_at: new Date(now),
      created_by: 'test',
    });
    const headers = { authorization: `Bearer ${token}` };
    const { body } = await api.call<List>('GET', base, { headers });
    expect(body.entries.length).toBeGreaterThan(0);
    expect(new Set(body.entries.map(({ org_id }) => org_id))).toEqual(new Set(['acme']));
    expect((await api.call('GET', `${base}?orgId=globex`, { headers })).status).toBe(403);
    for (const at of ['/verify', '/checkpoint'])
      expect((await api.call('GET', base + at, { headers })).status).toBe(403);
  });
});

describe('the export', () => {
  const fetched = async (format: string) => {
    const response = await api.app.request(`${base}/export?format=${format}&action=domain.create`, {
      headers: { authorization: `Bearer ${tokenOf('operator')}` },
    });
    expect(response.status).toBe(200);
    return response.text();
  };

  it('holds every row in order, and is audited itself', async () => {
    const lines = (await fetched('ndjson')).trimEnd().split('\n');
    const rows: AuditRow[] = lines.map((line) => JSON.parse(line));
    expect(rows).toEqual((await list('action=domain.create')).entries.toReversed());
    expect(await newest()).toMatchObject({
      actor: 'operator',
      action: 'list.export',
      object_type: 'audit',
      after: { format: 'ndjson', action: 'domain.create' },
    });
  });

  it('holds nothing that a spreadsheet runs', async () => {
    await ok('PUT', '/v1/admin/domains/formula.example', { orgId: '=HYPERLINK("http://evil.example")' });
    const csv = await fetched('csv');
    expect(csv).toContain(`"'=HYPERLINK(""http://evil.example"")"`);
    expect(csv).not.toMatch(/(^|,)"?[=+\-@]/m);
    expect(csv.split('\r\n')[0]).toBe(
      'seq,at,actor,actor_kind,role,action,object_type,object_id,org_id,before,after,reason,request_id,address,hash',
    );
  });
});

describe('checkpoints and the check', () => {
  const logged: Record<string, unknown>[] = [];
  const job = (api_: TestApi, signing: string | null = secret) =>
    auditCheckpointer({
      ...api_.ctx,
      config: { ...api_.ctx.config, ...(signing !== null && { CERT_AUDIT_SIGNING_SECRET: [signing] }) },
      log: Object.assign(Object.create(api_.ctx.log), {
        info: (line: Record<string, unknown>, msg: string) => void logged.push({ ...line, msg }),
        error: (line: Record<string, unknown>, msg: string) => void logged.push({ ...line, msg }),
      }),
    });
  const checkpoints = async (): Promise<number> => {
    const [row] = await api.db.sql<{ n: number }[]>`select count(*)::int as n from audit_checkpoints`;
    return row?.n ?? 0;
  };
  const change = (region: string) => ok('PUT', '/v1/admin/domains/signed.example', { region });

  beforeEach(() => void logged.splice(0));

  it('sign nothing without a secret', async () => {
    expect(await job(api, null)()).toEqual({ kind: 'done' });
    expect(await checkpoints()).toBe(0);
    expect((await api.call('GET', `${base}/checkpoint`)).body).toMatchObject({ checkpoint: null });
  });

  it('are written when the log moved, a minute apart or after a thousand rows, and told', async () => {
    const run = job(api);
    await run();
    const { body } = await api.call<{ checkpoint: Checkpoint }>('GET', `${base}/checkpoint`);
    v.assert(checkpointAnswer, body);
    expect(logged).toEqual([{ ...body.checkpoint, previous: 0, msg: 'audit checkpoint' }]);
    await run();
    await change('eu');
    await run();
    expect(await checkpoints()).toBe(1);
    api.setNow(now + 60_000);
    await run();
    expect(await checkpoints()).toBe(2);
    await api.db.sql`insert into audit_log (at, actor, actor_kind, action, object_type)
      select now(), 'x', 'system', 'domain.change', 'domain' from generate_series(1, 1000)`;
    await run();
    expect(await checkpoints()).toBe(3);
    const report = await api.call<ChainReport>('GET', `${base}/verify`);
    v.assert(verifyAnswer, report.body);
    expect(report.body).toMatchObject({ ok: true, checkpoints: 3, signed: false, rows: await total() });
  });

  it('are refused to a log that was tampered with', async () => {
    const run = job(api);
    await run();
    await change('us');
    await api.db.sql`alter table audit_log disable trigger audit_log_append_only`;
    await api.db.sql`update audit_log set actor = 'mallory' where seq = (select max(seq) from audit_log)`;
    await api.db.sql`alter table audit_log enable trigger audit_log_append_only`;
    api.setNow(now + 180_000);
    await run();
    expect(await checkpoints()).toBe(3);
    expect(logged.at(-1)).toMatchObject({ problem: expect.stringContaining('was changed') });
    const { body } = await api.call<ChainReport>('GET', `${base}/verify`);
    expect(body).toMatchObject({ ok: false, problem: { kind: 'changed' } });
  });
});

describe('notafter audit', () => {
  const run = (args: readonly string[], columns: number | null = 240) =>
    runCommand(api, auditCommand, args, { columns, env: { NOTAFTER_DATA_DIR: directory } });

  it('lists, exports and prints a checkpoint to keep', async () => {
    const listed = await run(['list', '--object-id', 'one.example']);
    expect(listed.out.join('\n')).toMatch(
      /NO +AT +WHO +WHAT[^]*admin +domain\.change +one\.example +- +\{"region":"eu"\} → \{"region":"us"\}/,
    );
    expect(listed.out.at(-1)).toBe('3 in all');
    expect((await run(['export', '--format', 'csv', '--action', 'domain.probe'])).out[1]).toContain('one.example');
    expect(JSON.parse((await run(['checkpoint'], null)).out[0] ?? '')).toHaveProperty('signature');
  });

  it('names the first broken row and fails', async () => {
    const { code, out } = await run(['verify']);
    expect(code).toBe(1);
    expect(out[0]).toMatch(/^BROKEN: row \d+ was changed/);
    expect((await run(['verify'], null)).out[0]).toContain('"ok":false');
  });

  it('compares with a checkpoint that was kept, and says when it is none', async () => {
    const file = path.join(directory, 'kept.json');
    writeFileSync(file, JSON.stringify({ seq: 1, hash: 'a'.repeat(64) }));
    expect((await run(['verify', '--checkpoint', file])).out[0]).toContain('row 1 has another hash');
    expect((await run(['verify', '--checkpoint', `1:${'a'.repeat(64)}`])).out[0]).toContain('row 1 has another hash');
    writeFileSync(file, `1:${'a'.repeat(64)}\r\n  signed at   2026-05-01T12:00:00.000Z\r\n  rows since  0\r\n`);
    expect((await run(['verify', '--checkpoint', file])).out[0]).toContain('row 1 has another hash');
    writeFileSync(file, '{}');
    expect((await run(['verify', '--checkpoint', file])).err[0]).toContain('holds no checkpoint');
    expect((await run(['verify', '--offline'])).err[0]).toContain('needs DATABASE_URL');
  });
});
