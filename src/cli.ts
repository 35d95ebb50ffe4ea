#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { auditCommand } from './cli/audit.ts';
import { demoCommand } from './cli/demo.ts';
import { withPolicy } from './cli/dlq-policy.ts';
import { dlqCommand } from './cli/dlq.ts';
import { doctorCommand } from './cli/doctor.ts';
import { domainsCommand } from './cli/domains.ts';
import { emitCommand } from './cli/emit.ts';
import { eventsCommand } from './cli/events.ts';
import { firstEventCommand } from './cli/first-event.ts';
import { incidentsCommand } from './cli/incidents.ts';
import { terminalOf } from './cli/io.ts';
import { commandEnv } from './cli/local-secrets.ts';
import { notificationsCommand } from './cli/notifications.ts';
import { overviewCommand } from './cli/overview.ts';
import { tokensCommand } from './cli/tokens.ts';
import { environment } from './config.ts';
import { ConfigError, messageOf, StartError } from './errors.ts';

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const err = (line: string): void => void process.stderr.write(`${line}\n`);

/** Prints what an operator has to mend, one line each, and ends the process; anything else is a fault of the program. */
const fail = (error: unknown): never => {
  if (error instanceof ConfigError) for (const problem of error.problems) err(`notafter: ${problem}`);
  else if (error instanceof StartError) err(`notafter: ${error.message}`);
  else err(`notafter: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`);
  process.exit(1);
};

/** Read only where a server is started: what it takes to run one is most of the program. */
const server = () => import('./cli/server.ts');

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('notafter')
  .description('Certificate outcomes from any ACME client, each applied exactly once.')
  .version(version)
  .showHelpAfterError('(notafter --help lists the commands)')
  .addHelpText(
    'after',
    [
      '',
      'Environment of the commands that talk to a server:',
      '  NOTAFTER_URL         its address (default: http://127.0.0.1:PORT)',
      '  NOTAFTER_TOKEN_FILE  file of an admin token (default: the one in NOTAFTER_DATA_DIR/secrets, or of CERT_ADMIN_TOKENS)',
      '  PORT                 port of a server on this host (default: 8080)',
      'The README lists the variables of the server.',
    ].join('\n'),
  );

program
  .command('all')
  .description('API and worker in one process; an embedded database and generated tokens where none are configured')
  .action(async () => (await server()).runAll(out));
program
  .command('serve')
  .description('only the API: ingest, control plane, admin')
  .action(async () => (await server()).runRoles({ api: true, worker: false }));
program
  .command('work')
  .description('only the worker: applies events, reconciles')
  .action(async () => (await server()).runRoles({ api: false, worker: true }));
program
  .command('migrate')
  .description('bring the database to this version and exit')
  .option('--grant-to <role>', 'give this role what the servers need: rows, but no tables')
  .action(async ({ grantTo }: { grantTo?: string }) => (await server()).runMigrate(out, grantTo));

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
  overviewCommand,
  domainsCommand,
  eventsCommand,
  withPolicy(dlqCommand),
  incidentsCommand,
  notificationsCommand,
  auditCommand,
  tokensCommand,
  emitCommand,
];
for (const command of commands) program.addCommand(command(io));

await program.parseAsync().catch(fail);
