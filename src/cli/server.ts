import { setTimeout as sleep } from 'node:timers/promises';
import { type Roles, type RunningApp, startApp } from '../app.ts';
import { type Config, loadConfig } from '../config.ts';
import { withGeneratedCredentials } from '../credentials.ts';
import { grantRuntime } from '../db/grants.ts';
import { migrate } from '../db/migrate.ts';
import { StartError } from '../errors.ts';
import { keepYoung } from '../heap.ts';
import { prepareQueueSchema } from '../queues/queue-schema.ts';
import { welcome } from './welcome.ts';

/** The platform is promised an exit within 25 s of SIGTERM. */
const exitWithinMs = 24_000;

type Line = (line: string) => void;

/** Ends the process on SIGTERM or SIGINT, also one that comes while it starts. A start that fails ends it by itself. */
const onSignals = (starting: Promise<RunningApp>): void => {
  let asked = false;
  const stop = async (): Promise<void> => {
    if (asked) return;
    asked = true;
    const late = sleep(exitWithinMs, null, { ref: false });
    const app = await Promise.race([starting, late]);
    if (app !== null) await Promise.race([app.stop(), late]);
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => void stop().catch(() => process.exit(1)));
  }
};

const run = async (roles: Roles, config: Config): Promise<RunningApp> => {
  keepYoung();
  // Signals first: the start has long stretches in which nothing else runs.
  const starting = Promise.resolve().then(() => startApp(config, roles));
  onSignals(starting);
  return starting;
};

/** `notafter serve` and `work`. @throws ConfigError or StartError that says what to mend. */
export const runRoles = async (roles: Roles): Promise<void> => {
  await run(roles, loadConfig());
};

/** `notafter all`: both roles, with generated credentials where none are configured. */
export const runAll = async (print: Line): Promise<void> => {
  const { config, generatedIn } = withGeneratedCredentials(loadConfig());
  const app = await run({ api: true, worker: true }, config);
  for (const line of welcome(app, config, generatedIn)) print(line);
};

/**
 * `notafter migrate`: the database, the queues where they live in it, and the rights of the role that the servers run as.
 *
 * @param role who is given those rights; nobody when undefined
 */
export const runMigrate = async (print: Line, role: string | undefined): Promise<void> => {
  const { DATABASE_URL: url, DATABASE_CA: ca, REDIS_URL: redis } = loadConfig();
  if (url === undefined)
    throw new StartError('migrate needs DATABASE_URL; the embedded database is migrated when it starts');
  await migrate(url, ca);
  if (redis === undefined) await prepareQueueSchema(url, ca);
  print('the database is up to date');
  if (role === undefined) return;
  await grantRuntime(url, role, ca);
  print(`${role} may read and write it`);
};
