import { pino } from 'pino';
import { parseConfig } from '../../src/config.ts';
import type { Ctx } from '../../src/context.ts';
import { connectDb } from '../../src/db/client.ts';
import { createMetrics } from '../../src/metrics.ts';
import type { Queues } from '../../src/queues/queues.ts';

const unused = (): never => {
  throw new Error('not part of the comparison');
};

// The group's job is what is exchanged for another queue, so nothing here may be asked for anything.
const noQueues: Queues = {
  backend: 'postgres',
  enqueueGroup: unused,
  enqueueEvents: unused,
  enqueueOpened: unused,
  enqueueProbes: unused,
  unfinishedProbes: unused,
  kickSettle: unused,
  kickReplay: unused,
  kickDelivery: unused,
  carried: unused,
  depths: unused,
  board: unused,
  ping: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** The product's own context, from the environment, for servers that share its modules but not its queues. */
export const benchCtx = (): Ctx => {
  const config = parseConfig(process.env, unused);
  return {
    config,
    db: connectDb(config.DATABASE_URL ?? '', { max: 12, name: 'bench' }),
    queues: noQueues,
    log: pino({ level: 'warn' }),
    metrics: createMetrics(),
    now: () => Date.now(),
    elapsed: () => performance.now(),
    resolveTxt: unused,
  };
};
