import { Command, Option } from 'commander';
import { noticeClasses } from '../lifecycle/notice.ts';
import { CommandError } from './api-client.ts';
import { epochOf, upTo, when } from './event-options.ts';
import { readBy, withApi, withPage } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { facts, factsOf, printable, table } from './table.ts';

interface FilterOptions {
  readonly status?: string;
  readonly channel?: string;
  readonly class?: string;
  readonly domain?: string;
  readonly orgId?: string;
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

interface ListOptions extends FilterOptions {
  readonly limit: number;
  readonly cursor?: string;
}

interface RequeueOptions extends FilterOptions {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly limit: number;
}

const path = '/v1/admin/notifications';
const at = (id: string): string => `${path}/${encodeURIComponent(id)}`;
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

/** The filters as the API has them; times as epoch milliseconds or RFC 3339. */
const filtersOf = (options: FilterOptions, now: number): Record<string, string> => {
  const { status, channel, class: noticeClass, domain, orgId, since, until } = options;
  const all = {
    status,
    channel,
    class: noticeClass,
    domain,
    orgId,
    since: since === undefined ? undefined : epochOf(since, now),
    until: until === undefined ? undefined : epochOf(until, now),
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
};

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
    const rows = listOf(body['notifications']).map((row) =>
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

const time = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text);

const bulkBody = (options: RequeueOptions, now: number): Record<string, unknown> => {
  const { since, until, ...filters } = filtersOf(options, now);
  return {
    ...filters,
    ...(since !== undefined && { since: time(since) }),
    ...(until !== undefined && { until: time(until) }),
    limit: options.limit,
    dryRun: options.dryRun ?? false,
  };
};

const requeue = (io: CliIo, ids: readonly string[], options: RequeueOptions): Promise<number> =>
  withApi(io, 'notifications requeue', async (api) => {
    const byFilter = options.all === true || Object.keys(filtersOf(options, io.now())).length > 0;
    if (ids.length > 0 === byFilter) throw new CommandError('give the ids of notifications, a filter, or --all');
    const people = readBy(io, options.json) !== null;
    if (byFilter) {
      const { body } = await api.expect('POST', `${path}/requeue`, { body: bulkBody(options, io.now()) });
      const { requeued, attempted } = body;
      io.stdout(people ? `${printable(requeued)} of ${printable(attempted)} requeued` : JSON.stringify(body));
      return 0;
    }
    for (const id of ids) {
      const { body } = await api.expect('POST', `${at(id)}/requeue`, { body: {} });
      const row = membersOf(body['notification']);
      io.stdout(people ? `${printable(row['id'])} is ${printable(row['status'])} again` : JSON.stringify(body));
    }
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
    .option('--dry-run', 'only show which')
    .option(json, jsonAbout)
    .action(async (ids: string[], options: RequeueOptions) => {
      process.exitCode = await requeue(io, ids, options);
    });
  return command;
};
