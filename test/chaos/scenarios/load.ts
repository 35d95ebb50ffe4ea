import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../support/driver.ts';
import type { Drive, Scenario, World } from '../scenario.ts';
import { untilCaughtUp } from './common.ts';

/** Milliseconds of answers that came since `since` (epoch ms), at their 99th percentile. */
export const p99Since = (drive: Drive, since: number): number =>
  quantile(
    drive.answers().flatMap(({ at, ms }) => (at >= since ? [ms] : [])),
    0.99,
  );

const storm: Scenario = {
  row: 21,
  name: 'storm',
  title: 'ten times the usual load for twenty seconds',
  run: async (world) => {
    const usual = await world.drive({ rate: 80, senders: 16 });
    await usual.untilAccepted(400);
    world.measured('ms to a 202 before the storm (p99)', p99Since(usual, 0), 'ms');
    const begun = Date.now();
    const more = await world.drive({ rate: 720, senders: 64 });
    await sleep(20_000);
    world.measured('ms to a 202 in the storm (p99)', p99Since(usual, begun), 'ms');
    world.measured('events of the storm accepted a second', more.accepted() / ((Date.now() - begun) / 1000), '/s');
    await more.stop();
    world.measured('s until all of the storm was applied', (await untilCaughtUp(world, Date.now())) / 1000, 's');
    const refused = [...usual.answers(), ...more.answers()].filter(({ status }) => status !== 202).length;
    world.measured('requests refused', refused, '');
  },
};

const poisonWord = 'poison';

/** From now on the database refuses to write events that carry the word as applied, whatever else is in their transaction. */
const poisonLedger = (world: World): Promise<unknown> =>
  world.sql.unsafe(`
    create function refuse_poison() returns trigger language plpgsql as $$
      begin raise exception 'division by poison' using errcode = '22012'; end $$;
    create trigger refuse_poison before update of status on certificate_lifecycle_events
      for each row when (new.status = 'applied' and new.reason = '${poisonWord}') execute function refuse_poison();`);

const poison: Scenario = {
  row: 22,
  name: 'poison',
  title: 'events that undo every transaction they are part of, among sound ones',
  world: { mayFail: true },
  run: async (world) => {
    await poisonLedger(world);
    const drive = await world.drive({ rate: 200 });
    const doses = 60;
    for (let n = 0; n < doses; n += 1) {
      const domain = world.random.pick([world.domains[0] ?? '', ...world.domains]);
      const { status } = await world.tell({ domain, eventType: 'renewal_failed', reason: poisonWord }, n % 2);
      if (status !== 202) throw new Error(`a poisoned event was answered ${status}`);
      await drive.untilAccepted(drive.accepted() + 10);
    }
    const since = Date.now();
    world.measured('ms until all that came with poison had been tried', await untilCaughtUp(world, since), 'ms');
    await drive.stop();
    await world.untilSettled();
    const rows = await world.sql<{ status: string; poisoned: boolean; n: number }[]>`
      select status, reason is not distinct from ${poisonWord} as poisoned, count(*)::int as n
      from certificate_lifecycle_events group by 1, 2`;
    const wrong = rows.filter(({ status, poisoned }) => poisoned !== (status === 'failed'));
    const dead = rows.find(({ poisoned }) => poisoned)?.n;
    if (wrong.length > 0 || dead !== doses)
      throw new Error(`poison killed others, or did not die: ${JSON.stringify([...rows])}`);
    await world.sql`drop function refuse_poison() cascade`;
  },
};

const duplicateStorm: Scenario = {
  row: 23,
  name: 'duplicate-storm',
  title: 'one event ten thousand times over 64 connections and two APIs',
  run: async (world) => {
    const [domain = ''] = world.domains;
    const event = {
      domain,
      eventType: 'renewal_failed',
      sourceEventId: `storm-${world.random.between(0, 1e9)}`,
      occurredAt: Date.now(),
      reason: 'storm',
    };
    const ids = new Set<unknown>();
    let [firsts, sent] = [0, 0];
    const sender = async (_: unknown, lane: number): Promise<void> => {
      while (sent < 10_000) {
        sent += 1;
        const { status, body } = await world.tell(event, (lane + sent) % 2);
        if (status !== 202) throw new Error(`a repeat was answered ${status}`);
        ids.add(body['eventId']);
        if (body['duplicate'] !== true) firsts += 1;
      }
    };
    const since = performance.now();
    await Promise.all(Array.from({ length: 64 }, sender));
    world.measured('repeats answered a second', sent / ((performance.now() - since) / 1000), '/s');
    if (ids.size !== 1 || firsts !== 1)
      throw new Error(`one event was given ${ids.size} ids and called new ${firsts} times`);
    await world.untilSettled();
    const [row] = await world.sql<{ n: number; failures: number }[]>`
      select (select count(*)::int from certificate_lifecycle_events) as n,
        (select cert_failure_count from custom_domains where domain = ${domain}) as failures`;
    if (row?.n !== 1 || row.failures !== 1)
      throw new Error(`one event had more than one effect: ${JSON.stringify(row)}`);
  },
};

const outOfOrder: Scenario = {
  row: 24,
  name: 'out-of-order',
  title: 'events of a few domains in any order, with many repeats',
  run: async (world) => {
    const drive = await world.drive({ events: 6000, duplicates: 0.3, domains: world.domains.slice(0, 8), senders: 64 });
    await drive.finished();
    world.measured('s until all was applied', (await untilCaughtUp(world, Date.now(), 120_000)) / 1000, 's');
  },
};

const oneDomain: Scenario = {
  row: 25,
  name: 'one-domain',
  title: 'three workers and three APIs, and all events are of one domain',
  world: { apis: 3, workers: 3 },
  run: async (world) => {
    const drive = await world.drive({ events: 4000, domains: world.domains.slice(0, 1), senders: 48 });
    await drive.finished();
    world.measured('s until all was applied', (await untilCaughtUp(world, Date.now(), 120_000)) / 1000, 's');
  },
};

export const loadScenarios: readonly Scenario[] = [storm, poison, duplicateStorm, outOfOrder, oneDomain];
