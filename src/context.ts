import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { Db } from './db/client.ts';
import type { Metrics } from './metrics.ts';
import type { Queues } from './queues/queues.ts';

/** What every part of the program is given, built once by `app.ts`. `now` is epoch milliseconds. */
export interface Ctx {
  readonly config: Config;
  readonly db: Db;
  readonly queues: Queues;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly now: () => number;
  readonly resolveTxt: (name: string) => Promise<string[][]>;
}
