import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { incidentsCommand } from '../../src/cli/incidents.ts';
import { auditLog } from '../../src/db/schema-access.ts';
import { incidents } from '../../src/db/schema.ts';
import { incidentRoutes } from '../../src/http/incidents.ts';
import { createTestApi, incidentOf, type TestApi } from '../support/api.ts';
import { type CliRunOptions, runCommand } from '../support/cli.ts';

const now = Date.UTC(2026, 4, 1, 12);
const hour = 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([incidentRoutes()], now);
});
afterAll(() => api?.close());

const insert = async (values: Parameters<typeof incidentOf>[1] = {}): Promise<string> => {
  await api.db.sql`truncate certificate_incidents`;
  const row = incidentOf(now - hour, { incident_type: 'renewal_failed', tier: 3, reason: 'CAA forbids it', ...values });
  await api.db.orm.insert(incidents).values(row);
  return row.id ?? '';
};

const run = (args: readonly string[], options: CliRunOptions = {}) => runCommand(api, incidentsCommand, args, options);

describe('notafter incidents', () => {
  it('lists them for people and for programs', async () => {
    const id = await insert();
    const people = await run(['list', '--tier', '3'], { columns: 200 });
    expect(people.out.join('\n')).toContain(id);
    expect(people.out.at(-1)).toMatch(/open, \d+ of them tier 3; \d+ acknowledged, \d+ resolved$/);
    const [json = ''] = (await run(['list', '--status', 'open', '--type', 'renewal_failed'])).out;
    expect(JSON.parse(json)).toMatchObject({ incidents: [{ id, reason: 'CAA forbids it' }] });
  });

  it('shows one, with its context', async () => {
    const id = await insert({ context: { failures: 4 } });
    const { code, out } = await run(['show', id], { columns: 120 });
    expect(code).toBe(0);
    expect(out[0]).toBe(`${id}  CAA forbids it`);
    expect(out.join('\n')).toMatch(/failures {2}4/);
    expect(JSON.parse((await run(['show', id])).out[0] ?? '')).toMatchObject({ incident: { id } });
  });

  it('acknowledges and resolves with a note, once', async () => {
    const id = await insert();
    expect((await run(['ack', id, '--note', 'on it'], { columns: 80 })).out[0]).toContain(`${id} is acknowledged`);
    expect((await run(['ack', id], { columns: 80 })).out[0]).toContain(`${id} was acknowledged already`);
    const [json = ''] = (await run(['resolve', id, '--note', 'record removed'])).out;
    expect(JSON.parse(json)).toMatchObject({
      ok: true,
      incident: { status: 'resolved', resolve_note: 'record removed' },
    });
    const rows = await api.db.orm.select().from(auditLog);
    expect(rows.map(({ action, reason }) => [action, reason])).toEqual([
      ['incident.acknowledge', 'on it'],
      ['incident.resolve', 'record removed'],
    ]);
  });

  it('says what is wrong', async () => {
    const id = await insert();
    expect(await run(['ack', id], { role: 'viewer' })).toMatchObject({
      code: 1,
      err: [expect.stringContaining('operator')],
    });
    const missing = await run(['show', '0197c1d2-0000-7000-8000-000000000000']);
    expect(missing).toMatchObject({
      code: 1,
      err: ['notafter incidents show: HTTP 404: There is no incident with this id'],
    });
  });
});
