import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { waitFor } from '../../support/wait.ts';
import type { Drive, Scenario, World } from '../scenario.ts';
import { mustAcceptAgain, mustApply, repeatedly, spell } from './spells.ts';

const second = 1000;
const load = { rate: 100, senders: 16 };

const backends = async ({ sql }: World): Promise<number[]> =>
  (
    await sql<{ pid: number }[]>`
      select pid from pg_stat_activity where application_name like 'notafter%' and datname = current_database()`
  ).map(({ pid }) => pid);

/** Opens a drive that gets going before anything happens. */
const begin = async (world: World): Promise<Drive> => {
  const drive = await world.drive(load);
  await drive.untilAccepted(200);
  return drive;
};

const postgresKilled: Scenario = {
  row: 12,
  name: 'postgres-killed',
  title: 'PostgreSQL is killed, stopped at once, and loses one of its processes',
  run: async (world) => {
    const drive = await begin(world);
    for (const [what, end] of [
      ['PostgreSQL killed', () => world.postgres.kill9()],
      ['PostgreSQL stopped at once', () => world.postgres.stopAtOnce()],
    ] as const) {
      await end();
      await sleep(world.random.between(1, 5) * second);
      await world.postgres.restart();
      const since = Date.now();
      await mustAcceptAgain(world, drive, { what, since, limitMs: 3 * second });
      await mustApply(world, what, since, 15 * second);
      await drive.untilAccepted(drive.accepted() + 150);
    }
    for (let round = 1; round <= 3; round += 1) {
      const pids = await waitFor(() => backends(world), { what: 'the processes of PostgreSQL' });
      const since = Date.now();
      process.kill(pids[world.random.between(0, pids.length - 1)] ?? 0, 'SIGKILL');
      // The server ends all its processes and recovers by itself.
      await mustAcceptAgain(world, drive, { what: 'one process killed', since: since + 500, limitMs: 15 * second });
      await drive.untilAccepted(drive.accepted() + 100);
    }
  },
};

const backendsEnded: Scenario = {
  row: 13,
  name: 'backends-ended',
  title: 'somebody ends connections of the product, five a second',
  run: async (world) => {
    const drive = await begin(world);
    let ended = 0;
    await repeatedly(20 * second, 200, async () => {
      const pids = await backends(world);
      const pid = pids[world.random.between(0, pids.length - 1)];
      if (pid === undefined) return;
      await world.sql`select pg_terminate_backend(${pid})`;
      ended += 1;
    });
    world.measured('connections ended', ended, '');
    await drive.untilAccepted(drive.accepted() + 200);
    await mustApply(world, 'connections ended', Date.now(), 15 * second);
  },
};

const answersLost: Scenario = {
  row: 14,
  name: 'answers-lost',
  title: 'PostgreSQL commits and its answer is lost; Redis does as it is told and its answer is lost',
  run: async (world) => {
    const drive = await begin(world);
    const { proxy } = world.postgres;
    const rounds: readonly [RegExp, number][] = [
      [/insert into certificate_lifecycle_events/, 15],
      [/^\s*commit/i, 15],
      [/insert into certificate_lifecycle_events|^\s*commit/i, 15],
    ];
    for (const [what, times] of rounds) {
      const before = proxy.lost();
      proxy.loseAnswers(what, times);
      await waitFor(() => proxy.lost() >= before + times - 2, { timeoutMs: 60_000, what: 'answers to be lost' });
      await drive.untilAccepted(drive.accepted() + 50);
    }
    proxy.loseAnswers(/^$/, 0);
    if (world.redis !== null) {
      const redis = world.redis.proxy;
      redis.loseAnswers(/apply-group|evalsha/i, 30);
      await waitFor(() => redis.lost() >= 25, { timeoutMs: 60_000, what: 'answers of Redis to be lost' });
      redis.loseAnswers(/^$/, 0);
    }
    world.measured('answers lost', proxy.lost() + (world.redis?.proxy.lost() ?? 0), '');
    await mustApply(world, 'answers lost', Date.now(), 15 * second);
    await drive.untilAccepted(drive.accepted() + 200);
  },
};

/** Takes every connection that the server has left; gives them back. */
const takeAll = async (world: World): Promise<() => Promise<void>> => {
  const taken = postgres(world.postgres.server.url, { max: 200, onnotice: () => undefined, connect_timeout: 5 });
  const held: postgres.ReservedSql[] = [];
  try {
    for (;;) held.push(await taken.reserve());
  } catch (error) {
    world.say(`no connection is left after ${held.length}: ${String(error)}`);
  }
  return async () => {
    for (const one of held) one.release();
    await taken.end({ timeout: 1 });
  };
};

const noConnections: Scenario = {
  row: 15,
  name: 'connections-exhausted',
  title: 'PostgreSQL has no connection left for the product, and then silent ones only',
  world: { postgres: { max_connections: '110' } },
  run: async (world) => {
    const drive = await begin(world);
    for (let round = 1; round <= 2; round += 1) {
      // What the product gives up is taken at once.
      await world.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'notafter%'`;
      const giveBack = await takeAll(world);
      await sleep(10 * second);
      await giveBack();
      const since = Date.now();
      await mustAcceptAgain(world, drive, { what: 'no connection left', since, limitMs: 5 * second });
      await mustApply(world, 'no connection left', since, 15 * second);
      await drive.untilAccepted(drive.accepted() + 100);
    }
    const silent: readonly [string, number, number, () => void][] = [
      ['PostgreSQL refused', 5, 3, () => world.postgres.proxy.refuse()],
      ['PostgreSQL blackholed', 30, 6, () => world.postgres.proxy.blackhole()],
      ['nothing coming from PostgreSQL', 15, 6, () => world.postgres.proxy.halfOpen('to-client')],
    ];
    for (const [what, seconds, limit, fault] of silent) {
      await spell(drive, seconds * second, fault);
      world.postgres.proxy.heal();
      await mustAcceptAgain(world, drive, { what, since: Date.now(), limitMs: limit * second });
      await mustApply(world, what, Date.now(), 40 * second);
      await drive.untilAccepted(drive.accepted() + 100);
    }
    const since = Date.now();
    world.postgres.proxy.strand();
    await mustAcceptAgain(world, drive, { what: 'connections stranded', since: since + second, limitMs: 20 * second });
    await mustApply(world, 'connections stranded', since + second, 60 * second);
    await drive.untilAccepted(drive.accepted() + 200);
  },
};

const locksHeld: Scenario = {
  row: 16,
  name: 'locks-held',
  title: 'somebody holds rows and whole tables of the product locked',
  run: async (world) => {
    const drive = await begin(world);
    const some = world.domains.slice(0, 10);
    const holder = postgres(world.postgres.server.url, { max: 1, onnotice: () => undefined });
    const hold = (what: string, statement: string, seconds: number) =>
      holder.begin(async (tx) => {
        await tx.unsafe(statement);
        world.say(`${what} held for ${seconds} s`);
        await sleep(seconds * second);
      });
    const names = some.map((name) => `'${name}'`).join(',');
    const rows = hold('rows', `select 1 from custom_domains where domain in (${names}) for update`, 20);
    const other = world.domains.at(-1) ?? '';
    const { body } = await world.tell({ domain: other, eventType: 'renewal_failed' });
    const since = Date.now();
    await waitFor(
      async () =>
        (await world.sql`select 1 from noted_applications where event_id = ${String(body['eventId'])}`).length,
      { timeoutMs: 30_000, what: 'a domain that nobody holds to be served' },
    );
    world.measured('s until a free domain was served beside held ones', (Date.now() - since) / second, 's');
    await rows;
    await mustApply(world, 'rows held', Date.now(), 15 * second);
    for (const table of ['custom_domains', 'certificate_lifecycle_events']) {
      await hold(table, `lock table ${table} in access exclusive mode`, 12);
      const freed = Date.now();
      await mustAcceptAgain(world, drive, { what: `${table} held`, since: freed, limitMs: 5 * second });
      await mustApply(world, `${table} held`, freed, 15 * second);
    }
    await holder.end();
    await drive.untilAccepted(drive.accepted() + 200);
  },
};

const conflicts: Scenario = {
  row: 17,
  name: 'deadlocks',
  title: 'transactions of the product end in deadlocks and serialization failures',
  world: { domains: 20, postgres: { deadlock_timeout: '100ms' } },
  run: async (world) => {
    const drive = await begin(world);
    const rival = postgres(world.postgres.server.url, { max: 2, onnotice: () => undefined });
    const count = async (): Promise<number> =>
      Number(
        (await world.sql`select deadlocks from pg_stat_database where datname = current_database()`)[0]?.['deadlocks'],
      );
    // Against the order in which the product takes its locks.
    await repeatedly(20 * second, 50, () =>
      rival
        .begin(async (tx) => {
          const rows = await tx<{ id: string }[]>`select id from custom_domains order by id desc`;
          for (const { id } of rows.slice(0, 6)) {
            await tx`select 1 from custom_domains where id = ${id} for update`;
            await sleep(20);
          }
        })
        .catch((error: unknown) => world.say(`the rival gave way: ${String(error).slice(0, 80)}`)),
    );
    await rival.end();
    world.measured('deadlocks', await count(), '');
    const disturb = `
      create function sometimes_in_conflict() returns trigger language plpgsql as $$ begin
        if random() < 0.1 then raise exception 'in conflict' using errcode = (array['40001', '40P01', '55P03'])[1 + floor(random() * 3)]; end if;
        return null; end $$;
      create trigger sometimes after update on custom_domains for each statement execute function sometimes_in_conflict();
      create trigger sometimes after insert on certificate_lifecycle_events for each statement execute function sometimes_in_conflict();
      create trigger sometimes after update on certificate_notifications for each statement execute function sometimes_in_conflict();`;
    await waitFor(() => world.sql.unsafe(disturb), { timeoutMs: 30_000, what: 'conflicts to begin' });
    await drive.untilAccepted(drive.accepted() + 500);
    await waitFor(() => world.sql.unsafe('drop function sometimes_in_conflict cascade'), {
      timeoutMs: 30_000,
      what: 'the end of the conflicts',
    });
    await mustApply(world, 'conflicts', Date.now(), 15 * second);
  },
};

export const postgresScenarios: readonly Scenario[] = [
  postgresKilled,
  backendsEnded,
  answersLost,
  noConnections,
  locksHeld,
  conflicts,
];
