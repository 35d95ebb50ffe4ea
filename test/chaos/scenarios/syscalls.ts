import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requireBinary } from '../../support/binaries.ts';
import { startChild } from '../../support/child.ts';
import type { Scenario, World } from '../scenario.ts';
import { untilCaughtUp } from './common.ts';

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);

/** Makes system calls of running processes fail as told (strace's `inject=`), for so long. */
const inject = async (world: World, pids: readonly number[], faults: readonly string[], ms: number): Promise<void> => {
  const calls = faults.map((fault) => fault.split(':')[0]);
  const args = ['-f', '-qq', '-o', path.join(world.dir, 'strace.log'), '-e', `trace=${calls.join(',')}`];
  const strace = startChild(requireBinary('strace'), [
    ...args,
    ...faults.flatMap((fault) => ['-e', `inject=${fault}`]),
    ...pids.flatMap((pid) => ['-p', String(pid)]),
  ]);
  await sleep(ms);
  const early = strace.hasExited();
  await strace.stop();
  const said = strace.output();
  if (early && /not permitted|attach/i.test(said))
    throw new Error(`system calls cannot be made to fail: ${said.slice(0, 300)}`);
};

const forMs = 5000;

const syscalls: Scenario = {
  row: 34,
  name: 'syscalls',
  title: 'system calls of the product, of Postgres and of Redis fail',
  run: async (world) => {
    const drive = await world.drive({ rate: 100 });
    await drive.untilAccepted(100);
    const hit = async (what: string, pids: readonly number[], faults: readonly string[]): Promise<void> => {
      world.say(`${what}: ${faults.join(', ')}`);
      await inject(world, pids, faults, forMs);
      await drive.untilAccepted(drive.accepted() + 50, 120_000);
      world.measured(
        `s until all was applied after faults of ${what}`,
        (await untilCaughtUp(world, Date.now())) / 1000,
        's',
      );
    };
    for (const replica of [world.apis[0], world.workers[0]]) {
      if (replica === undefined) throw new Error('the world has no such process');
      const pid = replica.app().pid;
      await hit(
        `a ${replica.role} process`,
        [pid],
        ['connect:error=ECONNREFUSED:when=1+3', 'accept4:error=EMFILE:when=2+3'],
      );
      await hit(
        `a ${replica.role} process`,
        [pid],
        ['writev:error=ECONNRESET:when=20+40', 'accept4:error=ECONNABORTED:when=1+2'],
      );
      await hit(`a ${replica.role} process`, [pid], ['socket:error=ENFILE:when=1+2', 'read:error=EINTR:when=10+10']);
    }
    const { dataDir } = world.postgres.server;
    // A fault may end the server; the one that is started then has another number.
    const family = (): number[] => {
      const postmaster = Number.parseInt(readFileSync(path.join(dataDir, 'cluster', 'postmaster.pid'), 'utf8'), 10);
      return [postmaster, ...childrenOf(postmaster)];
    };
    await hit('Postgres', family(), ['pwrite64:error=ENOSPC:when=40+60']);
    await hit('Postgres', family(), ['fdatasync:error=EIO:when=30']);
    await hit('Postgres', family(), ['recvfrom:error=ECONNRESET:when=60+80']);
    if (world.redis !== null) {
      const pid = [world.redis.server.pid()];
      await hit('Redis', pid, ['fdatasync:error=EIO:when=1+2']);
      await hit('Redis', pid, ['write:error=ENOSPC:when=50+200']);
    }
  },
};

export const syscallScenarios: readonly Scenario[] = [syscalls];
