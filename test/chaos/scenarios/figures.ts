import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../support/driver.ts';
import { waitFor } from '../../support/wait.ts';
import type { Drive, Scenario, World, WorldRedis } from '../scenario.ts';
import { untilCaughtUp, untilKnown } from './common.ts';

const redisOf = ({ redis }: World): WorldRedis => {
  if (redis === null) throw new Error('the world has no Redis');
  return redis;
};

/** Writes events into the ledger as if they had been accepted while nothing was applied. */
const fillLedger = (world: World, count: number): Promise<unknown> =>
  world.sql.unsafe(`
    insert into cert_sources (source, cluster_id, events_total, last_seen_at) values ('certbot', 'eu', ${count}, now())
      on conflict (source, cluster_id) do update set events_total = cert_sources.events_total + excluded.events_total;
    insert into certificate_lifecycle_events (id, source, cluster_id, source_event_id, org_id, domain_id, domain, event_type,
      occurred_at, certificate_ref, not_after, renewal_due_at, group_id, content_hash, created_at, updated_at, payload_json)
    select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - ${count} + g), 12, '0') || '-7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid,
      'certbot', 'eu', 'backlog-' || g, d.org_id, d.id, d.domain, 'renewal_succeeded', now() - (${count} - g) * interval '1 ms',
      'sha256:' || upper(lpad(to_hex(g), 64, '0')), now() + interval '90 days', now() + interval '60 days',
      (lpad(to_hex(g / 500), 32, '0'))::uuid, decode(lpad(to_hex(g), 64, '0'), 'hex'), now() - interval '1 minute',
      now() - interval '1 minute', '{}'
    from generate_series(1, ${count}) g
    join (select row_number() over (order by domain) - 1 as n, * from custom_domains) d on d.n = g % (select count(*) from custom_domains)`);

/** FLUSHALL while `pending` events wait: all are queued again by itself within five minutes. */
const totalLoss = (pending: number): Scenario => ({
  row: null,
  name: 'total-loss',
  title: `FLUSHALL while ${pending.toLocaleString('en')} events wait`,
  backends: ['redis'],
  world: { domains: 5000 },
  run: async (world) => {
    for (const worker of world.workers) await worker.kill9();
    await fillLedger(world, pending);
    for (const worker of world.workers) await worker.start({ ready: false });
    await waitFor(async () => (await world.sql`select 1 from noted_applications limit 1`).length > 0, {
      timeoutMs: 120_000,
      what: 'the first of them to be applied',
    });
    const [row] = await world.sql<{ n: number }[]>`
      select count(*)::int as n from certificate_lifecycle_events where status = 'pending'`;
    world.measured('events pending at the time of FLUSHALL', row?.n ?? 0, '');
    const since = Date.now();
    await redisOf(world).command('FLUSHALL');
    world.measured('s until all was queued again', (await untilKnown(world, since, 600_000)) / 1000, 's');
    await waitFor(
      async () => {
        const [left] = await world.sql<{ n: number }[]>`
          select coalesce(sum(n), 0)::int as n from event_counts where status = 'pending'`;
        return left?.n === 0;
      },
      { timeoutMs: 900_000, intervalMs: 500, what: 'all to be applied' },
    );
    world.measured('s until all was applied', (Date.now() - since) / 1000, 's');
  },
  expect: async (world) => {
    const slow = world.figures.find(({ what, value }) => what === 's until all was queued again' && value > 300);
    if (slow !== undefined) throw new Error(`all was queued again only after ${slow.value} s`);
  },
});

const between = (drive: Drive, from: number, to: number) => drive.answers().filter(({ at }) => at >= from && at < to);

const acksMs = 12_000;

const deadAcks: Scenario = {
  row: null,
  name: 'redis-dead-acks',
  title: 'Redis dead and blackholed, at 500 events a second',
  backends: ['redis'],
  run: async (world) => {
    const redis = redisOf(world);
    const drive = await world.drive({ rate: 500, senders: 64 });
    const measure = async (how: string): Promise<void> => {
      const from = Date.now();
      await sleep(acksMs);
      const seen = between(drive, from, Date.now());
      const p99 = quantile(
        seen.map(({ ms }) => ms),
        0.99,
      );
      world.measured(`ms to a 202 (p99), Redis ${how}`, p99, 'ms');
      world.measured(`answers a second, Redis ${how}`, (1000 * seen.length) / acksMs, '/s');
      const refused = seen.filter(({ status }) => status !== 202).length;
      world.measured(`requests refused, Redis ${how}`, refused, '');
    };
    await drive.untilAccepted(1000);
    await measure('there');
    await redis.kill9();
    await measure('dead');
    await redis.restart();
    await drive.untilAccepted(drive.accepted() + 1000);
    redis.proxy.blackhole();
    await measure('blackholed');
    redis.proxy.heal();
  },
  expect: async (world) => {
    const bad = world.figures.filter(
      ({ what, value }) =>
        (what.startsWith('requests refused') && value > 0) ||
        (what.startsWith('ms to a 202') && !what.endsWith('there') && value > 250),
    );
    if (bad.length > 0) throw new Error(`without Redis senders notice: ${JSON.stringify(bad)}`);
  },
};

/** Milliseconds from receipt to application of what was received between two moments (epoch ms) for these domains. */
const applyMs = async (world: World, domains: readonly string[], from: number, to: number): Promise<number[]> => {
  const rows = await world.sql<{ ms: number }[]>`
    select (extract(epoch from n.at - e.created_at) * 1000)::float8 as ms
    from certificate_lifecycle_events e join noted_applications n on n.event_id = e.id
    where e.domain = any(${[...domains]}) and e.created_at between to_timestamp(${from} / 1000.0) and to_timestamp(${to} / 1000.0)`;
  return rows.map(({ ms }) => ms);
};

// So few that two cores have time left beside all that runs here: whether others are kept waiting is asked, not how much fits.
const usualRate = 5;
const phaseMs = 15_000;
// By turns, so that a slow moment of the machine falls on both.
const rounds = 4;

const noisyTenant: Scenario = {
  row: null,
  name: 'noisy-tenant',
  title: 'one organisation at ten times its rate, the three others as always',
  // What runs by the clock comes every two seconds in the other scenarios, and costs more than so few events.
  world: { domains: 400, env: { CERT_WORKER_INTERVAL_SECONDS: '30' } },
  run: async (world) => {
    // Domains are given to the four organisations in turn.
    const noisy = world.domains.filter((_, n) => n % 4 === 0);
    const others = world.domains.filter((_, n) => n % 4 !== 0);
    await world.drive({ rate: 3 * usualRate, domains: others, senders: 24 });
    const loud = await world.drive({ rate: usualRate, domains: noisy, senders: 8 });
    await loud.untilAccepted(10 * usualRate);
    const phase = async (): Promise<number[]> => {
      const from = Date.now();
      await sleep(phaseMs);
      const to = Date.now();
      await untilCaughtUp(world, to);
      return applyMs(world, others, from, to);
    };
    const [usual, crowded]: [number[], number[]] = [[], []];
    for (let round = 1; round <= rounds; round += 1) {
      usual.push(...(await phase()));
      const louder = await world.drive({ rate: 9 * usualRate, domains: noisy, senders: 32 });
      await louder.untilAccepted(2 * usualRate);
      crowded.push(...(await phase()));
      await louder.stop();
    }
    for (const [name, q] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const) {
      const [asAlways, besideNoise] = [quantile(usual, q), quantile(crowded, q)];
      const what = `ms from receipt to application of the others (${name})`;
      world.measured(`${what}, all as always`, asAlways, 'ms');
      world.measured(`${what}, one at ten times`, besideNoise, 'ms');
      world.measured(`times as long for the others (${name})`, besideNoise / asAlways, '');
    }
  },
  expect: async (world) => {
    const times = world.figures.find(({ what }) => what === 'times as long for the others (p99)')?.value ?? Number.NaN;
    if (!(times < 2)) throw new Error(`one organisation makes the others wait ${times.toFixed(2)} times as long`);
  },
};

/** Figures that stand beside the matrix. `pending`: events that wait when Redis loses everything. */
export const figureScenarios = (pending: number): readonly Scenario[] => [totalLoss(pending), deadAcks, noisyTenant];
