import { Command, Option } from 'commander';
import { noticeClasses } from '../lifecycle/notice.ts';
import { upTo, when } from './event-options.ts';
import { readBy, withApi, withPage } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import {
  at,
  type FilterOptions,
  filtersOf,
  path,
  requeue,
  type RequeueOptions,
  unknownChannel,
} from './notifications-requeue.ts';
import { facts, factsOf, printable, table } from './table.ts';

interface ListOptions extends FilterOptions {
  readonly limit: number;
  readonly cursor?: string;
}

const statuses = ['pending', 'failed', 'sent', 'dead'];
const most = 1000;

const withFilters = (command: Command, choices: readonly string[]): Command =>
  command
    .addOption(new Option('--status <status>', 'state of the notification').choices(choices))
    .option('--channel <name>', 'channel it goes to')
    .addOption(new Option('--class <class>', 'what it is about').choices(noticeClasses))
    .option('--domain <name>', 'host name')
    .option('--org-id <id>', 'organisation of the domain')
    .addOption(new Option('--since <time>', 'decided then or later; also how long ago, such as 24h').argParser(when))
    .addOption(new Option('--until <time>', 'decided before then').argParser(when));

const list = (io: CliIo, options: ListOptions): Promise<number> =>
  withApi(io, 'notifications list', async (api) => {
    const query = new URLSearchParams({ ...filtersOf(options, io.now()), limit: String(options.limit) });
    if (options.cursor !== undefined) query.set('cursor', options.cursor);
    const { body } = await api.expect('GET', `${path}?${query.toString()}`);
    const columns = readBy(io, options.json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const found = listOf(body['notifications']);
    const unknown = found.length === 0 ? await unknownChannel(api, options.channel) : null;
    if (unknown !== null) io.stderr(`notafter notifications list: ${unknown}`);
    const rows = found.map((row) =>
      ['id', 'created_at', 'status', 'channel', 'action', 'class', 'summary', 'tries', 'last_error'].map(
        (name) => row[name],
      ),
    );
    const headings = ['ID', 'DECIDED', 'STATUS', 'CHANNEL', 'ACTION', 'CLASS', 'WHAT', 'TRIES', 'ERROR'];
    for (const line of table(headings, rows, columns)) io.stdout(line);
    const { pending, failed, sent, dead } = membersOf(body['stats']);
    io.stdout('');
    io.stdout(
      [
        `${printable(pending)} pending`,
        `${printable(failed)} failed`,
        `${printable(sent)} sent`,
        `${printable(dead)} dead`,
      ].join(', '),
    );
    if (typeof body['nextCursor'] === 'string') io.stdout(`more: --cursor ${printable(body['nextCursor'])}`);
    return 0;
  });

const shown = [
  'status',
  'kind',
  'action',
  'class',
  'severity',
  'route',
  'channel',
  'domain',
  'created_at',
  'sent_at',
  'next_attempt_at',
  'last_error',
];

const show = (io: CliIo, id: string, { json }: { json?: boolean }): Promise<number> =>
  withApi(io, 'notifications show', async (api) => {
    const { body } = await api.expect('GET', at(id));
    const columns = readBy(io, json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const row = membersOf(body['notification']);
    io.stdout(`${printable(row['id'])}  ${printable(row['summary'])}`);
    for (const line of facts(factsOf(row, shown))) io.stdout(line);
    io.stdout('');
    const tries = listOf(body['attempts']).map((one) => [
      one['created_at'],
      one['attempt'],
      one['delivered'] === true ? 'delivered' : 'failed',
      one['status'],
      `${printable(one['duration_ms'])} ms`,
      one['error'] ?? one['snippet'],
    ]);
    for (const line of table(['AT', 'TRY', 'RESULT', 'ANSWER', 'TOOK', ''], tries, columns)) io.stdout(line);
    return 0;
  });

const json = '--json';
const jsonAbout = 'print the JSON of the API, as is done without a terminal';

/** Makes the `notifications` subcommand: what was sent, what could not be, and sending it again. */
export const notificationsCommand = (io: CliIo): Command => {
  const command = new Command('notifications').description('read what was sent to receivers, and send it again');
  withPage(withFilters(command.command('list').description('notifications, newest first'), statuses)).action(
    async (options: ListOptions) => {
      process.exitCode = await list(io, options);
    },
  );
  command
    .command('show')
    .description('one notification and every try to deliver it')
    .argument('<id>', 'id of the notification')
    .option(json, jsonAbout)
    .action(async (id: string, options: { json?: boolean }) => {
      process.exitCode = await show(io, id, options);
    });
  withFilters(
    command
      .command('requeue')
      .description('deliver dead or failed notifications again, by id or all that the filters let through')
      .argument('[ids...]', 'ids of notifications')
      .option('--all', 'the oldest dead ones, without a filter'),
    ['dead', 'failed'],
  )
    .addOption(new Option('--limit <n>', 'most that are requeued at once').argParser(upTo(most)).default(100))
    .option('--dry-run', 'change nothing, only show which')
    .option('--reason <text>', 'why; it stands in the audit log')
    .option(json, jsonAbout)
    .action(async (ids: string[], options: RequeueOptions) => {
      process.exitCode = await requeue(io, ids, options);
    });
  return command;
};
