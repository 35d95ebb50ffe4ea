import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EventBody, eventBody, register, send } from '../support/driver.ts';
import type { Sql } from '../support/ledger.ts';
import { openSite, type Site } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';
import { checkWorld, type Evidence } from './checker.ts';
import { answersFile, sentFile } from './journal.ts';
import { type CountingReceiver, startReceiver } from './receiver.ts';
import type { Verdict } from './scenario.ts';

const stranger = 'nobody.example';
let site: Site;
let receiver: CountingReceiver;
let dir: string;
let sent: { readonly body: EventBody; readonly id: string }[];

const note = (folder: string, body: EventBody, id: string | null, status = 202): void => {
  mkdirSync(folder, { recursive: true });
  appendFileSync(sentFile(folder), `${JSON.stringify(body)}\n`);
  appendFileSync(answersFile(folder), `${JSON.stringify([1, 1, status, body.sourceEventId, id])}\n`);
};

const tell = async (body: EventBody): Promise<void> => {
  const { status, body: said } = await send(site.url, body);
  expect(status).toBe(202);
  note(dir, body, String(said['eventId']));
  sent.push({ body, id: String(said['eventId']) });
};

const untilQuiet = () =>
  waitFor(
    async () => {
      const [row] = await site.sql<{ n: number; told: number }[]>`
        select (select count(*)::int from certificate_lifecycle_events where status = 'pending')
          + (select count(*)::int from certificate_notifications where status <> 'sent')
          + (select count(*)::int from domain_clocks where look_due_at <= now()) as n,
          (select count(*)::int from certificate_notifications) as told`;
      return row?.n === 0 && row.told >= 2;
    },
    { timeoutMs: 40_000, intervalMs: 100, what: 'all to be told' },
  );

beforeAll(async () => {
  receiver = await startReceiver();
  dir = mkdtempSync(path.join(tmpdir(), 'notafter-checker-'));
  sent = [];
  site = await openSite('postgres', {
    CERT_ALERT_WEBHOOK_URL: `${receiver.url}/alert-webhook`,
    CERT_RUNBOOK_WEBHOOK_URL: `${receiver.url}/runbook`,
    CERT_RUNBOOK_SIGNING_SECRET: 'runbook-secret',
    CERT_EVENT_MAX_RETRIES: '1',
  });
  for (const name of ['a.example', 'b.example']) await register(site.url, name, { orgId: 'org-1' });
  for (const type of ['renewal_succeeded', 'renewal_failed', 'renewal_failed', 'certificate_expiring'])
    await tell(eventBody('a.example', type, { reason: `it is ${type}` }));
  await tell(eventBody('b.example', 'renewal_failed', { payload: { order: { n: 1 } } }));
  await tell(eventBody(stranger, 'renewal_failed'));
  await untilQuiet();
}, 60_000);

afterAll(async () => {
  await site.close();
  await receiver.close();
  rmSync(dir, { recursive: true, force: true });
});

const evidence = (changes: Partial<Evidence> = {}): Evidence => ({
  sql: site.sql,
  receiver,
  dirs: [dir],
  ends: [],
  cooldowns: { alert: 1_800_000, runbook: 900_000 },
  mayFail: false,
  ...changes,
});

class Undo extends Error {}

/** What the checker says once these statements have run; they are taken back afterwards. */
const afterwards = async (plant: string, changes: Partial<Evidence> = {}): Promise<Verdict> => {
  let verdict: Verdict | null = null;
  const planting = site.sql.begin(async (tx) => {
    await tx.unsafe(plant);
    // A transaction asks as the pool does, but for its own beginning and end.
    verdict = await checkWorld(evidence({ sql: tx as unknown as Sql, ...changes }));
    throw new Undo();
  });
  await expect(planting).rejects.toThrow(Undo);
  if (verdict === null) throw new Error('there is no verdict');
  return verdict;
};

const names = ({ flaws }: Verdict): string[] => flaws.map(({ flaw }) => flaw);

const event = (n: number): string => `'${sent[n]?.id ?? ''}'`;
const copyOf = (table: string, changes: Readonly<Record<string, string>>, where: string): string => {
  const row = Object.entries(changes).reduce(
    (json, [column, value]) => `jsonb_set(${json}, '{${column}}', ${value})`,
    'to_jsonb(t)',
  );
  return `insert into ${table} select r.* from (select * from ${table} where ${where} limit 1) t,
    lateral jsonb_populate_record(null::${table}, ${row}) r;`;
};
const fires = `action = 'fire' and kind = 'alert'`;
const freshId = `to_jsonb('${randomUUID()}'::text)`;

describe('the checker', { timeout: 30_000 }, () => {
  it('finds nothing where nothing is wrong', async () => {
    const verdict = await checkWorld(evidence());
    expect(verdict).toMatchObject({ accepted: 6, lost: 0, doubled: 0, orphaned: 0, notificationsSplit: 0, flaws: [] });
  });

  it.each<[string, () => string, string]>([
    [
      'an event that is gone',
      () => `delete from certificate_lifecycle_events where id = ${event(1)}`,
      'accepted, but not in the ledger',
    ],
    [
      'an event under another id',
      () => `update certificate_lifecycle_events set id = gen_random_uuid() where id = ${event(1)}`,
      'accepted, but not in the ledger',
    ],
    [
      'an event without an end',
      () => `update certificate_lifecycle_events set status = 'pending' where id = ${event(1)}`,
      'without an end',
    ],
    [
      'an event that ended without an outcome',
      () => `update certificate_lifecycle_events set outcome = null where id = ${event(1)}`,
      'outcome and status disagree',
    ],
    [
      'an event that ended and waits',
      () => `update certificate_lifecycle_events set next_retry_at = now() where id = ${event(1)}`,
      'ended, but not as an end is written',
    ],
    [
      'an event whose content is another',
      () => `update certificate_lifecycle_events set reason = 'something else' where id = ${event(1)}`,
      'not what was sent',
    ],
    [
      'an event whose payload is another',
      () => `update certificate_lifecycle_events set payload_json = '{"order":{"n":2}}' where id = ${event(4)}`,
      'not what was sent',
    ],
    [
      'an event that was applied twice',
      () =>
        `update certificate_lifecycle_events set status = 'pending' where id = ${event(1)}; update certificate_lifecycle_events set status = 'applied' where id = ${event(1)}`,
      'applied more than once',
    ],
    [
      'an event applied behind the back of the database',
      () => `delete from noted_applications where event_id = ${event(1)}`,
      'applied, but never seen to be',
    ],
    [
      'an application that left nothing',
      () => `update certificate_lifecycle_events set status = 'failed', outcome = null where id = ${event(1)}`,
      'seen to be applied, but not applied',
    ],
    [
      'an event that nobody sent',
      () => `update certificate_lifecycle_events set source_event_id = 's1-1-77' where id = ${event(1)}`,
      'in the ledger, but nobody sent it',
    ],
    [
      'an event that belongs to another organisation',
      () => `update certificate_lifecycle_events set org_id = 'org-2' where id = ${event(1)}`,
      'applied to another domain or organisation than its own',
    ],
    [
      'an event that is unresolved for no reason',
      () => `update certificate_lifecycle_events set error_class = 'unresolved' where id = ${event(1)}`,
      'unresolved, though its domain is registered',
    ],
    [
      'a failure that was not counted',
      () => `update custom_domains set cert_failure_count = cert_failure_count + 1 where domain = 'a.example'`,
      'not the fold of the ledger',
    ],
    [
      'an incident of another tier',
      () => `update certificate_incidents set tier = 3 where domain = 'b.example'`,
      'not the fold of the ledger',
    ],
    [
      'an incident that was opened twice',
      () =>
        `drop index certificate_incidents_live; ${copyOf('certificate_incidents', { id: freshId }, `status <> 'resolved'`)}`,
      'two live incidents of one kind',
    ],
    [
      'an incident without its domain',
      () => `update certificate_incidents set domain_id = gen_random_uuid()`,
      'an incident without its domain',
    ],
    [
      'an incident without its event',
      () => `update certificate_incidents set event_id = gen_random_uuid() where domain = 'b.example'`,
      'an incident without its event',
    ],
    [
      'a try without its event',
      () =>
        `insert into cert_event_attempts (event_id, generation, attempt, error_class, error, created_at) values (gen_random_uuid(), 0, 1, 'unresolved', 'x', now())`,
      'a try without its event',
    ],
    [
      'a try that was not counted',
      () => `update certificate_lifecycle_events set retry_count = 3 where id = ${event(5)}`,
      'a dead letter whose tries do not add up',
    ],
    [
      'a try that an outage cost',
      () =>
        `insert into cert_event_attempts (event_id, generation, attempt, error_class, error, created_at) values (${event(1)}, 0, 1, 'internal', 'x', now())`,
      'a try that failed for a fault of the program',
    ],
    [
      'a notification that waits',
      () => `update certificate_notifications set status = 'pending' where ${fires}`,
      'a notification nobody delivered',
    ],
    [
      'a notification that never left',
      () => copyOf('certificate_notifications', { id: freshId, seq: `to_jsonb(999999)` }, fires),
      'a notification counts as sent, but never arrived',
    ],
    [
      'a notification that nobody decided',
      () => `delete from certificate_notifications where ${fires}`,
      'a notification arrived that nobody decided',
    ],
    [
      'a notification without its domain',
      () => `update certificate_notifications set domain_id = gen_random_uuid()`,
      'a notification without its domain',
    ],
    [
      'an alert that was told again at once',
      () => copyOf('certificate_notifications', { id: freshId, seq: `to_jsonb(999999)` }, fires),
      'said again within its cooldown',
    ],
    [
      'an alert that ended and was not told to',
      () => `delete from certificate_alerts`,
      'the last word on an alert is wrong',
    ],
    [
      'a domain in trouble without an alert',
      () => `delete from certificate_alerts`,
      'an alert is not as its domain is',
    ],
    [
      'an alert of a domain that is well',
      () => `update custom_domains set tls_status = 'issued'`,
      'an alert is not as its domain is',
    ],
    ...['event_counts', 'domain_counts', 'incident_counts', 'notification_counts', 'event_hours', 'source_hours'].map(
      (table): [string, () => string, string] => [
        `a wrong count in ${table}`,
        () => `insert into ${table} select * from ${table} where n > 0 limit 1`,
        'a kept count is wrong',
      ],
    ),
    [
      'a wrong count of a sender',
      () => `update cert_sources set events_total = events_total + 1`,
      'a kept count is wrong',
    ],
    ['a dead letter that is not listed', () => `delete from dead_letters`, 'a kept count is wrong'],
    ['an unfinished event that is not listed', () => `delete from unfinished_events`, 'a kept count is wrong'],
    ['a clock that stands', () => `update domain_clocks set ends_at = now()`, 'a kept count is wrong'],
    ['a delivery that is not written down', () => `delete from notification_attempts`, 'a kept count is wrong'],
    [
      'a counter that missed one',
      () =>
        `update counters set value = value + 1 where name = 'fdt_cert_notifications_total' and labels like '%sent%'`,
      'a kept count is wrong',
    ],
  ])('finds %s', async (_what, plant, flaw) => {
    expect(names(await afterwards(plant()))).toContain(flaw);
  });

  it('counts what is lost and doubled', async () => {
    expect(await afterwards(`delete from certificate_lifecycle_events where id = ${event(1)}`)).toMatchObject({
      lost: 1,
      doubled: 0,
    });
    const twice = `update certificate_lifecycle_events set status = 'pending' where id = ${event(1)};`;
    expect(
      await afterwards(`${twice} update certificate_lifecycle_events set status = 'applied' where id = ${event(1)}`),
    ).toMatchObject({
      lost: 0,
      doubled: 1,
    });
  });

  it.each<[string, (folder: string) => void, string]>([
    [
      'an event accepted under two ids',
      (folder) => {
        note(
          folder,
          eventBody('a.example', 'renewal_failed', { sourceEventId: sent[1]?.body.sourceEventId }),
          randomUUID(),
        );
      },
      'accepted under two ids',
    ],
    [
      'an answer that must never be',
      (folder) => note(folder, eventBody('a.example', 'renewal_failed'), null, 500),
      'an answer that nobody expects',
    ],
    [
      'a 202 that names no event',
      (folder) => note(folder, eventBody('a.example', 'renewal_failed'), null),
      'a 202 without an id',
    ],
  ])('finds %s in the journals', async (_what, write, flaw) => {
    const folder = path.join(dir, randomUUID());
    write(folder);
    expect(names(await checkWorld(evidence({ dirs: [dir, folder] })))).toContain(flaw);
  });

  it('finds what reached the receiver under two ids, or not the same twice', async () => {
    const one = [...receiver.deliveries().keys()][0] ?? '';
    const two: CountingReceiver = { ...receiver, idsBySubject: () => new Map([['x', new Set([one, 'other'])]]) };
    expect(await checkWorld(evidence({ receiver: two }))).toMatchObject({ notificationsSplit: 1 });
    const other: CountingReceiver = { ...receiver, altered: () => new Set([one]) };
    expect(names(await checkWorld(evidence({ receiver: other })))).toEqual([
      'a notification said something else the next time',
    ]);
  });

  it('finds processes that ended by themselves', async () => {
    expect(names(await checkWorld(evidence({ ends: ['work-0 ended by itself'] })))).toEqual([
      'a process ended by itself',
    ]);
  });
});
