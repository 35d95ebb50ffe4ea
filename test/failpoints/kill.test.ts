import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Load, startLoad } from '../support/driver.ts';
import { flawsOf, untilSettled } from '../support/ledger.ts';
import { waitFor } from '../support/wait.ts';
import { failpointNames } from './build.ts';
import {
  askedProbe,
  bulkReplay,
  eventsOf,
  flush,
  lateRegistration,
  load,
  notices,
  oneReplay,
  openStage,
  orphans,
  poisonedEvent,
  type Provoke,
  retriedInQueue,
  sentAgain,
  type Stage,
  untilReady,
  type Victim,
} from './stage.ts';

type Windows = Readonly<Record<string, Provoke>>;

/** What an API dies at. */
const serving: Windows = {
  'ingest.before-commit': load,
  'ingest.committed': load,
  'ingest.before-enqueue': load,
  'ingest.enqueued': load,
  'ingest.reopened': sentAgain,
  'register.committed': lateRegistration,
  'register.reopened': lateRegistration,
  'replay.before-enqueue': oneReplay,
};
/** What a worker dies at; those that need an emptied Redis come last. */
const working: Windows = {
  'deliver.claimed': notices,
  'deliver.sent': notices,
  'deliver.saving': notices,
  'deliver.saved': notices,
  'settle.saved': notices,
  'settle.committed': notices,
  'apply.reopened': retriedInQueue,
  'apply.locked': load,
  'apply.saved': load,
  'apply.committed': load,
  'apply.before-hand-over': poisonedEvent,
  'apply.fault-saved': poisonedEvent,
  'policy.reopened': poisonedEvent,
  'policy.committed': poisonedEvent,
  'replay.opened': bulkReplay,
  'replay.stepped': bulkReplay,
  'replay.noted': bulkReplay,
  'probe.claimed': askedProbe,
  'probe.looked': askedProbe,
  'probe.saved': askedProbe,
  'probe.committed': askedProbe,
  'reconcile.groups-read': orphans,
  'reconcile.regrouped': orphans,
  'reconcile.singles-read': orphans,
  'reconcile.reopened': orphans,
  'epoch.doubted': flush,
  'epoch.reconciled': flush,
};
const atOnce = 5;
const patienceMs = 150_000;

const envOf = (name: string): Record<string, string> => ({
  ...(name.startsWith('policy.') && { CERT_DLQ_AUTO_REPLAY_ENABLED: 'true' }),
  ...(name === 'probe.claimed' && { CERT_PROBE_FALLBACK_ENABLED: 'true' }),
});

let stage: Stage;
let senders: Load;
const alive: Victim[] = [];
beforeAll(async () => {
  stage = await openStage();
  const next = eventsOf(stage, 41);
  const urls = (): string[] => [stage.api.url, ...alive.filter((one) => !one.hasExited()).map(({ url }) => url)];
  senders = startLoad({ urls, next, senders: 4, pauseMs: 50 });
}, 240_000);
afterAll(() => stage.close());

const dieAt = async (name: string, provoke: Provoke, role: 'serve' | 'work'): Promise<string> => {
  const victim = await stage.start(role, { failpoints: `${name}=kill`, env: envOf(name) });
  if (role === 'serve') alive.push(victim);
  const deadline = performance.now() + patienceMs;
  await untilReady(victim).catch(() => 'it may be dead by now');
  while (!victim.hasExited() && performance.now() < deadline) {
    // What is asked of a process that dies has no answer.
    await provoke(stage, victim).catch(() => 'no answer');
    await Promise.race([victim.exited, sleep(500)]);
  }
  if (!victim.hasExited()) return `${name}: not reached\n${victim.output()}`;
  const { signal } = await victim.exited;
  return signal === 'SIGKILL' && victim.output().includes(`failpoint ${name}: kill`)
    ? `${name}: killed`
    : `${name}: ended by itself\n${victim.output()}`;
};

/** Has a process of its own die at each window, some at a time. */
const killAll = async (windows: readonly (readonly [string, Provoke, 'serve' | 'work'])[]): Promise<string[]> => {
  const left = [...windows];
  const seen: string[] = [];
  const lane = async (): Promise<void> => {
    for (let window = left.shift(); window !== undefined; window = left.shift()) seen.push(await dieAt(...window));
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return seen;
};

const windows = [
  ...Object.entries(serving).map(([name, provoke]) => [name, provoke, 'serve'] as const),
  ...Object.entries(working).map(([name, provoke]) => [name, provoke, 'work'] as const),
];

describe('a process killed at each failpoint under load', { timeout: 900_000 }, () => {
  it('is tried at every failpoint there is', () => {
    const migrating = failpointNames().filter((name) => name.startsWith('migrate.'));
    expect([...windows.map(([name]) => name), ...migrating].toSorted()).toEqual(failpointNames());
  });

  it('dies there', async () => {
    const seen = await killAll(windows);
    expect(seen.filter((one) => !one.endsWith(': killed'))).toEqual([]);
    expect(seen).toHaveLength(windows.length);
  });

  it('has lost nothing, applied nothing twice and said nothing under two names', async () => {
    const workers = [await stage.start('work'), await stage.start('work')];
    await Promise.all(workers.map(untilReady));
    await senders.stop();
    const { sql, receiver } = stage;
    await untilSettled(sql, 200_000);
    await waitFor(
      async () => {
        const [left] = await sql<{ notices: number; replays: number; looks: number }[]>`
          select (select count(*)::int from certificate_notifications where status in ('pending', 'failed')) as notices,
            (select count(*)::int from replays where finished_at is null) as replays,
            (select count(*)::int from custom_domains d where d.domain like '%.probe.example' and d.tls_last_checked_at is null) as looks`;
        if (left?.notices !== 0 || left.replays !== 0) throw new Error(JSON.stringify(left));
        return true;
      },
      { timeoutMs: 200_000, what: 'notices and replays to come to their end' },
    );
    expect(senders.acked.size).toBeGreaterThan(300);
    expect(senders.split).toEqual([]);
    expect(await flawsOf(sql, senders.acked)).toEqual([]);
    const unfinished = await sql`
      select domain, status from certificate_lifecycle_events
      where status <> 'applied' and domain <> ${stage.poisoned} and domain in (select domain from custom_domains) group by 1, 2`;
    expect([...unfinished]).toEqual([]);
    const sent = await sql<{ id: string }[]>`select id from certificate_notifications`;
    const heard = new Set(receiver.received.map(({ headers }) => headers['webhook-id']));
    expect([...heard].map(String).toSorted()).toEqual(sent.map(({ id }) => id).toSorted());
    const [counted] = await sql`
      select (select value::int from counters where name = 'fdt_cert_dlq_auto_replays_total')
        = (select count(*) from cert_event_replays where actor = 'policy') as replays,
        (select sum(opened)::int from replays) = (select count(*) from cert_event_replays where replay_id is not null) as opened`;
    expect(counted).toEqual({ replays: true, opened: true });
    const halfDone = await sql`
      select id, state, total, opened, applied, failed_again, skipped from replays
      where not (state = 'done' and opened = total and applied = total)`;
    expect([...halfDone]).toEqual([]);
  });
});
