import type { Command } from 'commander';
import { readBy, withApi } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { printable, table } from './table.ts';

interface Options {
  readonly json?: boolean;
}

type Row = Readonly<Record<string, unknown>>;

const modes: Readonly<Record<string, string>> = {
  on: 'it replays by itself',
  'dry-run': 'dry run: it changes nothing',
};

const rowOf = (what: string, { events, class: kind, reason, pattern }: Row): unknown[] => [
  what,
  events,
  kind,
  reason,
  pattern,
];

const rowsOf = (report: Row): unknown[][] => [
  ...listOf(report['escalations']).map((one) => rowOf(printable(one['route']), one)),
  ...listOf(report['waiting']).map((one) => rowOf('wait', one)),
];

const show = (io: CliIo, options: Options): Promise<number> =>
  withApi(io, 'dlq policy', async (api) => {
    const { body } = await api.expect('GET', '/v1/admin/dlq-policy');
    const columns = readBy(io, options.json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    if (body['enabled'] === false && body['dryRun'] === false)
      io.stdout('the policy is off: set CERT_DLQ_AUTO_REPLAY_DRY_RUN=true to see what it would do');
    if (body['report'] === null) {
      io.stdout('it has not run yet');
      return 0;
    }
    const report = membersOf(body['report']);
    const mode = String(report['mode']);
    const replayed = Object.entries(membersOf(report['replayed'])).map(([kind, n]) => `${printable(n)} ${kind}`);
    io.stdout(
      `last run ${printable(report['at'])} (${modes[mode] ?? mode}), ${printable(report['events'])} dead letters`,
    );
    io.stdout(`${mode === 'dry-run' ? 'would replay' : 'replayed'}: ${replayed.join(', ') || 'none'}`);
    const rows = rowsOf(report);
    if (rows.length > 0) {
      io.stdout('');
      for (const line of table(['DOES', 'EVENTS', 'CLASS', 'WHY', 'ERROR'], rows, columns)) io.stdout(line);
    }
    if (Number(report['more']) > 0) io.stdout(`and ${printable(report['more'])} more kinds of error`);
    return 0;
  });

/** Adds the verb `policy` to the `dlq` subcommand: what the replay policy did when it last ran. */
export const withPolicy =
  (make: (io: CliIo) => Command) =>
  (io: CliIo): Command => {
    const dlq = make(io);
    dlq
      .command('policy')
      .description('what the replay policy did, or would have done, when it last ran')
      .option('--json', 'print the answer as JSON, as is done without a terminal')
      .action(async (options: Options) => {
        process.exitCode = await show(io, options);
      });
    return dlq;
  };
