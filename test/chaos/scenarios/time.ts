import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clockFrom } from '../../support/faketime.ts';
import { freePort } from '../../support/ports.ts';
import { waitFor } from '../../support/wait.ts';
import type { Replica, Scenario, World } from '../scenario.ts';
import { untilCaughtUp } from './common.ts';

/** Has the event loop of a process that listens to its debugger do nothing else for so long. */
const block = async (debugPort: number, ms: number): Promise<void> => {
  const answer = await waitFor(() => fetch(`http://127.0.0.1:${debugPort}/json/list`), { what: 'the debugger' });
  // As the debugger describes what it can be attached to.
  const [target] = (await answer.json()) as { webSocketDebuggerUrl: string }[];
  if (target === undefined) throw new Error('the debugger knows no target');
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  const done = new Promise<void>((resolve, reject) => {
    socket.addEventListener('message', () => resolve());
    socket.addEventListener('error', () => reject(new Error('the debugger hung up')));
  });
  await new Promise((resolve) => socket.addEventListener('open', resolve));
  const expression = `{ const end = performance.now() + ${ms}; while (performance.now() < end); }`;
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
  await done;
  socket.close();
};

/** Twice the time after which a worker's job is given to another. */
const blockedMs = 10_000;

const frozen: Scenario = {
  row: 4,
  name: 'frozen',
  title: 'a process does nothing for twice the lock of its jobs, or is stopped for 15 seconds, and goes on',
  run: async (world) => {
    const ports = new Map<Replica, number>();
    for (const replica of [...world.workers, ...world.apis]) {
      const port = await freePort();
      ports.set(replica, port);
      await replica.kill9();
      await replica.start({ env: { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` } });
    }
    const drive = await world.drive({ rate: 120 });
    await drive.untilAccepted(200);
    for (const [replica, port] of ports) {
      world.say(`a ${replica.role} process does nothing for ${blockedMs / 1000} s`);
      await block(port, blockedMs);
      await drive.untilAccepted(drive.accepted() + 50);
    }
    for (const replica of ports.keys()) {
      world.say(`a ${replica.role} process is stopped for 15 s`);
      replica.signal('SIGSTOP');
      await sleep(15_000);
      replica.signal('SIGCONT');
      await drive.untilAccepted(drive.accepted() + 50);
    }
    world.measured('s until all was applied', (await untilCaughtUp(world, Date.now())) / 1000, 's');
  },
};

/** Starts a process whose clock is what a file says, and gives the way to set it: seconds ahead of the true time. */
const withClock = async (world: World, replica: Replica, ahead: number): Promise<(ahead: number) => void> => {
  const file = path.join(replica.app().dataDir, 'clock');
  const set = (seconds: number): void => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}s\n`);
  set(ahead);
  await replica.kill9();
  await replica.start({ env: clockFrom(file) });
  world.say(`the clock of a ${replica.role} process is ${ahead} s ahead`);
  return set;
};

/**
 * Makes the first domain's status due by the clock, and gives the milliseconds until a sweep has come round to it. Nothing else may
 * make it due: no drive speaks of it.
 */
export const untilSwept = async (world: World, timeoutMs = 60_000): Promise<number> => {
  const [domain = ''] = world.domains;
  const since = Date.now();
  await world.sql`
    update custom_domains set look_due_at = now() - interval '1 second' where domain = ${domain}`;
  await waitFor(
    async () => {
      const rows = await world.sql`
        select 1 from domain_clocks where look_due_at <= now() and domain_id = (select id from custom_domains where domain = ${domain})`;
      return rows.length === 0;
    },
    { timeoutMs, intervalMs: 100, what: 'the sweep over statuses to come round' },
  );
  return Date.now() - since;
};

const clocks: Scenario = {
  row: 20,
  name: 'clocks',
  title: 'clocks that differ by two minutes, and that jump by an hour, forth and back',
  run: async (world) => {
    const [api, , ...noApis] = world.apis;
    const [early, late] = world.workers;
    if (api === undefined || early === undefined || late === undefined || noApis.length > 0)
      throw new Error('the scenario wants two APIs and two workers');
    const drive = await world.drive({ rate: 120, domains: world.domains.slice(1) });
    const setApi = await withClock(world, api, 120);
    const setEarly = await withClock(world, early, 120);
    const setLate = await withClock(world, late, -120);
    await drive.untilAccepted(drive.accepted() + 400);
    world.measured(
      's until all was applied, clocks four minutes apart',
      (await untilCaughtUp(world, Date.now())) / 1000,
      's',
    );
    for (const hour of [3600, -3600]) {
      const way = hour > 0 ? 'forth' : 'back';
      for (const set of [setEarly, setLate]) set(hour);
      await drive.untilAccepted(drive.accepted() + 200);
      world.measured(`s until a sweep came round, an hour ${way}`, (await untilSwept(world)) / 1000, 's');
      for (const set of [setEarly, setLate]) set(0);
      await drive.untilAccepted(drive.accepted() + 200);
      world.measured(`s until a sweep came round, back from an hour ${way}`, (await untilSwept(world)) / 1000, 's');
    }
    // A signature counts for five minutes either way, so that no clock of an API may be further off.
    for (const ahead of [-200, 200, 0]) {
      setApi(ahead);
      await drive.untilAccepted(drive.accepted() + 200);
    }
    world.measured('s until all was applied', (await untilCaughtUp(world, Date.now())) / 1000, 's');
  },
};

export const timeScenarios: readonly Scenario[] = [frozen, clocks];
