import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { Db } from './db/client.ts';
import type { Metrics } from './metrics.ts';
import type { Queues } from './queues/queues.ts';

/** What every part of the program is given, built once by `app.ts`. */
export interface Ctx {
  readonly config: Config;
  readonly db: Db;
  readonly queues: Queues;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Epoch milliseconds: when something was, by the database's clock. */
  readonly now: () => number;
  /** Milliseconds of a clock that only goes forward: how long something takes. */
  readonly elapsed: () => number;
  readonly resolveTxt: (name: string) => Promise<string[][]>;
}
