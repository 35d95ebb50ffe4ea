#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { type RunningApp, type Roles, startApp } from './app.ts';
import { demoCommand } from './cli/demo.ts';
import { dlqCommand } from './cli/dlq.ts';
import { doctorCommand } from './cli/doctor.ts';
import { domainsCommand } from './cli/domains.ts';
import { emitCommand } from './cli/emit.ts';
import { eventsCommand } from './cli/events.ts';
import { firstEventCommand } from './cli/first-event.ts';
import { terminalOf } from './cli/io.ts';
import { commandEnv } from './cli/local-secrets.ts';
import { welcome } from './cli/welcome.ts';
import { type Config, environment, loadConfig } from './config.ts';
import { withGeneratedCredentials } from './credentials.ts';
import { migrate } from './db/migrate.ts';
import { ConfigError, messageOf, StartError } from './errors.ts';

/** The platform is promised an exit within 25 s of SIGTERM. */
const exitWithinMs = 24_000;

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const err = (line: string): void => void process.stderr.write(`${line}\n`);

/** Prints what an operator has to mend, one line each, and ends the process; anything else is a fault of the program. */
const fail = (error: unknown): never => {
  if (error instanceof ConfigError) for (const problem of error.problems) err(`notafter: ${problem}`);
  else if (error instanceof StartError) err(`notafter: ${error.message}`);
  else err(`notafter: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`);
  process.exit(1);
};

const onSignals = (app: RunningApp): void => {
  let asked = false;
  const stop = async (): Promise<void> => {
    if (asked) return;
    asked = true;
    const late = sleep(exitWithinMs, 'late', { ref: false });
    await Promise.race([app.stop(), late]);
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop().catch(fail));
};

const run = async (roles: Roles, config: Config, greet: (app: RunningApp) => void): Promise<void> => {
  const app = await startApp(config, roles);
  onSignals(app);
  greet(app);
};

const runAll = async (): Promise<void> => {
  const { config, generatedIn } = withGeneratedCredentials(loadConfig());
  await run({ api: true, worker: true }, config, (app) => {
    for (const line of welcome(app, config, generatedIn)) out(line);
  });
};

const migrateOnly = async (): Promise<void> => {
  const { DATABASE_URL: url } = loadConfig();
  if (url === undefined)
    throw new StartError('migrate needs DATABASE_URL; the embedded database is migrated when it starts');
  await migrate(url);
  out('the database is up to date');
};

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('notafter')
  .description('Certificate outcomes from any ACME client, each applied exactly once.')
  .version(version)
  .showHelpAfterError('(notafter --help lists the commands)');

program
  .command('all')
  .description('API and worker in one process; an embedded database and generated tokens where none are configured')
  .action(runAll);
program
  .command('serve')
  .description('only the API: ingest, control plane, admin')
  .action(() => run({ api: true, worker: false }, loadConfig(), () => undefined));
program
  .command('work')
  .description('only the worker: applies events, reconciles')
  .action(() => run({ api: false, worker: true }, loadConfig(), () => undefined));
program.command('migrate').description('bring the database to this version and exit').action(migrateOnly);

const io = {
  env: commandEnv(environment()),
  now: () => Date.now(),
  stdout: out,
  stderr: err,
  fetch: globalThis.fetch,
  ...terminalOf(process.stdout, process.stderr),
};
const commands = [
  firstEventCommand,
  demoCommand,
  doctorCommand,
  domainsCommand,
  eventsCommand,
  dlqCommand,
  emitCommand,
];
for (const command of commands) program.addCommand(command(io));

await program.parseAsync().catch(fail);
