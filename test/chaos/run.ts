import { quantile } from '../support/driver.ts';
import type { Flaw } from '../support/ledger.ts';
import type { Backend, Figure, Scenario, Verdict } from './scenario.ts';
import { type OpenWorld, openWorld } from './world.ts';

/** What came of one scenario on one backend with one seed. */
export interface Result {
  readonly row: number | null;
  readonly name: string;
  readonly title: string;
  readonly backend: Backend;
  readonly seed: number;
  readonly ok: boolean;
  readonly verdict: Verdict | null;
  /** What went wrong beside the verdict. */
  readonly errors: readonly string[];
  readonly figures: readonly Figure[];
  /** 99th percentile of the time to a 202, in ms; NaN without any. */
  readonly ackP99: number;
  readonly seconds: number;
  readonly dir: string;
}

export interface RunOptions {
  readonly backend: Backend;
  readonly seed: number;
  readonly print: (line: string) => void;
  /** Longest wait for everything to be settled; default two minutes. */
  readonly settleMs?: number;
}

const messageOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** Ends the load, undoes what the proxies and the receiver were told, and waits until nothing is left to do. */
const quiesce = async (world: OpenWorld, settleMs: number): Promise<void> => {
  world.redis?.proxy.heal();
  world.postgres.proxy.heal();
  world.receiver.behave('accept');
  await Promise.all(world.drives.map((drive) => drive.stop()));
  const since = Date.now();
  await world.untilSettled(settleMs);
  world.say(`settled after ${((Date.now() - since) / 1000).toFixed(1)} s`);
};

const summary = ({ accepted, lost, doubled, orphaned, notifications, flaws }: Verdict): string =>
  `${accepted} accepted, ${lost} lost, ${doubled} doubled, ${orphaned} orphaned, ${notifications} notifications, ${flaws.length} flaws`;

const show = (flaws: readonly Flaw[], say: (text: string) => void): void => {
  for (const [flaw, all] of Map.groupBy(flaws, (one) => one.flaw))
    say(`  ${flaw}: ${all.length}, such as ${JSON.stringify(all[0]).slice(0, 1000)}`);
};

/** Runs one scenario in a world of its own and checks what it left. */
export const runScenario = async (scenario: Scenario, options: RunOptions): Promise<Result> => {
  const { backend, seed, print, settleMs = 120_000 } = options;
  const { row, name, title } = scenario;
  const started = performance.now();
  const errors: string[] = [];
  const world = await openWorld({ ...scenario.world, backend, seed, print, name: `${name}-${backend}-${seed}` });
  const step = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      errors.push(messageOf(error));
      world.say(`failed: ${messageOf(error)}`);
      return null;
    }
  };
  try {
    await step(() => scenario.run(world));
    await step(() => quiesce(world, settleMs));
    const verdict = await step(() => world.check());
    await step(async () => scenario.expect?.(world));
    if (verdict !== null) {
      world.say(summary(verdict));
      show(verdict.flaws, world.say);
    }
    const acks = world.drives.flatMap((drive) => drive.answers().filter(({ status }) => status === 202));
    const ackP99 = quantile(
      acks.map(({ ms }) => ms),
      0.99,
    );
    const ok = errors.length === 0 && verdict !== null && verdict.flaws.length === 0;
    const seconds = (performance.now() - started) / 1000;
    const figures = [...world.figures];
    return { row, name, title, backend, seed, ok, verdict, errors, figures, ackP99, seconds, dir: world.dir };
  } finally {
    await world.close();
  }
};
