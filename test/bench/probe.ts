import { mkdtempSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProbeDepth } from '../../src/lifecycle/served.ts';
import { startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { type ProbeChild, startProbeChild } from './probe-child.ts';
import type { HostileKind } from './probe-hostile.ts';
import { type Blackbox, type BlackboxModule, type Site, startBlackbox, startTlsServers } from './probe-servers.ts';
import type { Answer, Manner } from './probe-worker.ts';
import type { Case } from './run.ts';
import { cpuOf, type Measure, median, percentile } from './stats.ts';

const scrapes = 128;
const counts: Readonly<Record<Manner, number>> = {
  connect: 4000,
  fetch: 4000,
  full: 1000,
  'full, new chains': 1000,
  mix: 4000,
};
const subjects: Readonly<Record<Manner, string>> = {
  connect: 'TCP connect',
  fetch: 'certificate fetch, unchanged',
  full: 'full handshake, chain known',
  'full, new chains': 'full handshake, new chain',
  mix: '98 % fetch, 2 % full',
};
const manners: readonly Manner[] = ['connect', 'fetch', 'full', 'full, new chains', 'mix'];
const reference = 'blackbox_exporter, verifying';

type Values = Readonly<Record<string, number>>;

const assertOk = (what: string, { verdicts }: Pick<Answer, 'verdicts'>): void => {
  if (Object.keys(verdicts).join() !== 'ok') throw new Error(`${what}: not all is well: ${JSON.stringify(verdicts)}`);
};

const valuesOf = ({ cpuMs, ms, latencies }: Omit<Answer, 'p99s'>): Values => ({
  'CPU µs': (1000 * cpuMs) / latencies.length,
  'probes/s': (1000 * latencies.length) / ms,
  'p50 ms': percentile(latencies, 0.5),
  'p99 ms': percentile(latencies, 0.99),
});

const byUs = async (child: ProbeChild, manner: Manner): Promise<Values> => {
  const answer = await child.ask({ what: 'probe', manner, count: counts[manner] });
  assertOk(manner, answer);
  return valuesOf(answer);
};

/** Probes every site once through the exporter's own endpoint, as Prometheus does. */
const byBlackbox = async (blackbox: Blackbox, module: BlackboxModule, sites: readonly Site[]): Promise<Values> => {
  const left = [...sites];
  const latencies: number[] = [];
  const lane = async (): Promise<void> => {
    for (let site = left.pop(); site !== undefined; site = left.pop()) {
      const at = performance.now();
      const text = await (await fetch(blackbox.url(module, site))).text();
      if (!text.includes('\nprobe_success 1\n')) throw new Error(`blackbox_exporter fails on ${site.domain}:\n${text}`);
      latencies.push(performance.now() - at);
    }
  };
  const before = cpuOf(blackbox.pid);
  const started = performance.now();
  await Promise.all(Array.from({ length: scrapes }, lane));
  const ms = performance.now() - started;
  const cpuMs = cpuOf(blackbox.pid) - before;
  return valuesOf({ cpuMs, ms, latencies: latencies.toSorted((a, b) => a - b), verdicts: {} });
};

/** Medians over the rounds, the most CPU of any, and the share of the reference's CPU: its median and its worst. */
const summary = (part: string, rounds: readonly Readonly<Record<string, Values>>[]): Measure[] => {
  const column = (subject: string, name: string): number[] =>
    rounds.map((round) => round[subject]?.[name] ?? Number.NaN);
  const base = column(reference, 'CPU µs');
  return Object.entries(rounds[0] ?? {}).map(([subject, first]) => {
    const cpu = column(subject, 'CPU µs');
    const ratios = cpu.map((us, round) => us / (base[round] ?? Number.NaN));
    const middle = Object.keys(first).map((name) => [name, median(column(subject, name))] as const);
    const worst = { 'most CPU µs': Math.max(...cpu), 'of blackbox': median(ratios), worst: Math.max(...ratios) };
    return { part, subject, values: { ...Object.fromEntries(middle), ...worst } };
  });
};

interface Bench {
  readonly child: ProbeChild;
  readonly blackbox: Blackbox;
  readonly sites: readonly Site[];
}

const measureCpu = async ({ child, blackbox, sites }: Bench, rounds: number): Promise<Measure[]> => {
  const all: Readonly<Record<string, Values>>[] = [];
  await byUs(child, 'fetch');
  await byBlackbox(blackbox, 'verifying', sites);
  for (let round = 0; round < rounds; round += 1) {
    const values: Record<string, Values> = {};
    for (const manner of manners) values[subjects[manner]] = await byUs(child, manner);
    values[reference] = await byBlackbox(blackbox, 'verifying', sites);
    values['blackbox_exporter, not verifying'] = await byBlackbox(blackbox, 'not verifying', sites);
    all.push(values);
  }
  return summary('probe', all);
};

const hostileProgram = fileURLToPath(new URL('probe-hostile.ts', import.meta.url));

const startHostile = async (kind: HostileKind): Promise<{ address: string; stop: () => Promise<void> }> => {
  const child = startChild(process.execPath, [hostileProgram, kind]);
  const [, port = ''] = await child.waitForOutput(/port (\d+)\n/);
  return { address: `127.0.0.9:${port}`, stop: async () => void (await child.stop(1000)) };
};

/** Fills the backlog of a server that accepts nothing: whoever comes later gets no answer at all. */
const fillBacklog = (address: string): Socket[] => {
  const [host = '', port] = address.split(':');
  return Array.from({ length: 4 }, () => connect({ host, port: Number(port) }).on('error', () => undefined));
};

const perSecond = 300;

/** The good sites at a steady rate, alone and with a dead site beside every four of them. */
const measureDead = async (
  { child }: Bench,
  dead: readonly string[],
  rounds: number,
  seconds: number,
): Promise<Measure[]> => {
  const part = `probe, ${perSecond} good sites a second`;
  const one = async (some: readonly string[]): Promise<Answer> => {
    const answer = await child.ask({ what: 'steady', perSecond, seconds, dead: some });
    const { ok = 0, ...others } = answer.verdicts;
    if (ok !== perSecond * seconds || (some.length === 0) !== (Object.keys(others).length === 0))
      throw new Error(`dead sites: unexpected verdicts: ${JSON.stringify(answer.verdicts)}`);
    return answer;
  };
  const alone: Answer[] = [];
  const beside: Answer[] = [];
  for (let round = 0; round < rounds; round += 1) {
    alone.push(await one([]));
    beside.push(await one(dead));
  }
  return [
    { part, subject: 'alone', values: waitsOf(alone) },
    { part, subject: 'with 20 % dead', values: waitsOf(beside) },
  ];
};

const sorted = (answers: readonly Answer[], read: (answer: Answer) => readonly number[]): number[] =>
  answers.flatMap(read).toSorted((a, b) => a - b);

/** Over all rounds; a second is quiet when it is among the quieter quarter, so that what else the machine does counts for less. */
const waitsOf = (answers: readonly Answer[]): Values => {
  const latencies = sorted(answers, (answer) => answer.latencies);
  const p99s = sorted(answers, (answer) => answer.p99s);
  return {
    'p50 ms': percentile(latencies, 0.5),
    'p99 ms, quiet second': percentile(p99s, 0.25),
    'p99 ms, usual second': percentile(p99s, 0.5),
    'p99 ms': percentile(latencies, 0.99),
    'max ms': percentile(latencies, 1),
  };
};

const endlessCount = 20;

const measureEndless = async ({ child }: Bench, address: string): Promise<Measure[]> => {
  const one = async (depth: ProbeDepth): Promise<Measure> => {
    const answer = await child.ask({ what: 'once', address, depth, count: endlessCount });
    if (answer.verdicts['oversized'] !== endlessCount)
      throw new Error(`an endless server is ${JSON.stringify(answer.verdicts)}`);
    const { 'CPU µs': cpu = Number.NaN, 'p50 ms': p50 = Number.NaN } = valuesOf(answer);
    const values = { 'p50 ms': p50, 'max ms': answer.latencies.at(-1) ?? Number.NaN, 'CPU µs': cpu };
    return {
      part: 'probe, endless records',
      subject: depth === 'fetch' ? 'certificate fetch' : 'full handshake',
      values,
    };
  };
  return [await one('fetch'), await one('full')];
};

/**
 * What a probe costs the process that makes it, against blackbox_exporter and a bare TCP connect on the same servers in the same
 * rounds; how good sites fare beside dead ones; how soon a server that never ends its records is left.
 */
export const probe: Case = async ({ folder }, { rounds, seconds, profiles }) => {
  const parent = mkdtempSync(path.join(folder, 'probe-'));
  const open: { stop: () => Promise<void> }[] = [];
  const opened = <T extends { stop: () => Promise<void> }>(one: T): T => {
    open.push(one);
    return one;
  };
  const backlog: Socket[] = [];
  try {
    const servers = opened(await startTlsServers(parent));
    const blackbox = opened(await startBlackbox(parent, servers));
    const child = opened(startProbeChild(profiles === null ? null : path.join(profiles, 'prober')));
    const { sites, caFile } = servers;
    await child.ask({ what: 'set up', sites, caFile });
    const bench = { child, blackbox, sites };
    const cpu = await measureCpu(bench, rounds);
    const [tarpit, blackhole] = [opened(await startHostile('tarpit')), opened(await startHostile('blackhole'))];
    const endless = opened(await startHostile('endless'));
    backlog.push(...fillBacklog(blackhole.address));
    const refused = `127.0.0.9:${await freePort()}`;
    const dead = await measureDead(bench, [tarpit.address, blackhole.address, refused], rounds, seconds);
    return [...cpu, ...dead, ...(await measureEndless(bench, endless.address))];
  } finally {
    for (const socket of backlog) socket.destroy();
    for (const { stop } of open.toReversed()) await stop();
  }
};
