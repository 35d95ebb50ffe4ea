import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Scenario, World } from '../scenario.ts';
import { mustAccept, mustAcceptAgain, mustApply, spell } from './spells.ts';

const second = 1000;
const megabyte = 1_048_576;
const load = { rate: 100, senders: 16 };

/** A small disk in memory; only root may make one. */
const mountDisk = (at: string, megabytes: number): (() => void) => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', at]);
  return () => void execFileSync('umount', ['--lazy', at]);
};

/** Puts a small disk in the place of a folder, with what the folder holds. */
const ontoDisk = (folder: string, megabytes: number): (() => void) => {
  const aside = `${folder}.aside`;
  renameSync(folder, aside);
  mkdirSync(folder);
  const unmount = mountDisk(folder, megabytes);
  execFileSync('cp', ['-a', `${aside}/.`, folder]);
  execFileSync('chown', ['--reference', aside, folder]);
  execFileSync('chmod', ['--reference', aside, folder]);
  rmSync(aside, { recursive: true });
  return unmount;
};

/** Takes what a folder on a small disk holds back to the disk below. */
const offDisk = (folder: string, unmount: () => void): void => {
  const copy = mkdtempSync(path.join(tmpdir(), 'notafter-disk-'));
  execFileSync('cp', ['-a', `${folder}/.`, copy]);
  unmount();
  execFileSync('cp', ['-a', `${copy}/.`, folder]);
  rmSync(copy, { recursive: true });
};

/** Leaves so many bytes free on a disk; gives them back. */
const fillDisk = (folder: string, leave: number): (() => void) => {
  const { bavail, bsize } = statfsSync(folder);
  const ballast = path.join(folder, 'ballast');
  writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - leave)));
  return () => rmSync(ballast);
};

const databaseDisk = async (world: World): Promise<void> => {
  const { server } = world.postgres;
  await server.stop();
  const unmount = ontoDisk(server.dataDir, 400);
  try {
    await server.start();
    const drive = await world.drive(load);
    await drive.untilAccepted(200);
    for (let round = 1; round <= 2; round += 1) {
      const free = fillDisk(server.dataDir, round * megabyte);
      const answers = await spell(drive, 20 * second, () => world.say('the disk of PostgreSQL is full'));
      world.say(`${answers.filter(({ status }) => status === 202).length} of ${answers.length} were accepted`);
      free();
      // It may have stopped altogether; an operator starts it again.
      await server.stop();
      await server.start();
      const since = Date.now();
      await mustAcceptAgain(world, drive, { what: 'disk of PostgreSQL full', since, limitMs: 5 * second });
      await mustApply(world, 'disk of PostgreSQL full', since, 20 * second);
      await drive.untilAccepted(drive.accepted() + 150);
    }
    await drive.stop();
    await world.untilSettled();
    await server.stop();
    offDisk(server.dataDir, unmount);
  } finally {
    if (readdirSync(server.dataDir).length === 0) world.say('the disk is gone');
    await server.start();
  }
};

const postgresDisk: Scenario = {
  row: 18,
  name: 'disk-full-postgres',
  title: 'the disk of PostgreSQL is full',
  run: databaseDisk,
};

const redisDisk: Scenario = {
  row: 18,
  name: 'disk-full-redis',
  title: 'the disk of Redis is full',
  backends: ['redis'],
  run: async (world) => {
    const { redis } = world;
    if (redis === null) throw new Error('the world has no Redis');
    await redis.kill9();
    const unmount = ontoDisk(redis.server.dir, 60);
    try {
      await redis.restart();
      const drive = await world.drive(load);
      await drive.untilAccepted(200);
      for (let round = 1; round <= 2; round += 1) {
        const free = fillDisk(redis.server.dir, 100_000);
        mustAccept(world, 'with the disk of Redis full', await spell(drive, 15 * second, () => undefined));
        free();
        await redis.restart();
        await mustApply(world, 'with the disk of Redis full', Date.now(), 10 * second);
        await drive.untilAccepted(drive.accepted() + 150);
      }
      await drive.stop();
      await world.untilSettled();
    } finally {
      await redis.kill9();
      offDisk(redis.server.dir, unmount);
      await redis.restart();
    }
  },
};

const logs = path.join(tmpdir(), `notafter-full-logs-${process.pid}`);

const logDisk: Scenario = {
  row: 18,
  name: 'disk-full-logs',
  title: 'the disk that logs are written to is full',
  world: {
    env: { NOTAFTER_LOG_LEVEL: 'debug' },
    wrap: ['sh', '-c', `mkdir -p ${logs}; exec "$@" >>${logs}/$$.log 2>&1`, 'sh'],
  },
  run: async (world) => {
    const pids = [...world.apis, ...world.workers].map((replica) => replica.app().pid);
    for (const replica of [...world.apis, ...world.workers]) await replica.stop();
    const unmount = mountDisk(logs, 4);
    try {
      for (const replica of [...world.apis, ...world.workers]) await replica.start();
      const drive = await world.drive(load);
      await drive.untilAccepted(200);
      for (let round = 1; round <= 2; round += 1) {
        const free = fillDisk(logs, 0);
        mustAccept(world, 'with the disk of logs full', await spell(drive, 15 * second, () => undefined));
        await mustApply(world, 'with the disk of logs full', Date.now(), 10 * second);
        free();
      }
      await drive.untilAccepted(drive.accepted() + 100);
      const now = [...world.apis, ...world.workers].map((replica) => replica.app().pid);
      world.say(`processes before ${pids.join(' ')} and after ${now.join(' ')}`);
    } finally {
      unmount();
    }
  },
};

const fewFiles: Scenario = {
  row: 19,
  name: 'few-files',
  title: 'processes may open few files, fewer than there are senders',
  world: { wrap: ['prlimit', '--nofile=96:96'] },
  run: async (world) => {
    const drive = await world.drive({ senders: 16, rate: 100 });
    await drive.untilAccepted(300);
    const many = await world.drive({ senders: 300, rate: 200 });
    await spell(many, 15 * second, () => world.say('300 senders for 96 files'));
    await many.stop();
    const since = Date.now();
    await mustAcceptAgain(world, drive, { what: 'few files', since, limitMs: 10 * second });
    await drive.untilAccepted(drive.accepted() + 300);
    await mustApply(world, 'few files', since, 15 * second);
  },
};

const smallHeap: Scenario = {
  row: 19,
  name: 'small-heap',
  title: 'processes have a heap of 96 MB and more load than they can take',
  world: { env: { NODE_OPTIONS: '--max-old-space-size=96' } },
  run: async (world) => {
    const drive = await world.drive({ senders: 256 });
    await drive.untilAccepted(3000, 90_000);
    world.postgres.proxy.slow(50, 50);
    await spell(drive, 15 * second, () => world.say('a slow database under full load'));
    world.postgres.proxy.heal();
    await drive.untilAccepted(drive.accepted() + 1000, 60_000);
  },
};

export const limitScenarios: readonly Scenario[] = [postgresDisk, redisDisk, logDisk, fewFiles, smallHeap];
