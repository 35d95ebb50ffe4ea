import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ctx } from '../../src/context.ts';
import { readCounters } from '../../src/db/counters.ts';
import { claimDueNotices, saveTried } from '../../src/db/deliveries.ts';
import { readPolicyReport } from '../../src/db/policy.ts';
import { customDomains, events } from '../../src/db/schema.ts';
import type { Delivery } from '../../src/lifecycle/delivery.ts';
import { errorFingerprint } from '../../src/lifecycle/error-pattern.ts';
import type { ChannelTraits, Routing } from '../../src/lifecycle/notify-routes.ts';
import type { Channel } from '../../src/notify/channel.ts';
import { deliverer, refreshAlerts } from '../../src/processors/deliver.ts';
import { dlqPolicy } from '../../src/processors/dlq-policy.ts';
import type { WorkTools } from '../../src/processors/tools.ts';
import { createTestApi, domainOf, eventOf, type TestApi } from '../support/api.ts';

const start = Date.UTC(2026, 4, 1, 3);
const minute = 60_000;
const hour = 60 * minute;

let api: TestApi;
let tools: Pick<WorkTools, 'notify'>;
beforeAll(async () => {
  api = await createTestApi([], start);
  const channel: ChannelTraits = { kinds: ['alert'], resolves: true };
  const runbook: ChannelTraits = { kinds: ['runbook'], resolves: false };
  const routing: Routing = {
    channels: new Map([
      ['chat', channel],
      ['pager', channel],
      ['runbook', runbook],
    ]),
    always: ['chat', 'runbook'],
    routes: [{ match: { route: ['page'] }, channels: ['pager'], stop: false }],
  };
  tools = { notify: { channels: new Map(), routing } };
});
afterAll(() => api.close());
beforeEach(async () => {
  await api.db.sql`
    truncate certificate_notifications, certificate_alerts, counters, custom_domains, domain_clocks, certificate_lifecycle_events,
      dead_letters, unfinished_events, cert_event_replays, policy_reports`;
  api.setNow(start);
  api.queues.jobs.length = 0;
  api.queues.deliveryKicks.length = 0;
});

type Settings = Partial<Ctx['config']>;
const policy = (settings: Settings = {}) =>
  dlqPolicy({ ...api.ctx, config: { ...api.ctx.config, CERT_DLQ_AUTO_REPLAY_ENABLED: true, ...settings } }, tools);
const run = (settings: Settings = {}) => policy(settings)();

interface Letter {
  readonly error?: string;
  readonly errorClass?: 'internal' | 'invalid' | 'unresolved';
  readonly replays?: number;
  /** How long ago it was received and gave up. */
  readonly age?: number;
  readonly quiet?: number;
}

/** Puts a dead letter into the ledger. */
const letter = async ({
  error = 'a fault',
  errorClass = 'internal',
  replays = 0,
  age = 2 * hour,
  quiet = hour,
}: Letter = {}) => {
  const now = api.ctx.now();
  const domain = domainOf();
  await api.db.orm.insert(customDomains).values(domain);
  const failed = new Date(now - quiet);
  const row = eventOf(now - age, {
    domain: domain.domain,
    status: 'failed',
    retry_count: 6,
    last_error: error,
    error_class: errorClass,
    error_pattern: error,
    error_fingerprint: errorFingerprint(errorClass, error),
    dlq_replay_count: replays,
    updated_at: failed,
    processed_at: failed,
  });
  await api.db.orm.insert(events).values(row);
  return row.id;
};

const statusOf = async (id: string): Promise<string> => {
  const [row] = await api.db.sql<
    { status: string }[]
  >`select status from certificate_lifecycle_events where id = ${id}`;
  return row?.status ?? 'gone';
};
const replayed = (): string[] => api.queues.jobs.map(({ id }) => id);
const counters = async (): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await readCounters(api.db))
      .filter(({ value }) => value > 0)
      .map(({ name, labels, value }) => [[name, ...Object.values(labels)].join(' '), value]),
  );
const notices = () => api.db.sql<
  { id: string; action: string; class: string; route: string; channel: string; summary: string }[]
>`
  select id, action, class, route, channel, summary from certificate_notifications order by seq`;
const audited = () => api.db.sql<{ action: string; actor_kind: string; object_id: string | null; after: unknown }[]>`
  select action, actor_kind, object_id, after from audit_log order by seq`;

describe('the replay policy', () => {
  it('does nothing unless it is asked for', async () => {
    const id = await letter();
    await run({ CERT_DLQ_AUTO_REPLAY_ENABLED: false });
    expect(await statusOf(id)).toBe('failed');
    expect(await readPolicyReport(api.db)).toBeNull();
    expect(await notices()).toEqual([]);
  });

  it('replays the oldest that may pass now, at most so many, with counters and an audit row', async () => {
    const known = (await audited()).length;
    const ids = [];
    for (const age of [5, 4, 3, 2])
      ids.push(await letter({ age: age * hour, error: age % 2 === 0 ? 'a fault' : 'another' }));
    const fresh = await letter({ quiet: 900_000 - 1 });
    const spent = await letter({ replays: 3 });
    await run({ CERT_DLQ_REPLAY_MAX_EVENTS: 3 });
    expect(replayed()).toEqual(ids.slice(0, 3));
    expect(await Promise.all([...ids, fresh, spent].map(statusOf))).toEqual([
      'pending',
      'pending',
      'pending',
      'failed',
      'failed',
      'failed',
    ]);
    expect(await counters()).toEqual({
      fdt_cert_dlq_auto_replays_total: 3,
      'fdt_cert_dlq_replayed_events_total policy': 3,
      'fdt_cert_dlq_escalations_total exhausted': 1,
    });
    expect((await audited()).slice(known)).toEqual([
      { action: 'policy.replay', actor_kind: 'policy', object_id: null, after: { replayed: { transient: 3 } } },
      {
        action: 'policy.escalate',
        actor_kind: 'policy',
        object_id: errorFingerprint('internal', 'a fault'),
        after: { class: 'exhausted', route: 'ticket', events: 1, pattern: 'a fault' },
      },
    ]);
    const [note] = await api.db.sql`select actor, reason from cert_event_replays limit 1`;
    expect(note).toEqual({ actor: 'policy', reason: 'replayed by policy' });
    await run({ CERT_DLQ_REPLAY_MAX_EVENTS: 3 });
    expect(replayed()).toEqual(ids);
  });

  it('never replays an event twice, however many workers run it at once', async () => {
    const ids = [];
    for (let n = 0; n < 30; n += 1) ids.push(await letter({ age: (60 - n) * minute }));
    await Promise.all(Array.from({ length: 4 }, () => run()));
    await run();
    expect(replayed().toSorted()).toEqual(ids.toSorted());
    expect((await counters())['fdt_cert_dlq_auto_replays_total']).toBe(30);
  });

  it('tells of data at once, of what is spent by a page in production, and of nothing twice', async () => {
    await letter({ errorClass: 'invalid', error: 'bad date', quiet: 0, age: 0 });
    await letter({ errorClass: 'invalid', error: 'bad date' });
    await letter({ error: 'gone wrong', replays: 3 });
    const inProd = { CERT_DEPLOYMENT_ENV: 'prod' } as const;
    await run(inProd);
    const told = await notices();
    expect(told.map(({ id: _id, ...rest }) => rest)).toEqual([
      {
        action: 'fire',
        class: 'dead_letters',
        route: 'ticket',
        channel: 'chat',
        summary: '2 events gave up, it cannot succeed as it was sent: bad date',
      },
      {
        action: 'fire',
        class: 'dead_letters_exhausted',
        route: 'page',
        channel: 'chat',
        summary: '1 event gave up for good, it was replayed 3 times and failed again: gone wrong',
      },
      expect.objectContaining({ class: 'dead_letters_exhausted', route: 'page', channel: 'pager' }),
    ]);
    expect(api.queues.deliveryKicks.toSorted()).toEqual(['chat', 'pager']);
    api.setNow(start + 48 * hour);
    await run(inProd);
    expect(await notices()).toHaveLength(3);
    expect(replayed()).toEqual([]);
  });

  it('tells of the end when the group is empty again, and begins anew when it fills', async () => {
    const id = await letter({ errorClass: 'invalid', error: 'bad date' });
    await run();
    await api.db.sql`delete from certificate_lifecycle_events where id = ${id}`;
    await run();
    expect((await notices()).map(({ action, summary }) => [action, summary])).toEqual([
      ['fire', '1 event gave up, it cannot succeed as it was sent: bad date'],
      ['resolve', 'none of these dead letters of class data is left: bad date'],
    ]);
    await letter({ errorClass: 'invalid', error: 'bad date' });
    await run();
    expect(await notices()).toHaveLength(2);
    api.setNow(start + hour);
    await run();
    const all = await notices();
    expect(all.map(({ action }) => action)).toEqual(['fire', 'resolve', 'fire']);
    expect(new Set(all.map((one) => one.id)).size).toBe(3);
  });

  it('tells again of what no receiver took, after the cooldown, and of its end only who was told', async () => {
    await letter({ errorClass: 'invalid', error: 'bad date' });
    await run();
    const refuse = async (): Promise<void> => {
      const now = api.ctx.now();
      const [row] = await claimDueNotices(api.db, 'chat', { now, limit: 1, leaseMs: 1000 });
      if (row === undefined) throw new Error('nothing was due');
      const delivery: Delivery = { kind: 'refused', status: 404, snippet: null, error: 'the receiver answered 404' };
      const after = { status: 'dead', nextAttemptAt: null } as const;
      await saveTried(api.db, [{ row, delivery, after, at: now, durationMs: 1 }], now);
    };
    await refuse();
    const [alert] = await api.db.sql`select alert_count, channels from certificate_alerts`;
    expect(alert).toEqual({ alert_count: 0, channels: [] });
    await run();
    expect(await notices()).toHaveLength(1);
    api.setNow(start + 31 * minute);
    await run();
    await run();
    expect((await notices()).map(({ action }) => action)).toEqual(['fire', 'fire']);
    await refuse();
    await api.db.sql`delete from certificate_lifecycle_events`;
    await run();
    expect(await notices()).toHaveLength(2);
  });

  it('is told again and again to receivers that forget, and ends late where a requeue came late', async () => {
    await letter({ errorClass: 'invalid', error: 'bad date' });
    await run();
    const keys: string[] = [];
    const chat: Channel = {
      name: 'chat',
      type: 'alertmanager',
      kinds: ['alert'],
      resolves: true,
      send: () => Promise.resolve({ kind: 'sent', status: 200, snippet: null }),
      refresh: (firing) => {
        keys.push(...firing.map(({ alertKey, domain }) => `${alertKey} ${String(domain)}`));
        return Promise.resolve({ kind: 'sent', status: 200, snippet: null });
      },
    };
    const channels = new Map([['chat', chat]]);
    const given = { notify: { channels, routing: tools.notify.routing }, stopping: new AbortController().signal };
    await refreshAlerts(api.ctx, { ...given, random: () => 0 });
    expect(keys).toEqual([`dead-letters-${errorFingerprint('invalid', 'bad date')}-data:dead_letters null`]);
    await api.db.sql`update certificate_notifications set requeues = 1`;
    await api.db.sql`delete from certificate_alerts`;
    await deliverer(api.ctx, { ...given, random: () => 0 })({ channel: 'chat' });
    expect((await notices()).map(({ action }) => action)).toEqual(['fire', 'resolve']);
  });

  it('leaves unresolved events to their registration', async () => {
    const id = await letter({ errorClass: 'unresolved', replays: 5, age: 300 * hour });
    await run();
    expect(await statusOf(id)).toBe('failed');
    expect(await notices()).toEqual([]);
    expect(await readPolicyReport(api.db)).toMatchObject({
      events: 1,
      waiting: [{ class: 'dependency', events: 1, reason: 'applied by itself once its domain is registered' }],
      escalations: [],
    });
  });

  it('tries one event of a dependency first, and the others once it was applied', async () => {
    const error = 'tunnel directory answered <n>';
    const first = await letter({ error, age: 9 * hour });
    const others = [await letter({ error, age: 8 * hour }), await letter({ error, age: 7 * hour })];
    await run();
    expect(replayed()).toEqual([first]);
    await run();
    expect(replayed()).toEqual([first]);
    await api.db
      .sql`update certificate_lifecycle_events set status = 'applied', error_class = null where id = ${first}`;
    api.setNow(start + minute);
    await run();
    expect(replayed()).toEqual([first, ...others]);
  });

  it('holds the others back where the first of a dependency fails again, until it has been quiet', async () => {
    const error = 'tunnel directory answered <n>';
    const first = await letter({ error, age: 9 * hour });
    const second = await letter({ error, age: 8 * hour });
    await run();
    api.setNow(start + minute);
    await api.db.sql`
      update certificate_lifecycle_events set status = 'failed', processed_at = ${new Date(start + minute).toISOString()},
        updated_at = ${new Date(start + minute).toISOString()}
      where id = ${first}`;
    await run();
    expect(replayed()).toEqual([first]);
    api.setNow(start + 16 * minute);
    await run();
    expect(replayed()).toEqual([first, first]);
    expect(await statusOf(second)).toBe('failed');
  });

  it('only reports in a dry run, and ends what it told of before', async () => {
    const known = (await audited()).length;
    const data = await letter({ errorClass: 'invalid', error: 'bad date' });
    await run();
    const id = await letter();
    await run({ CERT_DLQ_AUTO_REPLAY_DRY_RUN: true });
    expect(await Promise.all([statusOf(id), statusOf(data)])).toEqual(['failed', 'failed']);
    expect(replayed()).toEqual([]);
    expect(await readPolicyReport(api.db)).toMatchObject({
      mode: 'dry-run',
      events: 2,
      replayed: { transient: 1 },
      escalations: [{ class: 'data', route: 'ticket', events: 1, pattern: 'bad date' }],
    });
    expect((await notices()).map(({ action }) => action)).toEqual(['fire', 'resolve']);
    expect((await audited()).slice(known)).toHaveLength(1);
    await run({ CERT_DLQ_AUTO_REPLAY_ENABLED: false, CERT_DLQ_AUTO_REPLAY_DRY_RUN: true });
    expect(await readPolicyReport(api.db)).toMatchObject({ mode: 'dry-run' });
  });

  it('takes back nothing of a run that failed', async () => {
    const id = await letter();
    await letter({ errorClass: 'invalid' });
    await api.db.sql`alter table audit_head rename to audit_head_away`;
    await expect(run()).rejects.toThrow('audit_head');
    await api.db.sql`alter table audit_head_away rename to audit_head`;
    expect(await statusOf(id)).toBe('failed');
    expect(await counters()).toEqual({});
    expect(await notices()).toEqual([]);
    expect(replayed()).toEqual([]);
  });
});
