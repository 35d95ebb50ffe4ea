// `probe-worker.ts`, forked: a prober in a process of its own, so that its CPU is its alone. Does what each message asks for.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KnownServed, Look, ProbeDepth } from '../../src/lifecycle/served.ts';
import { createProber, type Prober } from '../../src/probe/prober.ts';
import { parseEndpoint } from '../../src/probe/target.ts';
import type { Site } from './probe-servers.ts';
import { percentile } from './stats.ts';

/** How sites are looked at: `mix` is the steady state, two in a hundred full handshakes. */
export type Manner = 'connect' | 'fetch' | 'full' | 'full, new chains' | 'mix';

export type Ask =
  | { readonly what: 'set up'; readonly sites: readonly Site[]; readonly caFile: string }
  | { readonly what: 'probe'; readonly manner: Manner; readonly count: number }
  | { readonly what: 'steady'; readonly perSecond: number; readonly seconds: number; readonly dead: readonly string[] }
  | { readonly what: 'once'; readonly address: string; readonly depth: ProbeDepth; readonly count: number };

export interface Answer {
  /** CPU of this process while it worked, user and system. */
  readonly cpuMs: number;
  readonly ms: number;
  /** Of each probe of a good site, or of each of `once`, in ms, sorted. */
  readonly latencies: readonly number[];
  /** The p99 of those that began in each second, in ms: a stall of the machine spoils one of them, not all. */
  readonly p99s: readonly number[];
  /** How often each verdict came. */
  readonly verdicts: Readonly<Record<string, number>>;
}

const inFlight = 128;
const fullInHundred = 2;
const week = 7 * 86_400_000;

interface Stage {
  readonly sites: readonly Site[];
  readonly prober: Prober;
  readonly newProber: () => Prober;
  readonly known: Map<string, KnownServed>;
}

type Known = ReadonlyMap<string, KnownServed>;

const lookAt = async (prober: Prober, site: Site, depth: ProbeDepth, known: Known = new Map()): Promise<Look> => {
  const { domain, address } = site;
  const { looks } = await prober.probe({ domain, probeAddress: [address], starttls: null, depth, known });
  const [look] = looks;
  if (look === undefined) throw new Error(`${domain} was not looked at`);
  return look;
};

const knownOf = ({ certificate, verdict, error, checkedAt }: Look): KnownServed => {
  if (certificate === null || verdict !== 'ok') throw new Error(`a good site is ${verdict}: ${error}`);
  const { ref: certificateRef, notBefore, notAfter, chainNotAfter } = certificate;
  return { certificateRef, verdict, error, notBefore, notAfter, chainNotAfter, fullyCheckedAt: checkedAt };
};

const inLanes = async (count: number, work: (index: number) => Promise<void>): Promise<void> => {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane));
};

/** A TCP connection that is reset at once: what no probe can do without. */
const plainConnect = (site: Site): Promise<string> =>
  new Promise((resolve, reject) => {
    const { address: host, port } = parseEndpoint(site.address, 0) ?? { address: '', port: 0 };
    const socket = connect({ host, port, autoSelectFamily: false }, () => socket.resetAndDestroy());
    socket.once('error', reject).once('close', () => resolve('ok'));
  });

/** Runs `work`, which notes each latency and verdict, and tells what it cost. */
const measured = async (
  work: (note: (startedAt: number | null, verdict: string) => void) => Promise<void>,
): Promise<Answer> => {
  const taken: { readonly second: number; readonly ms: number }[] = [];
  const verdicts: Record<string, number> = {};
  const before = process.cpuUsage();
  const started = performance.now();
  await work((startedAt, verdict) => {
    if (startedAt !== null)
      taken.push({ second: Math.floor((startedAt - started) / 1000), ms: performance.now() - startedAt });
    verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
  });
  const { user, system } = process.cpuUsage(before);
  const ms = performance.now() - started;
  const bySecond = [...Map.groupBy(taken, ({ second }) => second).values()];
  return {
    cpuMs: (user + system) / 1000,
    ms,
    latencies: sortedMs(taken),
    p99s: bySecond.map((some) => percentile(sortedMs(some), 0.99)),
    verdicts,
  };
};

const sortedMs = (taken: readonly { readonly ms: number }[]): number[] =>
  taken.map(({ ms }) => ms).toSorted((a, b) => a - b);

const siteAt = ({ sites }: Stage, index: number): Site => {
  const site = sites[index % sites.length];
  if (site === undefined) throw new Error('there are no sites');
  return site;
};

const knownAt = (stage: Stage, { domain, address }: Site, isOld: boolean): Known => {
  const known = stage.known.get(domain);
  if (known === undefined) return new Map();
  // A full handshake that is a week old is due again: the fetch is followed by one.
  return new Map([[address, isOld ? { ...known, fullyCheckedAt: known.fullyCheckedAt - week } : known]]);
};

const probeAll = async (stage: Stage, manner: Manner, count: number): Promise<Answer> => {
  const isFresh = manner === 'full, new chains';
  const prober = isFresh ? stage.newProber() : stage.prober;
  // The roots are read once in the life of a prober.
  if (isFresh) await lookAt(prober, siteAt(stage, count), 'full');
  const depth = manner === 'full' || isFresh ? 'full' : 'fetch';
  const one = async (index: number): Promise<string> => {
    const site = siteAt(stage, index);
    if (manner === 'connect') return plainConnect(site);
    const isOld = manner === 'mix' && index % 100 < fullInHundred;
    const known = isFresh ? new Map<string, KnownServed>() : knownAt(stage, site, isOld);
    const look = await lookAt(prober, site, depth, known);
    return look.depth === (isOld ? 'full' : depth) ? look.verdict : `${look.verdict}, ${look.depth}`;
  };
  const answer = await measured((note) =>
    inLanes(count, async (index) => {
      const started = performance.now();
      note(started, await one(index));
    }),
  );
  if (isFresh) await prober.close();
  return answer;
};

/** Good sites at a steady rate, each due at its time, and beside them a dead one for every four of them where there are any. */
const steady = (stage: Stage, perSecond: number, seconds: number, dead: readonly string[]): Promise<Answer> =>
  measured(async (note) => {
    const began = performance.now();
    const running: Promise<void>[] = [];
    const start = async (site: Site, isGood: boolean, due: number): Promise<void> => {
      // A dead site was good once: it is fetched like the others.
      const known = isGood ? knownAt(stage, site, false) : knownOfAnother(stage, site);
      const { verdict } = await lookAt(stage.prober, site, 'fetch', known);
      note(isGood ? due : null, verdict);
    };
    for (let index = 0; index < perSecond * seconds; index += 1) {
      const due = began + (1000 * index) / perSecond;
      while (performance.now() < due) await sleep(1);
      running.push(start(siteAt(stage, index), true, due));
      const address = index % 4 === 0 ? dead[(index / 4) % dead.length] : undefined;
      if (address !== undefined) running.push(start({ domain: `dead-${index}.bench.test`, address }, false, due));
    }
    await Promise.all(running);
  });

const knownOfAnother = (stage: Stage, { address }: Site): Known =>
  new Map([...stage.known.values()].slice(0, 1).map((known) => [address, known]));

const setUp = async ({ sites, caFile }: Extract<Ask, { what: 'set up' }>): Promise<Stage> => {
  const trustedCaPem = readFileSync(caFile, 'utf8');
  const newProber = (): Prober =>
    createProber({
      allowedCidrs: ['127.0.0.0/8'],
      allowedPorts: [443],
      trustedCaPem,
      timeoutMs: 8000,
      dnsServers: [],
      now: Date.now,
      elapsed: () => performance.now(),
    });
  const stage = { sites, prober: newProber(), newProber, known: new Map<string, KnownServed>() };
  await inLanes(sites.length, async (index) => {
    const site = siteAt(stage, index);
    stage.known.set(site.domain, knownOf(await lookAt(stage.prober, site, 'full')));
  });
  return stage;
};

const none: Answer = { cpuMs: 0, ms: 0, latencies: [], p99s: [], verdicts: {} };
const held: { stage: Stage | null } = { stage: null };

const answerTo = async (ask: Ask): Promise<Answer> => {
  if (ask.what === 'set up') {
    held.stage = await setUp(ask);
    return none;
  }
  const { stage } = held;
  if (stage === null) throw new Error('the prober is not set up');
  if (ask.what === 'probe') return probeAll(stage, ask.manner, ask.count);
  if (ask.what === 'steady') return steady(stage, ask.perSecond, ask.seconds, ask.dead);
  const site = { domain: siteAt(stage, 0).domain, address: ask.address };
  return measured(async (note) => {
    for (let left = ask.count; left > 0; left -= 1) {
      const started = performance.now();
      const { verdict } = await lookAt(stage.prober, site, ask.depth, knownOfAnother(stage, site));
      note(started, verdict);
    }
  });
};

process.on('message', (ask) => {
  // Sent by probe-child.ts.
  void answerTo(ask as Ask).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.(error instanceof Error ? error.message : String(error)),
  );
});
process.once('disconnect', () => process.exit(0));
